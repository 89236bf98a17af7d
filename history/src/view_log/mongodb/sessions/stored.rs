//! A session's document, and what events make of it.

use jiff::{SignedDuration, Timestamp};
use mongodb::bson::{Bson, DateTime};
use serde::{Deserialize, Serialize};

use super::WatchEvent;
use crate::view_log::beat_runs::{BeatRuns, Insertion, Run};
use crate::view_log::mongodb::documents::{Guarded, Stored};
use crate::view_log::mongodb::store::Store;
use crate::view_log::mongodb::values::{
    BeatDocument, Id, count, date, id, time, uncount, uncount_known, uuid,
};
use crate::view_log::mongodb::{entries, views};
use crate::view_log::{Outcome, ViewLogError};
use crate::watch_session::{self, Beat, WatchSession};

/// The time of storing is only kept up to date this coarsely: sweeping counts in days, and each
/// change of it moves the session in an index.
pub(super) const STORED_AT_STEP: SignedDuration = SignedDuration::from_hours(1);

/// A session with its beats.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::view_log::mongodb) struct SessionDocument {
    #[serde(rename = "_id")]
    id: Id,
    revision: i64,
    viewer: Id,
    video: Id,
    started_at: DateTime,
    duration_ms: Option<i64>,
    /// The number of the event that told the duration; a later event knows better.
    duration_seq: i64,
    runs: Vec<RunDocument>,
    /// Beats up to this one were swept before.
    swept_seq: i64,
    /// Whether it has become a view. That stays, whatever arrives.
    counted: bool,
    stored_at: DateTime,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RunDocument {
    first: BeatDocument,
    last: BeatDocument,
    watched_ms: i64,
}

impl Stored for SessionDocument {
    const COLLECTION: &'static str = "sessions";
}

impl Guarded for SessionDocument {
    fn key(&self) -> Bson {
        self.id.into()
    }

    fn revision(&self) -> i64 {
        self.revision
    }
}

/// A session as it is stored, and as events change it.
#[derive(Clone, Debug)]
pub(super) struct StoredSession {
    pub(super) session: WatchSession,
    pub(super) duration_ms: Option<u64>,
    pub(super) duration_seq: u64,
    pub(super) runs: BeatRuns,
    pub(super) swept_seq: u64,
    pub(super) counted: bool,
    pub(super) stored_at: Timestamp,
    /// The revision of its document, if there is one.
    pub(super) read: Option<i64>,
    /// Whether events have changed it since.
    pub(super) changed: bool,
    /// Beats that the viewer's entry has to be held against.
    pub(super) to_show: Vec<Beat>,
}

impl TryFrom<SessionDocument> for StoredSession {
    type Error = ViewLogError;

    fn try_from(document: SessionDocument) -> Result<Self, ViewLogError> {
        let SessionDocument {
            id,
            revision,
            viewer,
            video,
            started_at,
            duration_ms,
            duration_seq,
            runs,
            swept_seq,
            counted,
            stored_at,
        } = document;
        let runs = runs.into_iter().map(Run::try_from);
        Ok(Self {
            session: WatchSession {
                id: uuid(id),
                viewer: uuid(viewer),
                video: uuid(video),
                started_at: time(started_at)?,
            },
            duration_ms: uncount_known(duration_ms)?,
            duration_seq: uncount(duration_seq)?,
            runs: BeatRuns::new(runs.collect::<Result<_, _>>()?),
            swept_seq: uncount(swept_seq)?,
            counted,
            stored_at: time(stored_at)?,
            read: Some(revision),
            changed: false,
            to_show: Vec::new(),
        })
    }
}

impl TryFrom<RunDocument> for Run {
    type Error = ViewLogError;

    fn try_from(document: RunDocument) -> Result<Self, ViewLogError> {
        let RunDocument {
            first,
            last,
            watched_ms,
        } = document;
        Ok(Self {
            first: first.try_into()?,
            last: last.try_into()?,
            watched_ms: uncount(watched_ms)?,
        })
    }
}

impl From<&Run> for RunDocument {
    fn from(run: &Run) -> Self {
        let Run {
            first,
            last,
            watched_ms,
        } = run;
        Self {
            first: first.into(),
            last: last.into(),
            watched_ms: count(*watched_ms),
        }
    }
}

impl StoredSession {
    pub(super) fn document(&self, revision: i64) -> SessionDocument {
        let Self {
            session:
                WatchSession {
                    id: session,
                    viewer,
                    video,
                    started_at,
                },
            duration_ms,
            duration_seq,
            runs,
            swept_seq,
            counted,
            stored_at,
            read: _,
            changed: _,
            to_show: _,
        } = self;
        SessionDocument {
            id: id(*session),
            revision,
            viewer: id(*viewer),
            video: id(*video),
            started_at: date(*started_at),
            duration_ms: duration_ms.map(count),
            duration_seq: count(*duration_seq),
            runs: runs.runs().iter().map(RunDocument::from).collect(),
            swept_seq: count(*swept_seq),
            counted: *counted,
            stored_at: date(*stored_at),
        }
    }

    /// A session that no document is known of: a new one, or one that was swept and goes on from
    /// what its viewer's entry shows and from the view that it made.
    pub(super) async fn begin(
        store: &Store,
        session: WatchSession,
        at: Timestamp,
    ) -> Result<Self, ViewLogError> {
        let (shown, view) = tokio::try_join!(
            entries::shown(store, session.viewer, session.video),
            views::of_session(store, session.id),
        )?;
        let mut begun = Self {
            session,
            duration_ms: None,
            duration_seq: 0,
            runs: BeatRuns::default(),
            swept_seq: 0,
            counted: view.is_some(),
            stored_at: at,
            read: None,
            changed: false,
            to_show: Vec::new(),
        };
        if let Some(shown) = shown.filter(|shown| shown.session == session.id) {
            begun.learn_duration(shown.beat.seq, shown.duration_ms);
            begun.runs = BeatRuns::new(vec![Run::starting_with(shown.beat, shown.watched_ms)]);
            begun.swept_seq = shown.beat.seq;
        }
        Ok(begun)
    }

    /// Whether it is stored, or about to be.
    fn exists(&self) -> bool {
        self.read.is_some() || self.changed
    }

    /// Takes a duration from the event with this number. The highest that knew one wins.
    fn learn_duration(&mut self, seq: u64, duration_ms: Option<u64>) {
        if duration_ms.is_some() && (self.duration_ms.is_none() || seq > self.duration_seq) {
            self.duration_ms = duration_ms;
            self.duration_seq = seq;
        }
    }

    pub(super) fn take_in(&mut self, event: &WatchEvent, at: Timestamp) -> Outcome {
        let outcome = match *event {
            WatchEvent::Started { duration_ms } => self.start(duration_ms),
            WatchEvent::Beat { beat, duration_ms } => self.beat(beat, duration_ms),
        };
        if matches!(outcome, Outcome::Stored | Outcome::SessionFull) {
            self.changed = true;
            self.counted |= watch_session::is_view(self.runs.watched_ms(), self.duration_ms);
            if at.duration_since(self.stored_at) >= STORED_AT_STEP {
                self.stored_at = at;
            }
        }
        outcome
    }

    fn start(&mut self, duration_ms: Option<u64>) -> Outcome {
        if !self.exists() {
            if self.swept_seq > 0 {
                return Outcome::TooLate;
            }
        } else if self.duration_ms.is_some() || duration_ms.is_none() {
            return Outcome::Duplicate;
        }
        self.learn_duration(0, duration_ms);
        Outcome::Stored
    }

    fn beat(&mut self, beat: Beat, duration_ms: Option<u64>) -> Outcome {
        if beat.seq <= self.swept_seq {
            return Outcome::TooLate;
        }
        let outcome = match self.runs.insert(beat) {
            Insertion::Known => {
                // Its entry may not have been written. A lower beat than the last needs none, and
                // the last is at hand as it came first.
                let last = self.runs.last().filter(|last| last.seq == beat.seq);
                self.to_show.extend(last);
                return Outcome::Duplicate;
            }
            Insertion::Stored => Outcome::Stored,
            Insertion::NoRoom => Outcome::SessionFull,
        };
        self.learn_duration(beat.seq, duration_ms);
        // A beat that was overtaken shows nothing: the one that overtook it is shown already, or
        // its viewer has forgotten it, and with it this one.
        if self.runs.last().is_none_or(|last| last.seq <= beat.seq) {
            self.to_show.push(beat);
        }
        outcome
    }
}
