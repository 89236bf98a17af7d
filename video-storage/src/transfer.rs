//! Moving a whole blob store into another one, of whatever engine; for `flixtube copy`.
//!
//! What is moved are complete uploads: bytes, record and poster of each, and the idempotency keys.
//! The intents of uploads that are not complete stay where they are.
//!
//! A video is committed in the target as an upload is: its intent first, then the bytes, which are
//! hashed on the way and read back, then the record with the target's own tag, and last the
//! intent goes. Whatever is killed in between is taken away or completed by the next copy, or by
//! the service that is started on the target. A video that is there already, with the tag that its
//! record says, is not moved again.

mod blobs;
mod small;
#[cfg(test)]
mod tests;
mod video;

use std::collections::HashSet;

use futures_util::{Stream, TryStreamExt as _};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use self::blobs::{Blobs, Survey};
use self::small::{move_key, move_poster};
use self::video::{Course, move_video};
use crate::keys::Keys;
use crate::record::{KeyDocument, now};
use crate::records::Records;
use crate::removal::remove_video;
use crate::store::{Object, OpenError, Store, StoreError, StoreSettings, StoreUrl};

/// Why a store could not be moved.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// A store could not be opened.
    #[error("cannot open the store {url}")]
    Open {
        /// The store.
        url: StoreUrl,
        /// Why not.
        source: OpenError,
    },
    /// There is nothing of ours at the source.
    #[error(
        "there are no videos at {url}: it has no store.json; is it mounted, is it the right place?"
    )]
    NoStore {
        /// The store.
        url: StoreUrl,
    },
    /// One of the stores failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A later release wrote the record of a video.
    #[error("the record of the video {id} is of schema {schema}, which is newer than this release")]
    Newer {
        /// The video.
        id: Uuid,
        /// The schema of its record.
        schema: u32,
    },
    /// What was written does not read as it was written.
    #[error("the target does not give back what was written to {object}")]
    NotKept {
        /// The object.
        object: String,
    },
    /// It was told to stop.
    #[error("stopped")]
    Stopped,
}

/// What became of a video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It was copied.
    Copied,
    /// The target had it.
    AlreadyThere,
    /// It was deleted meanwhile.
    Gone,
    /// The source does not have what was uploaded; the text says what is wrong.
    Damaged(String),
}

/// What is to be done with a video, as the catalogue knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The catalogue that goes with the target has it, or there is none.
    Listed,
    /// It has not: the upload was completed since. Its intent is left, so that the service that is
    /// started on the target puts it into the catalogue.
    Unlisted,
    /// It was deleted.
    Deleted,
}

/// A store that is being filled. A folder is locked, so that nobody uses it meanwhile.
#[derive(Debug)]
pub struct Target {
    blobs: Blobs,
    store: Store,
    records: Records,
}

impl Target {
    /// Opens a store to be filled, and makes it where it is missing.
    pub async fn open(url: &StoreUrl, settings: &StoreSettings) -> Result<Self, TransferError> {
        let opened = Store::open(url, settings).await;
        let store = opened.map_err(|source| TransferError::Open {
            url: url.clone(),
            source,
        })?;
        // A store in a cloud that cannot be reached has only been logged.
        store.check().await?;
        Ok(Self {
            blobs: Blobs::open(url, settings).await?,
            records: Records::new(store.clone()),
            store,
        })
    }

    /// What is in it.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Moves one video with its poster. `progress` hears of bytes as they are read.
    pub async fn take(
        &self,
        source: &Blobs,
        id: Uuid,
        standing: Standing,
        progress: &(dyn Fn(u64) + Sync),
        stop: &CancellationToken,
    ) -> Result<Moved, TransferError> {
        if standing == Standing::Deleted {
            self.remove(id).await?;
            return Ok(Moved::Gone);
        }
        let course = Course {
            source,
            target: self,
            progress,
            stop,
        };
        let moved = move_video(&course, id).await?;
        match moved {
            Moved::Gone => self.remove(id).await?,
            Moved::Damaged(_) => {}
            Moved::Copied | Moved::AlreadyThere => {
                move_poster(source, self, id).await?;
                if standing == Standing::Listed {
                    self.store.remove(&Object::intent(id)).await?;
                } else {
                    video::write_intent(&self.store, id).await?;
                }
            }
        }
        Ok(moved)
    }

    /// Moves the idempotency keys that are still good, and says how many.
    pub async fn take_keys(
        &self,
        source: &Blobs,
        stop: &CancellationToken,
    ) -> Result<u64, TransferError> {
        let mut moved = 0;
        let mut keys = source.keys();
        while let Some(hash) = keys.try_next().await? {
            if stop.is_cancelled() {
                return Err(TransferError::Stopped);
            }
            moved += u64::from(move_key(source, self, &hash).await?);
        }
        Ok(moved)
    }

    /// Takes away a video that was deleted at the source since it was moved.
    pub async fn remove(&self, id: Uuid) -> Result<(), TransferError> {
        let keys = Keys::new(self.store.clone(), self.records.clone());
        Ok(remove_video(&self.store, &self.records, &keys, id).await?)
    }

    /// Lets others use the store.
    pub fn release(self) {
        self.store.release();
    }
}

/// What a comparison of two stores found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Videos that both have, with the same bytes.
    pub equal: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Videos that the target lacks, or has with other bytes or another record.
    pub different: Vec<Uuid>,
    /// Videos that only the target has.
    pub extra: u64,
    /// Videos of which the source itself does not have what was uploaded, which the target need
    /// not have either.
    pub damaged: u64,
}

/// Reads every byte of the target and compares it with the records of the source.
pub async fn compare(
    source: &Blobs,
    target: &Blobs,
    progress: &(dyn Fn(u64) + Sync),
    stop: &CancellationToken,
) -> Result<Comparison, TransferError> {
    let mut found = Comparison::default();
    let mut of_source = HashSet::new();
    let mut ids = source.videos();
    while let Some(id) = ids.try_next().await? {
        if stop.is_cancelled() {
            return Err(TransferError::Stopped);
        }
        of_source.insert(id);
        match video::compare(source, target, id, progress).await? {
            video::Compared::Equal(bytes) => {
                found.equal += 1;
                found.bytes += bytes;
            }
            video::Compared::Different => found.different.push(id),
            video::Compared::Damaged => found.damaged += 1,
            video::Compared::Gone => {}
        }
    }
    let mut ids = target.videos();
    while let Some(id) = ids.try_next().await? {
        found.extra += u64::from(!of_source.contains(&id));
    }
    Ok(found)
}

/// Whether a key would still be accepted.
fn is_good(key: &KeyDocument) -> bool {
    key.is_valid(now())
}

/// The ids of a stream, in memory: 16 bytes each.
pub async fn ids(
    stream: impl Stream<Item = Result<Uuid, TransferError>>,
) -> Result<HashSet<Uuid>, TransferError> {
    stream.try_collect().await
}
