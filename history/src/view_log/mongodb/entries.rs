//! The entries of viewers.
//!
//! One document per viewer and video holds both what is shown and until when events are
//! forgotten, so that guard and change are one write. What is shown is replaced by a greater rank
//! (start, session, number); its totals by those of a later revision of its session. Neither can
//! be undone by an event that comes late, or again.

mod listing;
pub(super) mod moving;
mod removing;

pub(super) use listing::page;
pub(super) use removing::{forget, newest, remove_forgotten};

use jiff::Timestamp;
use mongodb::bson::{Bson, DateTime, Document, doc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::documents::{Guarded, Stored, Tries, next_revision};
use super::forgetting;
use super::store::Store;
use super::values::{
    BEFORE_ALL, BeatDocument, EntryKey, Id, count, date, id, time, uncount, uncount_known, uuid,
};
use crate::entry::Entry;
use crate::view_log::ViewLogError;
use crate::watch_session::{Beat, WatchSession};

/// What is kept of one viewer and video.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct EntryDocument {
    #[serde(rename = "_id")]
    id: EntryKey,
    revision: i64,
    /// Events received until then bring the entry not back.
    forgotten_until: Option<DateTime>,
    /// Nothing while the entry is forgotten.
    shown: Option<ShownDocument>,
}

/// What an entry shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ShownDocument {
    started_at: DateTime,
    session: Id,
    /// The revision of the session that the totals are from.
    session_revision: i64,
    beat: BeatDocument,
    /// When the beat was received.
    last_watched_at: DateTime,
    watched_ms: i64,
    duration_ms: Option<i64>,
}

impl Stored for EntryDocument {
    const COLLECTION: &'static str = "entries";
}

impl Guarded for EntryDocument {
    fn key(&self) -> Bson {
        self.id.into()
    }

    fn revision(&self) -> i64 {
        self.revision
    }
}

/// An entry as it is stored.
#[derive(Clone, Debug)]
struct StoredEntry {
    viewer: Uuid,
    video: Uuid,
    forgotten_until: Option<Timestamp>,
    shown: Option<Shown>,
}

/// The beat that an entry shows, with the totals of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) started_at: Timestamp,
    pub(super) session: Uuid,
    pub(super) session_revision: i64,
    pub(super) beat: Beat,
    pub(super) watched_ms: u64,
    pub(super) duration_ms: Option<u64>,
}

impl StoredEntry {
    fn read(document: EntryDocument) -> Result<Self, ViewLogError> {
        let EntryDocument {
            id: EntryKey { viewer, video },
            revision: _,
            forgotten_until,
            shown,
        } = document;
        Ok(Self {
            viewer: uuid(viewer),
            video: uuid(video),
            forgotten_until: forgotten_until.map(time).transpose()?,
            shown: shown.map(Shown::read).transpose()?,
        })
    }

    fn document(&self, revision: i64) -> EntryDocument {
        let Self {
            viewer,
            video,
            forgotten_until,
            shown,
        } = self;
        EntryDocument {
            id: EntryKey {
                viewer: id(*viewer),
                video: id(*video),
            },
            revision,
            forgotten_until: forgotten_until.map(date),
            shown: shown.as_ref().map(Shown::document),
        }
    }

    fn forgotten_until(&self) -> Timestamp {
        self.forgotten_until.unwrap_or(BEFORE_ALL)
    }

    fn into_entry(self) -> Option<Entry> {
        let Shown {
            started_at: _,
            session,
            session_revision: _,
            beat,
            watched_ms,
            duration_ms,
        } = self.shown?;
        Some(Entry {
            video: self.video,
            session,
            position_ms: beat.position_ms,
            state: beat.state,
            watched_ms,
            duration_ms,
            last_watched_at: beat.received_at,
        })
    }
}

impl Shown {
    fn read(document: ShownDocument) -> Result<Self, ViewLogError> {
        let ShownDocument {
            started_at,
            session,
            session_revision,
            beat,
            last_watched_at: _,
            watched_ms,
            duration_ms,
        } = document;
        Ok(Self {
            started_at: time(started_at)?,
            session: uuid(session),
            session_revision,
            beat: beat.try_into()?,
            watched_ms: uncount(watched_ms)?,
            duration_ms: uncount_known(duration_ms)?,
        })
    }

    fn document(&self) -> ShownDocument {
        let Self {
            started_at,
            session,
            session_revision,
            ref beat,
            watched_ms,
            duration_ms,
        } = *self;
        ShownDocument {
            started_at: date(started_at),
            session: id(session),
            session_revision,
            beat: beat.into(),
            last_watched_at: date(beat.received_at),
            watched_ms: count(watched_ms),
            duration_ms: duration_ms.map(count),
        }
    }

    /// Of two beats of one viewer and video the one of the greater rank is shown.
    fn rank(&self) -> (Timestamp, Uuid, u64) {
        (self.started_at, self.session, self.beat.seq)
    }
}

/// A session's totals at one of its revisions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Totals {
    pub(super) revision: i64,
    pub(super) watched_ms: u64,
    pub(super) duration_ms: Option<u64>,
}

fn key(viewer: Uuid, video: Uuid) -> EntryKey {
    EntryKey {
        viewer: id(viewer),
        video: id(video),
    }
}

/// What the entry of this viewer and video shows, unless a deletion of the whole history has only
/// hidden it yet.
pub(super) async fn shown(
    store: &Store,
    viewer: Uuid,
    video: Uuid,
) -> Result<Option<Shown>, ViewLogError> {
    Ok(find(store, viewer, video)
        .await?
        .and_then(|stored| stored.shown))
}

/// The entry of one viewer and video.
pub(super) async fn one(
    store: &Store,
    viewer: Uuid,
    video: Uuid,
) -> Result<Option<Entry>, ViewLogError> {
    Ok(find(store, viewer, video)
        .await?
        .and_then(StoredEntry::into_entry))
}

async fn find(
    store: &Store,
    viewer: Uuid,
    video: Uuid,
) -> Result<Option<StoredEntry>, ViewLogError> {
    let (found, until) = tokio::try_join!(
        store.entries.get(key(viewer, video)),
        forgetting::viewer_forgotten_until(store, viewer),
    )?;
    let stored = found.map(StoredEntry::read).transpose()?;
    Ok(stored.map(|stored| visible(stored, until)))
}

fn visible(mut stored: StoredEntry, viewer_forgotten_until: Timestamp) -> StoredEntry {
    stored.shown = stored
        .shown
        .filter(|shown| shown.beat.received_at > viewer_forgotten_until);
    stored
}

/// Brings the entry up to date with beats and the totals of a session.
///
/// The answer is whether something was written.
pub(super) async fn show(
    store: &Store,
    session: &WatchSession,
    beats: &[Beat],
    totals: Totals,
) -> Result<bool, ViewLogError> {
    let WatchSession { viewer, video, .. } = *session;
    let mut tries = Tries::default();
    loop {
        let (found, viewer_until) = tokio::try_join!(
            store.entries.get(key(viewer, video)),
            forgetting::viewer_forgotten_until(store, viewer),
        )?;
        let read = found.as_ref().map(|document| document.revision);
        let mut stored = match found {
            Some(document) => visible(StoredEntry::read(document)?, viewer_until),
            None => StoredEntry {
                viewer,
                video,
                forgotten_until: None,
                shown: None,
            },
        };
        let before = stored.shown;
        let until = viewer_until.max(stored.forgotten_until());
        for beat in beats.iter().filter(|beat| beat.received_at > until) {
            stored.shown = Some(outranked(stored.shown, session, *beat, totals));
        }
        stored.shown = stored.shown.map(|shown| refreshed(shown, session, totals));
        if stored.shown == before {
            return Ok(false);
        }
        let document = stored.document(next_revision(read));
        if store.entries.replace(&document, read).await? {
            return Ok(true);
        }
        tries.lost().await?;
    }
}

/// What is shown after this beat.
fn outranked(shown: Option<Shown>, session: &WatchSession, beat: Beat, totals: Totals) -> Shown {
    let mut candidate = Shown {
        started_at: session.started_at,
        session: session.id,
        session_revision: totals.revision,
        beat,
        watched_ms: totals.watched_ms,
        duration_ms: totals.duration_ms,
    };
    match shown {
        Some(shown) if shown.rank() >= candidate.rank() => shown,
        Some(shown) if shown.session == session.id => {
            // Another replica may have brought later totals with an earlier beat.
            candidate.session_revision = shown.session_revision;
            candidate.watched_ms = shown.watched_ms;
            candidate.duration_ms = shown.duration_ms;
            candidate
        }
        _ => candidate,
    }
}

/// What is shown with these totals, if they are later ones of the session that it shows.
fn refreshed(shown: Shown, session: &WatchSession, totals: Totals) -> Shown {
    let Totals {
        revision,
        watched_ms,
        duration_ms,
    } = totals;
    let newer = shown.session == session.id && shown.session_revision < revision;
    if !newer || (shown.watched_ms, shown.duration_ms) == (watched_ms, duration_ms) {
        return shown;
    }
    Shown {
        session_revision: revision,
        watched_ms,
        duration_ms,
        ..shown
    }
}

/// What selects the entries of a video.
pub(super) fn of_video(video: Uuid) -> Document {
    doc! { "_id.video": id(video) }
}
