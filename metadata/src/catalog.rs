//! The port of the catalogue: what the service needs of a store, and the laws it must keep.

use std::error::Error;

use async_trait::async_trait;
use uuid::Uuid;

use crate::page::{Listing, Page};
use crate::video::{Edit, NewVideo, PosterVersion, Tombstone, Video};

mod late;
pub(crate) mod mongodb;
mod sqlite;
pub(crate) mod transfer;

#[cfg(test)]
pub(crate) mod conformance;

pub(crate) use late::LateCatalog;
pub(crate) use mongodb::MongoCatalog;
pub(crate) use sqlite::SqliteCatalog;

/// All videos, and what is left of the deleted ones.
///
/// Every id is in one of four states, and what a store keeps about it fits one document: *unknown*
/// (nothing is kept), *awaited* (only a view number is kept), *present* (a [`Video`]) or *deleted*
/// (a [`Tombstone`]). The states follow one another in this order and never go back.
///
/// # Laws
/// Each is a test in `catalog/conformance.rs` that every implementation passes.
///
/// 1. **Atomic.** Each call changes one id, and each change is seen as a whole or not at all: in
///    lists and searches too, and also when calls for the same id run side by side. No call needs
///    a transaction over several ids.
/// 2. **Durable.** A change that was answered `Ok` survives the death of the process. One that was
///    answered with an error may have happened or not, and may be repeated.
/// 3. **Read your writes.** Every call that starts after a change was answered sees it.
/// 4. **Registering is idempotent.** The first registration of an id wins, whatever the later
///    ones say; each later one is told what is there. A deleted id is never registered again.
/// 5. **View numbers only grow.** The views of a video are the highest number it was ever told,
///    in whatever order and however often they came. A number that comes before its video is
///    registered is kept for it; one for a deleted video is dropped.
/// 6. **Deleting is final.** It leaves a tombstone for ever, with the time of the first deletion,
///    that is pending until it is confirmed. Confirming is idempotent.
/// 7. **Lists are ordered** as [`Sort`](crate::page::Sort) says, and the pages of a list that does
///    not change hold each video exactly once. Of a list that changes between two pages, they hold
///    those videos exactly once whose own place did not change.
/// 8. **Searches** look at the newest videos first. Of those that have every word, the newest
///    [`MATCHES_TAKEN`](crate::search::MATCHES_TAKEN) are taken and sorted; where there are several
///    words, the videos with the rarest one are examined, at most
///    [`CANDIDATES_EXAMINED`](crate::search::CANDIDATES_EXAMINED). A page says that it is
///    incomplete when a further match or candidate was left out. Pages after the first do not look
///    at videos that were uploaded after the newest match of the first.
/// 9. **Walks** over all states by id see each id exactly once that is present or deleted for the
///    whole time; one that is registered or deleted meanwhile is seen in one of its states, or not.
/// 10. **Flat.** No call takes longer because there are more videos: each is served by an index.
#[async_trait]
pub(crate) trait Catalog: Send + Sync {
    /// Registers a video (law 4).
    async fn register(&self, video: NewVideo) -> Result<Registration, CatalogError>;

    /// What is known of these ids, in any order; the unknown and the awaited are left out.
    async fn look_up(&self, ids: &[Uuid]) -> Result<Vec<Entry>, CatalogError>;

    /// One page of a list or of a search (laws 7 and 8).
    async fn list(&self, listing: &Listing) -> Result<Page, CatalogError>;

    /// Changes a video and returns it as it is then; `None` when it is not present.
    async fn amend(&self, id: Uuid, change: Change) -> Result<Option<Video>, CatalogError>;

    /// Turns a present video into this tombstone (law 6); `false` when it is not present.
    async fn delete(&self, tombstone: Tombstone) -> Result<bool, CatalogError>;

    /// The oldest tombstones that are not confirmed, at most so many.
    async fn pending_deletions(&self, limit: usize) -> Result<Vec<Tombstone>, CatalogError>;

    /// Confirms that the whole system will learn of this deletion.
    async fn confirm_deletion(&self, id: Uuid) -> Result<(), CatalogError>;

    /// The states of the present and the deleted ids behind this one, in the order of the ids, at
    /// most so many (law 9).
    async fn states_after(&self, after: Uuid, limit: usize) -> Result<StatePage, CatalogError>;
}

/// What came of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Registration {
    /// The video is in the catalogue now.
    Registered(Video),
    /// It was there already; this is what is there.
    AlreadyThere(Video),
    /// It was deleted and stays so.
    Deleted,
}

/// What the catalogue knows of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The video.
    Present(Video),
    /// What is left of it.
    Deleted(Tombstone),
}

/// What became of a known id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It is in the catalogue.
    Present,
    /// It was, and never comes back.
    Deleted,
}

impl Entry {
    /// The id, and what became of it.
    pub(crate) fn state(&self) -> (Uuid, State) {
        match self {
            Self::Present(video) => (video.facts.id, State::Present),
            Self::Deleted(tombstone) => (tombstone.video, State::Deleted),
        }
    }
}

/// A part of a walk over all states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatePage {
    /// In the order of the ids. A store may leave some out that are not known: a page can be empty
    /// and not the last.
    pub(crate) states: Vec<(Uuid, State)>,
    /// Behind which id the walk goes on; `None` at its end.
    pub(crate) next: Option<Uuid>,
}

/// A change of a present video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Somebody edited the text. Of two edits side by side each member has the value of one.
    Edit(Edit),
    /// It has a poster, or another one.
    Poster(PosterVersion),
    /// A view was counted under this number (law 5).
    ViewNumber(u64),
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    /// The store cannot be used for now: not reachable, busy, or full. Trying again can help.
    #[error("the catalogue's store was not available to {operation}")]
    Unavailable {
        /// What was to be done, to be read after "to".
        operation: &'static str,
        /// What the store said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The store answered what it should never answer. Trying again does not help.
    #[error("the catalogue's store failed to {operation}")]
    Broken {
        /// What was to be done, to be read after "to".
        operation: &'static str,
        /// What the store said.
        source: Box<dyn Error + Send + Sync>,
    },
}
