//! Deleting: entries that a viewer forgets, videos that are gone, sessions that are over.
//!
//! What takes effect at once is written first, in one step; what that leaves behind is removed
//! in small steps, so that other writers get their turn in between.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::columns::{At, Id};
use super::entries;
use crate::view_log::ViewLogError;

/// How many rows one step removes.
const STEP: usize = 500;
/// How many sessions one step removes; each has some hundred beats.
const SESSIONS_STEP: usize = 50;

const LAST_WATCHED_AT: &str =
    "SELECT last_watched_at FROM entries WHERE viewer = ?1 AND video = ?2";
const NEWEST_WATCHED_AT: &str = "SELECT last_watched_at FROM entries WHERE viewer = ?1 \
     ORDER BY last_watched_at DESC LIMIT 1";
const DELETE_HIDDEN_ENTRIES: &str = "DELETE FROM entries WHERE viewer = ?1 AND video IN \
     (SELECT video FROM entries WHERE viewer = ?1 AND last_watched_at <= ?2 LIMIT ?3)";
const IS_DELETED: &str = "SELECT 1 FROM deleted_videos WHERE video = ?1";
const SESSIONS_OF_VIDEO: &str = "SELECT session FROM sessions WHERE video = ?1 LIMIT ?2";
const SESSIONS_STORED_BEFORE: &str = "SELECT session FROM sessions WHERE stored_at < ?1 LIMIT ?2";
const DELETE_STREAMS_ENDED_BEFORE: &str = "DELETE FROM implicit_sessions WHERE session IN \
     (SELECT session FROM implicit_sessions WHERE last_byte_at < ?1 LIMIT ?2)";
/// What is removed with a video, besides its sessions: some rows of each by each run.
const DELETE_OF_VIDEO: &[&str] = &[
    "DELETE FROM entries WHERE video = ?1 AND viewer IN \
     (SELECT viewer FROM entries WHERE video = ?1 LIMIT ?2)",
    "DELETE FROM forgotten_entries WHERE video = ?1 AND viewer IN \
     (SELECT viewer FROM forgotten_entries WHERE video = ?1 LIMIT ?2)",
    "DELETE FROM implicit_sessions WHERE session IN \
     (SELECT session FROM implicit_sessions WHERE video = ?1 LIMIT ?2)",
    "DELETE FROM views WHERE session IN (SELECT session FROM views WHERE video = ?1 LIMIT ?2)",
    "DELETE FROM spare_numbers WHERE video = ?1 AND number IN \
     (SELECT number FROM spare_numbers WHERE video = ?1 LIMIT ?2)",
];

/// Forgets one entry, and what was received of it until then.
pub(super) fn forget_entry(
    connection: &Connection,
    viewer: Uuid,
    video: Uuid,
    at: Timestamp,
) -> Result<(), ViewLogError> {
    let shown = connection
        .prepare_cached(LAST_WATCHED_AT)?
        .query_row([Id(viewer), Id(video)], |row| Ok(row.get::<_, At>(0)?.0))
        .optional()?;
    connection
        .prepare_cached("DELETE FROM entries WHERE viewer = ?1 AND video = ?2")?
        .execute([Id(viewer), Id(video)])?;
    connection
        .prepare_cached(
            "INSERT INTO forgotten_entries (viewer, video, until) VALUES (?1, ?2, ?3) \
             ON CONFLICT (viewer, video) DO UPDATE SET until = max(until, ?3)",
        )?
        .execute(params![Id(viewer), Id(video), At(latest(at, shown))])?;
    Ok(())
}

/// Hides all entries of a viewer, and keeps events received until then from adding any.
///
/// The answer is the moment until when entries are hidden, for [`remove_hidden_entries`].
pub(super) fn hide_entries(
    connection: &Connection,
    viewer: Uuid,
    at: Timestamp,
) -> Result<Timestamp, ViewLogError> {
    let newest = connection
        .prepare_cached(NEWEST_WATCHED_AT)?
        .query_row([Id(viewer)], |row| Ok(row.get::<_, At>(0)?.0))
        .optional()?;
    let hidden = entries::viewer_forgotten_until(connection, viewer)?;
    let until = latest(at, newest).max(hidden);
    connection
        .prepare_cached(
            "INSERT INTO forgotten_viewers (viewer, until) VALUES (?1, ?2) \
             ON CONFLICT (viewer) DO UPDATE SET until = ?2",
        )?
        .execute(params![Id(viewer), At(until)])?;
    // The one moment now says what the moments of single videos said.
    connection
        .prepare_cached("DELETE FROM forgotten_entries WHERE viewer = ?1 AND until <= ?2")?
        .execute(params![Id(viewer), At(until)])?;
    Ok(until)
}

/// Removes some of the entries that are hidden; the answer is whether there may be more.
pub(super) fn remove_hidden_entries(
    connection: &Connection,
    viewer: Uuid,
    until: Timestamp,
) -> Result<bool, ViewLogError> {
    let removed = connection
        .prepare_cached(DELETE_HIDDEN_ENTRIES)?
        .execute(params![Id(viewer), At(until), STEP])?;
    Ok(removed == STEP)
}

/// Whether a video was deleted.
pub(super) fn is_deleted(connection: &Connection, video: Uuid) -> Result<bool, ViewLogError> {
    Ok(connection.prepare_cached(IS_DELETED)?.exists([Id(video)])?)
}

/// Remembers that a video was deleted, so that no event of it is taken in from now on.
pub(super) fn mark_deleted(
    connection: &Connection,
    video: Uuid,
    at: Timestamp,
) -> Result<(), ViewLogError> {
    connection
        .prepare_cached(
            "INSERT INTO deleted_videos (video, deleted_at) VALUES (?1, ?2) \
             ON CONFLICT (video) DO NOTHING",
        )?
        .execute(params![Id(video), At(at)])?;
    Ok(())
}

/// Removes something of a deleted video; the answer is whether there may be more.
pub(super) fn remove_part_of_video(
    connection: &Connection,
    video: Uuid,
) -> Result<bool, ViewLogError> {
    let mut more = false;
    for sql in DELETE_OF_VIDEO {
        let removed = connection
            .prepare_cached(sql)?
            .execute(params![Id(video), STEP])?;
        more |= removed == STEP;
    }
    let sessions = ids(
        connection,
        SESSIONS_OF_VIDEO,
        params![Id(video), SESSIONS_STEP],
    )?;
    remove_sessions(connection, &sessions)?;
    Ok(more || sessions.len() == SESSIONS_STEP)
}

/// Removes some sessions that nothing was stored for since `before`.
pub(super) fn sweep_sessions(
    connection: &Connection,
    before: Timestamp,
) -> Result<usize, ViewLogError> {
    let sessions = ids(
        connection,
        SESSIONS_STORED_BEFORE,
        params![At(before), SESSIONS_STEP],
    )?;
    remove_sessions(connection, &sessions)?;
    Ok(sessions.len())
}

/// Removes some implicit sessions that ended before `before`.
pub(super) fn sweep_streams(
    connection: &Connection,
    before: Timestamp,
) -> Result<usize, ViewLogError> {
    let removed = connection
        .prepare_cached(DELETE_STREAMS_ENDED_BEFORE)?
        .execute(params![At(before), STEP])?;
    Ok(removed)
}

pub(super) fn remove_sessions(
    connection: &Connection,
    sessions: &[Id],
) -> Result<(), ViewLogError> {
    for session in sessions {
        connection
            .prepare_cached("DELETE FROM beats WHERE session = ?1")?
            .execute([session])?;
        connection
            .prepare_cached("DELETE FROM beat_runs WHERE session = ?1")?
            .execute([session])?;
        connection
            .prepare_cached("DELETE FROM sessions WHERE session = ?1")?
            .execute([session])?;
    }
    Ok(())
}

fn ids(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<Id>, ViewLogError> {
    let ids = connection
        .prepare_cached(sql)?
        .query_map(parameters, |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(ids)
}

/// The later of the two: what is there is forgotten even if it was dated in the future.
fn latest(at: Timestamp, shown: Option<Timestamp>) -> Timestamp {
    shown.map_or(at, |shown| shown.max(at))
}

#[cfg(test)]
pub(super) const QUERIES: &[&str] = &[
    LAST_WATCHED_AT,
    NEWEST_WATCHED_AT,
    DELETE_HIDDEN_ENTRIES,
    IS_DELETED,
    SESSIONS_OF_VIDEO,
    SESSIONS_STORED_BEFORE,
    DELETE_STREAMS_ENDED_BEFORE,
    DELETE_OF_VIDEO[0],
    DELETE_OF_VIDEO[1],
    DELETE_OF_VIDEO[2],
    DELETE_OF_VIDEO[3],
    DELETE_OF_VIDEO[4],
];
