//! The records of complete uploads, with a small cache: a player asks for many ranges of one video.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::record::{AbandonedDocument, RecordDocument, RecordObject, UploadRecord, now};
use crate::store::{Created, Object, Store, StoreError, Version};

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

/// What has been decided about an upload.
#[derive(Debug)]
pub(crate) enum Fate {
    /// It is complete.
    Complete(Box<UploadRecord>),
    /// It was taken away unfinished and can never be completed.
    Abandoned(Version),
    /// Nothing: it runs, or it was never begun, or all of it is gone.
    Open,
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
        match self.find(id).await? {
            Fate::Complete(record) => Ok(Some(*record)),
            Fate::Abandoned(_) | Fate::Open => Ok(None),
        }
    }

    /// What has been decided about an upload.
    pub(crate) async fn find(&self, id: Uuid) -> Result<Fate, StoreError> {
        let object = Object::record(id);
        match self.store.get_version::<RecordObject>(&object).await? {
            None => Ok(Fate::Open),
            Some((RecordObject::Abandoned(_), version)) => Ok(Fate::Abandoned(version)),
            Some((RecordObject::Complete(document), _)) => UploadRecord::try_from(*document)
                .map(|record| Fate::Complete(Box::new(record)))
                .map_err(|source| StoreError::damaged(&object, source)),
        }
    }

    /// Makes an upload complete, unless it was abandoned: with `true` it is, and stays so. Only
    /// one of this and [`abandon`](Self::abandon) can ever succeed, because both create the same
    /// object.
    pub(crate) async fn commit(&self, record: &UploadRecord) -> Result<bool, StoreError> {
        let object = Object::record(record.id);
        let document = RecordDocument::from(record);
        if self.store.create_json(&object, &document).await? == Created::Yes {
            return Ok(true);
        }
        // The store may have answered an earlier try of the same request, which got lost.
        Ok(matches!(self.find(record.id).await?, Fate::Complete(_)))
    }

    /// Keeps an upload from ever becoming complete; `false` if it was decided about before.
    pub(crate) async fn abandon(&self, id: Uuid) -> Result<bool, StoreError> {
        let abandoned = AbandonedDocument::new(id, now());
        let created = self
            .store
            .create_json(&Object::record(id), &abandoned)
            .await?;
        Ok(created == Created::Yes)
    }

    /// Writes the record of a complete upload anew.
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
