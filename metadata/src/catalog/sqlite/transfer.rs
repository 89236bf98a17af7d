//! Moving the embedded catalogue: three tables, read as one sequence of ids.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};
use service_kit::merge::Page;
use uuid::Uuid;

use super::rows::{self, IdColumn, NumberColumn, TimeColumn, VideoRow, split_words};
use super::{
    SqliteCatalog, find_tombstone, find_video, for_each_term, moment, row_count, statements,
};
use crate::catalog::CatalogError;
use crate::catalog::transfer::{CatalogTransfer, Kept};
use crate::page::Moment;
use crate::search::{terms, words_of};
use crate::video::{Tombstone, Video};

#[async_trait]
impl CatalogTransfer for SqliteCatalog {
    async fn export(
        &self,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Page<Uuid, Kept>, CatalogError> {
        self.read("export the catalogue", move |connection| {
            export(connection, after, limit)
        })
        .await
    }

    async fn put(&self, items: Vec<Kept>) -> Result<(), CatalogError> {
        self.write("take in a catalogue", move |connection| {
            for item in items {
                put(connection, item)?;
            }
            Ok(())
        })
        .await
    }

    async fn estimate(&self) -> Result<u64, CatalogError> {
        self.read("count the catalogue", |connection| {
            connection.query_row(COUNT_ALL, [], |row| Ok(row.get::<_, NumberColumn>(0)?.0))
        })
        .await
    }
}

/// The one statement that goes through whole tables: it is asked once for each copy.
const COUNT_ALL: &str = "SELECT (SELECT count(*) FROM videos) + \
     (SELECT count(*) FROM awaited_views) + (SELECT count(*) FROM tombstones)";

fn export(
    connection: &Connection,
    after: Option<Uuid>,
    limit: usize,
) -> rusqlite::Result<Page<Uuid, Kept>> {
    // No video has the nil id.
    let after = IdColumn(after.unwrap_or(Uuid::nil()));
    // One more than asked for, of each table, tells whether there is more.
    let values = params![after, row_count(limit + 1)];
    let mut items: Vec<Kept> = connection
        .prepare_cached(statements::EXPORT_VIDEOS)?
        .query_map(values, VideoRow::read)?
        .map(|row| row.map(|row| Kept::Present(Box::new(row.into()))))
        .collect::<rusqlite::Result<_>>()?;
    let mut statement = connection.prepare_cached(statements::EXPORT_AWAITED)?;
    for awaited in statement.query_map(values, |row| {
        Ok(Kept::Awaited {
            video: row.get::<_, IdColumn>(0)?.0,
            views: row.get::<_, NumberColumn>(1)?.0,
        })
    })? {
        items.push(awaited?);
    }
    let mut statement = connection.prepare_cached(statements::EXPORT_TOMBSTONES)?;
    for deleted in statement.query_map(values, |row| {
        Ok(Kept::Deleted {
            tombstone: Tombstone {
                video: row.get::<_, IdColumn>(0)?.0,
                deleted_at: row.get::<_, TimeColumn>(1)?.0,
            },
            confirmed: row.get(2)?,
        })
    })? {
        items.push(deleted?);
    }
    items.sort_by_key(Kept::id);
    let items = items.into_iter().map(|item| (item.id(), item)).collect();
    Ok(Page::of_one_more(items, limit))
}

fn put(connection: &Connection, item: Kept) -> rusqlite::Result<()> {
    let before = find(connection, item.id())?;
    let item = item.put_over(before.as_ref());
    if before.as_ref() == Some(&item) {
        return Ok(());
    }
    if let Some(before) = before {
        remove(connection, &before)?;
    }
    match item {
        Kept::Awaited { video, views } => {
            connection
                .prepare_cached(statements::AWAIT_VIEWS)?
                .execute(params![IdColumn(video), NumberColumn(views)])?;
        }
        Kept::Present(video) => insert(connection, &video)?,
        Kept::Deleted {
            tombstone: Tombstone { video, deleted_at },
            confirmed,
        } => {
            connection
                .prepare_cached(statements::PUT_TOMBSTONE)?
                .execute(params![IdColumn(video), TimeColumn(deleted_at), confirmed])?;
        }
    }
    Ok(())
}

fn find(connection: &Connection, id: Uuid) -> rusqlite::Result<Option<Kept>> {
    if let Some(video) = find_video(connection, id)? {
        return Ok(Some(Kept::Present(Box::new(video))));
    }
    if let Some(tombstone) = find_tombstone(connection, id)? {
        let confirmed = connection
            .prepare_cached(statements::IS_CONFIRMED)?
            .query_row([IdColumn(id)], |row| row.get(0))?;
        return Ok(Some(Kept::Deleted {
            tombstone,
            confirmed,
        }));
    }
    let awaited: Option<NumberColumn> = connection
        .prepare_cached(statements::FIND_AWAITED)?
        .query_row([IdColumn(id)], |row| row.get(0))
        .optional()?;
    Ok(awaited.map(|views| Kept::Awaited {
        video: id,
        views: views.0,
    }))
}

/// Removes the rows of an id; the ones that follow are written at once, in the same change.
fn remove(connection: &Connection, kept: &Kept) -> rusqlite::Result<()> {
    let id = IdColumn(kept.id());
    match kept {
        Kept::Awaited { .. } => {
            connection
                .prepare_cached(statements::TAKE_AWAITED_VIEWS)?
                .query_row([id], |_| Ok(()))?;
        }
        Kept::Present(_) => {
            let (uploaded_at, words): (TimeColumn, String) = connection
                .prepare_cached(statements::DELETE_VIDEO)?
                .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let moment = Moment {
                uploaded_at: uploaded_at.0,
                id: id.0,
            };
            let terms = terms(split_words(&words));
            for_each_term(connection, statements::DELETE_TERM, terms, moment)?;
        }
        Kept::Deleted { .. } => {
            connection
                .prepare_cached(statements::DELETE_TOMBSTONE)?
                .execute([id])?;
        }
    }
    Ok(())
}

fn insert(connection: &Connection, video: &Video) -> rusqlite::Result<()> {
    let words = words_of(&video.text);
    let mut statement = connection.prepare_cached(statements::INSERT_VIDEO)?;
    rows::insert_video(&mut statement, video, &words)?;
    let terms = terms(words.iter().map(String::as_str));
    for_each_term(connection, statements::INSERT_TERM, terms, moment(video))
}
