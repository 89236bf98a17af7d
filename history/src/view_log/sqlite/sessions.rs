//! Watch sessions and their beats.

pub(super) mod moving;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::columns::{At, Count, Id, State};
use super::entries::{self, ShownBeat};
use super::views;
use crate::view_log::{Outcome, Recorded, ViewLogError};
use crate::watch_session::{self, Beat, MOST_BEATS, WatchSession};

const SESSION: &str = "SELECT viewer, video, started_at, duration_ms, duration_seq, watched_ms, \
     beats, swept_seq, stored_at FROM sessions WHERE session = ?1";
const BEAT: &str = "SELECT seq, position_ms, state, received_at FROM beats \
     WHERE session = ?1 AND seq = ?2";
const PREVIOUS_BEAT: &str = "SELECT seq, position_ms, state, received_at FROM beats \
     WHERE session = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT 1";
const NEXT_BEAT: &str = "SELECT seq, position_ms, state, received_at FROM beats \
     WHERE session = ?1 AND seq > ?2 ORDER BY seq LIMIT 1";

/// The run that may hold a beat that came by a copy.
const RUN_BEFORE: &str = "SELECT last_seq FROM beat_runs \
     WHERE session = ?1 AND first_seq < ?2 ORDER BY first_seq DESC LIMIT 1";

/// The time of storing is only kept up to date this coarsely: sweeping counts in days, and each
/// change of it would move the session in an index.
pub(super) const STORED_AT_STEP: SignedDuration = SignedDuration::from_hours(1);

/// A session's row.
struct StoredSession {
    session: WatchSession,
    duration_ms: Option<u64>,
    duration_seq: u64,
    watched_ms: u64,
    beats: u64,
    swept_seq: u64,
    stored_at: Timestamp,
}

impl StoredSession {
    fn new(session: WatchSession, at: Timestamp) -> Self {
        Self {
            session,
            duration_ms: None,
            duration_seq: 0,
            watched_ms: 0,
            beats: 0,
            swept_seq: 0,
            stored_at: at,
        }
    }

    /// Takes a duration from the event with this sequence number. The highest that knew one wins.
    fn learn_duration(&mut self, seq: u64, duration_ms: Option<u64>) {
        if duration_ms.is_some() && (self.duration_ms.is_none() || seq > self.duration_seq) {
            self.duration_ms = duration_ms;
            self.duration_seq = seq;
        }
    }
}

/// Takes in that a session started.
pub(super) fn record_start(
    connection: &Connection,
    session: WatchSession,
    duration_ms: Option<u64>,
    at: Timestamp,
) -> Result<Recorded, ViewLogError> {
    let Some(found) = find(connection, session.id)? else {
        if let Some(shown) = entries::shown_beat(connection, session.viewer, session.video)?
            && shown.session == session.id
        {
            return concluded(connection, session.id, Outcome::TooLate);
        }
        let mut stored = StoredSession::new(session, at);
        stored.learn_duration(0, duration_ms);
        save(connection, &stored)?;
        return concluded(connection, session.id, Outcome::Stored);
    };
    if found.duration_ms.is_some() || duration_ms.is_none() {
        return concluded(connection, session.id, Outcome::Duplicate);
    }
    let mut stored = found;
    stored.learn_duration(0, duration_ms);
    conclude(connection, stored, at, Outcome::Stored)
}

/// Takes in a beat.
pub(super) fn record_beat(
    connection: &Connection,
    session: WatchSession,
    beat: &Beat,
    duration_ms: Option<u64>,
    at: Timestamp,
) -> Result<Recorded, ViewLogError> {
    let mut stored = match find(connection, session.id)? {
        Some(stored) => stored,
        None => begin(connection, session, beat.seq, at)?,
    };
    if beat.seq <= stored.swept_seq {
        return concluded(connection, session.id, Outcome::TooLate);
    }
    let is_known = beat_at(connection, BEAT, session.id, beat.seq)?.is_some()
        || is_within_run(connection, session.id, beat.seq)?;
    if is_known {
        return concluded(connection, session.id, Outcome::Duplicate);
    }
    let next = beat_at(connection, NEXT_BEAT, session.id, beat.seq)?;
    let outcome = if stored.beats < MOST_BEATS {
        let previous = beat_at(connection, PREVIOUS_BEAT, session.id, beat.seq)?;
        stored.watched_ms =
            watch_session::watched_with(stored.watched_ms, previous.as_ref(), beat, next.as_ref());
        stored.beats += 1;
        insert_beat(connection, session.id, beat)?;
        Outcome::Stored
    } else {
        Outcome::SessionFull
    };
    stored.learn_duration(beat.seq, duration_ms);
    // A beat that was overtaken shows nothing: the one that overtook it is shown already, or its
    // viewer has forgotten it, and with it this one.
    if next.is_none() {
        entries::show(
            connection,
            &stored.session,
            beat,
            stored.watched_ms,
            stored.duration_ms,
        )?;
    }
    conclude(connection, stored, at, outcome)
}

/// A session that no row is known of: a new one, or one that was swept and goes on from what its
/// viewer's entry shows. The row itself is written with the beat that `seq` is about.
fn begin(
    connection: &Connection,
    session: WatchSession,
    seq: u64,
    at: Timestamp,
) -> Result<StoredSession, ViewLogError> {
    let mut stored = StoredSession::new(session, at);
    let shown = entries::shown_beat(connection, session.viewer, session.video)?
        .filter(|shown| shown.session == session.id);
    if let Some(ShownBeat {
        session: _,
        beat,
        watched_ms,
        duration_ms,
    }) = shown
    {
        stored.learn_duration(beat.seq, duration_ms);
        stored.watched_ms = watched_ms;
        stored.beats = 1;
        stored.swept_seq = beat.seq;
        if seq > beat.seq {
            insert_beat(connection, session.id, &beat)?;
        }
    }
    Ok(stored)
}

/// Saves a session that has changed, and counts it if it became a view.
fn conclude(
    connection: &Connection,
    mut stored: StoredSession,
    at: Timestamp,
    outcome: Outcome,
) -> Result<Recorded, ViewLogError> {
    if at.duration_since(stored.stored_at) >= STORED_AT_STEP {
        stored.stored_at = at;
    }
    save(connection, &stored)?;
    entries::refresh(
        connection,
        &stored.session,
        stored.watched_ms,
        stored.duration_ms,
    )?;

    let session = stored.session;
    let reached = watch_session::is_view(stored.watched_ms, stored.duration_ms);
    if reached && views::of_session(connection, session.id)?.is_none() {
        let view = views::count(connection, session.video, session.id, at)?;
        return Ok(Recorded {
            outcome,
            counted: true,
            unpublished: Some(view),
        });
    }
    concluded(connection, session.id, outcome)
}

/// The answer for an event that makes no new view.
fn concluded(
    connection: &Connection,
    session: Uuid,
    outcome: Outcome,
) -> Result<Recorded, ViewLogError> {
    let view = views::of_session(connection, session)?;
    Ok(Recorded {
        outcome,
        counted: false,
        unpublished: view.and_then(views::StoredView::unpublished),
    })
}

fn find(connection: &Connection, id: Uuid) -> Result<Option<StoredSession>, ViewLogError> {
    let found = connection
        .prepare_cached(SESSION)?
        .query_row([Id(id)], |row| {
            Ok(StoredSession {
                session: WatchSession {
                    id,
                    viewer: row.get::<_, Id>(0)?.0,
                    video: row.get::<_, Id>(1)?.0,
                    started_at: row.get::<_, At>(2)?.0,
                },
                duration_ms: row.get::<_, Option<Count>>(3)?.map(|count| count.0),
                duration_seq: row.get::<_, Count>(4)?.0,
                watched_ms: row.get::<_, Count>(5)?.0,
                beats: row.get::<_, Count>(6)?.0,
                swept_seq: row.get::<_, Count>(7)?.0,
                stored_at: row.get::<_, At>(8)?.0,
            })
        })
        .optional()?;
    Ok(found)
}

fn save(connection: &Connection, stored: &StoredSession) -> Result<(), ViewLogError> {
    let StoredSession {
        session:
            WatchSession {
                id,
                viewer,
                video,
                started_at,
            },
        duration_ms,
        duration_seq,
        watched_ms,
        beats,
        swept_seq,
        stored_at,
    } = *stored;
    // The first insert decides who watches what; a column that an index holds is only written
    // when it changes.
    connection
        .prepare_cached(
            "INSERT INTO sessions (session, viewer, video, started_at, duration_ms, duration_seq, \
             watched_ms, beats, swept_seq, stored_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
             ON CONFLICT (session) DO UPDATE SET duration_ms = ?5, duration_seq = ?6, \
             watched_ms = ?7, beats = ?8",
        )?
        .execute(params![
            Id(id),
            Id(viewer),
            Id(video),
            At(started_at),
            duration_ms.map(Count),
            Count(duration_seq),
            Count(watched_ms),
            Count(beats),
            Count(swept_seq),
            At(stored_at),
        ])?;
    connection
        .prepare_cached(
            "UPDATE sessions SET stored_at = ?2 WHERE session = ?1 AND stored_at <> ?2",
        )?
        .execute(params![Id(id), At(stored_at)])?;
    Ok(())
}

fn read_beat(row: &Row<'_>) -> rusqlite::Result<Beat> {
    Ok(Beat {
        seq: row.get::<_, Count>(0)?.0,
        position_ms: row.get::<_, Count>(1)?.0,
        state: row.get::<_, State>(2)?.0,
        received_at: row.get::<_, At>(3)?.0,
    })
}

fn beat_at(
    connection: &Connection,
    sql: &str,
    session: Uuid,
    seq: u64,
) -> Result<Option<Beat>, ViewLogError> {
    let beat = connection
        .prepare_cached(sql)?
        .query_row(params![Id(session), Count(seq)], read_beat)
        .optional()?;
    Ok(beat)
}

/// Whether a beat is one of those that came by a copy and are told by their run only.
fn is_within_run(connection: &Connection, session: Uuid, seq: u64) -> Result<bool, ViewLogError> {
    let last = connection
        .prepare_cached(RUN_BEFORE)?
        .query_row(params![Id(session), Count(seq)], |row| {
            Ok(row.get::<_, Count>(0)?.0)
        })
        .optional()?;
    Ok(last.is_some_and(|last| seq < last))
}

fn insert_beat(connection: &Connection, session: Uuid, beat: &Beat) -> Result<(), ViewLogError> {
    let Beat {
        seq,
        position_ms,
        state,
        received_at,
    } = *beat;
    connection
        .prepare_cached(
            "INSERT INTO beats (session, seq, position_ms, state, received_at) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            Id(session),
            Count(seq),
            Count(position_ms),
            State(state),
            At(received_at),
        ])?;
    Ok(())
}

#[cfg(test)]
pub(super) const QUERIES: &[&str] = &[SESSION, BEAT, PREVIOUS_BEAT, NEXT_BEAT, RUN_BEFORE];
