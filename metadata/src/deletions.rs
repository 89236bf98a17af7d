//! Tells the whole system of deletions.
//!
//! A deletion is on disk as a pending tombstone before anything else happens. One task publishes
//! `video.deleted` for each pending tombstone and confirms it once the bus has taken the event. A
//! process that dies between two of these steps, or a bus that is down, leaves the tombstone
//! pending; the task finds it when it starts and every [`REVIEW`] later. So each deletion is
//! published at least once, under the same event id each time.

use std::sync::Arc;
use std::time::Duration;

use events::{Envelope, EventBus, PublishError, VideoDeleted};
use service_kit::telemetry::chain;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::catalog::{Catalog, CatalogError};
use crate::video::Tombstone;

/// How often pending tombstones are looked for without a reason: another replica may have died.
const REVIEW: Duration = Duration::from_secs(30);

/// How long the last round may take when the service stops. What it misses is pending, not lost.
const LAST_ROUND: Duration = Duration::from_secs(2);

/// How many tombstones are read at once.
const BATCH: usize = 100;

/// Where the rest of the service says that there is a deletion to publish.
#[derive(Clone, Debug, Default)]
pub(crate) struct PendingDeletions(Arc<Notify>);

impl PendingDeletions {
    /// Has the pending deletions published soon. Does not wait for it.
    pub(crate) fn announce(&self) {
        self.0.notify_one();
    }

    /// Publishes pending deletions until the token is cancelled, and a last time then.
    pub(crate) async fn publish_all(
        &self,
        catalog: &dyn Catalog,
        bus: &dyn EventBus,
        stop: CancellationToken,
    ) {
        let mut backoff = Backoff::default();
        loop {
            let wait = async {
                match publish_pending(catalog, bus).await {
                    Ok(()) => {
                        backoff.reset();
                        let review = tokio::time::sleep(REVIEW);
                        tokio::select! {
                            () = self.0.notified() => {}
                            () = review => {}
                        }
                    }
                    Err(error) => {
                        tracing::warn!(error = chain(&error), "deletions stay pending");
                        backoff.wait().await;
                    }
                }
            };
            tokio::select! {
                () = wait => {}
                () = stop.cancelled() => break,
            }
        }
        let last = publish_pending(catalog, bus);
        if !matches!(tokio::time::timeout(LAST_ROUND, last).await, Ok(Ok(()))) {
            tracing::info!("deletions stay pending until the next start");
        }
    }
}

/// Publishes what is pending, the oldest first, up to the first failure.
async fn publish_pending(catalog: &dyn Catalog, bus: &dyn EventBus) -> Result<(), AnnounceError> {
    loop {
        let pending = catalog.pending_deletions(BATCH).await?;
        if pending.is_empty() {
            return Ok(());
        }
        for tombstone in pending {
            let Tombstone { video, deleted_at } = tombstone;
            let event = Envelope::of(&VideoDeleted { video, deleted_at });
            bus.publish(event).await?;
            catalog.confirm_deletion(video).await?;
            tracing::debug!(video.id = %video, "deletion published");
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum AnnounceError {
    #[error("a deletion could not be published")]
    Publish(#[from] PublishError),
    #[error("pending deletions could not be read or confirmed")]
    Catalog(#[from] CatalogError),
}

#[cfg(test)]
mod tests;
