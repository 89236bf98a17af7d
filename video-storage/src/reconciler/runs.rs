//! The runs that were asked for: they are done one after the other, and whoever asked looks again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use uuid::Uuid;

use super::{ReconcileOptions, ReportBody};

/// Runs that wait, at most.
const MOST_WAITING: usize = 4;
/// Runs that are still known after their end, those that wait included.
const MOST_KNOWN: usize = 16;

/// Where runs are asked for. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Runs {
    asked: mpsc::Sender<Run>,
    known: Arc<Mutex<VecDeque<Run>>>,
}

/// Where they are taken from.
#[derive(Debug)]
pub(crate) struct Asked(mpsc::Receiver<Run>);

/// One run. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) id: Uuid,
    pub(crate) options: ReconcileOptions,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    state: RunState,
    ids: u64,
}

/// How far a run is.
#[derive(Clone, Debug)]
pub(crate) enum RunState {
    Waiting,
    Running,
    Done(Box<ReportBody>),
    Failed(String),
}

impl Runs {
    pub(crate) fn new() -> (Self, Asked) {
        let (asked, taken) = mpsc::channel(MOST_WAITING);
        let known = Arc::default();
        (Self { asked, known }, Asked(taken))
    }

    /// Asks for a run; `None` while too many wait.
    pub(crate) fn ask(&self, options: ReconcileOptions) -> Option<Run> {
        let run = Run::of(options);
        self.asked.try_send(run.clone()).ok()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.push_back(run.clone());
        if known.len() > MOST_KNOWN {
            known.pop_front();
        }
        Some(run)
    }

    pub(crate) fn find(&self, id: Uuid) -> Option<Run> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|run| run.id == id).cloned()
    }
}

impl Asked {
    pub(super) async fn next(&mut self) -> Option<Run> {
        self.0.recv().await
    }
}

impl Run {
    pub(super) fn of(options: ReconcileOptions) -> Self {
        Self {
            id: Uuid::now_v7(),
            options,
            shared: Arc::new(Mutex::new(Shared {
                state: RunState::Waiting,
                ids: 0,
            })),
        }
    }

    pub(super) fn set(&self, state: RunState) {
        self.shared().state = state;
    }

    pub(super) fn set_progress(&self, ids: u64) {
        self.shared().ids = ids;
    }

    /// Its state, and how many ids were compared.
    pub(crate) fn state(&self) -> (RunState, u64) {
        let shared = self.shared();
        (shared.state.clone(), shared.ids)
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn runs_wait_in_line_and_are_known_for_a_while() {
        let (runs, mut asked) = Runs::new();
        let first = runs.ask(ReconcileOptions::default()).unwrap();
        for _ in 1..MOST_WAITING {
            assert!(runs.ask(ReconcileOptions::default()).is_some());
        }
        assert!(runs.ask(ReconcileOptions::default()).is_none());
        let taken = asked.next().await.unwrap();
        assert_eq!(taken.id, first.id);
        taken.set(RunState::Failed("no".to_owned()));
        taken.set_progress(7);
        let (state, ids) = runs.find(first.id).unwrap().state();
        assert!(matches!(state, RunState::Failed(_)));
        assert_eq!(ids, 7);
        for _ in 0..MOST_KNOWN {
            let _ = asked.next().await;
            runs.ask(ReconcileOptions::default()).unwrap();
        }
        assert!(runs.find(first.id).is_none());
    }
}
