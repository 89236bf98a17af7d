//! The task that writes an upload to the store and makes it known.

use std::sync::Arc;

use bytes::Bytes;
use service_kit::telemetry;
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use uuid::Uuid;

use crate::completion::{Completed, Completion};
use crate::digest::hex;
use crate::idempotency::KeyHash;
use crate::keys::Keys;
use crate::lease::Lease;
use crate::media::{Container, MediaFacts, PictureTrack, Probe};
use crate::record::{UploadRecord, now};
use crate::records::Records;
use crate::removal::remove_video;
use crate::running::RunningUpload;
use crate::store::{Object, Store, StoreError};

use super::parts::PartWriter;

/// What the handler sends.
#[derive(Debug)]
pub(super) enum Piece {
    /// The next bytes of the body.
    Bytes(Bytes),
    /// The body has ended well. Nothing else means that.
    End,
}

/// Why an upload did not become a video.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommitError {
    /// The sender went away without saying that the body had ended.
    #[error("the body was broken off")]
    Broken,
    /// The complete file has no picture track.
    #[error("the file has no picture track")]
    NoPicture,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The task died.
    #[error("the task of the upload died")]
    Lost,
    /// It stood still for so long that another replica took it away.
    #[error("the upload was abandoned")]
    Abandoned,
}

/// One upload.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) id: Uuid,
    pub(super) title: String,
    pub(super) key: Option<KeyHash>,
    pub(super) container: Container,
    /// The length that was declared, or else the most that is taken.
    pub(super) most_bytes: u64,
    pub(super) store: Store,
    pub(super) records: Records,
    pub(super) keys: Arc<Keys>,
    pub(super) lease: Lease,
    pub(super) completion: Arc<Completion>,
    /// Keeps the sweeper away until nothing is left to do or it is noted as pending.
    pub(super) running: RunningUpload,
    /// The memory of an upload is given back only here.
    pub(super) place: OwnedSemaphorePermit,
}

/// The whole body, once it is in the store.
struct Written {
    size_bytes: u64,
    sha256: String,
    facts: MediaFacts,
    picture: PictureTrack,
    store_tag: Option<String>,
}

impl Commit {
    /// Runs to the end, whatever becomes of the client.
    pub(super) async fn run(
        self,
        mut pieces: mpsc::Receiver<Piece>,
        done: oneshot::Sender<Result<UploadRecord, CommitError>>,
    ) {
        let outcome = self.take(&mut pieces).await;
        // The handler learns of a failure here, also while it is waiting to send.
        drop(pieces);
        if outcome.is_err() {
            self.clean_up().await;
        }
        let Self { running, place, .. } = self;
        drop((running, place));
        // A client that went away after its last byte does not hear that it was taken.
        let _ = done.send(outcome);
    }

    async fn take(&self, pieces: &mut mpsc::Receiver<Piece>) -> Result<UploadRecord, CommitError> {
        let intent = Lease::intent(self.id);
        self.lease.take(&self.store, &intent).await?;
        let written = tokio::select! {
            written = self.write(pieces) => written?,
            never = self.lease.keep(&self.store, &intent) => match never {},
        };
        let record = UploadRecord {
            id: self.id,
            title: self.title.clone(),
            container: self.container,
            size_bytes: written.size_bytes,
            sha256: written.sha256,
            duration_ms: written.facts.duration_ms,
            picture_size: written.picture.size,
            uploaded_at: now(),
            store_tag: written.store_tag,
            key: self.key.clone(),
        };
        // From here on the upload is complete, and stays so.
        if !self.records.commit(&record).await? {
            return Err(CommitError::Abandoned);
        }
        tracing::info!(video.id = %self.id, size_bytes = record.size_bytes, "a video was taken in");
        Ok(match self.completion.complete(&record).await {
            Completed::Superseded(earlier) => *earlier,
            Completed::Listed | Completed::Pending | Completed::Deleted => record,
        })
    }

    async fn write(&self, pieces: &mut mpsc::Receiver<Piece>) -> Result<Written, CommitError> {
        let object = Object::video(self.id);
        let media_type = self.container.content_type();
        let writer = PartWriter::begin(&self.store, object, media_type, self.most_bytes);
        let mut writer = writer.await?;
        let mut hash = Sha256::new();
        let mut probe = Probe::new(self.container);
        let mut size_bytes = 0;
        loop {
            match pieces.recv().await {
                Some(Piece::Bytes(bytes)) => {
                    size_bytes += bytes.len() as u64;
                    hash.update(&bytes);
                    probe.push(&bytes);
                    if let Err(error) = writer.write(&bytes).await {
                        writer.abort().await;
                        return Err(error.into());
                    }
                }
                Some(Piece::End) => break,
                None => {
                    writer.abort().await;
                    return Err(CommitError::Broken);
                }
            }
        }
        let facts = probe.finish();
        let Some(picture) = facts.picture else {
            writer.abort().await;
            return Err(CommitError::NoPicture);
        };
        Ok(Written {
            size_bytes,
            sha256: hex(&hash.finalize()),
            facts,
            picture,
            store_tag: writer.complete().await?,
        })
    }

    /// Takes away what a failed upload left. What cannot be taken away now keeps its intent, by
    /// which it is found and taken away later.
    async fn clean_up(&self) {
        if let Err(error) = remove_video(&self.store, &self.records, &self.keys, self.id).await {
            self.running.leave_behind();
            tracing::warn!(
                video.id = %self.id,
                error = telemetry::chain(&error),
                "a failed upload is cleaned up later"
            );
        }
    }
}
