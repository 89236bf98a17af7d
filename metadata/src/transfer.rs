//! Moving a whole catalogue from one store to another, of whatever engine; for `flixtube copy`.
//!
//! Both stores are read in pages, in the order of the ids and side by side, so that memory is
//! bounded, what is there already is not written again, and whatever was interrupted goes on by
//! being begun again. What is written is read back at once.

mod fill;
mod form;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use service_kit::merge::{Page, Pair, SideBySide, side_by_side};
use uuid::Uuid;

use crate::catalog::transfer::{CatalogTransfer, Kept};
use crate::catalog::{Catalog, CatalogError, Change, Entry, MongoCatalog, SqliteCatalog};
use crate::config::CatalogUrl;

pub use fill::Sample;

/// How many ids are held at once of each side.
const PAGE: usize = 500;

/// Why a catalogue could not be moved.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// There is no catalogue at the source.
    #[error("there is no catalogue at {}", path.display())]
    NoCatalogue {
        /// Where it should be.
        path: PathBuf,
    },
    /// A store failed.
    #[error("the catalogue cannot be moved")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What was written does not read as it was written.
    #[error("the target does not give back what was written of {id}; is it in use?")]
    NotKept {
        /// The video.
        id: Uuid,
    },
    /// A video to fill a catalogue with breaks a rule for videos.
    #[error("the video {id} is none that a catalogue takes")]
    Unfit {
        /// The video.
        id: Uuid,
        /// The rule.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl From<CatalogError> for TransferError {
    fn from(error: CatalogError) -> Self {
        Self::Store(Box::new(error))
    }
}

/// A catalogue that is moved, or moved into.
#[derive(Clone)]
pub struct Catalogue {
    catalog: Arc<dyn Catalog>,
    transfer: Arc<dyn CatalogTransfer>,
}

/// What a catalogue knows of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing, or only a view number.
    Unknown,
    /// The video is listed.
    Listed,
    /// It was deleted.
    Deleted,
}

/// What a page of a copy did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// How many ids of the source it went through.
    pub read: u64,
    /// How many of them were new or had changed.
    pub written: u64,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Uuid>,
}

/// What a page of a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// How many ids of the source it went through.
    pub read: u64,
    /// Ids of which both sides keep the same.
    pub equal: u64,
    /// Ids of which the target keeps something else.
    pub different: Vec<Uuid>,
    /// Ids of which the target keeps nothing.
    pub missing: Vec<Uuid>,
    /// Videos and tombstones that the source never had.
    pub foreign: Vec<Uuid>,
    /// Videos that the target lists.
    pub listed: Vec<Uuid>,
    /// Videos that are deleted at the source and not in the target.
    pub deleted_since: Vec<Uuid>,
    /// What the source keeps, in the form that the checksum is taken of.
    pub source_form: Vec<u8>,
    /// What the target keeps, in the same form.
    pub target_form: Vec<u8>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Uuid>,
}

impl Catalogue {
    /// Opens a catalogue, and makes it where it is missing.
    pub async fn open(url: &CatalogUrl) -> Result<Self, TransferError> {
        Ok(match url {
            CatalogUrl::Sqlite(path) => Self::of(SqliteCatalog::open(path).await?),
            CatalogUrl::Mongodb(url) => Self::of(MongoCatalog::open(url).await?),
        })
    }

    /// Opens a catalogue that is there. A server is not asked whether a catalogue was ever kept in
    /// its database: one that is empty is as good as one that was never filled.
    pub async fn open_existing(url: &CatalogUrl) -> Result<Self, TransferError> {
        match url {
            CatalogUrl::Sqlite(path) if !path.exists() => {
                Err(TransferError::NoCatalogue { path: path.clone() })
            }
            url => Self::open(url).await,
        }
    }

    fn of<C: Catalog + CatalogTransfer + Clone + 'static>(catalog: C) -> Self {
        Self {
            catalog: Arc::new(catalog.clone()),
            transfer: Arc::new(catalog),
        }
    }

    /// About how many ids there are.
    pub async fn estimate(&self) -> Result<u64, TransferError> {
        Ok(self.transfer.estimate().await?)
    }

    /// What is known of these ids, in their order.
    pub async fn standing(&self, ids: &[Uuid]) -> Result<Vec<Standing>, TransferError> {
        let known: BTreeMap<Uuid, Standing> = self
            .catalog
            .look_up(ids)
            .await?
            .into_iter()
            .map(|entry| match entry {
                Entry::Present(video) => (video.facts.id, Standing::Listed),
                Entry::Deleted(tombstone) => (tombstone.video, Standing::Deleted),
            })
            .collect();
        let standing = |id| known.get(id).copied().unwrap_or(Standing::Unknown);
        Ok(ids.iter().map(standing).collect())
    }

    /// Tells the catalogue numbers of views that were counted, as the event of each would.
    pub async fn raise_views(&self, numbers: &[(Uuid, u64)]) -> Result<(), TransferError> {
        for (video, number) in numbers {
            let change = Change::ViewNumber(*number);
            self.catalog.amend(*video, change).await?;
        }
        Ok(())
    }

    /// Whether it keeps nothing.
    pub async fn is_empty(&self) -> Result<bool, TransferError> {
        Ok(self.transfer.export(None, 1).await?.items.is_empty())
    }

    /// Takes deletions over from the source. They are pending here, whatever they are there: the
    /// copy may hold what others keep of these videos from before, and the service that is started
    /// on it tells them once more.
    pub async fn take_deletions(&self, source: &Self, ids: &[Uuid]) -> Result<(), TransferError> {
        let known = source.catalog.look_up(ids).await?;
        let deleted = known.into_iter().filter_map(|entry| match entry {
            Entry::Deleted(tombstone) => Some(Kept::Deleted {
                tombstone,
                confirmed: false,
            }),
            Entry::Present(_) => None,
        });
        Ok(self.transfer.put(deleted.collect()).await?)
    }
}

/// Copies the ids after this one, up to a page of them.
pub async fn copy_page(
    source: &Catalogue,
    target: &Catalogue,
    after: Option<Uuid>,
) -> Result<Copied, TransferError> {
    let SideBySide { pairs, next } = both(source, target, after).await?;
    let mut read = 0;
    let mut expected = BTreeMap::new();
    let mut items = Vec::new();
    for Pair {
        key,
        source,
        target,
    } in pairs
    {
        let Some(wanted) = source else { continue };
        read += 1;
        let after = wanted.clone().put_over(target.as_ref());
        if target.as_ref() != Some(&after) {
            items.push(wanted);
            expected.insert(key, after);
        }
    }
    let written = items.len() as u64;
    if !items.is_empty() {
        target.transfer.put(items).await?;
        read_back(target, after, &expected).await?;
    }
    Ok(Copied {
        read,
        written,
        next,
    })
}

/// Reads what was written, in as many pages as that takes now.
async fn read_back(
    target: &Catalogue,
    after: Option<Uuid>,
    expected: &BTreeMap<Uuid, Kept>,
) -> Result<(), TransferError> {
    let mut left = expected.clone();
    let last = expected.keys().next_back().copied();
    let mut after = after;
    loop {
        let page = target.transfer.export(after, PAGE).await?;
        for (key, kept) in page.items {
            if left.remove(&key).is_some_and(|wanted| wanted != kept) {
                return Err(TransferError::NotKept { id: key });
            }
        }
        after = page.next.filter(|next| Some(*next) < last);
        if after.is_none() {
            break;
        }
    }
    match left.into_keys().next() {
        Some(id) => Err(TransferError::NotKept { id }),
        None => Ok(()),
    }
}

/// Compares the ids after this one, up to a page of them. Nothing is written.
pub async fn compare_page(
    source: &Catalogue,
    target: &Catalogue,
    after: Option<Uuid>,
) -> Result<Compared, TransferError> {
    let SideBySide { pairs, next } = both(source, target, after).await?;
    let mut compared = Compared {
        next,
        ..Compared::default()
    };
    for Pair {
        key,
        source,
        target,
    } in pairs
    {
        if let Some(kept) = &source {
            compared.read += 1;
            form::write(kept, &mut compared.source_form);
        }
        if let Some(kept) = &target {
            form::write(kept, &mut compared.target_form);
            if matches!(kept, Kept::Present(_)) {
                compared.listed.push(key);
            }
        }
        let is_deleted = |kept: &Option<Kept>| matches!(kept, Some(Kept::Deleted { .. }));
        if is_deleted(&source) && !is_deleted(&target) {
            compared.deleted_since.push(key);
        }
        match (source, target) {
            (Some(source), Some(target)) if source == target => compared.equal += 1,
            (Some(_), Some(_)) => compared.different.push(key),
            (Some(_), None) => compared.missing.push(key),
            // A number that waits for its video may have come from the history.
            (None, Some(Kept::Awaited { .. }) | None) => {}
            (None, Some(_)) => compared.foreign.push(key),
        }
    }
    Ok(compared)
}

async fn both(
    source: &Catalogue,
    target: &Catalogue,
    after: Option<Uuid>,
) -> Result<SideBySide<Uuid, Kept>, TransferError> {
    let (source, target): (Page<_, _>, Page<_, _>) = tokio::try_join!(
        source.transfer.export(after, PAGE),
        target.transfer.export(after, PAGE),
    )?;
    Ok(side_by_side(source, target))
}

#[cfg(test)]
mod tests;
