//! The bus in an SQLite file, for a system on one machine.
//!
//! A published event is one row per queue, written with group commit before `publish` returns.
//! Several processes may publish into the same file; a queue is consumed by one process at a time,
//! which an operating system's file lock guarantees and a crash releases. So what is being delivered
//! needs no mark on disk: a process that starts finds every event that was not acknowledged.

mod queue;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use service_kit::sqlite::{Database, DatabaseError};
use uuid::Uuid;

use crate::bus::{
    BusError, DeadLetter, EventBus, PublishError, Retries, SubscribeError, Subscription,
};
use crate::envelope::Envelope;
use crate::routing::{Queue, queues_of};
use queue::{QueueState, QueueSubscription};

/// Events that wait in all queues together, at most.
const CAPACITY: u64 = 5_000_000;

const MIGRATIONS: &[&str] = &["
    CREATE TABLE messages (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT NOT NULL,
        event_id TEXT NOT NULL,
        envelope TEXT NOT NULL,
        failures INTEGER NOT NULL DEFAULT 0,
        -- Milliseconds since the epoch; NULL for what has not failed yet.
        retry_at INTEGER
    ) STRICT;
    CREATE INDEX messages_fresh ON messages (queue, seq) WHERE retry_at IS NULL;
    CREATE INDEX messages_failed ON messages (queue, retry_at) WHERE retry_at IS NOT NULL;
    CREATE TABLE dead_letters (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT NOT NULL,
        event_id TEXT NOT NULL,
        envelope TEXT NOT NULL,
        reason TEXT NOT NULL,
        died_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX dead_letters_by_event ON dead_letters (queue, event_id);
"];

/// The bus in an SQLite file.
#[derive(Debug)]
pub struct EmbeddedBus {
    database: Database,
    path: PathBuf,
    retries: Retries,
    waiting: AtomicU64,
    queues: Mutex<HashMap<Queue, Weak<QueueState>>>,
}

/// What a bus still holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Events that no consumer has settled yet.
    pub waiting: u64,
    /// Events that were given up.
    pub dead_letters: u64,
}

impl EmbeddedBus {
    /// Opens or makes the file.
    pub async fn open(path: &Path) -> Result<Self, DatabaseError> {
        Self::open_with(path, Retries::default()).await
    }

    /// Opens or makes the file, and tries failed deliveries again in this way.
    pub async fn open_with(path: &Path, retries: Retries) -> Result<Self, DatabaseError> {
        let database = Database::open(path, MIGRATIONS).await?;
        let waiting = database.read(count).await?;
        Ok(Self {
            database,
            path: path.to_owned(),
            retries,
            waiting: AtomicU64::new(waiting),
            queues: Mutex::default(),
        })
    }

    /// What is in the file now, for whoever moves the rest of the data away from it.
    pub async fn left(&self) -> Result<Left, DatabaseError> {
        self.database
            .read(|connection| {
                let dead = "SELECT count(*) FROM dead_letters";
                Ok(Left {
                    waiting: count(connection)?,
                    dead_letters: connection.query_row(dead, [], |row| row.get(0))?,
                })
            })
            .await
    }

    /// Whether there is room. The count is this process's own and only grows; when it says that the
    /// bus is full, the file is asked.
    async fn has_room(&self) -> Result<bool, DatabaseError> {
        if self.waiting.load(Ordering::Relaxed) < CAPACITY {
            return Ok(true);
        }
        let waiting = self.database.read(count).await?;
        self.waiting.store(waiting, Ordering::Relaxed);
        Ok(waiting < CAPACITY)
    }

    fn wake(&self, queues: &[Queue]) {
        let states = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        for queue in queues {
            if let Some(state) = states.get(queue).and_then(Weak::upgrade) {
                state.wake();
            }
        }
    }
}

fn count(connection: &Connection) -> Result<u64, DatabaseError> {
    Ok(connection.query_row("SELECT count(*) FROM messages", [], |row| row.get(0))?)
}

#[async_trait]
impl EventBus for EmbeddedBus {
    async fn publish(&self, event: Envelope) -> Result<(), PublishError> {
        let queues = queues_of(&event.event_type);
        if !self.has_room().await? {
            return Err(PublishError::Full);
        }
        let body = event.to_json();
        self.database
            .write(move |connection| {
                let mut insert = connection.prepare_cached(
                    "INSERT INTO messages (queue, event_id, envelope) VALUES (?1, ?2, ?3)",
                )?;
                for queue in queues {
                    insert.execute(params![queue.name(), event.id.to_string(), body])?;
                }
                Ok::<_, DatabaseError>(())
            })
            .await?;
        self.waiting
            .fetch_add(queues.len() as u64, Ordering::Relaxed);
        self.wake(queues);
        Ok(())
    }

    async fn subscribe(&self, queue: Queue) -> Result<Box<dyn Subscription>, SubscribeError> {
        let mut states = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let state = if let Some(state) = states.get(&queue).and_then(Weak::upgrade) {
            state
        } else {
            let state = QueueState::take(self.database.clone(), &self.path, queue, self.retries)?;
            states.insert(queue, Arc::downgrade(&state));
            state
        };
        Ok(Box::new(QueueSubscription::new(state)))
    }

    async fn dead_letters(&self, queue: Queue, limit: usize) -> Result<Vec<DeadLetter>, BusError> {
        let rows = self.database.read(move |connection| {
            let mut select = connection.prepare_cached(
                "SELECT envelope, reason, died_at FROM dead_letters
                 WHERE queue = ?1 ORDER BY seq LIMIT ?2",
            )?;
            let rows = select.query_map(params![queue.name(), limit], |row| {
                Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, i64>(2)?))
            })?;
            Ok::<_, DatabaseError>(rows.collect::<Result<Vec<_>, _>>()?)
        });
        let letters = rows.await.map_err(failed)?.into_iter();
        letters
            .map(|(envelope, reason, died_at)| {
                Ok(DeadLetter {
                    envelope: serde_json::from_str(&envelope).map_err(failed)?,
                    reason,
                    died_at: Timestamp::from_millisecond(died_at).map_err(failed)?,
                })
            })
            .collect()
    }

    async fn replay(&self, queue: Queue, event: Uuid) -> Result<bool, BusError> {
        let replayed = self.database.write(move |connection| {
            let envelope: Option<String> = connection
                .prepare_cached(
                    "DELETE FROM dead_letters WHERE seq = (
                         SELECT min(seq) FROM dead_letters WHERE queue = ?1 AND event_id = ?2
                     ) RETURNING envelope",
                )?
                .query_row(params![queue.name(), event.to_string()], |row| row.get(0))
                .optional()?;
            let Some(envelope) = envelope else {
                return Ok::<_, DatabaseError>(false);
            };
            connection.execute(
                "INSERT INTO messages (queue, event_id, envelope) VALUES (?1, ?2, ?3)",
                params![queue.name(), event.to_string(), envelope],
            )?;
            Ok(true)
        });
        let replayed = replayed.await.map_err(failed)?;
        self.wake(&[queue]);
        Ok(replayed)
    }

    async fn discard(&self, queue: Queue, event: Uuid) -> Result<bool, BusError> {
        let discarded = self.database.write(move |connection| {
            let rows = connection.execute(
                "DELETE FROM dead_letters WHERE queue = ?1 AND event_id = ?2",
                params![queue.name(), event.to_string()],
            )?;
            Ok::<_, DatabaseError>(rows > 0)
        });
        discarded.await.map_err(failed)
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> BusError {
    BusError(Box::new(error))
}

#[cfg(test)]
mod tests;
