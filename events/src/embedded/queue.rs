//! What one process knows of a queue that it consumes.

use std::collections::{HashSet, VecDeque};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use service_kit::sqlite::{Database, DatabaseError};
use tokio::sync::Notify;

use super::failed;
use crate::bus::{BusError, Delivery, Retries, Settle, SubscribeError, Subscription};
use crate::envelope::Envelope;
use crate::routing::Queue;

/// Events that are read at once, of those that have not failed and of those that have.
const BATCH: usize = 128;

/// How often the file is looked at without being told: for what other processes publish, and for
/// failed events whose delay is over.
const POLL: Duration = Duration::from_millis(200);

/// No failed event waits longer than this for its next try.
const LONGEST_DELAY: Duration = Duration::from_mins(5);

/// A queue that this process consumes; all its subscriptions share one.
#[derive(Debug)]
pub(super) struct QueueState {
    database: Database,
    queue: Queue,
    retries: Retries,
    arrived: Notify,
    reading: tokio::sync::Mutex<()>,
    held: Mutex<Held>,
    /// Locked as long as this process consumes the queue.
    _lock: File,
}

/// What was read from the file and is not settled.
#[derive(Debug, Default)]
struct Held {
    /// Read, and with no consumer.
    ready: VecDeque<Message>,
    /// Everything read: with a consumer or ready.
    sequences: HashSet<i64>,
    /// Up to here, what has not failed yet was read. The file's single writer hands out growing
    /// numbers, so nothing can appear below.
    read_up_to: i64,
}

#[derive(Clone, Debug)]
struct Message {
    seq: i64,
    envelope: Envelope,
    failures: u32,
}

impl QueueState {
    pub(super) fn take(
        database: Database,
        bus: &Path,
        queue: Queue,
        retries: Retries,
    ) -> Result<Arc<Self>, SubscribeError> {
        let lock = lock(bus, queue)?;
        Ok(Arc::new(Self {
            database,
            queue,
            retries,
            arrived: Notify::new(),
            reading: tokio::sync::Mutex::default(),
            held: Mutex::default(),
            _lock: lock,
        }))
    }

    /// Tells one waiting subscription that something may have come.
    pub(super) fn wake(&self) {
        self.arrived.notify_one();
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_ready(&self) -> Option<Message> {
        let mut held = self.held();
        let message = held.ready.pop_front();
        if !held.ready.is_empty() {
            // Each woken subscription wakes the next, as long as there is something to take.
            self.arrived.notify_one();
        }
        message
    }

    /// Reads what has come. One subscription at a time, so that nothing is read twice.
    async fn refill(&self) -> Result<(), BusError> {
        let _turn = self.reading.lock().await;
        let read_up_to = {
            let held = self.held();
            if !held.ready.is_empty() {
                return Ok(());
            }
            held.read_up_to
        };
        let queue = self.queue;
        let now = Timestamp::now().as_millisecond();
        let read = self.database.read(move |connection| {
            Ok::<_, DatabaseError>((
                fresh(connection, queue, read_up_to)?,
                due(connection, queue, now)?,
            ))
        });
        let (fresh, due) = read.await.map_err(failed)?;
        let mut held = self.held();
        if let Some((seq, _, _)) = fresh.last() {
            held.read_up_to = *seq;
        }
        for (seq, envelope, failures) in fresh.into_iter().chain(due) {
            if held.sequences.contains(&seq) {
                continue;
            }
            let envelope = serde_json::from_str(&envelope).map_err(failed)?;
            held.sequences.insert(seq);
            held.ready.push_back(Message {
                seq,
                envelope,
                failures,
            });
        }
        Ok(())
    }

    fn delay_after(&self, failures: u32) -> Duration {
        let factor = 2_u32.saturating_pow(failures.saturating_sub(1).min(20));
        self.retries
            .first_delay
            .saturating_mul(factor)
            .min(LONGEST_DELAY)
    }
}

type Row = (i64, String, u32);

fn fresh(connection: &Connection, queue: Queue, after: i64) -> rusqlite::Result<Vec<Row>> {
    connection
        .prepare_cached(
            "SELECT seq, envelope, failures FROM messages
             WHERE queue = ?1 AND retry_at IS NULL AND seq > ?2 ORDER BY seq LIMIT ?3",
        )?
        .query_map(params![queue.name(), after, BATCH], row)?
        .collect()
}

fn due(connection: &Connection, queue: Queue, now: i64) -> rusqlite::Result<Vec<Row>> {
    connection
        .prepare_cached(
            "SELECT seq, envelope, failures FROM messages
             WHERE queue = ?1 AND retry_at <= ?2 ORDER BY retry_at LIMIT ?3",
        )?
        .query_map(params![queue.name(), now, BATCH], row)?
        .collect()
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn lock(bus: &Path, queue: Queue) -> Result<File, SubscribeError> {
    let mut path = bus.as_os_str().to_owned();
    path.push(format!(".{queue}.lock"));
    let path = PathBuf::from(path);
    let unavailable = |error| SubscribeError::Unavailable(failed(error));
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(unavailable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SubscribeError::Taken {
            queue,
            bus: bus.display().to_string(),
        }),
        Err(TryLockError::Error(error)) => Err(unavailable(error)),
    }
}

/// A subscription's share of a queue.
#[derive(Debug)]
pub(super) struct QueueSubscription(Arc<QueueState>);

impl QueueSubscription {
    pub(super) fn new(state: Arc<QueueState>) -> Self {
        Self(state)
    }
}

#[async_trait]
impl Subscription for QueueSubscription {
    async fn next(&mut self) -> Result<Delivery, BusError> {
        let state = &self.0;
        loop {
            if let Some(message) = state.next_ready() {
                let envelope = message.envelope.clone();
                let failures = message.failures;
                let settle = Unsettled {
                    state: Arc::clone(state),
                    message: Some(message),
                };
                return Ok(Delivery::new(envelope, failures, Box::new(settle)));
            }
            state.refill().await?;
            if state.held().ready.is_empty() {
                // The end of the wait is no failure: it is time to look at the file.
                let _ = tokio::time::timeout(POLL, state.arrived.notified()).await;
            }
        }
    }
}

/// A message that is with a consumer. Dropped before it is settled, it is ready again.
#[derive(Debug)]
struct Unsettled {
    state: Arc<QueueState>,
    message: Option<Message>,
}

impl Unsettled {
    /// Makes the change that settles the message. When the file does not take it, the message stays
    /// unsettled and comes again.
    async fn settle<F>(mut self: Box<Self>, change: F) -> Result<(), BusError>
    where
        F: FnOnce(&Connection, i64) -> rusqlite::Result<()> + Send + 'static,
    {
        let Some(seq) = self.message.as_ref().map(|message| message.seq) else {
            return Ok(());
        };
        self.state
            .database
            .write(move |connection| Ok::<_, DatabaseError>(change(connection, seq)?))
            .await
            .map_err(failed)?;
        self.message = None;
        self.state.held().sequences.remove(&seq);
        Ok(())
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            self.state.held().ready.push_front(message);
            self.state.wake();
        }
    }
}

#[async_trait]
impl Settle for Unsettled {
    async fn ack(self: Box<Self>) -> Result<(), BusError> {
        self.settle(|connection, seq| {
            connection
                .prepare_cached("DELETE FROM messages WHERE seq = ?1")?
                .execute([seq])?;
            Ok(())
        })
        .await
    }

    async fn retry(self: Box<Self>, reason: &str) -> Result<(), BusError> {
        let failures = self.message.as_ref().map_or(0, |held| held.failures) + 1;
        if failures >= self.state.retries.tries {
            return self.reject(reason).await;
        }
        let delay = i64::try_from(self.state.delay_after(failures).as_millis()).unwrap_or(i64::MAX);
        let retry_at = Timestamp::now().as_millisecond().saturating_add(delay);
        self.settle(move |connection, seq| {
            connection
                .prepare_cached("UPDATE messages SET failures = ?2, retry_at = ?3 WHERE seq = ?1")?
                .execute(params![seq, failures, retry_at])?;
            Ok(())
        })
        .await
    }

    async fn reject(self: Box<Self>, reason: &str) -> Result<(), BusError> {
        let reason = reason.to_owned();
        let now = Timestamp::now().as_millisecond();
        self.settle(move |connection, seq| {
            connection.execute(
                "INSERT INTO dead_letters (queue, event_id, envelope, reason, died_at)
                 SELECT queue, event_id, envelope, ?2, ?3 FROM messages WHERE seq = ?1",
                params![seq, reason, now],
            )?;
            connection.execute("DELETE FROM messages WHERE seq = ?1", [seq])?;
            Ok(())
        })
        .await
    }
}
