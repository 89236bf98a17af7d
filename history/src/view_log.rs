//! The port to the store of sessions, history entries and counted views.

pub(crate) mod beat_runs;
#[cfg(test)]
mod conformance;
mod late;
pub mod mongodb;
pub mod sqlite;
pub(crate) mod transfer;

pub(crate) use late::LateViewLog;

use std::error::Error;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::entry::{Entry, EntryPage, PageRequest};
use crate::implicit_session::StreamReport;
use crate::watch_session::{Beat, WatchSession};

/// How long a watch session is kept after the last event of it was stored.
///
/// Twice the 24 hours that a session token is good for. It counts from the storing and not from
/// the start, so that a backlog of a week is still taken in whole.
pub const SESSION_RETENTION: SignedDuration = SignedDuration::from_hours(48);

/// How long an implicit session is kept after its last byte, and how old a report may be.
///
/// The two are the same on purpose: a report of a session that was swept is too old to be taken
/// again, so it cannot be counted twice. It is longer than a queue or a spool should ever lag.
pub const STREAM_RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Who watched what, where they stopped, and which views count.
///
/// Every call is durable when it returns. Writes may be repeated and reordered at will: the laws
/// below, which `conformance` holds every implementation to, make that harmless.
///
/// # Laws
///
/// 1. **The first body wins.** A beat is keyed by (session, seq); another under the same key is a
///    [`Outcome::Duplicate`] and changes nothing.
/// 2. **Order does not matter.** The same set of events gives the same sessions and entries,
///    whatever the order and the repetitions. Watched time is that of [`crate::watch_session`]
///    over the beats that have arrived, in the order of their sequence.
/// 3. **One entry** per viewer and video. Its session is, of those that have sent a beat, the one
///    that started last (equal starts: the larger id); its position is that of this session's
///    highest sequence. A session that only started makes no entry.
/// 4. **One view** per session, once its watched time reaches [`crate::watch_session::is_view`];
///    it is never taken back, even if a beat that arrives late lowers the watched time. It takes
///    the video's smallest unused number, so n views have the numbers 1 to n. Recording any event
///    of the session gives the same number again until [`ViewLog::confirm_view`].
/// 5. **Implicit sessions** of one (video, client) join when they lie less than 30 minutes apart
///    ([`crate::implicit_session`]). When a late report joins two that were both counted, the
///    larger number is given back, and the next view of the video takes it.
/// 6. **Forgetting** takes effect before it returns and stays: an event received at or before
///    that moment never brings an entry back, a later one does unless a forgotten beat of its
///    session has a higher sequence. What was there is forgotten even
///    if a clock that runs ahead dated it later. Counted views stay, except a deleted video's.
/// 7. **A deleted video is gone for good:** whatever arrives later is [`Outcome::VideoDeleted`].
/// 8. **Sweeping changes no answer.** A swept session is never counted again; a beat of it that
///    was seen before changes nothing, and a new one after the last goes on from the entry.
///
/// # How a store without transactions keeps them
///
/// Nothing needs more than atomic writes of one document and unique keys; each call writes in an
/// order in which being cut short is mended by repeating it, and events are redelivered until
/// their call has returned.
///
/// - A session is one document with its beats, replaced by compare-and-set on a revision (1, 2).
/// - The entry's key is (viewer, video), and it is replaced in the same way: what it shows by a
///   greater (start, session, seq), its totals by those of a later revision of its session; both
///   may be repeated (2, 3). The moment of forgetting one video is a field of the same document,
///   so that guard and change are one (6); the moment of forgetting all is a document per viewer
///   that is written first and filters every reading.
/// - A view is keyed by (video, number), with the session as a second unique key; the insert that
///   loses either key reads again (4). Giving a number back marks the document as spare, and a
///   guarded update claims it (5). The implicit sessions of one (video, client) are one document.
/// - A tombstone is written before the rest of a video is removed, and is read again after the
///   last write of each event, which is then undone (7).
///
/// [`mongodb`] is built like that; [`sqlite`] has transactions and needs none of it.
#[async_trait]
pub trait ViewLog: Send + Sync {
    /// Takes an event in. `at` is the time of storing, by the caller's clock.
    async fn record(
        &self,
        observation: Observation,
        at: Timestamp,
    ) -> Result<Recorded, ViewLogError>;

    /// The entry of one viewer and video.
    async fn entry(&self, viewer: Uuid, video: Uuid) -> Result<Option<Entry>, ViewLogError>;

    /// A part of a viewer's history, newest first. It costs the same however long the log is.
    async fn entries(&self, viewer: Uuid, page: PageRequest) -> Result<EntryPage, ViewLogError>;

    /// Removes entries and keeps events that were received until `at` from bringing them back.
    /// It is no error if there is nothing to remove.
    async fn forget(&self, scope: Forget, at: Timestamp) -> Result<(), ViewLogError>;

    /// Views counted before this moment whose number is not confirmed as published, oldest first.
    async fn unpublished_views(
        &self,
        counted_before: Timestamp,
        limit: usize,
    ) -> Result<Vec<CountedView>, ViewLogError>;

    /// Remembers that the number of this session's view is published. Repeating it is harmless,
    /// as is a session that has no view (any more).
    async fn confirm_view(&self, session: Uuid) -> Result<(), ViewLogError>;

    /// Removes sessions that nothing was stored for within [`SESSION_RETENTION`] before `now`
    /// (a store may keep them a day longer), and implicit sessions that ended more than
    /// [`STREAM_RETENTION`] before it.
    async fn sweep(&self, now: Timestamp) -> Result<Swept, ViewLogError>;
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// A session started to play (its sequence number 0).
    Started {
        /// The session.
        session: WatchSession,
        /// The length of the video, if the streaming service knew it.
        duration_ms: Option<u64>,
    },
    /// A session's player sent a beat.
    Beat {
        /// The session.
        session: WatchSession,
        /// The beat.
        beat: Beat,
        /// The length of the video, if the streaming service knew it.
        duration_ms: Option<u64>,
    },
    /// Bytes were sent to a player that knows no sessions.
    Streamed(StreamReport),
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// What was stored.
    pub outcome: Outcome,
    /// Whether this event made its session a view.
    pub counted: bool,
    /// The view of the event's session, if its number still has to be published.
    pub unpublished: Option<CountedView>,
}

/// What was stored of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was new and is stored.
    Stored,
    /// It was stored before, or says nothing new.
    Duplicate,
    /// Its session was swept, and it may have been seen before that.
    TooLate,
    /// Its session has [`crate::watch_session::MOST_BEATS`]: only the entry has moved.
    SessionFull,
    /// Its video was deleted.
    VideoDeleted,
}

/// A view that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CountedView {
    /// The video.
    pub video: Uuid,
    /// Which of the video's views it is, counted from 1.
    pub number: u64,
    /// The session, watch or implicit, that made it.
    pub session: Uuid,
}

/// What is to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forget {
    /// One entry of a viewer.
    Entry {
        /// The viewer.
        viewer: Uuid,
        /// The video.
        video: Uuid,
    },
    /// All entries of a viewer.
    Viewer(Uuid),
    /// Everything about a video that was deleted, for everybody and for good.
    Video(Uuid),
}

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Watch sessions.
    pub sessions: usize,
    /// Implicit sessions.
    pub implicit_sessions: usize,
}

/// Why a call of the view log failed.
#[derive(Debug, thiserror::Error)]
pub enum ViewLogError {
    /// The store does not answer or cannot write now; the same call may succeed later.
    #[error("the view log is not available")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The store refused this call or holds something that cannot be read; repeating is no help.
    #[error("the view log failed")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
}
