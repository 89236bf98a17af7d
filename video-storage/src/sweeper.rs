//! Finding what earlier runs left undone: complete uploads that are not listed, broken ones that
//! left bytes behind, and keys that nobody will send again.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use service_kit::telemetry;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::completion::Completion;
use crate::keys::Keys;
use crate::lease::Lease;
use crate::record::{KeyDocument, now};
use crate::records::{Fate, Records};
use crate::removal::{remove_bytes, remove_video};
use crate::running::Running;
use crate::store::{Folder, Store, StoreError};

/// How often the store is looked through once it has been, where no lease asks for more.
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
    pub(crate) keys: Arc<Keys>,
    pub(crate) lease: Lease,
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
                    Ok(_) => self.lease.review(PERIOD),
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

    /// Takes away what uploads of this process left when the store failed under them: at once when
    /// it is back, and without waiting for their leases, until shutdown.
    pub(crate) async fn clean_up_own(&self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
            for id in self.running.left_behind() {
                let removed = remove_video(&self.store, &self.records, &self.keys, id).await;
                if let Err(error) = removed {
                    let error = telemetry::chain(&error);
                    tracing::debug!(video.id = %id, error, "a failed upload is cleaned up later");
                    break;
                }
                self.running.is_cleaned_up(id);
                tracing::info!(video.id = %id, "a failed upload was cleaned up");
            }
        }
    }

    /// Looks through the store once; the number of broken uploads that were taken away.
    pub(crate) async fn sweep(&self) -> Result<u64, StoreError> {
        // The process that this one takes over from still works on some of what is there.
        if !self.store.is_alone() {
            return Ok(0);
        }
        // Read first: an intent that is renewed meanwhile is only the younger.
        let clock = self.store.clock().await?;
        let mut taken_away = 0;
        let mut intents = self.store.list(Folder::Intents);
        while let Some(intent) = intents.try_next().await? {
            // An upload is noted as running before its intent is written, so one that is not
            // noted now has ended, and its record is there or never will be by this process.
            if self.running.contains(intent.id) {
                continue;
            }
            match self.finish(intent.id, intent.written_at, clock).await {
                Ok(is_taken_away) => taken_away += u64::from(is_taken_away),
                // One damaged record must not keep the others from being found.
                Err(error @ StoreError::Damaged { .. }) => {
                    let error = telemetry::chain(&error);
                    tracing::error!(video.id = %intent.id, error, "an upload cannot be completed");
                }
                Err(error) => return Err(error),
            }
        }
        self.completion.set_recovered();
        self.sweep_keys().await?;
        Ok(taken_away)
    }

    /// Does what is left to do for an upload that does not run here; whether it was taken away.
    async fn finish(
        &self,
        id: Uuid,
        renewed_at: Timestamp,
        clock: Timestamp,
    ) -> Result<bool, StoreError> {
        match self.records.find(id).await? {
            // Several replicas may complete the same upload: it is all the same to catalogue and
            // key how often they are told.
            Fate::Complete(record) => {
                self.completion.adopt(&record).await?;
                Ok(false)
            }
            Fate::Abandoned(version) => {
                if self.lease.is_forgotten(version.written_at, clock) {
                    remove_video(&self.store, &self.records, &self.keys, id).await?;
                } else {
                    // Who stood still may have gone on, and finished writing what cannot be used.
                    remove_bytes(&self.store, id).await?;
                }
                Ok(false)
            }
            Fate::Open if !self.lease.is_over(renewed_at, clock) => Ok(false),
            Fate::Open if self.store.is_shared() => {
                // It may have become complete at this very moment; then it is found so next time.
                let is_ours = self.records.abandon(id).await?;
                if is_ours {
                    remove_bytes(&self.store, id).await?;
                    tracing::info!(video.id = %id, "an upload that stood still was taken away");
                }
                Ok(is_ours)
            }
            Fate::Open => {
                remove_video(&self.store, &self.records, &self.keys, id).await?;
                tracing::info!(video.id = %id, "a broken upload was cleaned up");
                Ok(true)
            }
        }
    }

    async fn sweep_keys(&self) -> Result<(), StoreError> {
        let mut expired = self.store.keys_before(now() - KeyDocument::LIFETIME);
        while let Some(hash) = expired.try_next().await? {
            self.keys.remove_expired(&hash).await?;
        }
        Ok(())
    }
}
