//! Finding what earlier runs left undone: complete uploads that are not listed, broken ones that
//! left bytes behind, and keys that nobody will send again.

use std::sync::Arc;
use std::time::Duration;

use service_kit::telemetry;
use tokio_util::sync::CancellationToken;

use crate::completion::Completion;
use crate::record::{KeyDocument, now};
use crate::records::Records;
use crate::removal::remove_video;
use crate::running::Running;
use crate::store::{Store, StoreError};

/// How often the store is looked through once it has been.
const PERIOD: Duration = Duration::from_mins(10);
/// How soon it is tried again after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// How often a process that takes over looks whether the other one is gone.
const NEXT_LOOK: Duration = Duration::from_millis(500);

/// Looks through the store, at the start and then from time to time.
#[derive(Debug)]
pub(crate) struct Sweeper {
    pub(crate) store: Store,
    pub(crate) records: Records,
    pub(crate) completion: Arc<Completion>,
    pub(crate) running: Running,
}

impl Sweeper {
    /// Sweeps until shutdown.
    pub(crate) async fn run(&self, shutdown: CancellationToken) {
        if !self.store.is_alone() {
            // The process that this one takes over from completes its uploads itself, and only it
            // knows which of them still run.
            self.completion.set_recovered();
            while !self.store.is_alone() {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = tokio::time::sleep(NEXT_LOOK) => {}
                }
            }
        }
        loop {
            let pause = tokio::select! {
                () = shutdown.cancelled() => return,
                swept = self.sweep() => match swept {
                    Ok(()) => PERIOD,
                    Err(error) => {
                        let error = telemetry::chain(&error);
                        tracing::warn!(error, "cannot look through the store");
                        RETRY
                    }
                },
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn sweep(&self) -> Result<(), StoreError> {
        for id in self.store.intents().await? {
            // An upload is noted as running before its intent is written, so one that is not
            // noted now has ended, and its record is there or never will be.
            if self.running.contains(id) {
                continue;
            }
            match self.records.read(id).await {
                Ok(Some(record)) => self.completion.adopt(&record).await?,
                Ok(None) => {
                    remove_video(&self.store, &self.records, id).await?;
                    tracing::info!(video.id = %id, "a broken upload was cleaned up");
                }
                // One damaged record must not keep the others from being found.
                Err(error @ StoreError::Damaged { .. }) => {
                    let error = telemetry::chain(&error);
                    tracing::error!(video.id = %id, error, "an upload cannot be completed");
                }
                Err(error) => return Err(error),
            }
        }
        self.completion.set_recovered();
        self.sweep_keys().await
    }

    async fn sweep_keys(&self) -> Result<(), StoreError> {
        let oldest = now() - KeyDocument::LIFETIME;
        for hash in self.store.keys_before(oldest).await? {
            self.completion.remove_expired_key(&hash).await?;
        }
        Ok(())
    }
}
