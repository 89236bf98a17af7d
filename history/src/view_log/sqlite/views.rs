//! Counted views and their numbers.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::columns::{At, Count, Id};
use crate::view_log::{CountedView, ViewLogError};

/// The video's next number: one that was given back, else the one after the largest.
const SPARE_NUMBER: &str =
    "SELECT number FROM spare_numbers WHERE video = ?1 ORDER BY number LIMIT 1";
const LARGEST_NUMBER: &str =
    "SELECT number FROM views WHERE video = ?1 ORDER BY number DESC LIMIT 1";
const VIEW: &str = "SELECT video, number, session, published FROM views WHERE session = ?1";
const UNPUBLISHED: &str = "SELECT video, number, session FROM views \
     WHERE published = 0 AND counted_at < ?1 ORDER BY counted_at LIMIT ?2";

/// A view as it is stored.
pub(super) struct StoredView {
    pub(super) view: CountedView,
    pub(super) published: bool,
}

impl StoredView {
    /// The view, if its number still has to be published.
    pub(super) fn unpublished(self) -> Option<CountedView> {
        (!self.published).then_some(self.view)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<CountedView> {
    Ok(CountedView {
        video: row.get::<_, Id>(0)?.0,
        number: row.get::<_, Count>(1)?.0,
        session: row.get::<_, Id>(2)?.0,
    })
}

/// The view that this session made.
pub(super) fn of_session(
    connection: &Connection,
    session: Uuid,
) -> Result<Option<StoredView>, ViewLogError> {
    let stored = connection
        .prepare_cached(VIEW)?
        .query_row([Id(session)], |row| {
            Ok(StoredView {
                view: read(row)?,
                published: row.get(3)?,
            })
        })
        .optional()?;
    Ok(stored)
}

/// Makes this session a view of the video. It must not be one yet.
pub(super) fn count(
    connection: &Connection,
    video: Uuid,
    session: Uuid,
    at: Timestamp,
) -> Result<CountedView, ViewLogError> {
    let number = next_number(connection, video)?;
    connection
        .prepare_cached(
            "INSERT INTO views (session, video, number, counted_at, published) \
             VALUES (?1, ?2, ?3, ?4, 0)",
        )?
        .execute(params![Id(session), Id(video), Count(number), At(at)])?;
    Ok(CountedView {
        video,
        number,
        session,
    })
}

fn next_number(connection: &Connection, video: Uuid) -> Result<u64, ViewLogError> {
    let number = |sql| -> rusqlite::Result<Option<u64>> {
        connection
            .prepare_cached(sql)?
            .query_row([Id(video)], |row| Ok(row.get::<_, Count>(0)?.0))
            .optional()
    };
    if let Some(spare) = number(SPARE_NUMBER)? {
        connection
            .prepare_cached("DELETE FROM spare_numbers WHERE video = ?1 AND number = ?2")?
            .execute(params![Id(video), Count(spare)])?;
        return Ok(spare);
    }
    Ok(number(LARGEST_NUMBER)?.unwrap_or(0) + 1)
}

/// Takes the view of a session back and keeps its number for the video's next view.
pub(super) fn give_back(connection: &Connection, view: CountedView) -> Result<(), ViewLogError> {
    connection
        .prepare_cached("DELETE FROM views WHERE session = ?1")?
        .execute([Id(view.session)])?;
    connection
        .prepare_cached("INSERT INTO spare_numbers (video, number) VALUES (?1, ?2)")?
        .execute(params![Id(view.video), Count(view.number)])?;
    Ok(())
}

/// Counted, but not confirmed as published; oldest first.
pub(super) fn unpublished(
    connection: &Connection,
    counted_before: Timestamp,
    limit: usize,
) -> Result<Vec<CountedView>, ViewLogError> {
    let views = connection
        .prepare_cached(UNPUBLISHED)?
        .query_map(params![At(counted_before), Count(limit as u64)], read)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(views)
}

/// Remembers that the number of this session's view is published.
pub(super) fn confirm(connection: &Connection, session: Uuid) -> Result<(), ViewLogError> {
    connection
        .prepare_cached("UPDATE views SET published = 1 WHERE session = ?1")?
        .execute([Id(session)])?;
    Ok(())
}

#[cfg(test)]
pub(super) const QUERIES: &[&str] = &[SPARE_NUMBER, LARGEST_NUMBER, VIEW, UNPUBLISHED];
