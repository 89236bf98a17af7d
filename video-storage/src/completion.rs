//! What is left to do for a complete upload: its idempotency key, its entry in the catalogue, and
//! then the removal of its intent. Until that is gone the work is tried again, whatever happens.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use service_kit::client::CallError;
use service_kit::telemetry;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::catalogue::{Catalogue, Registration};
use crate::keys::{Claim, Keys};
use crate::measures::Measures;
use crate::record::UploadRecord;
use crate::records::Records;
use crate::removal::remove_video;
use crate::store::{Object, Store, StoreError};

/// An upload is to be listed within 5 s of the catalogue's return.
const PAUSE: Duration = Duration::from_secs(1);
/// Registrations at the same time once the catalogue answers again.
const CONCURRENCY: usize = 16;

/// How far a complete upload got.
#[derive(Debug)]
pub(crate) enum Completed {
    /// It is in the catalogue.
    Listed,
    /// It is safe, and will be in the catalogue.
    Pending,
    /// Another upload with the same key was first; this one is gone.
    Superseded(Box<UploadRecord>),
    /// Its video was deleted meanwhile; it is gone.
    Deleted,
}

/// Completes uploads, at once or later.
#[derive(Debug)]
pub(crate) struct Completion {
    store: Store,
    records: Records,
    keys: Arc<Keys>,
    catalogue: Catalogue,
    measures: Measures,
    /// Uploads that are not listed, and whether it was logged that the catalogue refuses them.
    pending: Mutex<BTreeMap<Uuid, Refusal>>,
    recovered: watch::Sender<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    None,
    Logged,
}

impl Completion {
    pub(crate) fn new(
        store: Store,
        records: Records,
        keys: Arc<Keys>,
        catalogue: Catalogue,
        measures: Measures,
    ) -> Self {
        Self {
            store,
            records,
            keys,
            catalogue,
            measures,
            pending: Mutex::default(),
            recovered: watch::Sender::new(false),
        }
    }

    /// Waits until what an earlier run left is known; `false` if that takes longer than this.
    pub(crate) async fn recovered_within(&self, patience: Duration) -> bool {
        let mut recovered = self.recovered.subscribe();
        tokio::time::timeout(patience, recovered.wait_for(|recovered| *recovered))
            .await
            .is_ok()
    }

    pub(crate) fn set_recovered(&self) {
        self.recovered.send_replace(true);
    }

    /// Does what can be done now and keeps the rest for later. Never fails: the upload is safe.
    pub(crate) async fn complete(&self, record: &UploadRecord) -> Completed {
        match self.try_complete(record).await {
            Ok(completed) => {
                self.drop_pending(record.id);
                completed
            }
            Err(Unfinished::Store(error)) => {
                tracing::warn!(
                    video.id = %record.id,
                    error = telemetry::chain(&error),
                    "an upload is safe and not yet listed: the store is not available"
                );
                self.keep_pending(record.id);
                Completed::Pending
            }
            Err(Unfinished::Catalogue(error)) => {
                self.keep_pending(record.id);
                self.log_refusal(record.id, &error);
                Completed::Pending
            }
        }
    }

    /// Notes a complete upload of an earlier run. Its key is claimed first: its client may be
    /// about to send it again.
    pub(crate) async fn adopt(&self, record: &UploadRecord) -> Result<(), StoreError> {
        if let Claim::Theirs(_) = self.keys.claim(record).await? {
            return self.remove(record).await;
        }
        self.keep_pending(record.id);
        Ok(())
    }

    /// Puts an upload that was complete and listed once back into the catalogue. Its key is left
    /// alone: it was decided about then, and may stand for a later upload by now.
    pub(crate) async fn restore(&self, record: &UploadRecord) -> Result<Registration, CallError> {
        self.catalogue.register(record).await
    }

    async fn remove(&self, record: &UploadRecord) -> Result<(), StoreError> {
        remove_video(&self.store, &self.records, &self.keys, record.id).await
    }

    /// Registers what is pending, once a second, until shutdown.
    pub(crate) async fn run(&self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.complete_pending() => {}
            }
        }
    }

    async fn complete_pending(&self) {
        let waiting: Vec<Uuid> = self.pending().keys().copied().collect();
        let Some((first, others)) = waiting.split_first() else {
            return;
        };
        // One call finds out whether the catalogue is back, before many are made.
        if !self.complete_later(*first).await && self.refusal(*first) == Some(Refusal::None) {
            return;
        }
        stream::iter(others)
            .for_each_concurrent(CONCURRENCY, |id| async {
                self.complete_later(*id).await;
            })
            .await;
    }

    /// Whether nothing is left to do.
    async fn complete_later(&self, id: Uuid) -> bool {
        match self.records.read(id).await {
            Ok(Some(record)) => !matches!(self.complete(&record).await, Completed::Pending),
            Ok(None) => {
                self.drop_pending(id);
                true
            }
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::warn!(video.id = %id, error, "cannot read the record of an upload");
                false
            }
        }
    }

    async fn try_complete(&self, record: &UploadRecord) -> Result<Completed, Unfinished> {
        if let Claim::Theirs(winner) = self.keys.claim(record).await? {
            self.remove(record).await?;
            return Ok(Completed::Superseded(winner));
        }
        let registered = self.catalogue.register(record).await;
        match registered.map_err(|error| Unfinished::Catalogue(Box::new(error)))? {
            Registration::Listed => {
                self.store.remove(&Object::intent(record.id)).await?;
                tracing::info!(video.id = %record.id, "an upload is listed");
                Ok(Completed::Listed)
            }
            Registration::Deleted => {
                self.remove(record).await?;
                Ok(Completed::Deleted)
            }
        }
    }

    fn log_refusal(&self, id: Uuid, error: &CallError) {
        let text = telemetry::chain(error);
        if error.is_unavailable() {
            tracing::debug!(video.id = %id, error = text, "the catalogue is not available");
            return;
        }
        if let Some(refusal) = self.pending().get_mut(&id)
            && *refusal == Refusal::None
        {
            *refusal = Refusal::Logged;
            tracing::error!(video.id = %id, error = text, "the catalogue refuses an upload");
        }
    }

    fn refusal(&self, id: Uuid) -> Option<Refusal> {
        self.pending().get(&id).copied()
    }

    fn keep_pending(&self, id: Uuid) {
        let first = self.pending().is_empty();
        self.pending().entry(id).or_insert(Refusal::None);
        self.measure_pending();
        if first {
            // Once for each outage; the gauge says how many there are.
            tracing::warn!(video.id = %id, "an upload is safe and waits for the catalogue");
        }
    }

    fn drop_pending(&self, id: Uuid) {
        self.pending().remove(&id);
        self.measure_pending();
    }

    fn measure_pending(&self) {
        let count = self.pending().len();
        self.measures
            .pending
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, BTreeMap<Uuid, Refusal>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What keeps an upload from being listed.
enum Unfinished {
    Store(StoreError),
    Catalogue(Box<CallError>),
}

impl From<StoreError> for Unfinished {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
