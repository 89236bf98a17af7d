//! The embedded view log, on SQLite.
//!
//! One writer thread serves all calls that write, and commits many of them with one flush to
//! disk; each call is one savepoint. The laws hold because every call reads and writes its rows
//! without another in between.

mod columns;
mod entries;
mod forgetting;
mod implicit;
mod schema;
mod sessions;
#[cfg(test)]
mod tests;
mod transfer;
mod views;

use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;
use service_kit::sqlite::{Database, DatabaseError};
use uuid::Uuid;

use super::{
    CountedView, Forget, Observation, Outcome, Recorded, SESSION_RETENTION, STREAM_RETENTION,
    Swept, ViewLog, ViewLogError,
};
use crate::entry::{Entry, EntryPage, PageRequest};

/// The view log in one SQLite file.
#[derive(Clone)]
pub struct SqliteViewLog {
    database: Database,
}

impl SqliteViewLog {
    /// Opens the file, or creates it, and brings its tables up to date.
    pub async fn open(path: &Path) -> Result<Self, ViewLogError> {
        let database = Database::open(path, schema::MIGRATIONS).await?;
        Ok(Self { database })
    }

    /// Repeats a write that removes a part until it says that nothing is left.
    async fn repeat(
        &self,
        part: impl Fn(&Connection) -> Result<bool, ViewLogError> + Clone + Send + 'static,
    ) -> Result<(), ViewLogError> {
        while self.database.write(part.clone()).await? {}
        Ok(())
    }
}

#[async_trait]
impl ViewLog for SqliteViewLog {
    async fn record(
        &self,
        observation: Observation,
        at: Timestamp,
    ) -> Result<Recorded, ViewLogError> {
        self.database
            .write(move |connection| record(connection, &observation, at))
            .await
    }

    async fn entry(&self, viewer: Uuid, video: Uuid) -> Result<Option<Entry>, ViewLogError> {
        self.database
            .read(move |connection| entries::one(connection, viewer, video))
            .await
    }

    async fn entries(&self, viewer: Uuid, page: PageRequest) -> Result<EntryPage, ViewLogError> {
        self.database
            .read(move |connection| entries::page(connection, viewer, page))
            .await
    }

    async fn forget(&self, scope: Forget, at: Timestamp) -> Result<(), ViewLogError> {
        match scope {
            Forget::Entry { viewer, video } => {
                self.database
                    .write(move |connection| {
                        forgetting::forget_entry(connection, viewer, video, at)
                    })
                    .await
            }
            Forget::Viewer(viewer) => {
                let until = self
                    .database
                    .write(move |connection| forgetting::hide_entries(connection, viewer, at))
                    .await?;
                self.repeat(move |connection| {
                    forgetting::remove_hidden_entries(connection, viewer, until)
                })
                .await
            }
            Forget::Video(video) => {
                self.database
                    .write(move |connection| forgetting::mark_deleted(connection, video, at))
                    .await?;
                self.repeat(move |connection| forgetting::remove_part_of_video(connection, video))
                    .await
            }
        }
    }

    async fn unpublished_views(
        &self,
        counted_before: Timestamp,
        limit: usize,
    ) -> Result<Vec<CountedView>, ViewLogError> {
        self.database
            .read(move |connection| views::unpublished(connection, counted_before, limit))
            .await
    }

    async fn confirm_view(&self, session: Uuid) -> Result<(), ViewLogError> {
        self.database
            .write(move |connection| views::confirm(connection, session))
            .await
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, ViewLogError> {
        // The time of storing may lag by a step: no session goes before its time.
        let sessions_before = now - SESSION_RETENTION - sessions::STORED_AT_STEP;
        let streams_before = now - STREAM_RETENTION;
        let mut swept = Swept::default();
        loop {
            let (sessions, streams) = self
                .database
                .write(move |connection| {
                    let sessions = forgetting::sweep_sessions(connection, sessions_before)?;
                    let streams = forgetting::sweep_streams(connection, streams_before)?;
                    Ok::<_, ViewLogError>((sessions, streams))
                })
                .await?;
            swept.sessions += sessions;
            swept.implicit_sessions += streams;
            if sessions + streams == 0 {
                return Ok(swept);
            }
        }
    }
}

fn record(
    connection: &Connection,
    observation: &Observation,
    at: Timestamp,
) -> Result<Recorded, ViewLogError> {
    let video = match observation {
        Observation::Started { session, .. } | Observation::Beat { session, .. } => session.video,
        Observation::Streamed(report) => report.video,
    };
    if forgetting::is_deleted(connection, video)? {
        return Ok(Recorded {
            outcome: Outcome::VideoDeleted,
            counted: false,
            unpublished: None,
        });
    }
    match observation {
        Observation::Started {
            session,
            duration_ms,
        } => sessions::record_start(connection, *session, *duration_ms, at),
        Observation::Beat {
            session,
            beat,
            duration_ms,
        } => sessions::record_beat(connection, *session, beat, *duration_ms, at),
        Observation::Streamed(report) => implicit::record(connection, report, at),
    }
}

impl From<DatabaseError> for ViewLogError {
    fn from(error: DatabaseError) -> Self {
        if error.is_unavailable() {
            Self::Unavailable(Box::new(error))
        } else {
            Self::Broken(Box::new(error))
        }
    }
}

impl From<rusqlite::Error> for ViewLogError {
    fn from(error: rusqlite::Error) -> Self {
        DatabaseError::from(error).into()
    }
}
