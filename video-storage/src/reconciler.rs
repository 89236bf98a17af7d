//! Comparing the store with the catalogue: what one has and the other has not.
//!
//! The ids of the catalogue and of each folder are read side by side in their order, so that
//! neither is ever held whole. What does not fit together is looked at again, one by one, because
//! uploads and deletions go on meanwhile ([`verdict`]). What follows is done at once; what nobody
//! but a person can decide is reported.

mod report;
mod runs;
mod verdict;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use service_kit::client::CallError;
use service_kit::telemetry;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::catalogue::{Catalogue, State};
use crate::completion::Completion;
use crate::keys::Keys;
use crate::measures::Measures;
use crate::record::now;
use crate::records::Records;
use crate::removal::remove_video;
use crate::running::Running;
use crate::store::{Object, Store, StoreError};
use crate::sweeper::Sweeper;

pub use report::{CheckedBody, FindingsBody, ReportBody};
pub(crate) use runs::{Asked, Run, RunState, Runs};
use verdict::{Look, Verdict};
use walk::{Suspect, Walk};

/// How often it is looked whether it is time to compare. Another replica may have done it.
const REVIEW: Duration = Duration::from_mins(1);
/// Suspects that are looked at together.
const BATCH: usize = 100;
/// Suspects that are looked at, or acted upon, at the same time.
const CONCURRENCY: usize = 8;

/// What a run may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReconcileOptions {
    /// Remove what is in the store and belongs to nothing.
    pub remove_strays: bool,
    /// Change nothing; say what would be done.
    pub dry_run: bool,
}

/// Why a run came to no end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReconcileError {
    #[error("the store cannot be compared")]
    Store(#[from] StoreError),
    #[error("the catalogue cannot be compared")]
    Catalogue(#[from] Box<CallError>),
}

impl From<CallError> for ReconcileError {
    fn from(error: CallError) -> Self {
        Self::Catalogue(Box::new(error))
    }
}

/// `reconciliation.json`
#[derive(Debug, Serialize, Deserialize)]
struct ReconciliationDocument {
    schema: u32,
    report: ReportBody,
}

/// Compares, from time to time and when it is asked to.
#[derive(Debug)]
pub(crate) struct Reconciler {
    pub(crate) store: Store,
    pub(crate) records: Records,
    pub(crate) keys: Arc<Keys>,
    pub(crate) running: Running,
    pub(crate) catalogue: Catalogue,
    pub(crate) completion: Arc<Completion>,
    pub(crate) sweeper: Arc<Sweeper>,
    pub(crate) measures: Measures,
    pub(crate) period: Duration,
}

impl Reconciler {
    /// Compares until shutdown, one run at a time.
    pub(crate) async fn run(&self, mut asked: Asked, shutdown: CancellationToken) {
        let mut review = tokio::time::interval(REVIEW);
        review.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The first tick is at once, when the service has better things to do.
        review.tick().await;
        let work = async {
            loop {
                tokio::select! {
                    Some(run) = asked.next() => {
                        run.set(RunState::Running);
                        match self.reconcile(run.options, &run).await {
                            Ok(report) => run.set(RunState::Done(Box::new(report))),
                            Err(error) => {
                                let reason = telemetry::chain(&error);
                                tracing::warn!(error = reason, "a run that was asked for failed");
                                run.set(RunState::Failed(reason));
                            }
                        }
                    }
                    _ = review.tick() => self.reconcile_when_due().await,
                }
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = work => {}
        }
    }

    async fn reconcile_when_due(&self) {
        let compared = async {
            let last = self.last_report().await?;
            if let Some(report) = &last {
                self.measures.reconciled(report);
            }
            if last.is_some_and(|last| !self.is_due(last.ended_at)) {
                return Ok(());
            }
            let run = Run::of(ReconcileOptions::default());
            self.reconcile(run.options, &run).await.map(drop)
        };
        let compared: Result<(), ReconcileError> = compared.await;
        if let Err(error) = compared {
            let error = telemetry::chain(&error);
            tracing::warn!(error, "store and catalogue are not compared yet");
        }
    }

    /// A clock that was set back must not put the next run off for ever.
    fn is_due(&self, last: Timestamp) -> bool {
        let since = now().duration_since(last);
        let period = SignedDuration::try_from(self.period).unwrap_or(SignedDuration::MAX);
        since >= period || since < SignedDuration::ZERO
    }

    /// What the last complete run of any replica has found.
    async fn last_report(&self) -> Result<Option<ReportBody>, StoreError> {
        let found = self.store.get_json(&Object::reconciliation()).await;
        match found {
            Ok(document) => Ok(document.map(|document: ReconciliationDocument| document.report)),
            // It is written anew by the next run.
            Err(StoreError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn reconcile(
        &self,
        options: ReconcileOptions,
        run: &Run,
    ) -> Result<ReportBody, ReconcileError> {
        self.store.check().await?;
        let mut report = ReportBody::begin(options, now());
        if !options.dry_run {
            report.broken_uploads_removed = self.sweeper.sweep().await?;
        }
        let mut walk = Walk::begin(&self.store, &self.catalogue).await?;
        loop {
            let suspects = walk.next_suspects(BATCH).await?;
            run.set_progress(walk.checked.ids);
            if suspects.is_empty() {
                break;
            }
            self.judge(&suspects, options, &mut report).await?;
        }
        report.checked = walk.checked;
        // A store that went away in the middle looks empty from there on.
        self.store.check().await?;
        report.ended_at = now();
        if !options.dry_run {
            let document = ReconciliationDocument {
                schema: 1,
                report: report.clone(),
            };
            let object = Object::reconciliation();
            self.store.put_json(&object, &document).await?;
            self.measures.reconciled(&report);
        }
        report.log();
        Ok(report)
    }

    /// Looks at suspects again, first in the store and then in the catalogue, and does what
    /// follows.
    async fn judge(
        &self,
        suspects: &[Suspect],
        options: ReconcileOptions,
        report: &mut ReportBody,
    ) -> Result<(), ReconcileError> {
        let ids: Vec<Uuid> = suspects.iter().map(|suspect| suspect.id).collect();
        let looks: Vec<Look> = stream::iter(ids.clone())
            .map(|id| Look::at(id, &self.store, &self.records, &self.running))
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        let states = self.catalogue.states(&ids).await?;
        let mut verdicts = Vec::with_capacity(suspects.len());
        for (suspect, look) in suspects.iter().zip(looks) {
            let state = states.get(&suspect.id).copied();
            let verdict = look.judge(suspect.state, state.unwrap_or(State::Unknown));
            verdicts.push((suspect.id, verdict));
        }
        // Side by side, and told in the order of the ids.
        let done: Vec<(Uuid, Verdict)> = stream::iter(verdicts)
            .map(|(id, verdict)| async move {
                let verdict = self.act(id, verdict, options).await?;
                Ok::<_, ReconcileError>((id, verdict))
            })
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        for (id, verdict) in done {
            report.note(id, &verdict);
        }
        Ok(())
    }

    async fn act(
        &self,
        id: Uuid,
        verdict: Verdict,
        options: ReconcileOptions,
    ) -> Result<Verdict, ReconcileError> {
        if options.dry_run {
            return Ok(verdict);
        }
        match verdict {
            Verdict::HalfDeleted => {
                self.remove(id).await?;
                tracing::info!(video.id = %id, "a deletion was finished");
                Ok(verdict)
            }
            Verdict::Unlisted(record) => match self.completion.restore(&record).await {
                Ok(_) => {
                    tracing::info!(video.id = %id, "an upload that was lost is listed again");
                    Ok(Verdict::Unlisted(record))
                }
                Err(error) if error.is_unavailable() => Err(error.into()),
                Err(error) => {
                    let error = telemetry::chain(&error);
                    tracing::error!(video.id = %id, error, "the catalogue refuses an upload");
                    Ok(Verdict::Unusable)
                }
            },
            Verdict::Stray if options.remove_strays => {
                self.remove(id).await?;
                tracing::info!(video.id = %id, "what belonged to nothing was removed");
                Ok(Verdict::RemovedStray)
            }
            verdict => Ok(verdict),
        }
    }

    async fn remove(&self, id: Uuid) -> Result<(), StoreError> {
        remove_video(&self.store, &self.records, &self.keys, id).await
    }
}
