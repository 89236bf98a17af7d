//! The thread that owns the writing connection.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::DatabaseError;

/// Writes that wait at once; further callers wait to get in.
const QUEUE: usize = 1024;

/// Writes that share one commit. More would make the first of them wait for long.
const GROUP: usize = 256;

/// A change, and what tells its caller of the outcome once the group is committed.
type Job = Box<dyn FnOnce(&Connection) -> Outcome + Send>;
type Outcome = Box<dyn FnOnce(Result<(), String>) + Send>;

#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Self, DatabaseError> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || run(&connection, queue))
            .map_err(DatabaseError::Thread)?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(super) async fn write<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        E: From<DatabaseError> + Send + 'static,
        T: Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = within_savepoint(connection, f);
            Box::new(move |committed| {
                let result = match committed {
                    Ok(()) => result,
                    Err(reason) => Err(DatabaseError::Commit(reason).into()),
                };
                // The caller may have gone; its change is made all the same.
                let _ = tell.send(result);
            })
        });
        let jobs = self.jobs.as_ref().ok_or(DatabaseError::Closed)?;
        if jobs.send(job).await.is_err() {
            return Err(DatabaseError::Closed.into());
        }
        told.await
            .unwrap_or_else(|_| Err(DatabaseError::Closed.into()))
    }
}

impl Drop for Writer {
    /// Waits until what was queued is on disk.
    fn drop(&mut self) {
        self.jobs = None;
        let thread = self.thread.get_mut().ok().and_then(Option::take);
        if let Some(thread) = thread {
            // A panic of the thread was reported by the panic hook; there is nothing to add.
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, mut queue: mpsc::Receiver<Job>) {
    let mut group = Vec::with_capacity(GROUP);
    while queue.blocking_recv_many(&mut group, GROUP) > 0 {
        if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
            tracing::warn!(%error, "the database takes no changes");
            // Dropping a job tells its caller that the change was not made.
            group.clear();
            continue;
        }
        let outcomes: Vec<Outcome> = group
            .drain(..)
            .filter_map(|job| catch_unwind(AssertUnwindSafe(|| job(connection))).ok())
            .collect();
        let committed = connection.execute_batch("COMMIT").map_err(|error| {
            if !connection.is_autocommit() {
                // Should this fail as well, the next BEGIN does, and says so to its callers.
                let _ = connection.execute_batch("ROLLBACK");
            }
            error.to_string()
        });
        for outcome in outcomes {
            outcome(committed.clone());
        }
    }
}

fn within_savepoint<T, E, F>(connection: &Connection, f: F) -> Result<T, E>
where
    F: FnOnce(&Connection) -> Result<T, E>,
    E: From<DatabaseError>,
{
    let statement = |sql| connection.execute_batch(sql).map_err(DatabaseError::from);
    statement("SAVEPOINT change")?;
    let result = catch_unwind(AssertUnwindSafe(|| f(connection)));
    match result {
        Ok(Ok(value)) => {
            statement("RELEASE change")?;
            Ok(value)
        }
        Ok(Err(error)) => {
            statement("ROLLBACK TO change; RELEASE change")?;
            Err(error)
        }
        Err(_) => {
            statement("ROLLBACK TO change; RELEASE change")?;
            Err(DatabaseError::Panicked.into())
        }
    }
}
