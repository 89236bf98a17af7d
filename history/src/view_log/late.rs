//! A view log whose store may not be there yet.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::{CountedView, Forget, Observation, Recorded, Swept, ViewLog, ViewLogError};
use crate::entry::{Entry, EntryPage, PageRequest};

/// Answers [`ViewLogError::Unavailable`] until a store was opened, and is that store from then on:
/// the service can answer while it still waits for its store.
#[derive(Default)]
pub(crate) struct LateViewLog {
    opened: OnceLock<Arc<dyn ViewLog>>,
}

impl LateViewLog {
    /// Gives it the opened store. Only the first one counts.
    pub(crate) fn opened(&self, log: Arc<dyn ViewLog>) {
        // A second store could only come from a second task that opens it; there is one.
        let _ = self.opened.set(log);
    }

    /// Whether it was given a store.
    pub(crate) fn is_open(&self) -> bool {
        self.opened.get().is_some()
    }

    fn log(&self) -> Result<&dyn ViewLog, ViewLogError> {
        let opened = self.opened.get().map(AsRef::as_ref);
        opened.ok_or_else(|| ViewLogError::Unavailable("the store is not open yet".into()))
    }
}

#[async_trait]
impl ViewLog for LateViewLog {
    async fn record(
        &self,
        observation: Observation,
        at: Timestamp,
    ) -> Result<Recorded, ViewLogError> {
        self.log()?.record(observation, at).await
    }

    async fn entry(&self, viewer: Uuid, video: Uuid) -> Result<Option<Entry>, ViewLogError> {
        self.log()?.entry(viewer, video).await
    }

    async fn entries(&self, viewer: Uuid, page: PageRequest) -> Result<EntryPage, ViewLogError> {
        self.log()?.entries(viewer, page).await
    }

    async fn forget(&self, scope: Forget, at: Timestamp) -> Result<(), ViewLogError> {
        self.log()?.forget(scope, at).await
    }

    async fn unpublished_views(
        &self,
        counted_before: Timestamp,
        limit: usize,
    ) -> Result<Vec<CountedView>, ViewLogError> {
        self.log()?.unpublished_views(counted_before, limit).await
    }

    async fn confirm_view(&self, session: Uuid) -> Result<(), ViewLogError> {
        self.log()?.confirm_view(session).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, ViewLogError> {
        self.log()?.sweep(now).await
    }
}
