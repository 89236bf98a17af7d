//! Who of this process may change what now.
//!
//! The revisions and keys of the documents keep the laws, against other replicas too. Turns spare
//! the workers of one process the tries that they would lose against each other, and let events
//! of one session that wait together be written together.

use std::collections::hash_map::RandomState;
use std::error::Error;
use std::hash::{BuildHasher as _, Hash};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::MutexGuard;

use super::sessions::{self, WatchEvent};
use super::store::Store;
use crate::view_log::{Recorded, ViewLogError};
use crate::watch_session::WatchSession;

/// More than there are workers. Keys that share a lock only wait for each other.
const STRIPES: usize = 64;

/// The turns of a view log.
#[derive(Default)]
pub(super) struct Turns {
    sessions: Locks<Queue>,
}

/// A few locks for many keys.
pub(super) struct Locks<T> {
    stripes: Vec<Stripe<T>>,
    hasher: RandomState,
}

#[derive(Default)]
struct Stripe<T> {
    turn: tokio::sync::Mutex<()>,
    shared: T,
}

impl<T: Default> Default for Locks<T> {
    fn default() -> Self {
        Self {
            stripes: (0..STRIPES).map(|_| Stripe::default()).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl<T> Locks<T> {
    fn stripe(&self, key: impl Hash) -> &Stripe<T> {
        let hash = self.hasher.hash_one(key);
        let index = usize::try_from(hash % STRIPES as u64).unwrap_or(0);
        &self.stripes[index]
    }
}

impl Locks<()> {
    pub(super) async fn lock(&self, key: impl Hash) -> MutexGuard<'_, ()> {
        self.stripe(key).turn.lock().await
    }
}

/// Events that wait for the turn of their session.
type Queue = Mutex<Vec<Arc<Waiting>>>;

struct Waiting {
    session: WatchSession,
    event: WatchEvent,
    at: Timestamp,
    answer: Mutex<Option<Result<Recorded, ViewLogError>>>,
}

impl Waiting {
    fn answer(&self, answer: Result<Recorded, ViewLogError>) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }

    fn answered(&self) -> Option<Result<Recorded, ViewLogError>> {
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        answer.take()
    }
}

impl Turns {
    /// Takes in an event of a watch session, together with others of the session that wait.
    ///
    /// Whoever gets the turn does the work of all. If it is given up in the middle, the next one
    /// finds itself without an answer and does its own again, which is harmless.
    pub(super) async fn record(
        &self,
        store: &Store,
        session: WatchSession,
        event: WatchEvent,
        at: Timestamp,
    ) -> Result<Recorded, ViewLogError> {
        let stripe = self.sessions.stripe(session.id);
        let mine = Arc::new(Waiting {
            session,
            event,
            at,
            answer: Mutex::default(),
        });
        push(&stripe.shared, &mine);
        let _turn = stripe.turn.lock().await;
        if let Some(answer) = mine.answered() {
            return answer;
        }
        let together = take(&stripe.shared, &mine);
        let events: Vec<_> = together
            .iter()
            .map(|waiting| (waiting.event, waiting.at))
            .collect();
        match sessions::record(store, session, &events).await {
            Ok(recorded) => {
                for (waiting, recorded) in together.iter().zip(recorded) {
                    waiting.answer(Ok(recorded));
                }
            }
            Err(error) => {
                let mut copies = copies(error);
                for waiting in &together {
                    waiting.answer(Err(copies()));
                }
            }
        }
        let answer = mine.answered();
        answer.expect("each event of a turn is answered, and mine is one of them")
    }
}

fn push(queue: &Queue, mine: &Arc<Waiting>) {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    // Those that nobody waits for any more.
    queue.retain(|waiting| Arc::strong_count(waiting) > 1);
    queue.push(Arc::clone(mine));
}

/// Takes what waits for the session of `mine`, in the order of arrival and `mine` in any case.
fn take(queue: &Queue, mine: &Arc<Waiting>) -> Vec<Arc<Waiting>> {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let of_session = |waiting: &mut Arc<Waiting>| waiting.session == mine.session;
    let mut together: Vec<_> = queue.extract_if(.., of_session).collect();
    if !together.iter().any(|waiting| Arc::ptr_eq(waiting, mine)) {
        together.push(Arc::clone(mine));
    }
    together
}

/// The same failure, as often as it is asked for.
fn copies(error: ViewLogError) -> impl FnMut() -> ViewLogError {
    type Shared = Arc<dyn Error + Send + Sync>;
    let (source, make): (Shared, fn(Shared) -> ViewLogError) = match error {
        ViewLogError::Unavailable(source) => (source.into(), |source| {
            ViewLogError::Unavailable(Box::new(source))
        }),
        ViewLogError::Broken(source) => (source.into(), |source| {
            ViewLogError::Broken(Box::new(source))
        }),
    };
    move || make(Arc::clone(&source))
}
