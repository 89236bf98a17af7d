//! What to do when the store's tag of a blob is not the one in its record.
//!
//! That happens when the data was restored from a copy: the bytes are the same, but the file is
//! another. They are hashed once; if they are what was uploaded, the record gets the new tag, and
//! if not, they are never served.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use service_kit::telemetry;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::digest::hex;
use crate::record::UploadRecord;
use crate::records::Records;
use crate::store::{Object, Opened, Store, StoreError, failed};

/// A client waits for this; a large video takes longer, and is asked for again.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of a comparison.
#[derive(Clone, Debug)]
pub(super) enum Verified {
    /// The bytes are those of the upload; the record has their new tag.
    Same(Arc<UploadRecord>),
    /// They are not.
    Different,
    /// There are none.
    Missing,
    /// It takes longer than a client waits.
    Running,
    /// The store failed.
    Failed(Arc<StoreError>),
}

/// Compares blobs with their records, each once at a time.
#[derive(Debug)]
pub(crate) struct Verification {
    store: Store,
    records: Records,
    tasks: TaskTracker,
    running: Mutex<HashMap<Uuid, watch::Receiver<Option<Verified>>>>,
    /// Blobs that were found to be different, by the tag that they had then.
    different: Mutex<HashMap<Uuid, Option<String>>>,
}

impl Verification {
    pub(crate) fn new(store: Store, records: Records, tasks: TaskTracker) -> Arc<Self> {
        Arc::new(Self {
            store,
            records,
            tasks,
            running: Mutex::default(),
            different: Mutex::default(),
        })
    }

    /// Compares the blob of this record, or joins a comparison that runs already.
    pub(super) async fn of(self: &Arc<Self>, record: &Arc<UploadRecord>) -> Verified {
        let mut outcome = self.join(record);
        let ended = tokio::time::timeout(PATIENCE, outcome.wait_for(Option::is_some)).await;
        match ended {
            Ok(Ok(verified)) => verified.clone().unwrap_or(Verified::Running),
            // It did not end in time, or its task died and the next request begins anew.
            Ok(Err(_)) | Err(_) => Verified::Running,
        }
    }

    fn join(self: &Arc<Self>, record: &Arc<UploadRecord>) -> watch::Receiver<Option<Verified>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = running.get(&record.id) {
            return outcome.clone();
        }
        let (done, outcome) = watch::channel(None);
        running.insert(record.id, outcome.clone());
        let this = Arc::clone(self);
        let record = Arc::clone(record);
        self.tasks.spawn(async move {
            let verified = this.verify(&record).await.unwrap_or_else(|error| {
                let chain = telemetry::chain(&error);
                tracing::warn!(video.id = %record.id, error = chain, "cannot compare a video");
                Verified::Failed(Arc::new(error))
            });
            let mut running = this.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.remove(&record.id);
            done.send_replace(Some(verified));
        });
        outcome
    }

    async fn verify(&self, record: &UploadRecord) -> Result<Verified, StoreError> {
        let object = Object::video(record.id);
        let Opened::Found(found) = self.store.open_range(&object, None, None).await? else {
            return Ok(Verified::Missing);
        };
        let (tag, size) = (found.meta.e_tag.clone(), found.meta.size);
        if self.is_known_to_differ(record.id, tag.as_deref()) {
            return Ok(Verified::Different);
        }
        let mut hash = Sha256::new();
        if size == record.size_bytes {
            let mut bytes = found.into_stream();
            while let Some(piece) = bytes
                .try_next()
                .await
                .map_err(|source| failed("read", &object, source))?
            {
                hash.update(&piece);
            }
        }
        if size != record.size_bytes || hex(&hash.finalize()) != record.sha256 {
            tracing::error!(
                video.id = %record.id,
                "the bytes of a video are not those that were uploaded; they are not served"
            );
            let mut different = self
                .different
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            different.insert(record.id, tag);
            return Ok(Verified::Different);
        }
        tracing::info!(video.id = %record.id, "a restored video is what was uploaded");
        let record = UploadRecord {
            store_tag: tag,
            ..record.clone()
        };
        self.records.save(&record).await?;
        // The video may have been deleted while it was read, and must not come back by this.
        if let Opened::Missing = self.store.find(&object, None).await? {
            self.records.remove(record.id).await?;
            return Ok(Verified::Missing);
        }
        Ok(Verified::Same(Arc::new(record)))
    }

    fn is_known_to_differ(&self, id: Uuid, tag: Option<&str>) -> bool {
        let different = self
            .different
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        different
            .get(&id)
            .is_some_and(|known| known.as_deref() == tag)
    }
}
