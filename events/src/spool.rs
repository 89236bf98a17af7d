//! Events that wait on this machine's disk until the broker takes them.
//!
//! The spool is one SQLite file of one process. What was put into it outlives a `kill -9` and the
//! loss of power; it is given out in the order in which it was put, and removed once the broker has
//! confirmed it. Removing comes after the confirmation, so a crash between the two sends an event
//! twice, which its consumers know by its id.
//!
//! An event that the broker has refused for itself is *parked*: it comes again later, with growing
//! delays, and those behind it go on.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};
use service_kit::sqlite::{Database, DatabaseError};
use tokio::sync::Notify;

use crate::bus::PublishError;

const MIGRATIONS: &[&str] = &["
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        envelope TEXT NOT NULL,
        -- How often the broker has refused it.
        refusals INTEGER NOT NULL DEFAULT 0,
        -- Milliseconds since the epoch; NULL for what is not parked.
        retry_at INTEGER
    ) STRICT;
    CREATE INDEX events_fresh ON events (seq) WHERE retry_at IS NULL;
    CREATE INDEX events_parked ON events (retry_at) WHERE retry_at IS NOT NULL;
"];

/// How long an event is parked for the first time; each further time is twice as long.
const FIRST_PARKING: Duration = Duration::from_secs(1);

/// No event is parked longer than this.
const LONGEST_PARKING: Duration = Duration::from_mins(1);

/// How often parked events are looked at.
const POLL: Duration = Duration::from_millis(500);

/// An open spool. No other process has it open.
#[derive(Debug)]
pub struct Spool {
    database: Database,
    max_bytes: u64,
    counts: Arc<Counts>,
    arrived: Notify,
    /// Locked as long as the spool is open. The operating system releases it after a crash.
    _lock: File,
}

/// What is in the file. Changed within the file's single writer, in the order of its changes.
#[derive(Debug, Default)]
struct Counts {
    events: AtomicU64,
    bytes: AtomicU64,
    parked: AtomicU64,
}

/// An event in the spool.
#[derive(Clone, Debug)]
pub struct Spooled {
    /// Its place in the order.
    pub seq: i64,
    /// The event as JSON.
    pub envelope: String,
    /// How often the broker has refused it.
    pub refusals: u32,
}

/// Why a spool cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Another process has it open.
    #[error(
        "another process spools into {}; give each process a spool of its own (?spool=PATH)",
        path.display()
    )]
    Taken {
        /// The spool.
        path: PathBuf,
    },
    /// The file that tells other processes that the spool is open cannot be made.
    #[error("cannot lock the spool {}", path.display())]
    Lock {
        /// The spool.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be used.
    #[error("cannot open the spool {}", path.display())]
    Open {
        /// The spool.
        path: PathBuf,
        /// What is wrong with it.
        source: DatabaseError,
    },
}

impl SpoolError {
    /// Whether opening may succeed later.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Taken { .. } | Self::Lock { .. } => true,
            Self::Open { source, .. } => source.is_unavailable(),
        }
    }
}

impl Spool {
    /// Opens or makes the file; it takes events of `max_bytes` together.
    pub async fn open(path: &Path, max_bytes: u64) -> Result<Self, SpoolError> {
        let lock = lock(path)?;
        let open = async {
            let database = Database::open(path, MIGRATIONS).await?;
            let counts = database.read(count).await?;
            Ok((database, counts))
        };
        let (database, counts) = open.await.map_err(|source| SpoolError::Open {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            database,
            max_bytes,
            counts: Arc::new(counts),
            arrived: Notify::new(),
            _lock: lock,
        })
    }

    /// How many events wait.
    pub fn depth(&self) -> u64 {
        self.counts.events.load(Ordering::Relaxed)
    }

    /// Puts an event to the end. `Ok` means that it is on disk. One that is parked was refused by
    /// the broker already.
    pub async fn put(&self, envelope: String, is_parked: bool) -> Result<(), PublishError> {
        let counts = Arc::clone(&self.counts);
        let max_bytes = self.max_bytes;
        let retry_at = is_parked.then(|| after(FIRST_PARKING));
        let put = self.database.write(move |connection| {
            let length = envelope.len() as u64;
            if counts.bytes.load(Ordering::Relaxed) + length > max_bytes {
                return Err(PublishError::Full);
            }
            connection
                .prepare_cached(
                    "INSERT INTO events (envelope, refusals, retry_at) VALUES (?1, ?2, ?3)",
                )
                .and_then(|mut insert| {
                    insert.execute(params![envelope, u32::from(is_parked), retry_at])
                })
                .map_err(DatabaseError::from)?;
            counts.events.fetch_add(1, Ordering::Relaxed);
            counts.bytes.fetch_add(length, Ordering::Relaxed);
            counts
                .parked
                .fetch_add(u64::from(is_parked), Ordering::Relaxed);
            Ok(())
        });
        let put = put.await;
        if matches!(put, Err(PublishError::Unavailable(_))) {
            // The change was counted and then not committed, or not even tried.
            self.count_again().await;
        }
        self.arrived.notify_one();
        put
    }

    /// Waits until there may be something to take out.
    pub async fn has_work(&self) {
        loop {
            let events = self.counts.events.load(Ordering::Relaxed);
            let parked = self.counts.parked.load(Ordering::Relaxed);
            if events > parked {
                return;
            }
            if parked == 0 {
                self.arrived.notified().await;
            } else if tokio::time::timeout(POLL, self.arrived.notified())
                .await
                .is_err()
            {
                return;
            }
        }
    }

    /// The events that were put first and, behind them, those whose parking is over.
    pub async fn next(&self, limit: usize) -> Result<Vec<Spooled>, DatabaseError> {
        let now = Timestamp::now().as_millisecond();
        let read = move |connection: &Connection| {
            let mut events = fresh(connection, limit)?;
            events.extend(due(connection, now, limit)?);
            Ok::<_, DatabaseError>(events)
        };
        let events = self.database.read(read).await?;
        if events.iter().all(|event| event.refusals > 0) {
            // Should a count have gone wrong, this ends it: nobody is to ask for ever.
            self.count_again().await;
        }
        Ok(events)
    }

    /// Removes what the broker has confirmed, and parks what it has refused.
    pub async fn settle(
        &self,
        confirmed: Vec<Spooled>,
        refused: Vec<Spooled>,
    ) -> Result<(), DatabaseError> {
        let counts = Arc::clone(&self.counts);
        let settled = self.database.write(move |connection| {
            let mut remove = connection.prepare_cached("DELETE FROM events WHERE seq = ?1")?;
            for event in confirmed {
                let removed = remove.execute([event.seq])? as u64;
                let bytes = event.envelope.len() as u64;
                counts.events.fetch_sub(removed, Ordering::Relaxed);
                counts.bytes.fetch_sub(removed * bytes, Ordering::Relaxed);
                if event.refusals > 0 {
                    counts.parked.fetch_sub(removed, Ordering::Relaxed);
                }
            }
            let mut park = connection
                .prepare_cached("UPDATE events SET refusals = ?2, retry_at = ?3 WHERE seq = ?1")?;
            for event in refused {
                let retry_at = after(parking_after(event.refusals));
                let parked = park.execute(params![event.seq, event.refusals + 1, retry_at])? as u64;
                if event.refusals == 0 {
                    counts.parked.fetch_add(parked, Ordering::Relaxed);
                }
            }
            Ok::<_, DatabaseError>(())
        });
        let settled = settled.await;
        if settled.is_err() {
            self.count_again().await;
        }
        settled
    }

    async fn count_again(&self) {
        let counts = Arc::clone(&self.counts);
        // Within the writer, so that nothing changes meanwhile.
        let counted = self.database.write(move |connection| {
            let found = count(connection)?;
            for (kept, found) in [
                (&counts.events, found.events),
                (&counts.bytes, found.bytes),
                (&counts.parked, found.parked),
            ] {
                kept.store(found.into_inner(), Ordering::Relaxed);
            }
            Ok::<_, DatabaseError>(())
        });
        if let Err(error) = counted.await {
            tracing::warn!(%error, "the spool cannot be counted");
        }
    }
}

fn lock(path: &Path) -> Result<File, SpoolError> {
    let failed = |source| SpoolError::Lock {
        path: path.to_owned(),
        source,
    };
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(lock)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SpoolError::Taken {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn count(connection: &Connection) -> Result<Counts, DatabaseError> {
    Ok(connection.query_row(
        "SELECT count(*), coalesce(sum(octet_length(envelope)), 0), count(retry_at) FROM events",
        [],
        |row| {
            Ok(Counts {
                events: AtomicU64::new(row.get(0)?),
                bytes: AtomicU64::new(row.get(1)?),
                parked: AtomicU64::new(row.get(2)?),
            })
        },
    )?)
}

fn fresh(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<Spooled>> {
    connection
        .prepare_cached(
            "SELECT seq, envelope, refusals FROM events
             WHERE retry_at IS NULL ORDER BY seq LIMIT ?1",
        )?
        .query_map([limit], row)?
        .collect()
}

fn due(connection: &Connection, now: i64, limit: usize) -> rusqlite::Result<Vec<Spooled>> {
    connection
        .prepare_cached(
            "SELECT seq, envelope, refusals FROM events
             WHERE retry_at <= ?1 ORDER BY retry_at, seq LIMIT ?2",
        )?
        .query_map(params![now, limit], row)?
        .collect()
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Spooled> {
    Ok(Spooled {
        seq: row.get(0)?,
        envelope: row.get(1)?,
        refusals: row.get(2)?,
    })
}

fn parking_after(refusals: u32) -> Duration {
    FIRST_PARKING
        .saturating_mul(2_u32.saturating_pow(refusals.min(20)))
        .min(LONGEST_PARKING)
}

/// The moment after this long, in milliseconds since the epoch.
fn after(duration: Duration) -> i64 {
    let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Timestamp::now()
        .as_millisecond()
        .saturating_add(milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: u64 = 1_000_000;

    async fn spool_in(folder: &tempfile::TempDir, max_bytes: u64) -> Spool {
        let path = folder.path().join("spool.db");
        Spool::open(&path, max_bytes).await.unwrap()
    }

    async fn waiting(spool: &Spool) -> Vec<String> {
        let events = spool.next(100).await.unwrap();
        events.into_iter().map(|event| event.envelope).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_put_is_there_in_its_order_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let spool = spool_in(&folder, ROOM).await;
        for event in ["a", "b", "c"] {
            spool.put(event.to_owned(), false).await.unwrap();
        }
        drop(spool);
        let spool = spool_in(&folder, ROOM).await;
        assert_eq!(spool.depth(), 3);
        spool.has_work().await;
        assert_eq!(waiting(&spool).await, ["a", "b", "c"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_confirmed_is_gone_and_what_was_refused_lets_the_others_pass() {
        let folder = tempfile::tempdir().unwrap();
        let spool = spool_in(&folder, ROOM).await;
        for event in ["a", "b", "c"] {
            spool.put(event.to_owned(), false).await.unwrap();
        }
        let mut events = spool.next(2).await.unwrap();
        let refused = events.remove(0);
        spool.settle(events, vec![refused]).await.unwrap();
        assert_eq!(waiting(&spool).await, ["c"]);
        assert_eq!(spool.depth(), 2);
        let parked = test_support::eventually(Duration::from_secs(20), || async {
            let events = spool.next(100).await.unwrap();
            events.into_iter().find(|event| event.envelope == "a")
        });
        assert_eq!(parked.await.refusals, 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_spool_takes_nothing_until_something_has_left_it() {
        let folder = tempfile::tempdir().unwrap();
        let spool = spool_in(&folder, 10).await;
        spool.put("123456".to_owned(), false).await.unwrap();
        let refused = spool.put("78901".to_owned(), false).await;
        assert!(matches!(refused, Err(PublishError::Full)));
        spool.put("7890".to_owned(), false).await.unwrap();
        let events = spool.next(1).await.unwrap();
        spool.settle(events, Vec::new()).await.unwrap();
        spool.put("123456".to_owned(), false).await.unwrap();
        assert_eq!(spool.depth(), 2);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_spool_belongs_to_one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let spool = spool_in(&folder, ROOM).await;
        let path = folder.path().join("spool.db");
        let refused = Spool::open(&path, ROOM).await;
        assert!(matches!(refused, Err(SpoolError::Taken { .. })));
        drop(spool);
        Spool::open(&path, ROOM).await.unwrap();
    }
}
