//! Moving the embedded view log.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use service_kit::merge::Page;
use uuid::Uuid;

use super::columns::{At, Count, Id, State};
use super::{SqliteViewLog, entries, forgetting, sessions};
use crate::implicit_session::ByteSpan;
use crate::view_log::ViewLogError;
use crate::view_log::transfer::{
    Holder, Kept, KeptClient, KeptEntry, KeptShown, KeptView, Key, Part, ViewLogTransfer,
};
use crate::watch_session::Beat;

/// Parameters: video, client. Without a limit: it is read until enough clients are whole.
const STREAMS_AFTER: &str = "SELECT session, video, client, first_byte_at, last_byte_at, \
     covers_start, duration_ms FROM implicit_sessions WHERE (video, client) > (?1, ?2) \
     ORDER BY video, client, first_byte_at";
const ENTRIES_AFTER: &str = "SELECT viewer, video, started_at, session, seq, position_ms, state, \
     watched_ms, duration_ms, last_watched_at FROM entries WHERE (viewer, video) > (?1, ?2) \
     ORDER BY viewer, video LIMIT ?3";
const FORGOTTEN_AFTER: &str = "SELECT viewer, video, until FROM forgotten_entries \
     WHERE (viewer, video) > (?1, ?2) ORDER BY viewer, video LIMIT ?3";
const VIEWS_AFTER: &str = "SELECT video, number, session, counted_at, published FROM views \
     WHERE (video, number) > (?1, ?2) ORDER BY video, number LIMIT ?3";
const SPARES_AFTER: &str = "SELECT video, number FROM spare_numbers \
     WHERE (video, number) > (?1, ?2) ORDER BY video, number LIMIT ?3";
const VIEWERS_AFTER: &str =
    "SELECT viewer, until FROM forgotten_viewers WHERE viewer > ?1 ORDER BY viewer LIMIT ?2";
const DELETED_AFTER: &str =
    "SELECT video, deleted_at FROM deleted_videos WHERE video > ?1 ORDER BY video LIMIT ?2";

#[async_trait]
impl ViewLogTransfer for SqliteViewLog {
    async fn export(
        &self,
        part: Part,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Page<Key, Kept>, ViewLogError> {
        self.database
            .read(move |connection| {
                // One snapshot for all statements of a page.
                let snapshot = connection.unchecked_transaction()?;
                let page = export(&snapshot, part, after, limit)?;
                snapshot.commit()?;
                Ok(page)
            })
            .await
    }

    async fn put(&self, items: Vec<Kept>) -> Result<(), ViewLogError> {
        self.database
            .write(move |connection| items.into_iter().try_for_each(|item| put(connection, item)))
            .await
    }

    async fn estimate(&self, part: Part) -> Result<u64, ViewLogError> {
        let count = match part {
            Part::Sessions => "SELECT count(*) FROM sessions",
            Part::Streams => "SELECT count(*) FROM implicit_sessions",
            Part::Entries => "SELECT count(*) FROM entries",
            Part::Views => "SELECT count(*) FROM views",
            Part::Viewers => "SELECT count(*) FROM forgotten_viewers",
            Part::DeletedVideos => "SELECT count(*) FROM deleted_videos",
        };
        self.database
            .read(move |connection| {
                let count = connection.query_row(count, [], |row| row.get::<_, Count>(0))?;
                Ok(count.0)
            })
            .await
    }
}

fn export(
    connection: &Connection,
    part: Part,
    after: Option<Key>,
    limit: usize,
) -> Result<Page<Key, Kept>, ViewLogError> {
    // Nothing has a nil id, so these are before all.
    let id = match &after {
        Some(Key::Session(id) | Key::Viewer(id) | Key::DeletedVideo(id)) => *id,
        _ => Uuid::nil(),
    };
    match part {
        Part::Sessions => sessions::moving::export(connection, Some(id), limit),
        Part::Streams => {
            let (video, client) = match after {
                Some(Key::Client(video, client)) => (video, client),
                _ => (Uuid::nil(), String::new()),
            };
            clients(connection, video, &client, limit)
        }
        Part::Entries => {
            let (viewer, video) = match after {
                Some(Key::Entry(viewer, video)) => (viewer, video),
                _ => (Uuid::nil(), Uuid::nil()),
            };
            entries_after(connection, viewer, video, limit)
        }
        Part::Views => {
            let (video, number) = match after {
                Some(Key::View(video, number)) => (video, number),
                _ => (Uuid::nil(), 0),
            };
            views_after(connection, video, number, limit)
        }
        Part::Viewers => keyed(connection, VIEWERS_AFTER, id, limit, |viewer, time| {
            Kept::Viewer {
                viewer,
                forgotten_until: time,
            }
        }),
        Part::DeletedVideos => keyed(connection, DELETED_AFTER, id, limit, |video, time| {
            Kept::DeletedVideo {
                video,
                deleted_at: time,
            }
        }),
    }
}

fn clients(
    connection: &Connection,
    video: Uuid,
    client: &str,
    limit: usize,
) -> Result<Page<Key, Kept>, ViewLogError> {
    let mut clients: Vec<KeptClient> = Vec::new();
    let mut statement = connection.prepare_cached(STREAMS_AFTER)?;
    let mut rows = statement.query(params![Id(video), client])?;
    while let Some(row) = rows.next()? {
        let video = row.get::<_, Id>(1)?.0;
        let client: String = row.get(2)?;
        let session = (row.get::<_, Id>(0)?.0, span(row)?);
        match clients.last_mut() {
            Some(last) if last.video == video && last.client == client => {
                last.sessions.push(session);
            }
            _ => clients.push(KeptClient {
                video,
                client,
                sessions: vec![session],
            }),
        }
        if clients.len() > limit {
            break;
        }
    }
    let items = clients.into_iter().map(Kept::Client);
    let items = items.map(|item| (item.key(), item)).collect();
    Ok(Page::of_one_more(items, limit))
}

fn span(row: &Row<'_>) -> rusqlite::Result<ByteSpan> {
    Ok(ByteSpan::new(
        row.get::<_, At>(3)?.0,
        row.get::<_, At>(4)?.0,
        row.get(5)?,
        row.get::<_, Option<Count>>(6)?.map(|count| count.0),
    ))
}

fn entries_after(
    connection: &Connection,
    viewer: Uuid,
    video: Uuid,
    limit: usize,
) -> Result<Page<Key, Kept>, ViewLogError> {
    let mut kept: BTreeMap<(Uuid, Uuid), KeptEntry> = BTreeMap::new();
    let values = params![Id(viewer), Id(video), limit + 1];
    let mut statement = connection.prepare_cached(ENTRIES_AFTER)?;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        let (viewer, video) = (row.get::<_, Id>(0)?.0, row.get::<_, Id>(1)?.0);
        let shown = KeptShown {
            started_at: row.get::<_, At>(2)?.0,
            session: row.get::<_, Id>(3)?.0,
            beat: Beat {
                seq: row.get::<_, Count>(4)?.0,
                position_ms: row.get::<_, Count>(5)?.0,
                state: row.get::<_, State>(6)?.0,
                received_at: row.get::<_, At>(9)?.0,
            },
            watched_ms: row.get::<_, Count>(7)?.0,
            duration_ms: row.get::<_, Option<Count>>(8)?.map(|count| count.0),
        };
        let entry = KeptEntry {
            viewer,
            video,
            forgotten_until: None,
            shown: Some(shown),
        };
        kept.insert((viewer, video), entry);
    }
    let mut statement = connection.prepare_cached(FORGOTTEN_AFTER)?;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        let (viewer, video) = (row.get::<_, Id>(0)?.0, row.get::<_, Id>(1)?.0);
        let entry = kept.entry((viewer, video)).or_insert(KeptEntry {
            viewer,
            video,
            forgotten_until: None,
            shown: None,
        });
        entry.forgotten_until = Some(row.get::<_, At>(2)?.0);
    }
    let items = kept.into_values().map(Kept::Entry);
    let items = items.map(|item| (item.key(), item)).collect();
    let Page { items, next } = Page::of_one_more(items, limit);
    // What a viewer has forgotten as a whole may only be hidden yet.
    let mut left = Vec::with_capacity(items.len());
    let mut of_viewer: Option<(Uuid, Timestamp)> = None;
    for (key, item) in items {
        let Kept::Entry(entry) = item else { continue };
        let until = match of_viewer {
            Some((viewer, until)) if viewer == entry.viewer => until,
            _ => entries::viewer_forgotten_until(connection, entry.viewer)?,
        };
        of_viewer = Some((entry.viewer, until));
        left.extend(
            entry
                .hidden_until(until)
                .map(|entry| (key, Kept::Entry(entry))),
        );
    }
    Ok(Page { items: left, next })
}

fn views_after(
    connection: &Connection,
    video: Uuid,
    number: u64,
    limit: usize,
) -> Result<Page<Key, Kept>, ViewLogError> {
    let values = params![Id(video), Count(number), limit + 1];
    let mut views = Vec::new();
    let mut statement = connection.prepare_cached(VIEWS_AFTER)?;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        views.push(KeptView {
            video: row.get::<_, Id>(0)?.0,
            number: row.get::<_, Count>(1)?.0,
            counted: Some(Holder {
                session: row.get::<_, Id>(2)?.0,
                counted_at: row.get::<_, At>(3)?.0,
                published: row.get(4)?,
            }),
        });
    }
    let mut statement = connection.prepare_cached(SPARES_AFTER)?;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        views.push(KeptView {
            video: row.get::<_, Id>(0)?.0,
            number: row.get::<_, Count>(1)?.0,
            counted: None,
        });
    }
    views.sort_by_key(|view| (view.video, view.number));
    let items = views.into_iter().map(Kept::View);
    let items = items.map(|item| (item.key(), item)).collect();
    Ok(Page::of_one_more(items, limit))
}

/// A part with an id as the key and a time.
fn keyed(
    connection: &Connection,
    sql: &str,
    after: Uuid,
    limit: usize,
    kept: impl Fn(Uuid, Timestamp) -> Kept,
) -> Result<Page<Key, Kept>, ViewLogError> {
    let items = connection
        .prepare_cached(sql)?
        .query_map(params![Id(after), limit + 1], |row| {
            let item = kept(row.get::<_, Id>(0)?.0, row.get::<_, At>(1)?.0);
            Ok((item.key(), item))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Page::of_one_more(items, limit))
}

fn put(connection: &Connection, item: Kept) -> Result<(), ViewLogError> {
    match item {
        Kept::Session(session) => sessions::moving::put(connection, session),
        Kept::Client(client) => put_client(connection, &client),
        Kept::Entry(entry) => put_entry(connection, entry),
        Kept::View(view) => put_view(connection, &view),
        Kept::Viewer {
            viewer,
            forgotten_until,
        } => put_viewer(connection, viewer, forgotten_until),
        Kept::DeletedVideo { video, deleted_at } => {
            execute(
                connection,
                "INSERT INTO deleted_videos (video, deleted_at) VALUES (?1, ?2) \
                 ON CONFLICT (video) DO UPDATE SET deleted_at = ?2",
                params![Id(video), At(deleted_at)],
            )?;
            while forgetting::remove_part_of_video(connection, video)? {}
            Ok(())
        }
    }
}

fn put_client(connection: &Connection, kept: &KeptClient) -> Result<(), ViewLogError> {
    let KeptClient {
        video,
        client,
        sessions,
    } = kept;
    execute(
        connection,
        "DELETE FROM implicit_sessions WHERE video = ?1 AND client = ?2",
        params![Id(*video), client],
    )?;
    for (session, span) in sessions {
        execute(
            connection,
            "INSERT INTO implicit_sessions \
             (session, video, client, first_byte_at, last_byte_at, covers_start, duration_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                Id(*session),
                Id(*video),
                client,
                At(span.first_byte_at()),
                At(span.last_byte_at()),
                span.covers_start(),
                span.duration_ms().map(Count),
            ],
        )?;
    }
    Ok(())
}

fn put_entry(connection: &Connection, kept: KeptEntry) -> Result<(), ViewLogError> {
    let KeptEntry {
        viewer,
        video,
        forgotten_until,
        shown,
    } = kept;
    let key = params![Id(viewer), Id(video)];
    for table in [
        "DELETE FROM entries WHERE viewer = ?1 AND video = ?2",
        "DELETE FROM forgotten_entries WHERE viewer = ?1 AND video = ?2",
    ] {
        execute(connection, table, key)?;
    }
    if let Some(until) = forgotten_until {
        execute(
            connection,
            "INSERT INTO forgotten_entries (viewer, video, until) VALUES (?1, ?2, ?3)",
            params![Id(viewer), Id(video), At(until)],
        )?;
    }
    let Some(shown) = shown else { return Ok(()) };
    let KeptShown {
        started_at,
        session,
        beat,
        watched_ms,
        duration_ms,
    } = shown;
    execute(
        connection,
        "INSERT INTO entries (viewer, video, started_at, session, seq, position_ms, state, \
         watched_ms, duration_ms, last_watched_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            Id(viewer),
            Id(video),
            At(started_at),
            Id(session),
            Count(beat.seq),
            Count(beat.position_ms),
            State(beat.state),
            Count(watched_ms),
            duration_ms.map(Count),
            At(beat.received_at),
        ],
    )
}

fn put_view(connection: &Connection, kept: &KeptView) -> Result<(), ViewLogError> {
    let KeptView {
        video,
        number,
        counted,
    } = kept;
    let key = params![Id(*video), Count(*number)];
    for table in [
        "DELETE FROM views WHERE video = ?1 AND number = ?2",
        "DELETE FROM spare_numbers WHERE video = ?1 AND number = ?2",
    ] {
        execute(connection, table, key)?;
    }
    let Some(counted) = counted else {
        return execute(
            connection,
            "INSERT INTO spare_numbers (video, number) VALUES (?1, ?2)",
            key,
        );
    };
    let Holder {
        session,
        counted_at,
        published,
    } = counted;
    // An earlier copy may have another number of this session, which it has given back since.
    execute(
        connection,
        "DELETE FROM views WHERE session = ?1",
        params![Id(*session)],
    )?;
    execute(
        connection,
        "INSERT INTO views (session, video, number, counted_at, published) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            Id(*session),
            Id(*video),
            Count(*number),
            At(*counted_at),
            published
        ],
    )
}

fn put_viewer(connection: &Connection, viewer: Uuid, until: Timestamp) -> Result<(), ViewLogError> {
    execute(
        connection,
        "INSERT INTO forgotten_viewers (viewer, until) VALUES (?1, ?2) \
         ON CONFLICT (viewer) DO UPDATE SET until = max(until, ?2)",
        params![Id(viewer), At(until)],
    )?;
    execute(
        connection,
        "DELETE FROM forgotten_entries WHERE viewer = ?1 AND until <= ?2",
        params![Id(viewer), At(until)],
    )?;
    while forgetting::remove_hidden_entries(connection, viewer, until)? {}
    Ok(())
}

fn execute(
    connection: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
) -> Result<(), ViewLogError> {
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

#[cfg(test)]
pub(super) const QUERIES: &[&str] = &[
    STREAMS_AFTER,
    ENTRIES_AFTER,
    FORGOTTEN_AFTER,
    VIEWS_AFTER,
    SPARES_AFTER,
    VIEWERS_AFTER,
    DELETED_AFTER,
];
