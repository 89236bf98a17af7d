//! An SQLite file: one writer with group commit, and a pool of readers.
//!
//! SQLite allows one writer at a time, and each commit waits for the disk. So one thread owns the
//! writing connection; it takes all writes that have gathered meanwhile, runs each within a
//! savepoint, and commits them together. A hundred writes that arrive at once wait for one flush
//! instead of a hundred, and each is still on disk before its caller is told.
//!
//! Write-ahead logging lets readers go on meanwhile, each on the last committed state. With
//! `synchronous=FULL` a commit survives the loss of power, not only of the process.

mod error;
mod writer;

use std::ops::Deref;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use error::DatabaseError;
use writer::Writer;

/// Readers that run at once. More do not help: each holds a thread and a cache.
const READERS: usize = 4;

/// How long a statement waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// An open database. Cheap to clone; the clones share the connections.
#[derive(Clone, Debug)]
pub struct Database {
    writer: Arc<Writer>,
    readers: Arc<Readers>,
}

#[derive(Debug)]
struct Readers {
    turns: Arc<Semaphore>,
    connections: Mutex<Vec<Connection>>,
}

/// A connection that goes back to the pool when it is dropped, also by a panic.
struct Lent<'a> {
    connection: Option<Connection>,
    readers: &'a Readers,
    _turn: OwnedSemaphorePermit,
}

impl Readers {
    fn lend(&self, turn: OwnedSemaphorePermit) -> Result<Lent<'_>, DatabaseError> {
        let connection = self.idle().pop().ok_or(DatabaseError::Busy)?;
        Ok(Lent {
            connection: Some(connection),
            readers: self,
            _turn: turn,
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Lent<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("lent until it is dropped")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        // Before the turn, which is a field and dropped after this.
        self.readers.idle().extend(self.connection.take());
    }
}

impl Database {
    /// Opens or makes the file, and brings its schema up to date: `migrations` are SQL scripts in
    /// their order, and `PRAGMA user_version` counts those that have run. A script never changes
    /// once it was released.
    pub async fn open(
        path: &Path,
        migrations: &'static [&'static str],
    ) -> Result<Self, DatabaseError> {
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || {
            if let Some(folder) = path.parent() {
                // What is kept here is its owner's alone: who watched what is in it.
                std::fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(folder)
                    .map_err(|source| DatabaseError::Folder {
                        path: folder.to_owned(),
                        source,
                    })?;
            }
            let mut connection = connect(&path)?;
            migrate(&mut connection, migrations)?;
            let readers = (0..READERS)
                .map(|_| connect(&path))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(Self {
                writer: Arc::new(Writer::start(connection)?),
                readers: Arc::new(Readers {
                    turns: Arc::new(Semaphore::new(READERS)),
                    connections: Mutex::new(readers),
                }),
            })
        })
        .await
        .expect("opening a database does not panic")
    }

    /// Runs queries on the last committed state.
    pub async fn read<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        E: From<DatabaseError> + Send + 'static,
        T: Send + 'static,
    {
        let turns = Arc::clone(&self.readers.turns);
        let turn = turns
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let readers = Arc::clone(&self.readers);
        let read = tokio::task::spawn_blocking(move || {
            // The turn belongs to the query and not to its caller, who may go away before it ends.
            let connection = readers.lend(turn)?;
            f(&connection)
        });
        match read.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(DatabaseError::Closed.into()),
            },
        }
    }

    /// Runs statements as one atomic change. `Ok` means that the change is on disk; an error of `f`
    /// undoes what `f` did and nothing else.
    pub async fn write<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        E: From<DatabaseError> + Send + 'static,
        T: Send + 'static,
    {
        self.writer.write(f).await
    }
}

fn connect(path: &Path) -> Result<Connection, DatabaseError> {
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        // Pages kept in memory, in KiB (negative: SQLite's way to say so). Indexes of millions of
        // rows are too deep for its default of 2 MiB.
        connection.pragma_update(None, "cache_size", -8 * 1024)?;
        // The write-ahead log is cut back to this after a burst, in bytes.
        connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    };
    open().map_err(|source| DatabaseError::Open {
        path: path.to_owned(),
        source,
    })
}

fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), DatabaseError> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let done: usize = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if done > migrations.len() {
        return Err(DatabaseError::Newer {
            found: done,
            known: migrations.len(),
        });
    }
    for migration in &migrations[done..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", migrations.len())?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests;
