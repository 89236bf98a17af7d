//! Writing a stream to the store in parts, with bounded memory.

use bytes::BytesMut;
use object_store::{MultipartUpload, PutPayload};
use tokio::task::JoinSet;

use crate::store::{Object, Store, StoreError, failed};

/// Parts on their way to the store while the next one fills.
const PARTS_IN_FLIGHT: usize = 2;

/// An object that is being written. It appears when it is complete, or never.
#[derive(Debug)]
pub(crate) struct PartWriter {
    object: Object,
    upload: Box<dyn MultipartUpload>,
    part: BytesMut,
    part_bytes: usize,
    in_flight: JoinSet<object_store::Result<()>>,
}

impl PartWriter {
    /// Begins an object that will have this many bytes at most.
    pub(crate) async fn begin(
        store: &Store,
        object: Object,
        media_type: &'static str,
        most_bytes: u64,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            upload: store.begin(&object, media_type).await?,
            object,
            part: BytesMut::new(),
            part_bytes: store.part_bytes(most_bytes),
            in_flight: JoinSet::new(),
        })
    }

    /// Takes bytes; waits while enough parts are on their way. They are copied: a client that sends
    /// tiny pieces would otherwise make each of them keep a whole buffer of its connection.
    pub(crate) async fn write(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        while !bytes.is_empty() {
            let room = self.part_bytes - self.part.len();
            let (now, later) = bytes.split_at(bytes.len().min(room));
            if self.part.is_empty() {
                // At once: growing by doubling could take twice the room.
                self.part.reserve(self.part_bytes);
            }
            self.part.extend_from_slice(now);
            bytes = later;
            if self.part.len() == self.part_bytes {
                self.send_part().await?;
            }
        }
        Ok(())
    }

    /// Makes the object appear; the store's tag of it, where it has one.
    pub(crate) async fn complete(mut self) -> Result<Option<String>, StoreError> {
        let written = async {
            if !self.part.is_empty() {
                self.send_part().await?;
            }
            self.wait_for_parts(0).await?;
            let completed = self.upload.complete().await;
            completed.map_err(|source| failed("complete", &self.object, source))
        }
        .await;
        match written {
            Ok(put) => Ok(put.e_tag),
            Err(error) => {
                self.abort().await;
                Err(error)
            }
        }
    }

    /// Takes away what was written. Whatever cannot be taken away now is never visible; it goes
    /// when the video is removed, or the store sweeps it by itself.
    pub(crate) async fn abort(mut self) {
        self.in_flight.shutdown().await;
        if let Err(error) = self.upload.abort().await {
            tracing::debug!(%error, "a broken upload was not aborted in the store");
        }
    }

    async fn send_part(&mut self) -> Result<(), StoreError> {
        self.wait_for_parts(PARTS_IN_FLIGHT - 1).await?;
        let part = self.part.split().freeze();
        let sent = self.upload.put_part(PutPayload::from_bytes(part));
        self.in_flight.spawn(sent);
        Ok(())
    }

    async fn wait_for_parts(&mut self, most: usize) -> Result<(), StoreError> {
        while self.in_flight.len() > most {
            let Some(ended) = self.in_flight.join_next().await else {
                break;
            };
            ended
                .map_err(object_store::Error::from)
                .and_then(std::convert::identity)
                .map_err(|source| failed("write", &self.object, source))?;
        }
        Ok(())
    }
}
