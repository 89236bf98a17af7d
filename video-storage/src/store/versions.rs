//! Changing what was read only if nobody else has changed it since, and the clock of the store.
//! With these, replicas that share a store can agree without knowing each other.

use bytes::Bytes;
use jiff::Timestamp;
use object_store::{GetOptions, PutMode, PutOptions, PutPayload};
use object_store::{ObjectMeta, UpdateVersion};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Object, Opened, Store, StoreError, WRITE_TIME, failed, to_json, within, written_at};
use crate::record::now;

/// What an object was when it was read.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    update: UpdateVersion,
    /// By the clock of the store.
    pub(crate) written_at: Timestamp,
}

impl Version {
    fn of(meta: &ObjectMeta) -> Self {
        Self {
            update: UpdateVersion {
                e_tag: meta.e_tag.clone(),
                version: meta.version.clone(),
            },
            written_at: written_at(meta),
        }
    }
}

/// Whether an object was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replaced {
    Yes,
    /// It is not what was read, or gone; it is unchanged.
    Changed,
}

impl Store {
    /// Whether other processes may use the store at the same time.
    pub(crate) fn is_shared(&self) -> bool {
        self.engine.is_shared()
    }

    /// Reads a document and which version of it that is; `None` if there is none.
    pub(crate) async fn get_version<T: DeserializeOwned>(
        &self,
        object: &Object,
    ) -> Result<Option<(T, Version)>, StoreError> {
        let Some((bytes, meta)) = self.get(object).await? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes)
            .map(|document| Some((document, Version::of(&meta))))
            .map_err(|source| StoreError::damaged(object, source))
    }

    /// Writes a document over the version that was read, and over no other. A store that is not
    /// shared has no such writes; the caller lets one at a time do this.
    pub(crate) async fn replace_json(
        &self,
        object: &Object,
        version: &Version,
        document: &impl Serialize,
    ) -> Result<Replaced, StoreError> {
        if !self.is_shared() {
            self.put_json(object, document).await?;
            return Ok(Replaced::Yes);
        }
        let payload = PutPayload::from_bytes(to_json(object, document)?);
        let options = PutOptions::from(PutMode::Update(version.update.clone()));
        let replaced = self.objects()?.put_opts(&object.path, payload, options);
        match within(WRITE_TIME, replaced).await {
            Ok(_) => Ok(Replaced::Yes),
            Err(
                object_store::Error::Precondition { .. } | object_store::Error::NotFound { .. },
            ) => Ok(Replaced::Changed),
            Err(source) => Err(failed("replace", object, source)),
        }
    }

    /// The time by the clock that dates the objects: replicas whose own clocks differ agree by it
    /// on how old an object is. A shared store tells it only of something that was just written.
    pub(crate) async fn clock(&self) -> Result<Timestamp, StoreError> {
        if !self.is_shared() {
            return Ok(now());
        }
        let clock = Object::at("clock.json".to_owned());
        self.put(&clock, Bytes::from_static(b"{}")).await?;
        let head = GetOptions::new().with_head(true);
        match self.open_object(&clock, head).await? {
            Opened::Found(found) => Ok(written_at(&found.meta)),
            Opened::Missing | Opened::Changed => Err(StoreError::Missing),
        }
    }
}
