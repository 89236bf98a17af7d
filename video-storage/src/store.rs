//! The blob store: where it is, how it is laid out, and the few operations that this service needs.
//!
//! Everything goes through `Arc<dyn ObjectStore>`. What one engine can and another cannot is
//! decided in [`engine`], and nowhere else. What holds on all of them is `conformance.rs`.
//!
//! | object | holds |
//! |---|---|
//! | `videos/{id}` | the bytes |
//! | `records/{id}.json` | what is known of a complete upload; its commit point |
//! | `intents/{id}.json` | that an upload was begun; gone when nothing is left to do for it |
//! | `posters/{id}` | the picture |
//! | `keys/{hash}.json` | which upload an `Idempotency-Key` stands for |
//! | `parts/{id}.json` | on S3 and Google Cloud Storage: that bytes are being written in parts |
//! | `store.json` | that this is our store, and that it is there |
//! | `reconciliation.json` | when the store was last compared with the catalogue, and what was found |
//! | `clock.json` | nothing; it is written to learn what time it is at the store |

#[cfg(test)]
mod conformance;
mod engine;
#[cfg(test)]
mod faulty;
mod links;
mod listing;
mod parts;
mod reach;
mod settings;
mod url;
mod versions;

use std::future::Future;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{
    Attribute, GetOptions, GetResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

pub use engine::OpenError;
pub(crate) use links::Link;
pub use settings::{
    AzureSettings, Credential, Endpoint, GoogleSettings, InvalidEndpoint, S3Settings, StoreSettings,
};
pub use url::{Bucket, InvalidStoreUrl, StoreUrl};

use engine::Engine;
#[cfg(test)]
pub(crate) use faulty::{Fault, FaultyStore};
pub(crate) use listing::{Folder, Listing};
use reach::Reached;
pub(crate) use versions::{Replaced, Version};

/// How long a small question may take, tries included: a client that asks for bytes has to hear
/// within ten seconds that there are none now, and two such questions stand before its answer.
const QUESTION_TIME: Duration = Duration::from_secs(4);
/// How long a small write may take, tries included. Whoever waits for it waits for an upload.
const WRITE_TIME: Duration = Duration::from_secs(15);

/// Names of objects are made of ids and hashes only, never of what a user typed.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    path: Path,
}

impl Object {
    fn at(path: String) -> Self {
        Self {
            path: Path::from(path),
        }
    }

    pub(crate) fn video(id: Uuid) -> Self {
        Self::at(format!("videos/{id}"))
    }

    pub(crate) fn poster(id: Uuid) -> Self {
        Self::at(format!("posters/{id}"))
    }

    pub(crate) fn record(id: Uuid) -> Self {
        Self::at(format!("records/{id}.json"))
    }

    pub(crate) fn intent(id: Uuid) -> Self {
        Self::at(format!("intents/{id}.json"))
    }

    /// `hash` is lower-case hexadecimal.
    pub(crate) fn key(hash: &str) -> Self {
        Self::at(format!("keys/{hash}.json"))
    }

    /// All objects of a kind.
    pub(crate) fn folder(name: &str) -> Self {
        Self::at(name.to_owned())
    }

    /// The note of the upload in parts of an object.
    fn parts(object: &Self) -> Self {
        let name = object.path.filename().unwrap_or_default();
        Self::at(format!("parts/{name}.json"))
    }

    fn is_video(&self) -> bool {
        self.path.as_ref().starts_with("videos/")
    }

    pub(crate) fn reconciliation() -> Self {
        Self::at("reconciliation.json".to_owned())
    }

    pub(crate) fn marker() -> Self {
        Self::at("store.json".to_owned())
    }

    /// Its name in the store.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store is down, slow, or refuses.
    #[error("cannot {operation} {object}")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// The name of the object.
        object: String,
        /// What the store said.
        source: object_store::Error,
    },
    /// The store has no room left.
    #[error("no room to {operation} {object}")]
    Full {
        /// What was tried.
        operation: &'static str,
        /// The name of the object.
        object: String,
        /// What the store said.
        source: object_store::Error,
    },
    /// The store has not answered since the service began.
    #[error("the store has not been reached yet")]
    NotReached,
    /// The store answers, but the container or bucket is not there.
    #[error("there is no container or bucket for {url}; create it, or correct STORE_URL")]
    NoBucket {
        /// The store.
        url: String,
        /// What the store said.
        source: Box<object_store::Error>,
    },
    /// The store answers, but it is not ours: a folder that is not mounted, an emptied bucket.
    #[error("the store has lost its marker; is it mounted?")]
    Missing,
    /// A document of ours cannot be read.
    #[error("cannot understand {object}")]
    Damaged {
        /// The name of the object.
        object: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    pub(crate) fn damaged(
        object: &Object,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self::Damaged {
            object: object.path.to_string(),
            source: Box::new(source),
        }
    }
}

/// A read that began.
#[derive(Debug)]
pub(crate) enum Opened {
    /// The object, or the part of it.
    Found(Box<GetResult>),
    /// There is no such object in a store that is there.
    Missing,
    /// The object does not carry the wanted tag.
    Changed,
}

/// Whether an object was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    Yes,
    /// There was one; it is unchanged.
    Existed,
}

/// The blob store. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    objects: Arc<dyn ObjectStore>,
    engine: Engine,
    reached: Reached,
}

impl Store {
    /// Lets another process have the store. Nothing is being written any more.
    pub(crate) fn release(&self) {
        self.engine.release();
    }

    /// Whether no other process is writing into the store, as far as the engine can tell.
    pub(crate) fn is_alone(&self) -> bool {
        self.engine.is_alone()
    }

    /// How much room is left, where the engine can tell.
    pub(crate) async fn available_bytes(&self) -> Option<u64> {
        self.engine.available_bytes().await
    }

    /// The size of the parts that an upload of this many bytes at most is cut into.
    pub(crate) fn part_bytes(&self, most_bytes: u64) -> usize {
        self.engine.part_bytes(most_bytes)
    }

    /// Begins to write an object that appears all at once when it is complete.
    pub(crate) async fn begin(
        &self,
        object: &Object,
        media_type: &'static str,
    ) -> Result<Box<dyn MultipartUpload>, StoreError> {
        let objects = self.objects()?;
        let mut options = PutMultipartOptions::default();
        if self.engine.has_media_types() {
            // For readers that are sent to the store itself.
            let attributes = [(Attribute::ContentType, media_type)];
            options.attributes = attributes.into_iter().collect();
        }
        if let Some(multipart) = self.engine.multipart() {
            let upload = multipart.begin(self, object, options).await?;
            return Ok(Box::new(upload));
        }
        let begun = objects.put_multipart_opts(&object.path, options);
        let begun = within(WRITE_TIME, begun).await;
        begun.map_err(|source| failed("begin", object, source))
    }

    /// Writes a small object, over any that is there.
    pub(crate) async fn put(&self, object: &Object, bytes: Bytes) -> Result<(), StoreError> {
        let payload = PutPayload::from_bytes(bytes);
        let put = within(WRITE_TIME, self.objects()?.put(&object.path, payload)).await;
        put.map(drop)
            .map_err(|source| failed("write", object, source))
    }

    /// Writes a document, over any that is there.
    pub(crate) async fn put_json(
        &self,
        object: &Object,
        document: &impl Serialize,
    ) -> Result<(), StoreError> {
        let bytes = to_json(object, document)?;
        self.put(object, bytes).await
    }

    /// Writes a document unless there is one.
    pub(crate) async fn create_json(
        &self,
        object: &Object,
        document: &impl Serialize,
    ) -> Result<Created, StoreError> {
        self.objects()?;
        self.create_json_unreached(object, document).await
    }

    async fn create_json_unreached(
        &self,
        object: &Object,
        document: &impl Serialize,
    ) -> Result<Created, StoreError> {
        let payload = PutPayload::from_bytes(to_json(object, document)?);
        let options = PutOptions::from(PutMode::Create);
        let created = self.objects.put_opts(&object.path, payload, options);
        match within(WRITE_TIME, created).await {
            Ok(_) => Ok(Created::Yes),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(Created::Existed),
            Err(source) => Err(failed("create", object, source)),
        }
    }

    /// Reads a document; `None` if there is none.
    pub(crate) async fn get_json<T: DeserializeOwned>(
        &self,
        object: &Object,
    ) -> Result<Option<T>, StoreError> {
        let Some((bytes, _)) = self.get(object).await? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| StoreError::damaged(object, source))
    }

    /// Reads a small object whole; `None` if there is none.
    pub(crate) async fn get(
        &self,
        object: &Object,
    ) -> Result<Option<(Bytes, ObjectMeta)>, StoreError> {
        match self.open_object(object, GetOptions::new()).await? {
            Opened::Found(found) => {
                let meta = found.meta.clone();
                let bytes = within(QUESTION_TIME, found.bytes()).await;
                bytes
                    .map(|bytes| Some((bytes, meta)))
                    .map_err(|source| failed("read", object, source))
            }
            Opened::Missing | Opened::Changed => Ok(None),
        }
    }

    /// Begins to read an object, or the part of it, if it still has this tag.
    pub(crate) async fn open_range(
        &self,
        object: &Object,
        range: Option<Range<u64>>,
        tag: Option<&str>,
    ) -> Result<Opened, StoreError> {
        let options = GetOptions::new().with_range(range).with_if_match(tag);
        self.open_object(object, options).await
    }

    /// Finds an object without reading it, if it still has this tag.
    pub(crate) async fn find(
        &self,
        object: &Object,
        tag: Option<&str>,
    ) -> Result<Opened, StoreError> {
        let options = GetOptions::new().with_head(true).with_if_match(tag);
        self.open_object(object, options).await
    }

    async fn open_object(
        &self,
        object: &Object,
        options: GetOptions,
    ) -> Result<Opened, StoreError> {
        let found = self.objects()?.get_opts(&object.path, options);
        match within(QUESTION_TIME, found).await {
            Ok(found) => Ok(Opened::Found(Box::new(found))),
            // Azure says so as well of an object that is not there.
            Err(object_store::Error::Precondition { .. }) => self.changed_or_missing(object).await,
            Err(object_store::Error::NotFound { .. }) => {
                // Everything is "not found" in a folder that is not mounted.
                self.check().await?;
                Ok(Opened::Missing)
            }
            Err(source) => Err(failed("read", object, source)),
        }
    }

    async fn changed_or_missing(&self, object: &Object) -> Result<Opened, StoreError> {
        match within(QUESTION_TIME, self.objects()?.head(&object.path)).await {
            Ok(_) => Ok(Opened::Changed),
            Err(object_store::Error::NotFound { .. }) => {
                self.check().await?;
                Ok(Opened::Missing)
            }
            Err(source) => Err(failed("read", object, source)),
        }
    }

    /// Removes an object; one that is not there is removed already. Parts that were written of a
    /// video go with it.
    pub(crate) async fn remove(&self, object: &Object) -> Result<(), StoreError> {
        if let Some(multipart) = self.engine.multipart()
            && object.is_video()
        {
            multipart.abort_noted(self, object).await?;
        }
        self.remove_object(object).await
    }

    async fn remove_object(&self, object: &Object) -> Result<(), StoreError> {
        match within(WRITE_TIME, self.objects()?.delete(&object.path)).await {
            Ok(()) => Ok(()),
            Err(object_store::Error::NotFound { .. }) => self.check().await,
            Err(source) => Err(failed("remove", object, source)),
        }
    }
}

/// Bounds a call. One that is given up may still have its effect.
async fn within<T>(
    time: Duration,
    call: impl Future<Output = object_store::Result<T>>,
) -> object_store::Result<T> {
    let ended = tokio::time::timeout(time, call).await;
    ended.unwrap_or_else(|_| {
        Err(object_store::Error::Generic {
            store: "blob store",
            source: Box::new(io::Error::from(io::ErrorKind::TimedOut)),
        })
    })
}

/// When an object was written, to the millisecond.
pub(crate) fn written_at(meta: &ObjectMeta) -> jiff::Timestamp {
    let ms = meta.last_modified.timestamp_millis();
    jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

fn to_json(object: &Object, document: &impl Serialize) -> Result<Bytes, StoreError> {
    serde_json::to_vec(document)
        .map(Bytes::from)
        .map_err(|source| StoreError::damaged(object, source))
}

/// Tells a full disk from every other failure.
pub(crate) fn failed(
    operation: &'static str,
    object: &Object,
    source: object_store::Error,
) -> StoreError {
    let object = object.path.to_string();
    if is_full(&source) {
        StoreError::Full {
            operation,
            object,
            source,
        }
    } else {
        StoreError::Unavailable {
            operation,
            object,
            source,
        }
    }
}

fn is_full(error: &object_store::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return matches!(
                error.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            );
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests;
