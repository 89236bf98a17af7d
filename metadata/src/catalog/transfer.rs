//! The port for moving a whole catalogue from one store to another.
//!
//! It stands beside [`Catalog`](super::Catalog) and not in it: the service never needs it, and a
//! copy needs what no caller of the service sees (view numbers that wait for their video, whether
//! a deletion is confirmed).

use async_trait::async_trait;
use service_kit::merge::Page;
use uuid::Uuid;

use super::CatalogError;
use crate::video::{Tombstone, Video};

/// Reads a catalogue out in the order of its ids, and writes it in.
///
/// # Laws
/// Each is a test in `catalog/conformance/transfers.rs` that every implementation passes.
///
/// 1. **Whole.** The pages of a catalogue that does not change hold everything that is kept, once
///    each and in the order of the ids: the awaited, the present and the deleted.
/// 2. **Bounded.** A page holds at most as many ids as asked for.
/// 3. **Faithful.** What is put into an empty catalogue is exported as it was put, whatever store
///    it came from, and is listed and found like what was registered.
/// 4. **Repeatable.** Putting the same twice is putting it once, and what was put in part is
///    completed by putting all of it.
/// 5. **Forward.** States never go back: what is put over a later state of the same id is dropped,
///    and view numbers only grow. Otherwise what is put replaces what was there.
#[async_trait]
pub(crate) trait CatalogTransfer: Send + Sync {
    /// What is kept under the ids after this one.
    async fn export(
        &self,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Page<Uuid, Kept>, CatalogError>;

    /// Takes these in.
    async fn put(&self, items: Vec<Kept>) -> Result<(), CatalogError>;

    /// About how many ids there are, for whoever waits.
    async fn estimate(&self) -> Result<u64, CatalogError>;
}

/// Everything that is kept about one id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// A view number, before its video.
    Awaited {
        /// The id of the video.
        video: Uuid,
        /// The highest number so far.
        views: u64,
    },
    /// The video.
    Present(Box<Video>),
    /// What is left of it.
    Deleted {
        /// The tombstone.
        tombstone: Tombstone,
        /// Whether the whole system was told.
        confirmed: bool,
    },
}

impl Kept {
    /// The id that it is about.
    pub(crate) fn id(&self) -> Uuid {
        match self {
            Self::Awaited { video, .. } => *video,
            Self::Present(video) => video.facts.id,
            Self::Deleted { tombstone, .. } => tombstone.video,
        }
    }

    /// What is there after `self` was put over what was there before (law 5).
    pub(crate) fn put_over(self, before: Option<&Self>) -> Self {
        match (self, before) {
            (new, Some(before)) if new.state() < before.state() => before.clone(),
            (Self::Awaited { video, views }, Some(Self::Awaited { views: known, .. })) => {
                Self::Awaited {
                    video,
                    views: views.max(*known),
                }
            }
            (Self::Present(mut video), Some(before)) => {
                let known = match before {
                    Self::Awaited { views, .. } => *views,
                    Self::Present(known) => known.views,
                    Self::Deleted { .. } => 0,
                };
                video.views = video.views.max(known);
                Self::Present(video)
            }
            (new, _) => new,
        }
    }

    fn state(&self) -> u8 {
        match self {
            Self::Awaited { .. } => 1,
            Self::Present(_) => 2,
            Self::Deleted { .. } => 3,
        }
    }
}
