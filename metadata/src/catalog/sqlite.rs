//! The embedded catalogue: one SQLite file.
//!
//! SQLite has transactions, so the states of an id are rows of three tables here, and its terms
//! rows of a fourth. All calls that write go through the one writer of [`Database`]; each is a
//! savepoint that is rolled back as a whole.

use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use service_kit::sqlite::{Database, DatabaseError};
use uuid::Uuid;

use self::rows::{IdColumn, NumberColumn, TimeColumn, VideoRow, split_words};
use self::search::Matches;
use super::{Catalog, CatalogError, Change, Entry, Registration, State, StatePage};
use crate::page::{Listing, Moment, Page, Place, Sort};
use crate::search::{SearchQuery, terms, words_of};
use crate::video::{Edit, NewVideo, PosterVersion, Tombstone, Video};

mod rows;
mod search;
mod statements;
mod transfer;

/// A [`Catalog`] in an SQLite file.
#[derive(Clone)]
pub(crate) struct SqliteCatalog {
    database: Database,
}

impl SqliteCatalog {
    /// Opens the file, and makes it and its folder where they are missing.
    pub(crate) async fn open(path: &Path) -> Result<Self, CatalogError> {
        let database = Database::open(path, statements::MIGRATIONS)
            .await
            .map_err(|error| explained("open", error))?;
        Ok(Self { database })
    }

    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, CatalogError> {
        self.database
            .read(move |connection| {
                // One snapshot for all statements: a page does not mix two states of the file.
                let snapshot = connection.unchecked_transaction()?;
                let answer = read(&snapshot)?;
                snapshot.commit()?;
                Ok::<T, DatabaseError>(answer)
            })
            .await
            .map_err(|error| explained(operation, error))
    }

    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        write: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, CatalogError> {
        self.database
            .write(move |connection| Ok::<T, DatabaseError>(write(connection)?))
            .await
            .map_err(|error| explained(operation, error))
    }
}

#[async_trait]
impl Catalog for SqliteCatalog {
    async fn register(&self, video: NewVideo) -> Result<Registration, CatalogError> {
        self.write("register a video", move |connection| {
            register(connection, video)
        })
        .await
    }

    async fn look_up(&self, ids: &[Uuid]) -> Result<Vec<Entry>, CatalogError> {
        let ids = ids.to_vec();
        self.read("look up videos", move |connection| {
            let mut entries = Vec::with_capacity(ids.len());
            for id in ids {
                if let Some(video) = find_video(connection, id)? {
                    entries.push(Entry::Present(video));
                } else if let Some(tombstone) = find_tombstone(connection, id)? {
                    entries.push(Entry::Deleted(tombstone));
                }
            }
            Ok(entries)
        })
        .await
    }

    async fn list(&self, listing: &Listing) -> Result<Page, CatalogError> {
        let listing = listing.clone();
        self.read("list videos", move |connection| match &listing.matching {
            None => list_all(connection, &listing),
            Some(query) => list_matches(connection, query, &listing),
        })
        .await
    }

    async fn amend(&self, id: Uuid, change: Change) -> Result<Option<Video>, CatalogError> {
        self.write("amend a video", move |connection| {
            match change {
                Change::Edit(edit) => apply_edit(connection, id, edit)?,
                Change::Poster(version) => set_poster(connection, id, &version)?,
                Change::ViewNumber(number) => raise_views(connection, id, number)?,
            }
            find_video(connection, id)
        })
        .await
    }

    async fn delete(&self, tombstone: Tombstone) -> Result<bool, CatalogError> {
        self.write("delete a video", move |connection| {
            delete(connection, tombstone)
        })
        .await
    }

    async fn pending_deletions(&self, limit: usize) -> Result<Vec<Tombstone>, CatalogError> {
        self.read("list pending deletions", move |connection| {
            connection
                .prepare_cached(statements::PENDING_TOMBSTONES)?
                .query_map([row_count(limit)], |row| {
                    Ok(Tombstone {
                        video: row.get::<_, IdColumn>(0)?.0,
                        deleted_at: row.get::<_, TimeColumn>(1)?.0,
                    })
                })?
                .collect()
        })
        .await
    }

    async fn confirm_deletion(&self, id: Uuid) -> Result<(), CatalogError> {
        self.write("confirm a deletion", move |connection| {
            connection
                .prepare_cached(statements::CONFIRM_TOMBSTONE)?
                .execute([IdColumn(id)])?;
            Ok(())
        })
        .await
    }

    async fn states_after(&self, after: Uuid, limit: usize) -> Result<StatePage, CatalogError> {
        self.read("walk over all ids", move |connection| {
            let states: Vec<(Uuid, State)> = connection
                .prepare_cached(statements::STATES_AFTER)?
                .query_map(params![IdColumn(after), row_count(limit)], |row| {
                    let is_deleted: bool = row.get(1)?;
                    let state = if is_deleted {
                        State::Deleted
                    } else {
                        State::Present
                    };
                    Ok((row.get::<_, IdColumn>(0)?.0, state))
                })?
                .collect::<rusqlite::Result<_>>()?;
            let is_full = states.len() == limit;
            let next = states.last().filter(|_| is_full).map(|(id, _)| *id);
            Ok(StatePage { states, next })
        })
        .await
    }
}

fn register(connection: &Connection, video: NewVideo) -> rusqlite::Result<Registration> {
    let id = video.facts.id;
    if find_tombstone(connection, id)?.is_some() {
        return Ok(Registration::Deleted);
    }
    if let Some(video) = find_video(connection, id)? {
        return Ok(Registration::AlreadyThere(video));
    }
    let awaited: Option<NumberColumn> = connection
        .prepare_cached(statements::TAKE_AWAITED_VIEWS)?
        .query_row([IdColumn(id)], |row| row.get(0))
        .optional()?;
    let video = video.into_video(awaited.map_or(0, |number| number.0));
    let words = words_of(&video.text);
    let mut statement = connection.prepare_cached(statements::INSERT_VIDEO)?;
    rows::insert_video(&mut statement, &video, &words)?;
    let terms = terms(words.iter().map(String::as_str));
    for_each_term(connection, statements::INSERT_TERM, terms, moment(&video))?;
    Ok(Registration::Registered(video))
}

fn apply_edit(connection: &Connection, id: Uuid, edit: Edit) -> rusqlite::Result<()> {
    let Some(video) = find_video(connection, id)? else {
        return Ok(());
    };
    let moment = moment(&video);
    let before: String = connection
        .prepare_cached(statements::FIND_WORDS)?
        .query_row([IdColumn(id)], |row| row.get(0))?;
    let text = video.text.edited(edit);
    let words = words_of(&text);
    let mut statement = connection.prepare_cached(statements::UPDATE_TEXT)?;
    rows::update_text(&mut statement, id, &text, &words)?;

    let before = terms(split_words(&before));
    let after = terms(words.iter().map(String::as_str));
    let gone = before.difference(&after).copied();
    for_each_term(connection, statements::DELETE_TERM, gone, moment)?;
    let new = after.difference(&before).copied();
    for_each_term(connection, statements::INSERT_TERM, new, moment)
}

fn set_poster(connection: &Connection, id: Uuid, version: &PosterVersion) -> rusqlite::Result<()> {
    connection
        .prepare_cached(statements::UPDATE_POSTER)?
        .execute(params![IdColumn(id), version.as_str()])?;
    Ok(())
}

fn raise_views(connection: &Connection, id: Uuid, number: u64) -> rusqlite::Result<()> {
    let values = params![IdColumn(id), NumberColumn(number)];
    let raised = connection
        .prepare_cached(statements::RAISE_VIEWS)?
        .execute(values)?;
    let is_unknown = raised == 0
        && find_video(connection, id)?.is_none()
        && find_tombstone(connection, id)?.is_none();
    if is_unknown {
        connection
            .prepare_cached(statements::AWAIT_VIEWS)?
            .execute(values)?;
    }
    Ok(())
}

fn delete(connection: &Connection, tombstone: Tombstone) -> rusqlite::Result<bool> {
    let id = tombstone.video;
    let deleted: Option<(TimeColumn, String)> = connection
        .prepare_cached(statements::DELETE_VIDEO)?
        .query_row([IdColumn(id)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((uploaded_at, words)) = deleted else {
        return Ok(false);
    };
    let moment = Moment {
        uploaded_at: uploaded_at.0,
        id,
    };
    for_each_term(
        connection,
        statements::DELETE_TERM,
        terms(split_words(&words)),
        moment,
    )?;
    connection
        .prepare_cached(statements::INSERT_TOMBSTONE)?
        .execute(params![IdColumn(id), TimeColumn(tombstone.deleted_at)])?;
    Ok(true)
}

fn list_all(connection: &Connection, listing: &Listing) -> rusqlite::Result<Page> {
    let after = match &listing.after {
        Some(position) => position.after.clone(),
        None => before_all(listing.sort),
    };
    let limit = row_count(listing.limit + 1);
    let videos = match after {
        Place::Newest(moment) => {
            let values = params![
                TimeColumn(moment.0.uploaded_at),
                IdColumn(moment.0.id),
                limit
            ];
            select_videos(connection, statements::LIST_NEWEST, values)
        }
        Place::Title(key, id) => {
            let values = params![key, IdColumn(id), limit];
            select_videos(connection, statements::LIST_BY_TITLE, values)
        }
        Place::Views(views) => {
            let (views, id) = views.0;
            let values = params![NumberColumn(views), IdColumn(id), limit];
            select_videos(connection, statements::LIST_BY_VIEWS, values)
        }
    }?;
    Ok(Page::of_one_more(videos, listing, None, false))
}

fn list_matches(
    connection: &Connection,
    query: &SearchQuery,
    listing: &Listing,
) -> rusqlite::Result<Page> {
    let pinned = listing.after.as_ref().and_then(|after| after.newest_match);
    let newest = pinned.unwrap_or(Moment {
        uploaded_at: Timestamp::MAX,
        id: Uuid::max(),
    });
    let matches = Matches::take(connection, query, newest)?;
    let places = matches.places(connection, listing.sort)?;
    let start = match &listing.after {
        Some(position) => places.partition_point(|(place, _)| *place <= position.after),
        None => 0,
    };
    let mut videos = Vec::with_capacity(listing.limit + 1);
    for (_, id) in places[start..].iter().take(listing.limit + 1) {
        videos.extend(find_video(connection, *id)?);
    }
    let newest_match = pinned.or(matches.moments.first().copied());
    Ok(Page::of_one_more(
        videos,
        listing,
        newest_match,
        matches.incomplete,
    ))
}

/// A place before the one of any video: no id is nil or consists of ones only.
fn before_all(sort: Sort) -> Place {
    match sort {
        Sort::Newest => Place::Newest(std::cmp::Reverse(Moment {
            uploaded_at: Timestamp::MAX,
            id: Uuid::max(),
        })),
        Sort::Title => Place::Title(String::new(), Uuid::nil()),
        Sort::Views => Place::Views(std::cmp::Reverse((u64::MAX, Uuid::max()))),
    }
}

fn find_video(connection: &Connection, id: Uuid) -> rusqlite::Result<Option<Video>> {
    let row = connection
        .prepare_cached(statements::FIND_VIDEO)?
        .query_row([IdColumn(id)], VideoRow::read)
        .optional()?;
    Ok(row.map(Video::from))
}

fn find_tombstone(connection: &Connection, id: Uuid) -> rusqlite::Result<Option<Tombstone>> {
    let deleted_at: Option<TimeColumn> = connection
        .prepare_cached(statements::FIND_TOMBSTONE)?
        .query_row([IdColumn(id)], |row| row.get(0))
        .optional()?;
    Ok(deleted_at.map(|deleted_at| Tombstone {
        video: id,
        deleted_at: deleted_at.0,
    }))
}

fn select_videos(
    connection: &Connection,
    statement: &str,
    values: impl rusqlite::Params,
) -> rusqlite::Result<Vec<Video>> {
    connection
        .prepare_cached(statement)?
        .query_map(values, VideoRow::read)?
        .map(|row| row.map(Video::from))
        .collect()
}

fn for_each_term<'a>(
    connection: &Connection,
    statement: &str,
    terms: impl IntoIterator<Item = &'a str>,
    moment: Moment,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(statement)?;
    for term in terms {
        statement.execute(params![
            term,
            TimeColumn(moment.uploaded_at),
            IdColumn(moment.id)
        ])?;
    }
    Ok(())
}

fn moment(video: &Video) -> Moment {
    Moment {
        uploaded_at: video.facts.uploaded_at,
        id: video.facts.id,
    }
}

fn row_count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn explained(operation: &'static str, error: DatabaseError) -> CatalogError {
    let is_unavailable = error.is_unavailable();
    let source = Box::new(error);
    if is_unavailable {
        CatalogError::Unavailable { operation, source }
    } else {
        CatalogError::Broken { operation, source }
    }
}

#[cfg(test)]
mod tests;
