//! Which upload an idempotency key stands for.
//!
//! A key is a small document. It is created only where there is none, and replaced only as what it
//! was read as, so of several uploads with one key that replicas complete at the same time exactly
//! one gets it. An object cannot be removed conditionally: before a key is removed it is marked as
//! released, and whoever wants it waits until it is gone.

use std::time::Duration;

use jiff::SignedDuration;

use crate::idempotency::KeyHash;
use crate::record::{KeyDocument, UploadRecord, now};
use crate::records::Records;
use crate::store::{Created, Object, Replaced, Store, StoreError, Version};

/// How long a key is left to who released it. It is removed at once after that, unless its process
/// died in between.
const RELEASE: SignedDuration = SignedDuration::from_mins(1);
/// How soon it is looked again whether a released key is gone.
const PAUSE: Duration = Duration::from_millis(50);

/// Whose a key is.
pub(crate) enum Claim {
    Ours,
    Theirs(Box<UploadRecord>),
}

/// The keys in the store.
#[derive(Debug)]
pub(crate) struct Keys {
    store: Store,
    records: Records,
    /// What a store that is not shared cannot do itself.
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl Keys {
    pub(crate) fn new(store: Store, records: Records) -> Self {
        Self {
            store,
            records,
            one_at_a_time: tokio::sync::Mutex::default(),
        }
    }

    /// The earlier upload that was sent with this key, if there is one.
    pub(crate) async fn upload_of(
        &self,
        key: &KeyHash,
    ) -> Result<Option<UploadRecord>, StoreError> {
        let object = Object::key(key.as_hex());
        match self.store.get_json::<KeyDocument>(&object).await? {
            Some(holder) if holder.is_valid(now()) => self.records.read(holder.video).await,
            Some(_) | None => Ok(None),
        }
    }

    /// Makes the key stand for this upload, unless it stands for another.
    pub(crate) async fn claim(&self, record: &UploadRecord) -> Result<Claim, StoreError> {
        let Some(key) = &record.key else {
            return Ok(Claim::Ours);
        };
        let object = Object::key(key.as_hex());
        let document = KeyDocument::new(record.id, record.uploaded_at);
        loop {
            let alone = self.one_at_a_time.lock().await;
            if self.store.create_json(&object, &document).await? == Created::Yes {
                return Ok(Claim::Ours);
            }
            let Some((holder, version)) = self.read(&object).await? else {
                continue;
            };
            if holder.released && !self.was_left(&version).await? {
                drop(alone);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            if !holder.released {
                // One that was used anew since is not taken from its upload.
                if holder.video == record.id || holder.is_of_another_day(record.uploaded_at) {
                    return Ok(Claim::Ours);
                }
                if holder.is_valid(record.uploaded_at)
                    && let Some(winner) = self.records.read(holder.video).await?
                {
                    return Ok(Claim::Theirs(Box::new(winner)));
                }
            }
            let replaced = self
                .store
                .replace_json(&object, &version, &document)
                .await?;
            if replaced == Replaced::Yes {
                return Ok(Claim::Ours);
            }
        }
    }

    /// Removes the key of an upload that is going away, if it still stands for it.
    pub(crate) async fn release(&self, record: &UploadRecord) -> Result<(), StoreError> {
        let Some(key) = &record.key else {
            return Ok(());
        };
        self.remove_if(key.as_hex(), |holder| holder.video == record.id)
            .await
    }

    /// Removes a key that nobody will send again; it may have been claimed anew meanwhile.
    pub(crate) async fn remove_expired(&self, hash: &str) -> Result<(), StoreError> {
        let now = now();
        match self.remove_if(hash, |holder| !holder.is_valid(now)).await {
            // Nobody can have claimed what cannot be read.
            Err(StoreError::Damaged { .. }) => self.store.remove(&Object::key(hash)).await,
            removed => removed,
        }
    }

    async fn remove_if(
        &self,
        hash: &str,
        is_to_go: impl Fn(&KeyDocument) -> bool,
    ) -> Result<(), StoreError> {
        let _alone = self.one_at_a_time.lock().await;
        let object = Object::key(hash);
        let Some((holder, version)) = self.read(&object).await? else {
            return Ok(());
        };
        if !is_to_go(&holder) || (holder.released && !self.was_left(&version).await?) {
            return Ok(());
        }
        let released = holder.released();
        match self
            .store
            .replace_json(&object, &version, &released)
            .await?
        {
            Replaced::Yes => self.store.remove(&object).await,
            Replaced::Changed => Ok(()),
        }
    }

    async fn read(&self, object: &Object) -> Result<Option<(KeyDocument, Version)>, StoreError> {
        self.store.get_version(object).await
    }

    /// Whether who released a key will not remove it any more.
    async fn was_left(&self, released: &Version) -> Result<bool, StoreError> {
        let clock = self.store.clock().await?;
        let is_shared = self.store.is_shared();
        Ok(!is_shared || clock.duration_since(released.written_at) >= RELEASE)
    }
}
