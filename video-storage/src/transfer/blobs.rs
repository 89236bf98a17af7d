//! A store that is only read, also beside the service that owns it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::{GetResult, ObjectMeta, ObjectStore, ObjectStoreExt as _};
use uuid::Uuid;

use super::TransferError;
use crate::record::{RecordError, RecordObject, UploadRecord};
use crate::store::{Object, StoreSettings, StoreUrl, failed};

/// What is in a store.
#[derive(Clone, Debug)]
pub struct Blobs {
    objects: Arc<dyn ObjectStore>,
    url: StoreUrl,
}

/// How much there is to move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Videos.
    pub videos: u64,
    /// The bytes of the videos.
    pub bytes: u64,
}

/// What the store has in the place of a record.
pub(super) enum Found {
    Record(Box<UploadRecord>),
    Nothing,
    /// It cannot be understood; the text says why.
    Damaged(String),
}

impl Blobs {
    /// Opens a store to be read. There must be one.
    pub async fn open(url: &StoreUrl, settings: &StoreSettings) -> Result<Self, TransferError> {
        if let StoreUrl::File(folder) = url
            && !folder.is_dir()
        {
            return Err(TransferError::NoStore { url: url.clone() });
        }
        let opened = url.open_objects(settings);
        let blobs = Self {
            objects: opened.map_err(|source| TransferError::Open {
                url: url.clone(),
                source,
            })?,
            url: url.clone(),
        };
        match blobs.head(&Object::marker()).await? {
            Some(_) => Ok(blobs),
            None => Err(TransferError::NoStore { url: url.clone() }),
        }
    }

    /// Counts the videos and their bytes.
    pub async fn survey(&self) -> Result<Survey, TransferError> {
        let mut survey = Survey::default();
        let mut videos = self.list("videos");
        while let Some(meta) = videos.try_next().await? {
            survey.videos += 1;
            survey.bytes += meta.size;
        }
        Ok(survey)
    }

    /// The ids of the complete uploads, in any order.
    pub fn videos(&self) -> BoxStream<'_, Result<Uuid, TransferError>> {
        let records = self.list("records");
        let ids = records.try_filter_map(|meta| async move {
            let name = meta.location.filename();
            let id = name.and_then(|name| name.strip_suffix(".json"));
            Ok(id.and_then(|id| Uuid::try_parse(id).ok()))
        });
        ids.boxed()
    }

    /// The hashes of the idempotency keys.
    pub(super) fn keys(&self) -> BoxStream<'_, Result<String, TransferError>> {
        let keys = self.list("keys");
        let hashes = keys.try_filter_map(|meta| async move {
            let name = meta.location.filename();
            let hash = name.and_then(|name| name.strip_suffix(".json"));
            Ok(hash.map(str::to_owned))
        });
        hashes.boxed()
    }

    fn list(&self, folder: &'static str) -> BoxStream<'_, Result<ObjectMeta, TransferError>> {
        let object = Object::folder(folder);
        let listed = self.objects.list(Some(object.path()));
        listed
            .map_err(move |source| failed("list", &object, source).into())
            .boxed()
    }

    pub(super) async fn record(&self, id: Uuid) -> Result<Found, TransferError> {
        let object = Object::record(id);
        let Some(bytes) = self.read(&object).await? else {
            return Ok(Found::Nothing);
        };
        let document = match serde_json::from_slice(&bytes) {
            Ok(RecordObject::Complete(document)) => *document,
            // An upload that was taken away unfinished.
            Ok(RecordObject::Abandoned(_)) => return Ok(Found::Nothing),
            Err(error) => return Ok(Found::Damaged(format!("its record is damaged: {error}"))),
        };
        match UploadRecord::try_from(document) {
            Ok(record) => Ok(Found::Record(Box::new(record))),
            Err(RecordError::NewerSchema(schema)) => Err(TransferError::Newer { id, schema }),
            Err(error) => Ok(Found::Damaged(format!("its record is damaged: {error}"))),
        }
    }

    /// A small object, whole.
    pub(super) async fn read(&self, object: &Object) -> Result<Option<Bytes>, TransferError> {
        let Some(found) = self.get(object).await? else {
            return Ok(None);
        };
        match found.bytes().await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => self.missing().await,
            Err(source) => Err(failed("read", object, source).into()),
        }
    }

    pub(super) async fn get(&self, object: &Object) -> Result<Option<GetResult>, TransferError> {
        match self.objects.get(object.path()).await {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => self.missing().await,
            Err(source) => Err(failed("read", object, source).into()),
        }
    }

    pub(super) async fn head(&self, object: &Object) -> Result<Option<ObjectMeta>, TransferError> {
        match self.objects.head(object.path()).await {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(failed("find", object, source).into()),
        }
    }

    /// Nothing is found in a store that has gone away (a folder that is no longer mounted), and
    /// that must not be taken for a deletion.
    async fn missing<T>(&self) -> Result<Option<T>, TransferError> {
        match self.head(&Object::marker()).await? {
            Some(_) => Ok(None),
            None => Err(TransferError::NoStore {
                url: self.url.clone(),
            }),
        }
    }
}
