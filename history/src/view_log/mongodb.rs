//! The view log on MongoDB, for any number of replicas of the service.
//!
//! # Documents
//!
//! Every document has its kind's version in `schema`; those that are computed from what they were
//! before have a `revision`, and are replaced only if it is still the one that was read.
//!
//! | collection | key | holds |
//! |---|---|---|
//! | `sessions` | session | the runs of its beats, its duration, whether it is a view; `revision` |
//! | `entries` | (viewer, video) | what is shown, until when it is forgotten; `revision` |
//! | `views` | (video, number); unique: session | unpublished, published or spare |
//! | `implicit_sessions` | (video, client) | all implicit sessions of the two; `revision` |
//! | `viewers` | viewer | until when their whole history is forgotten |
//! | `deleted_videos` | video | when it was deleted |
//!
//! # What each law rests on
//!
//! Only single documents are written atomically. There are no transactions, no change streams and
//! no updates that the server computes beyond `$max`; what is read-computed-written is the same
//! domain code as everywhere.
//!
//! 1. *The first body wins:* the session's document, by its revision. A beat whose number lies
//!    within a run is known; runs keep the bodies that still matter.
//! 2. *Order does not matter:* the same, since what a session holds depends only on which beats
//!    are in it. Its entry takes totals of a later revision only.
//! 3. *One entry:* the key of `entries`. What is shown gives way to a greater (start, session,
//!    number) only, by the entry's revision.
//! 4. *One view:* the unique `session` of `views` gives one number per session, the key (video,
//!    number) one session per number; who loses either reads again. The mark in the session's
//!    document is written with the beat that makes it a view, and stays.
//! 5. *Implicit sessions:* the one document of (video, client), by its revision. Giving a number
//!    back turns its document spare in one update, and claiming it turns it back in one.
//! 6. *Forgetting:* the entry's own document holds the moment beside what it guards; the one of
//!    the whole history only grows (`$max`), is written first and filters every reading.
//! 7. *A deleted video:* the tombstone is written before anything is removed, and read after the
//!    last write of every event, which is then undone.
//! 8. *Sweeping:* documents are removed only while they are still old; an entry and the view's
//!    unique session are what a swept session is known by.
//!
//! # Being cut short
//!
//! An event writes at most session, entry, view, in this order, and is acknowledged after the
//! last. Each step looks at what is there, and every delivery looks after all of them again. So a
//! crash between two of them is mended by the delivery that follows. Deleting writes what takes
//! effect first and removes the rest after it; the rest is invisible, or removed by the repetition.

mod connection;
mod documents;
mod entries;
mod forgetting;
mod implicit;
mod schema;
mod sessions;
mod store;
#[cfg(test)]
mod tests;
mod transfer;
mod turns;
mod values;
mod views;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;
use uuid::Uuid;

use super::{CountedView, Forget, Observation, Recorded, Swept, ViewLog, ViewLogError};
use crate::config::MongoUrl;
use crate::entry::{Entry, EntryPage, PageRequest};
use connection::OPERATION_TIMEOUT;
use sessions::WatchEvent;
use store::Store;
use turns::Turns;

/// The view log in one MongoDB database.
pub struct MongoViewLog {
    store: Store,
    turns: Turns,
}

impl MongoViewLog {
    /// Connects to the database, makes its indexes and brings its documents up to date.
    pub async fn open(url: &MongoUrl) -> Result<Self, ViewLogError> {
        // The driver's options are large, and this stands in the future of the whole process.
        Box::pin(Self::open_within(url, None, OPERATION_TIMEOUT)).await
    }

    async fn open_within(
        url: &MongoUrl,
        commands: Option<EventHandler<CommandEvent>>,
        patience: Duration,
    ) -> Result<Self, ViewLogError> {
        let database = connection::connect(url, commands, patience).await?;
        let store = Store::of(&database, patience);
        schema::bring_up_to_date(&database, &store).await?;
        Ok(Self {
            store,
            turns: Turns::default(),
        })
    }
}

#[async_trait]
impl ViewLog for MongoViewLog {
    async fn record(
        &self,
        observation: Observation,
        at: Timestamp,
    ) -> Result<Recorded, ViewLogError> {
        let (session, event) = match observation {
            Observation::Started {
                session,
                duration_ms,
            } => (session, WatchEvent::Started { duration_ms }),
            Observation::Beat {
                session,
                beat,
                duration_ms,
            } => (session, WatchEvent::Beat { beat, duration_ms }),
            Observation::Streamed(report) => {
                return implicit::record(&self.store, &report, at).await;
            }
        };
        self.turns.record(&self.store, session, event, at).await
    }

    async fn entry(&self, viewer: Uuid, video: Uuid) -> Result<Option<Entry>, ViewLogError> {
        entries::one(&self.store, viewer, video).await
    }

    async fn entries(&self, viewer: Uuid, page: PageRequest) -> Result<EntryPage, ViewLogError> {
        entries::page(&self.store, viewer, page).await
    }

    async fn forget(&self, scope: Forget, at: Timestamp) -> Result<(), ViewLogError> {
        match scope {
            Forget::Entry { viewer, video } => {
                entries::forget(&self.store, viewer, video, at).await
            }
            Forget::Viewer(viewer) => forgetting::forget_viewer(&self.store, viewer, at).await,
            Forget::Video(video) => forgetting::forget_video(&self.store, video, at).await,
        }
    }

    async fn unpublished_views(
        &self,
        counted_before: Timestamp,
        limit: usize,
    ) -> Result<Vec<CountedView>, ViewLogError> {
        views::unpublished(&self.store, counted_before, limit).await
    }

    async fn confirm_view(&self, session: Uuid) -> Result<(), ViewLogError> {
        views::confirm(&self.store, session).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, ViewLogError> {
        Ok(Swept {
            sessions: sessions::sweep(&self.store, now).await?,
            implicit_sessions: implicit::sweep(&self.store, now).await?,
        })
    }
}
