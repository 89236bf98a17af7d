//! The entries of viewers, and what they have forgotten.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::columns::{At, Count, Id, State};
use crate::entry::{Entry, EntryPage, ListPosition, PageRequest};
use crate::view_log::ViewLogError;
use crate::watch_session::{Beat, WatchSession};

const ENTRY: &str = "SELECT video, session, position_ms, state, watched_ms, duration_ms, \
     last_watched_at, seq, started_at FROM entries WHERE viewer = ?1 AND video = ?2";
/// The parameters are viewer, forgotten until, limit.
const FIRST_PAGE: &str = "SELECT video, session, position_ms, state, watched_ms, duration_ms, \
     last_watched_at FROM entries WHERE viewer = ?1 AND last_watched_at > ?2 \
     ORDER BY last_watched_at DESC, video LIMIT ?3";
/// The rest of the millisecond in which the page before this one ended.
const REST_OF_MILLISECOND: &str = "SELECT video, session, position_ms, state, watched_ms, \
     duration_ms, last_watched_at FROM entries \
     WHERE viewer = ?1 AND last_watched_at = ?2 AND video > ?3 ORDER BY video LIMIT ?4";
/// Everything older than that millisecond.
const NEXT_PAGE: &str = "SELECT video, session, position_ms, state, watched_ms, duration_ms, \
     last_watched_at FROM entries WHERE viewer = ?1 AND last_watched_at < ?2 \
     AND last_watched_at > ?3 ORDER BY last_watched_at DESC, video LIMIT ?4";
const ENTRY_FORGOTTEN: &str =
    "SELECT until FROM forgotten_entries WHERE viewer = ?1 AND video = ?2";
const VIEWER_FORGOTTEN: &str = "SELECT until FROM forgotten_viewers WHERE viewer = ?1";

/// The beat that an entry shows, with the totals of its session.
pub(super) struct ShownBeat {
    pub(super) session: Uuid,
    pub(super) beat: Beat,
    pub(super) watched_ms: u64,
    pub(super) duration_ms: Option<u64>,
}

/// An entry with the rest of what decides which beat it shows.
struct StoredEntry {
    entry: Entry,
    seq: u64,
    started_at: Timestamp,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        video: row.get::<_, Id>(0)?.0,
        session: row.get::<_, Id>(1)?.0,
        position_ms: row.get::<_, Count>(2)?.0,
        state: row.get::<_, State>(3)?.0,
        watched_ms: row.get::<_, Count>(4)?.0,
        duration_ms: row.get::<_, Option<Count>>(5)?.map(|count| count.0),
        last_watched_at: row.get::<_, At>(6)?.0,
    })
}

/// The entry, unless a deletion of the whole history has only hidden it yet.
fn find(
    connection: &Connection,
    viewer: Uuid,
    video: Uuid,
) -> Result<Option<StoredEntry>, ViewLogError> {
    let stored = connection
        .prepare_cached(ENTRY)?
        .query_row([Id(viewer), Id(video)], |row| {
            Ok(StoredEntry {
                entry: read(row)?,
                seq: row.get::<_, Count>(7)?.0,
                started_at: row.get::<_, At>(8)?.0,
            })
        })
        .optional()?;
    let until = viewer_forgotten_until(connection, viewer)?;
    Ok(stored.filter(|stored| stored.entry.last_watched_at > until))
}

/// The entry of one viewer and video.
pub(super) fn one(
    connection: &Connection,
    viewer: Uuid,
    video: Uuid,
) -> Result<Option<Entry>, ViewLogError> {
    Ok(find(connection, viewer, video)?.map(|stored| stored.entry))
}

/// The beat that the entry shows.
pub(super) fn shown_beat(
    connection: &Connection,
    viewer: Uuid,
    video: Uuid,
) -> Result<Option<ShownBeat>, ViewLogError> {
    Ok(find(connection, viewer, video)?.map(|stored| ShownBeat {
        session: stored.entry.session,
        beat: Beat {
            seq: stored.seq,
            position_ms: stored.entry.position_ms,
            state: stored.entry.state,
            received_at: stored.entry.last_watched_at,
        },
        watched_ms: stored.entry.watched_ms,
        duration_ms: stored.entry.duration_ms,
    }))
}

/// A part of a viewer's history.
pub(super) fn page(
    connection: &Connection,
    viewer: Uuid,
    page: PageRequest,
) -> Result<EntryPage, ViewLogError> {
    let PageRequest { after, limit } = page;
    let until = viewer_forgotten_until(connection, viewer)?;
    // One more than asked for tells whether there is a next page.
    let wanted = limit + 1;
    let mut entries: Vec<Entry> = Vec::with_capacity(wanted);
    if let Some(ListPosition {
        last_watched_at,
        video,
    }) = after
    {
        // Two ranges of the index. As one condition (`OR`, or a row value, which cannot mix
        // directions) the whole list would be walked to find the place.
        if last_watched_at > until {
            let mut rest = connection.prepare_cached(REST_OF_MILLISECOND)?;
            let rest = rest.query_map(
                params![Id(viewer), At(last_watched_at), Id(video), wanted],
                read,
            )?;
            for entry in rest {
                entries.push(entry?);
            }
        }
        let mut older = connection.prepare_cached(NEXT_PAGE)?;
        let older = older.query_map(
            params![
                Id(viewer),
                At(last_watched_at),
                At(until),
                wanted - entries.len()
            ],
            read,
        )?;
        for entry in older {
            entries.push(entry?);
        }
    } else {
        let mut newest = connection.prepare_cached(FIRST_PAGE)?;
        for entry in newest.query_map(params![Id(viewer), At(until), wanted], read)? {
            entries.push(entry?);
        }
    }
    let has_more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries
        .last()
        .filter(|_| has_more)
        .map(|last| ListPosition {
            last_watched_at: last.last_watched_at,
            video: last.video,
        });
    Ok(EntryPage { entries, next })
}

/// Shows this beat in its viewer's entry, if it was received after what they have forgotten and
/// outranks the beat that is shown.
pub(super) fn show(
    connection: &Connection,
    session: &WatchSession,
    beat: &Beat,
    watched_ms: u64,
    duration_ms: Option<u64>,
) -> Result<(), ViewLogError> {
    let WatchSession {
        id,
        viewer,
        video,
        started_at,
    } = *session;
    if beat.received_at <= forgotten_until(connection, viewer, video)? {
        return Ok(());
    }
    let shown = find(connection, viewer, video)?;
    let rank = (started_at, id, beat.seq);
    if shown.is_some_and(|shown| rank <= (shown.started_at, shown.entry.session, shown.seq)) {
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT INTO entries (viewer, video, started_at, session, seq, position_ms, state, \
             watched_ms, duration_ms, last_watched_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
             ON CONFLICT (viewer, video) DO UPDATE SET started_at = ?3, session = ?4, seq = ?5, \
             position_ms = ?6, state = ?7, watched_ms = ?8, duration_ms = ?9, \
             last_watched_at = ?10",
        )?
        .execute(params![
            Id(viewer),
            Id(video),
            At(started_at),
            Id(id),
            Count(beat.seq),
            Count(beat.position_ms),
            State(beat.state),
            Count(watched_ms),
            duration_ms.map(Count),
            At(beat.received_at),
        ])?;
    Ok(())
}

/// Brings the totals of an entry up to date if this session is the one that it shows.
pub(super) fn refresh(
    connection: &Connection,
    session: &WatchSession,
    watched_ms: u64,
    duration_ms: Option<u64>,
) -> Result<(), ViewLogError> {
    connection
        .prepare_cached(
            "UPDATE entries SET watched_ms = ?4, duration_ms = ?5 \
             WHERE viewer = ?1 AND video = ?2 AND session = ?3 \
             AND (watched_ms <> ?4 OR duration_ms IS NOT ?5)",
        )?
        .execute(params![
            Id(session.viewer),
            Id(session.video),
            Id(session.id),
            Count(watched_ms),
            duration_ms.map(Count),
        ])?;
    Ok(())
}

/// Until when events bring no entry of this viewer back.
pub(super) fn viewer_forgotten_until(
    connection: &Connection,
    viewer: Uuid,
) -> Result<Timestamp, ViewLogError> {
    let until = connection
        .prepare_cached(VIEWER_FORGOTTEN)?
        .query_row([Id(viewer)], |row| Ok(row.get::<_, At>(0)?.0))
        .optional()?;
    Ok(until.unwrap_or(Timestamp::MIN))
}

/// Until when events bring no entry of this viewer and video back.
fn forgotten_until(
    connection: &Connection,
    viewer: Uuid,
    video: Uuid,
) -> Result<Timestamp, ViewLogError> {
    let entry_until = connection
        .prepare_cached(ENTRY_FORGOTTEN)?
        .query_row([Id(viewer), Id(video)], |row| Ok(row.get::<_, At>(0)?.0))
        .optional()?;
    let viewer_until = viewer_forgotten_until(connection, viewer)?;
    Ok(viewer_until.max(entry_until.unwrap_or(Timestamp::MIN)))
}

#[cfg(test)]
pub(super) const QUERIES: &[&str] = &[
    ENTRY,
    FIRST_PAGE,
    REST_OF_MILLISECOND,
    NEXT_PAGE,
    ENTRY_FORGOTTEN,
    VIEWER_FORGOTTEN,
];
