//! Watch sessions as they are moved: with runs of beats in place of single ones.

use rusqlite::{Connection, params};
use service_kit::merge::Page;

use super::{StoredSession, find, insert_beat, read_beat, save};
use crate::view_log::ViewLogError;
use crate::view_log::beat_runs::{BeatRuns, Run};
use crate::view_log::sqlite::columns::{Count, Id};
use crate::view_log::sqlite::forgetting;
use crate::view_log::transfer::{Kept, KeptSession, Key};
use crate::watch_session::Beat;
use uuid::Uuid;

/// How many runs a page may hold; the session that reaches it is the last. Sessions of real
/// players have a few.
const RUNS_OF_PAGE: usize = 10_000;

const SESSIONS_AFTER: &str = "SELECT session FROM sessions WHERE session > ?1 \
     ORDER BY session LIMIT ?2";
const BEATS: &str = "SELECT seq, position_ms, state, received_at FROM beats \
     WHERE session = ?1 ORDER BY seq";
const RUNS: &str = "SELECT first_seq, last_seq, watched_ms FROM beat_runs \
     WHERE session = ?1 ORDER BY first_seq";

pub(in crate::view_log::sqlite) fn export(
    connection: &Connection,
    after: Option<Uuid>,
    limit: usize,
) -> Result<Page<Key, Kept>, ViewLogError> {
    // No session has the nil id.
    let after = after.unwrap_or(Uuid::nil());
    let sessions: Vec<Uuid> = connection
        .prepare_cached(SESSIONS_AFTER)?
        .query_map(params![Id(after), limit + 1], |row| {
            Ok(row.get::<_, Id>(0)?.0)
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut items = Vec::new();
    let mut runs = 0;
    for session in &sessions {
        if items.len() == limit || runs > RUNS_OF_PAGE {
            break;
        }
        let Some(stored) = find(connection, *session)? else {
            continue;
        };
        let kept = read(connection, &stored)?;
        runs += kept.runs.len();
        items.push((Key::Session(*session), Kept::Session(kept)));
    }
    let next = items.last().map(|(key, _)| key.clone());
    Ok(Page {
        next: next.filter(|_| items.len() < sessions.len()),
        items,
    })
}

fn read(connection: &Connection, stored: &StoredSession) -> Result<KeptSession, ViewLogError> {
    let StoredSession {
        session,
        duration_ms,
        duration_seq,
        watched_ms,
        beats: _,
        swept_seq,
        stored_at,
    } = *stored;
    let mut moved = connection.prepare_cached(RUNS)?;
    let mut moved = moved.query([Id(session.id)])?;
    let mut next_run = || -> rusqlite::Result<Option<(u64, u64, u64)>> {
        moved
            .next()?
            .map(|row| {
                let count = |column: usize| row.get::<_, Count>(column).map(|count| count.0);
                Ok((count(0)?, count(1)?, count(2)?))
            })
            .transpose()
    };
    let mut run = next_run()?;
    let mut first: Option<Beat> = None;
    let mut parts = Vec::new();
    let mut statement = connection.prepare_cached(BEATS)?;
    let mut beats = statement.query([Id(session.id)])?;
    let mut joined = BeatRuns::default();
    while let Some(row) = beats.next()? {
        let beat = read_beat(row)?;
        match run {
            Some((first_seq, _, _)) if beat.seq == first_seq => first = Some(beat),
            Some((_, last_seq, watched_ms)) if beat.seq == last_seq => {
                parts.extend(first.take().map(|first| Run {
                    first,
                    last: beat,
                    watched_ms,
                }));
                run = next_run()?;
            }
            _ => parts.push(Run::starting_with(beat, 0)),
        }
        // Thousands of beats become one run as they are read, and not after.
        if parts.len() >= 1_000 {
            joined = BeatRuns::joined(joined.runs().iter().copied().chain(parts.drain(..)));
        }
    }
    let joined = BeatRuns::joined(joined.runs().iter().copied().chain(parts));
    let mut runs = joined.runs().to_vec();
    // What was watched before the session was swept is known as a total only.
    if let Some(first) = runs.first_mut() {
        first.watched_ms += watched_ms.saturating_sub(joined.watched_ms());
    }
    Ok(KeptSession {
        session,
        duration_ms,
        duration_seq,
        runs,
        swept_seq,
        stored_at,
    })
}

pub(in crate::view_log::sqlite) fn put(
    connection: &Connection,
    kept: KeptSession,
) -> Result<(), ViewLogError> {
    let KeptSession {
        session,
        duration_ms,
        duration_seq,
        runs,
        swept_seq,
        stored_at,
    } = kept;
    forgetting::remove_sessions(connection, &[Id(session.id)])?;
    let runs = BeatRuns::new(runs);
    save(
        connection,
        &StoredSession {
            session,
            duration_ms,
            duration_seq,
            watched_ms: runs.watched_ms(),
            beats: runs.runs().iter().map(Run::beats).sum(),
            swept_seq,
            stored_at,
        },
    )?;
    for Run {
        first,
        last,
        watched_ms,
    } in runs.runs()
    {
        insert_beat(connection, session.id, first)?;
        if first.seq == last.seq {
            continue;
        }
        insert_beat(connection, session.id, last)?;
        connection
            .prepare_cached(
                "INSERT INTO beat_runs (session, first_seq, last_seq, watched_ms) \
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                Id(session.id),
                Count(first.seq),
                Count(last.seq),
                Count(*watched_ms)
            ])?;
    }
    Ok(())
}

#[cfg(test)]
pub(in crate::view_log::sqlite) const QUERIES: &[&str] = &[SESSIONS_AFTER, BEATS, RUNS];
