//! Implicit sessions: reports of one video and client, folded into intervals as they arrive.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::columns::{At, Count, Id};
use super::views;
use crate::implicit_session::{ByteSpan, StreamReport};
use crate::view_log::{Outcome, Recorded, STREAM_RETENTION, ViewLogError};

/// The sessions of one client from the latest on. They never touch each other, so the first one
/// that ends too early to join is also the last that has to be read.
const SESSIONS_OF_CLIENT: &str = "SELECT session, first_byte_at, last_byte_at, covers_start, \
     duration_ms FROM implicit_sessions WHERE video = ?1 AND client = ?2 \
     ORDER BY first_byte_at DESC";

struct ImplicitSession {
    session: Uuid,
    span: ByteSpan,
}

fn read(row: &Row<'_>) -> rusqlite::Result<ImplicitSession> {
    Ok(ImplicitSession {
        session: row.get::<_, Id>(0)?.0,
        span: ByteSpan::new(
            row.get::<_, At>(1)?.0,
            row.get::<_, At>(2)?.0,
            row.get(3)?,
            row.get::<_, Option<Count>>(4)?.map(|count| count.0),
        ),
    })
}

/// Joins a report with the sessions that it reaches.
pub(super) fn record(
    connection: &Connection,
    report: &StreamReport,
    at: Timestamp,
) -> Result<Recorded, ViewLogError> {
    if report.span.last_byte_at() < at - STREAM_RETENTION {
        return Ok(Recorded {
            outcome: Outcome::TooLate,
            counted: false,
            unpublished: None,
        });
    }
    let reached = sessions_reached(connection, report)?;
    let span = reached
        .iter()
        .fold(report.span, |span, session| span.union(&session.span));
    let (session, mut view) = elect(connection, report, &reached)?;

    let unchanged = matches!(reached.as_slice(), [only] if only.span == span);
    if !unchanged {
        for ImplicitSession { session, .. } in &reached {
            connection
                .prepare_cached("DELETE FROM implicit_sessions WHERE session = ?1")?
                .execute([Id(*session)])?;
        }
        insert(connection, session, report, span)?;
    }

    let counted = view.is_none() && span.is_view();
    if counted {
        view = Some(views::StoredView {
            view: views::count(connection, report.video, session, at)?,
            published: false,
        });
    }
    Ok(Recorded {
        outcome: if unchanged {
            Outcome::Duplicate
        } else {
            Outcome::Stored
        },
        counted,
        unpublished: view.and_then(views::StoredView::unpublished),
    })
}

fn sessions_reached(
    connection: &Connection,
    report: &StreamReport,
) -> Result<Vec<ImplicitSession>, ViewLogError> {
    let mut statement = connection.prepare_cached(SESSIONS_OF_CLIENT)?;
    let mut rows = statement.query(params![Id(report.video), report.client])?;
    let mut reached = Vec::new();
    while let Some(row) = rows.next()? {
        let session = read(row)?;
        if session.span.joins(&report.span) {
            reached.push(session);
        } else if session.span.last_byte_at() < report.span.first_byte_at() {
            break;
        }
    }
    Ok(reached)
}

/// Which of the joined sessions lends its id to the whole, and the view that it made.
///
/// It is the one with the smallest number, since its view stays; the others give theirs back.
/// Without any view it is the earliest, and the report itself where it reaches none.
fn elect(
    connection: &Connection,
    report: &StreamReport,
    reached: &[ImplicitSession],
) -> Result<(Uuid, Option<views::StoredView>), ViewLogError> {
    let mut views = Vec::new();
    for session in reached {
        views.extend(views::of_session(connection, session.session)?);
    }
    views.sort_by_key(|stored| stored.view.number);
    let mut views = views.into_iter();
    let Some(kept) = views.next() else {
        let session = reached.last().map_or(report.report, |first| first.session);
        return Ok((session, None));
    };
    for surplus in views {
        views::give_back(connection, surplus.view)?;
    }
    Ok((kept.view.session, Some(kept)))
}

fn insert(
    connection: &Connection,
    session: Uuid,
    report: &StreamReport,
    span: ByteSpan,
) -> Result<(), ViewLogError> {
    connection
        .prepare_cached(
            "INSERT INTO implicit_sessions \
             (session, video, client, first_byte_at, last_byte_at, covers_start, duration_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            Id(session),
            Id(report.video),
            report.client,
            At(span.first_byte_at()),
            At(span.last_byte_at()),
            span.covers_start(),
            span.duration_ms().map(Count),
        ])?;
    Ok(())
}

#[cfg(test)]
pub(super) const QUERIES: &[&str] = &[SESSIONS_OF_CLIENT];
