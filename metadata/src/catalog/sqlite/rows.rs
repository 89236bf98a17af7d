//! Videos as rows, and back.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Row, params};
use uuid::Uuid;

use crate::search::title_key;
use crate::video::{
    ContentHash, ContentType, Description, Facts, PosterVersion, Tags, Text, Title, Video,
};

/// What the statements that read whole videos select.
pub(super) struct VideoRow {
    id: IdColumn,
    uploaded_at: TimeColumn,
    views: NumberColumn,
    title: String,
    content_type: String,
    size_bytes: NumberColumn,
    etag: String,
    duration_ms: Option<NumberColumn>,
    width: Option<u32>,
    height: Option<u32>,
    poster: Option<String>,
    tags: TagsColumn,
    description: String,
}

impl VideoRow {
    /// Reads a row.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            uploaded_at: row.get("uploaded_at")?,
            views: row.get("views")?,
            title: row.get("title")?,
            content_type: row.get("content_type")?,
            size_bytes: row.get("size_bytes")?,
            etag: row.get("etag")?,
            duration_ms: row.get("duration_ms")?,
            width: row.get("width")?,
            height: row.get("height")?,
            poster: row.get("poster")?,
            tags: row.get("tags")?,
            description: row.get("description")?,
        })
    }
}

impl From<VideoRow> for Video {
    fn from(row: VideoRow) -> Self {
        let VideoRow {
            id,
            uploaded_at,
            views,
            title,
            content_type,
            size_bytes,
            etag,
            duration_ms,
            width,
            height,
            poster,
            tags,
            description,
        } = row;
        Self {
            facts: Facts {
                id: id.0,
                content_type: ContentType::stored(content_type),
                size_bytes: size_bytes.0,
                etag: ContentHash::stored(etag),
                duration_ms: duration_ms.map(|duration| duration.0),
                width,
                height,
                uploaded_at: uploaded_at.0,
            },
            text: Text {
                title: Title::stored(title),
                description: Description::stored(description),
                tags: Tags::stored(tags.0),
            },
            views: views.0,
            poster: poster.map(PosterVersion::stored),
        }
    }
}

/// Runs `INSERT_VIDEO`.
pub(super) fn insert_video(
    statement: &mut CachedStatement<'_>,
    video: &Video,
    words: &BTreeSet<String>,
) -> rusqlite::Result<usize> {
    let Video {
        facts,
        text,
        views,
        poster,
    } = video;
    let Facts {
        id,
        content_type,
        size_bytes,
        etag,
        duration_ms,
        width,
        height,
        uploaded_at,
    } = facts;
    let Text {
        title,
        description,
        tags,
    } = text;
    statement.execute(params![
        IdColumn(*id),
        TimeColumn(*uploaded_at),
        NumberColumn(*views),
        title_key(title.as_str()),
        title.as_str(),
        content_type.as_str(),
        NumberColumn(*size_bytes),
        etag.as_str(),
        duration_ms.map(NumberColumn),
        width,
        height,
        poster.as_ref().map(PosterVersion::as_str),
        TagsColumn(tags.as_slice().to_vec()),
        description.as_str(),
        join_words(words),
    ])
}

/// Runs `UPDATE_TEXT`.
pub(super) fn update_text(
    statement: &mut CachedStatement<'_>,
    id: Uuid,
    text: &Text,
    words: &BTreeSet<String>,
) -> rusqlite::Result<usize> {
    let Text {
        title,
        description,
        tags,
    } = text;
    statement.execute(params![
        IdColumn(id),
        title_key(title.as_str()),
        title.as_str(),
        TagsColumn(tags.as_slice().to_vec()),
        description.as_str(),
        join_words(words),
    ])
}

/// The words of the `words` column. No word contains a space: that is what text is split at.
pub(super) fn split_words(words: &str) -> impl Iterator<Item = &str> {
    words.split_ascii_whitespace()
}

fn join_words(words: &BTreeSet<String>) -> String {
    words
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

/// An id as its 16 bytes, which compare as the ids do.
#[derive(Clone, Copy)]
pub(super) struct IdColumn(pub(super) Uuid);

/// A time as milliseconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct TimeColumn(pub(super) Timestamp);

/// A number that is never negative. What is beyond 64 bits with a sign is refused before it comes
/// here; should one come, it stays the greatest number there is.
#[derive(Clone, Copy)]
pub(super) struct NumberColumn(pub(super) u64);

/// Tags as a JSON array: they are only ever read together.
struct TagsColumn(Vec<String>);

impl ToSql for IdColumn {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_bytes().as_slice().into())
    }
}

impl FromSql for IdColumn {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Uuid::from_slice(value.as_blob()?)
            .map(Self)
            .map_err(FromSqlError::other)
    }
}

impl ToSql for TimeColumn {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_millisecond().into())
    }
}

impl FromSql for TimeColumn {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Timestamp::from_millisecond(value.as_i64()?)
            .map(Self)
            .map_err(FromSqlError::other)
    }
}

impl ToSql for NumberColumn {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(i64::try_from(self.0).unwrap_or(i64::MAX).into())
    }
}

impl FromSql for NumberColumn {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        u64::try_from(value.as_i64()?)
            .map(Self)
            .map_err(FromSqlError::other)
    }
}

impl ToSql for TagsColumn {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let json = serde_json::to_string(&self.0)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok(json.into())
    }
}

impl FromSql for TagsColumn {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?)
            .map(Self)
            .map_err(FromSqlError::other)
    }
}
