//! What the collection holds: one document for each id that is not unknown.
//!
//! `terms` and `words` are derived from the text: they are written with it and, except to decide
//! about a match on the server, never read.

use std::collections::BTreeSet;

use jiff::Timestamp;
use mongodb::bson::{self, Bson, DateTime, Document, doc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::failure::Failure;
use crate::catalog::Entry;
use crate::search::{terms, title_key, words_of};
use crate::video::{
    ContentHash, ContentType, Description, Facts, PosterVersion, Tags, Text, Title, Tombstone,
    Video,
};

/// Where the videos are, and what is left of them.
pub(super) const COLLECTION: &str = "videos";

/// An id of which only a view number is known: with `views`.
pub(super) const AWAITED: &str = "awaited";
/// A [`VideoDocument`].
pub(super) const PRESENT: &str = "present";
/// A [`TombstoneDocument`].
pub(super) const DELETED: &str = "deleted";

/// A present video. Every document begins with the first four fields; `revision` counts its
/// changes, so that a change of what was read is made only if nobody was faster.
#[derive(Serialize, Deserialize)]
pub(super) struct VideoDocument {
    #[serde(rename = "_id")]
    id: bson::Uuid,
    schema: i32,
    revision: i64,
    state: String,
    uploaded_at: DateTime,
    views: i64,
    title_key: String,
    title: String,
    content_type: String,
    size_bytes: i64,
    etag: String,
    duration_ms: Option<i64>,
    width: Option<i64>,
    height: Option<i64>,
    poster: Option<String>,
    tags: Vec<String>,
    description: String,
}

/// What is left of a deleted video.
#[derive(Serialize, Deserialize)]
struct TombstoneDocument {
    #[serde(rename = "_id")]
    id: bson::Uuid,
    schema: i32,
    revision: i64,
    state: String,
    deleted_at: DateTime,
    confirmed: bool,
}

/// What an edit writes.
#[derive(Serialize)]
struct TextDocument<'a> {
    title_key: String,
    title: &'a str,
    tags: &'a [String],
    description: &'a str,
    words: &'a BTreeSet<String>,
    terms: BTreeSet<&'a str>,
}

/// A document, read.
pub(super) enum Kept {
    /// Only a view number is known.
    Awaited,
    /// A video, and the revision of its document.
    Present(Box<Video>, i64),
    /// What is left of one.
    Deleted(Tombstone),
}

impl Kept {
    /// Reads a document that is up to date.
    pub(super) fn read(document: Document) -> Result<Self, Failure> {
        match document.get_str("state") {
            Ok(AWAITED) => Ok(Self::Awaited),
            Ok(PRESENT) => {
                let document: VideoDocument = bson::deserialize_from_document(document)?;
                let revision = document.revision;
                Ok(Self::Present(Box::new(document.try_into()?), revision))
            }
            Ok(DELETED) => {
                let document: TombstoneDocument = bson::deserialize_from_document(document)?;
                Ok(Self::Deleted(document.try_into()?))
            }
            _ => Err(Failure::Impossible("state")),
        }
    }

    /// As the port tells it.
    pub(super) fn into_entry(self) -> Option<Entry> {
        match self {
            Self::Awaited => None,
            Self::Present(video, _) => Some(Entry::Present(*video)),
            Self::Deleted(tombstone) => Some(Entry::Deleted(tombstone)),
        }
    }
}

/// The document of a new video.
pub(super) fn video_document(video: &Video, schema: i32) -> Result<Document, Failure> {
    let Video {
        facts,
        text,
        views,
        poster,
    } = video;
    let Facts {
        id: video_id,
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
    let document = VideoDocument {
        id: bson_uuid(*video_id),
        schema,
        revision: 1,
        state: PRESENT.to_owned(),
        uploaded_at: date(*uploaded_at),
        views: count(*views),
        title_key: title_key(title.as_str()),
        title: title.as_str().to_owned(),
        content_type: content_type.as_str().to_owned(),
        size_bytes: count(*size_bytes),
        etag: etag.as_str().to_owned(),
        duration_ms: duration_ms.map(count),
        width: width.map(i64::from),
        height: height.map(i64::from),
        poster: poster.as_ref().map(|poster| poster.as_str().to_owned()),
        tags: tags.as_slice().to_vec(),
        description: description.as_str().to_owned(),
    };
    let mut document = bson::serialize_to_document(&document)?;
    document.extend(text_document(text)?);
    Ok(document)
}

/// The fields of a text, with what it is found by.
pub(super) fn text_document(text: &Text) -> Result<Document, Failure> {
    let words = words_of(text);
    let Text {
        title,
        description,
        tags,
    } = text;
    let document = TextDocument {
        title_key: title_key(title.as_str()),
        title: title.as_str(),
        tags: tags.as_slice(),
        description: description.as_str(),
        terms: terms(words.iter().map(String::as_str)),
        words: &words,
    };
    Ok(bson::serialize_to_document(&document)?)
}

/// The document that takes the place of a deleted video's.
pub(super) fn tombstone_document(tombstone: Tombstone, schema: i32) -> Result<Document, Failure> {
    let Tombstone { video, deleted_at } = tombstone;
    let document = TombstoneDocument {
        id: bson_uuid(video),
        schema,
        revision: 1,
        state: DELETED.to_owned(),
        deleted_at: date(deleted_at),
        confirmed: false,
    };
    Ok(bson::serialize_to_document(&document)?)
}

/// Leaves out, when a video is read, what is only there to be found by.
pub(super) fn without_words() -> Document {
    doc! { "words": 0, "terms": 0 }
}

/// An id as it is stored: 16 bytes, which compare as the ids do.
pub(super) fn id(id: Uuid) -> Bson {
    bson_uuid(id).into()
}

/// The id of a stored document.
pub(super) fn id_of(document: &Document) -> Result<Uuid, Failure> {
    match document.get("_id") {
        Some(Bson::Binary(binary)) => {
            Uuid::from_slice(&binary.bytes).map_err(|_| Failure::Impossible("an id"))
        }
        _ => Err(Failure::Impossible("an id")),
    }
}

/// A time as it is stored.
pub(super) fn date(time: Timestamp) -> DateTime {
    DateTime::from_millis(time.as_millisecond())
}

/// A time that was stored.
pub(super) fn time(date: DateTime) -> Result<Timestamp, Failure> {
    Timestamp::from_millisecond(date.timestamp_millis()).map_err(|_| Failure::Impossible("a time"))
}

/// A number as it is stored. What is beyond 64 bits with a sign is refused before it comes here;
/// should one come, it stays the greatest number there is.
pub(super) fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that was stored.
pub(super) fn uncount(field: &'static str, number: i64) -> Result<u64, Failure> {
    u64::try_from(number).map_err(|_| Failure::Impossible(field))
}

/// An id that was stored.
pub(super) fn uuid(id: bson::Uuid) -> Uuid {
    Uuid::from_bytes(id.bytes())
}

fn bson_uuid(id: Uuid) -> bson::Uuid {
    bson::Uuid::from_bytes(id.into_bytes())
}

fn pixels(field: &'static str, number: Option<i64>) -> Result<Option<u32>, Failure> {
    let number = number.map(u32::try_from).transpose();
    number.map_err(|_| Failure::Impossible(field))
}

impl TryFrom<VideoDocument> for Video {
    type Error = Failure;

    fn try_from(document: VideoDocument) -> Result<Self, Failure> {
        let VideoDocument {
            id,
            schema: _,
            revision: _,
            state: _,
            uploaded_at,
            views,
            title_key: _,
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
        } = document;
        let duration_ms = duration_ms.map(|number| uncount("duration_ms", number));
        Ok(Self {
            facts: Facts {
                id: uuid(id),
                content_type: ContentType::stored(content_type),
                size_bytes: uncount("size_bytes", size_bytes)?,
                etag: ContentHash::stored(etag),
                duration_ms: duration_ms.transpose()?,
                width: pixels("width", width)?,
                height: pixels("height", height)?,
                uploaded_at: time(uploaded_at)?,
            },
            text: Text {
                title: Title::stored(title),
                description: Description::stored(description),
                tags: Tags::stored(tags),
            },
            views: uncount("views", views)?,
            poster: poster.map(PosterVersion::stored),
        })
    }
}

impl TryFrom<TombstoneDocument> for Tombstone {
    type Error = Failure;

    fn try_from(document: TombstoneDocument) -> Result<Self, Failure> {
        let TombstoneDocument {
            id,
            schema: _,
            revision: _,
            state: _,
            deleted_at,
            confirmed: _,
        } = document;
        Ok(Self {
            video: uuid(id),
            deleted_at: time(deleted_at)?,
        })
    }
}
