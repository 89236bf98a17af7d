//! Watch sessions.
//!
//! A session is one document with the runs of its beats and a mark once it is a view. It is
//! written before the entry and the view that follow from it, and both are looked after again by
//! every event of the session, new or not: whatever was cut short is mended by the repetition.

pub(super) mod moving;
mod stored;

pub(super) use stored::SessionDocument;

use jiff::Timestamp;
use mongodb::bson::{Document, doc};
use uuid::Uuid;

use self::stored::{STORED_AT_STEP, StoredSession};
use super::documents::{Tries, next_revision};
use super::entries::{self, Totals};
use super::forgetting;
use super::store::Store;
use super::values::{date, id};
use super::views::{self, Counting};
use crate::view_log::{Outcome, Recorded, SESSION_RETENTION, ViewLogError};
use crate::watch_session::{Beat, WatchSession};

/// An event of a session.
#[derive(Clone, Copy, Debug)]
pub(super) enum WatchEvent {
    /// It started.
    Started { duration_ms: Option<u64> },
    /// Its player sent a beat.
    Beat {
        beat: Beat,
        duration_ms: Option<u64>,
    },
}

/// Takes in events of one session, in this order.
pub(super) async fn record(
    store: &Store,
    session: WatchSession,
    events: &[(WatchEvent, Timestamp)],
) -> Result<Vec<Recorded>, ViewLogError> {
    let mut tries = Tries::default();
    loop {
        let (found, deleted) = tokio::try_join!(
            store.sessions.get(id(session.id)),
            forgetting::is_deleted(store, session.video),
        )?;
        if deleted {
            // An earlier delivery of one of them may have been cut off before it saw that.
            forgetting::remove_video(store, session.video).await?;
            return Ok(of_deleted_video(events.len()));
        }
        let (_, first_at) = events[0];
        let mut stored = match found {
            Some(document) => StoredSession::try_from(document)?,
            None => StoredSession::begin(store, session, first_at).await?,
        };
        let mut outcomes = Vec::with_capacity(events.len());
        let mut decisive = 0;
        for (index, (event, at)) in events.iter().enumerate() {
            let was_counted = stored.counted;
            outcomes.push(stored.take_in(event, *at));
            if stored.counted && !was_counted {
                decisive = index;
            }
        }
        let revision = if stored.changed {
            let revision = next_revision(stored.read);
            let document = stored.document(revision);
            if !store.sessions.replace(&document, stored.read).await? {
                tries.lost().await?;
                continue;
            }
            Some(revision)
        } else {
            stored.read
        };
        let concluded = conclude(store, &stored, revision, events[decisive].1).await?;
        let Some(counting) = concluded else {
            return Ok(of_deleted_video(events.len()));
        };
        return Ok(answers(&outcomes, counting.as_ref(), decisive));
    }
}

/// Writes what follows from a stored session: the entry, and the view. `None` says that the video
/// was deleted meanwhile.
async fn conclude(
    store: &Store,
    stored: &StoredSession,
    revision: Option<i64>,
    at: Timestamp,
) -> Result<Option<Option<Counting>>, ViewLogError> {
    let session = stored.session;
    let mut wrote = stored.changed;
    if let Some(revision) = revision {
        let totals = Totals {
            revision,
            watched_ms: stored.runs.watched_ms(),
            duration_ms: stored.duration_ms,
        };
        wrote |= entries::show(store, &session, &stored.to_show, totals).await?;
    }
    let mut counting = None;
    if stored.counted {
        let counted = views::count_session(store, session.video, session.id, at).await?;
        wrote |= counted.fresh;
        counting = Some(counted);
    }
    if wrote && forgetting::was_deleted_meanwhile(store, session.video).await? {
        return Ok(None);
    }
    Ok(Some(counting))
}

fn answers(outcomes: &[Outcome], counting: Option<&Counting>, decisive: usize) -> Vec<Recorded> {
    let unpublished = counting.and_then(|counting| counting.stored.unpublished());
    let fresh = counting.is_some_and(|counting| counting.fresh);
    outcomes
        .iter()
        .enumerate()
        .map(|(index, outcome)| Recorded {
            outcome: *outcome,
            counted: fresh && index == decisive,
            unpublished,
        })
        .collect()
}

fn of_deleted_video(events: usize) -> Vec<Recorded> {
    let recorded = Recorded {
        outcome: Outcome::VideoDeleted,
        counted: false,
        unpublished: None,
    };
    vec![recorded; events]
}

/// Removes sessions that nothing was stored for within their retention before `now`.
pub(super) async fn sweep(store: &Store, now: Timestamp) -> Result<usize, ViewLogError> {
    // The time of storing may lag by a step: no session goes before its time.
    let before = date(now - SESSION_RETENTION - STORED_AT_STEP);
    let over = doc! { "stored_at": { "$lt": before } };
    let removed = store.sessions.remove_all(over).await?;
    Ok(usize::try_from(removed).unwrap_or(usize::MAX))
}

/// What selects the sessions of a video.
pub(super) fn of_video(video: Uuid) -> Document {
    doc! { "video": id(video) }
}
