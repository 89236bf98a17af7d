//! Moving the distributed view log: each part is one collection in the order of its keys.

use async_trait::async_trait;
use service_kit::merge::Page;

use super::documents::{Documents, Stored};
use super::{MongoViewLog, entries, forgetting, implicit, sessions, views};
use crate::view_log::ViewLogError;
use crate::view_log::transfer::{Kept, Key, Part, ViewLogTransfer};

#[async_trait]
impl ViewLogTransfer for MongoViewLog {
    async fn export(
        &self,
        part: Part,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Page<Key, Kept>, ViewLogError> {
        let store = &self.store;
        match part {
            Part::Sessions => sessions::moving::export(store, after, limit).await,
            Part::Streams => implicit::moving::export(store, after, limit).await,
            Part::Entries => entries::moving::export(store, after, limit).await,
            Part::Views => views::moving::export(store, after, limit).await,
            Part::Viewers => forgetting::moving::export_viewers(store, after, limit).await,
            Part::DeletedVideos => forgetting::moving::export_deleted(store, after, limit).await,
        }
    }

    async fn put(&self, items: Vec<Kept>) -> Result<(), ViewLogError> {
        let store = &self.store;
        let mut sessions = Vec::new();
        let mut clients = Vec::new();
        let mut entries = Vec::new();
        let mut views = Vec::new();
        for item in items {
            match item {
                Kept::Session(kept) => sessions.push(kept),
                Kept::Client(kept) => clients.push(kept),
                Kept::Entry(kept) => entries.push(kept),
                Kept::View(kept) => views.push(kept),
                Kept::Viewer {
                    viewer,
                    forgotten_until,
                } => forgetting::moving::put_viewer(store, viewer, forgotten_until).await?,
                Kept::DeletedVideo { video, deleted_at } => {
                    forgetting::moving::put_deleted(store, video, deleted_at).await?;
                }
            }
        }
        sessions::moving::put(store, sessions).await?;
        implicit::moving::put(store, clients).await?;
        entries::moving::put(store, entries).await?;
        views::moving::put(store, views).await
    }

    async fn estimate(&self, part: Part) -> Result<u64, ViewLogError> {
        let store = &self.store;
        match part {
            Part::Sessions => store.sessions.estimate().await,
            Part::Streams => store.clients.estimate().await,
            Part::Entries => store.entries.estimate().await,
            Part::Views => store.views.estimate().await,
            Part::Viewers => store.viewers.estimate().await,
            Part::DeletedVideos => store.tombstones.estimate().await,
        }
    }
}

/// Writes documents: the new ones with one command, those that are there one by one.
pub(super) async fn put_all<D: Stored>(
    documents: &Documents<D>,
    all: &[D],
) -> Result<(), ViewLogError> {
    for place in documents.insert_all(all).await? {
        documents.overwrite(&all[place]).await?;
    }
    Ok(())
}
