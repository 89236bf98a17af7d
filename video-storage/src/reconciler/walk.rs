//! Reading the catalogue and the folders of the store side by side, in the order of the ids.
//!
//! Nothing here decides: it only finds what does not fit together at first sight. So it does not
//! matter that the sources are read at different moments, nor would it if one of them were out of
//! order.

use std::collections::VecDeque;

use futures_util::{StreamExt as _, TryStreamExt as _};
use uuid::Uuid;

use super::ReconcileError;
use super::report::CheckedBody;
use crate::catalogue::{Catalogue, KnownId, State};
use crate::store::{Folder, Listing, Store, StoreError};

/// An id that needs a second look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suspect {
    pub(super) id: Uuid,
    /// What the catalogue said of it.
    pub(super) state: State,
}

/// The walk through all of them.
pub(super) struct Walk<'a> {
    catalogue: CatalogueIds<'a>,
    videos: FolderIds,
    records: FolderIds,
    posters: FolderIds,
    pub(super) checked: CheckedBody,
}

impl<'a> Walk<'a> {
    /// Begins at the smallest id.
    pub(super) async fn begin(
        store: &Store,
        catalogue: &'a Catalogue,
    ) -> Result<Self, ReconcileError> {
        Ok(Self {
            videos: FolderIds::begin(store, Folder::Videos).await?,
            records: FolderIds::begin(store, Folder::Records).await?,
            posters: FolderIds::begin(store, Folder::Posters).await?,
            catalogue: CatalogueIds::begin(catalogue),
            checked: CheckedBody::default(),
        })
    }

    /// The next suspects, so many or all that are left; none at the end.
    pub(super) async fn next_suspects(
        &mut self,
        most: usize,
    ) -> Result<Vec<Suspect>, ReconcileError> {
        let mut suspects = Vec::new();
        while suspects.len() < most {
            let heads = [
                self.catalogue.peek().await?.map(|known| known.id),
                self.videos.peek().await?,
                self.records.peek().await?,
                self.posters.peek().await?,
            ];
            let Some(id) = heads.into_iter().flatten().min() else {
                break;
            };
            let state = self.catalogue.take(id);
            let has_video = self.videos.take(id);
            let has_record = self.records.take(id);
            let has_poster = self.posters.take(id);
            let checked = &mut self.checked;
            checked.ids += 1;
            checked.entries += u64::from(state == State::Present);
            checked.blobs += u64::from(has_video);
            checked.records += u64::from(has_record);
            let fits = match state {
                State::Present => has_video && has_record,
                State::Deleted => !has_video && !has_record && !has_poster,
                State::Unknown => false,
            };
            if !fits {
                suspects.push(Suspect { id, state });
            }
        }
        Ok(suspects)
    }
}

/// What the catalogue knows, a part at a time.
struct CatalogueIds<'a> {
    catalogue: &'a Catalogue,
    known: VecDeque<KnownId>,
    next: Option<Uuid>,
}

impl<'a> CatalogueIds<'a> {
    fn begin(catalogue: &'a Catalogue) -> Self {
        Self {
            catalogue,
            known: VecDeque::new(),
            next: Some(Uuid::nil()),
        }
    }

    async fn peek(&mut self) -> Result<Option<KnownId>, ReconcileError> {
        while self.known.is_empty()
            && let Some(after) = self.next
        {
            let page = self.catalogue.known_after(after).await?;
            self.known = page.known.into();
            self.next = page.next;
        }
        Ok(self.known.front().copied())
    }

    /// What it knows of this id, if that is the next.
    fn take(&mut self, id: Uuid) -> State {
        match self.known.pop_front_if(|known| known.id == id) {
            Some(known) => known.state,
            None => State::Unknown,
        }
    }
}

/// The ids in a folder.
struct FolderIds {
    ids: Listing<Uuid>,
    next: Option<Uuid>,
}

impl FolderIds {
    async fn begin(store: &Store, folder: Folder) -> Result<Self, StoreError> {
        Ok(Self {
            // After its end a stream may not be asked again.
            ids: store.list_in_order(folder).await?.fuse().boxed(),
            next: None,
        })
    }

    async fn peek(&mut self) -> Result<Option<Uuid>, StoreError> {
        if self.next.is_none() {
            self.next = self.ids.try_next().await?;
        }
        Ok(self.next)
    }

    /// Whether this id is the next; then it is passed.
    fn take(&mut self, id: Uuid) -> bool {
        self.next.take_if(|next| *next == id).is_some()
    }
}
