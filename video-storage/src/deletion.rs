//! What the deletion of a video means here: everything that belongs to it goes.

use std::sync::Arc;

use async_trait::async_trait;
use events::{Envelope, Event as _, Handled, Handler, VideoDeleted};

use crate::keys::Keys;
use crate::records::Records;
use crate::removal::remove_video;
use crate::store::Store;

/// Handles `video.deleted`. Readers that have begun may finish; the engine keeps an open file.
#[derive(Debug)]
pub(crate) struct Deletion {
    pub(crate) store: Store,
    pub(crate) records: Records,
    pub(crate) keys: Arc<Keys>,
}

#[async_trait]
impl Handler for Deletion {
    async fn handle(&self, envelope: &Envelope) -> Handled {
        let event: VideoDeleted = match envelope.decode() {
            Ok(event) => event,
            Err(error) => return Handled::Rejected(service_kit::telemetry::chain(&error)),
        };
        match remove_video(&self.store, &self.records, &self.keys, event.video).await {
            Ok(()) => {
                tracing::info!(video.id = %event.video, event = VideoDeleted::TYPE, "removed");
                Handled::Done
            }
            Err(error) => Handled::Unavailable(Box::new(error)),
        }
    }
}
