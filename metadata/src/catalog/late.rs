//! A catalogue whose store may not be there yet.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use uuid::Uuid;

use super::{Catalog, CatalogError, Change, Entry, Registration, StatePage};
use crate::page::{Listing, Page};
use crate::video::{NewVideo, Tombstone, Video};

/// Answers [`CatalogError::Unavailable`] until a store was opened, and is that store from then on:
/// the service can answer while it still waits for its store.
#[derive(Default)]
pub(crate) struct LateCatalog {
    opened: OnceLock<Arc<dyn Catalog>>,
}

impl LateCatalog {
    /// Gives it the opened store. Only the first one counts.
    pub(crate) fn opened(&self, catalog: Arc<dyn Catalog>) {
        // A second store could only come from a second task that opens it; there is one.
        let _ = self.opened.set(catalog);
    }

    /// Whether it was given a store.
    pub(crate) fn is_open(&self) -> bool {
        self.opened.get().is_some()
    }

    fn catalog(&self, operation: &'static str) -> Result<&dyn Catalog, CatalogError> {
        let opened = self.opened.get().map(AsRef::as_ref);
        opened.ok_or_else(|| CatalogError::Unavailable {
            operation,
            source: "the store is not open yet".into(),
        })
    }
}

#[async_trait]
impl Catalog for LateCatalog {
    async fn register(&self, video: NewVideo) -> Result<Registration, CatalogError> {
        self.catalog("register a video")?.register(video).await
    }

    async fn look_up(&self, ids: &[Uuid]) -> Result<Vec<Entry>, CatalogError> {
        self.catalog("look up videos")?.look_up(ids).await
    }

    async fn list(&self, listing: &Listing) -> Result<Page, CatalogError> {
        self.catalog("list videos")?.list(listing).await
    }

    async fn amend(&self, id: Uuid, change: Change) -> Result<Option<Video>, CatalogError> {
        self.catalog("amend a video")?.amend(id, change).await
    }

    async fn delete(&self, tombstone: Tombstone) -> Result<bool, CatalogError> {
        self.catalog("delete a video")?.delete(tombstone).await
    }

    async fn pending_deletions(&self, limit: usize) -> Result<Vec<Tombstone>, CatalogError> {
        let catalog = self.catalog("list pending deletions")?;
        catalog.pending_deletions(limit).await
    }

    async fn confirm_deletion(&self, id: Uuid) -> Result<(), CatalogError> {
        self.catalog("confirm a deletion")?
            .confirm_deletion(id)
            .await
    }
    async fn states_after(&self, after: Uuid, limit: usize) -> Result<StatePage, CatalogError> {
        let catalog = self.catalog("walk over all ids")?;
        catalog.states_after(after, limit).await
    }
}
