//! The records of complete uploads, with a small cache: a player asks for many ranges of one video.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::record::{RecordDocument, UploadRecord};
use crate::store::{Object, Store, StoreError};

/// A record changes only when its video is deleted. This is how long one that another replica
/// deleted, or that a reader brought back into the cache while it was deleted, is still believed.
const FRESH_FOR: Duration = Duration::from_secs(5);
/// About a kilobyte each.
const CAPACITY: usize = 4_096;

/// Reads and writes records. Cheap to clone; clones share the cache.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    store: Store,
    cache: Arc<Mutex<HashMap<Uuid, Cached>>>,
}

#[derive(Debug)]
struct Cached {
    record: Arc<UploadRecord>,
    since: Instant,
}

impl Records {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            cache: Arc::default(),
        }
    }

    /// The record of a video, at most a few seconds old; `None` if there is none.
    pub(crate) async fn get(&self, id: Uuid) -> Result<Option<Arc<UploadRecord>>, StoreError> {
        if let Some(record) = self.cached(id) {
            return Ok(Some(record));
        }
        let Some(record) = self.read(id).await? else {
            return Ok(None);
        };
        let record = Arc::new(record);
        self.remember(Arc::clone(&record));
        Ok(Some(record))
    }

    /// The record as it is in the store now.
    pub(crate) async fn read(&self, id: Uuid) -> Result<Option<UploadRecord>, StoreError> {
        let object = Object::record(id);
        let Some(document) = self.store.get_json::<RecordDocument>(&object).await? else {
            return Ok(None);
        };
        UploadRecord::try_from(document)
            .map(Some)
            .map_err(|source| StoreError::damaged(&object, source))
    }

    /// Writes a record: with this the upload is complete.
    pub(crate) async fn save(&self, record: &UploadRecord) -> Result<(), StoreError> {
        let object = Object::record(record.id);
        self.store
            .put_json(&object, &RecordDocument::from(record))
            .await?;
        self.forget(record.id);
        Ok(())
    }

    pub(crate) async fn remove(&self, id: Uuid) -> Result<(), StoreError> {
        let removed = self.store.remove(&Object::record(id)).await;
        self.forget(id);
        removed
    }

    /// Drops what is cached of a video.
    pub(crate) fn forget(&self, id: Uuid) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.remove(&id);
    }

    fn cached(&self, id: Uuid) -> Option<Arc<UploadRecord>> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let cached = cache.get(&id)?;
        (cached.since.elapsed() < FRESH_FOR).then(|| Arc::clone(&cached.record))
    }

    fn remember(&self, record: Arc<UploadRecord>) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CAPACITY {
            cache.retain(|_, cached| cached.since.elapsed() < FRESH_FOR);
        }
        if cache.len() < CAPACITY {
            let since = Instant::now();
            cache.insert(record.id, Cached { record, since });
        }
    }
}
