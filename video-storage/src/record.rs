//! What is written beside the bytes: the record of a complete upload, the intent of one that was
//! begun, and the idempotency key that one was sent with.
//!
//! The documents carry the version of their schema. They are read for as long as videos are kept,
//! so members are only ever added.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::idempotency::KeyHash;
use crate::media::Container;

/// The version of the documents that this code writes.
const SCHEMA: u32 = 1;

/// A complete upload. Writing its record makes it one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UploadRecord {
    /// The video.
    pub(crate) id: Uuid,
    /// As it was sent.
    pub(crate) title: String,
    /// What the bytes are.
    pub(crate) container: Container,
    /// How many there are.
    pub(crate) size_bytes: u64,
    /// Their SHA-256 in lower-case hexadecimal: the public tag, without quotes.
    pub(crate) sha256: String,
    /// How long the video plays, if the file tells.
    pub(crate) duration_ms: Option<u64>,
    /// Width and height of the picture, if the file tells.
    pub(crate) picture_size: Option<(u32, u32)>,
    /// When the last byte was there.
    pub(crate) uploaded_at: Timestamp,
    /// The store's own tag of the bytes, where it has one.
    pub(crate) store_tag: Option<String>,
    /// The idempotency key that the upload was sent with.
    pub(crate) key: Option<KeyHash>,
}

/// `records/{id}.json`
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RecordDocument {
    schema: u32,
    id: Uuid,
    title: String,
    content_type: String,
    size_bytes: u64,
    sha256: String,
    duration_ms: Option<u64>,
    width: Option<u32>,
    height: Option<u32>,
    uploaded_at: Timestamp,
    store_tag: Option<String>,
    idempotency_key: Option<String>,
}

/// Says why a record cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("its schema {0} is newer than this program")]
    NewerSchema(u32),
    #[error("its media type {0:?} is none that is stored")]
    UnknownContainer(String),
}

impl From<&UploadRecord> for RecordDocument {
    fn from(record: &UploadRecord) -> Self {
        let UploadRecord {
            id,
            title,
            container,
            size_bytes,
            sha256,
            duration_ms,
            picture_size,
            uploaded_at,
            store_tag,
            key,
        } = record.clone();
        Self {
            schema: SCHEMA,
            id,
            title,
            content_type: container.content_type().to_owned(),
            size_bytes,
            sha256,
            duration_ms,
            width: picture_size.map(|(width, _)| width),
            height: picture_size.map(|(_, height)| height),
            uploaded_at,
            store_tag,
            idempotency_key: key.map(KeyHash::into_hex),
        }
    }
}

impl TryFrom<RecordDocument> for UploadRecord {
    type Error = RecordError;

    fn try_from(document: RecordDocument) -> Result<Self, Self::Error> {
        let RecordDocument {
            schema,
            id,
            title,
            content_type,
            size_bytes,
            sha256,
            duration_ms,
            width,
            height,
            uploaded_at,
            store_tag,
            idempotency_key,
        } = document;
        if schema > SCHEMA {
            return Err(RecordError::NewerSchema(schema));
        }
        let Some(container) = Container::of_content_type(&content_type) else {
            return Err(RecordError::UnknownContainer(content_type));
        };
        Ok(Self {
            id,
            title,
            container,
            size_bytes,
            sha256,
            duration_ms,
            picture_size: width.zip(height),
            uploaded_at,
            store_tag,
            key: idempotency_key.map(KeyHash::from_hex),
        })
    }
}

/// `records/{id}.json` of an upload that stopped renewing its intent and was taken away: it takes
/// the place of the record, so that the upload cannot become complete any more.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AbandonedDocument {
    schema: u32,
    id: Uuid,
    abandoned_at: Timestamp,
}

impl AbandonedDocument {
    pub(crate) fn new(id: Uuid, abandoned_at: Timestamp) -> Self {
        Self {
            schema: SCHEMA,
            id,
            abandoned_at,
        }
    }
}

/// What may lie at `records/{id}.json`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum RecordObject {
    Complete(Box<RecordDocument>),
    #[expect(dead_code, reason = "that it is one says all; its time is the store's")]
    Abandoned(AbandonedDocument),
}

/// `intents/{id}.json`: written before the first byte, removed when nothing is left to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct IntentDocument {
    schema: u32,
    id: Uuid,
    begun_at: Timestamp,
}

impl IntentDocument {
    pub(crate) fn new(id: Uuid, begun_at: Timestamp) -> Self {
        Self {
            schema: SCHEMA,
            id,
            begun_at,
        }
    }

    pub(crate) fn id(&self) -> Uuid {
        self.id
    }
}

/// `keys/{hash}.json`: which upload a key stands for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeyDocument {
    schema: u32,
    pub(crate) video: Uuid,
    created_at: Timestamp,
    /// It stands for nothing any more and is about to be removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) released: bool,
}

impl KeyDocument {
    /// How long a key stands for its upload.
    pub(crate) const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

    pub(crate) fn new(video: Uuid, created_at: Timestamp) -> Self {
        Self {
            schema: SCHEMA,
            video,
            created_at,
            released: false,
        }
    }

    /// The same, about to be removed.
    pub(crate) fn released(self) -> Self {
        Self {
            released: true,
            ..self
        }
    }

    pub(crate) fn is_valid(&self, now: Timestamp) -> bool {
        !self.released && now.duration_since(self.created_at) < Self::LIFETIME
    }

    /// Whether it was created so much later than this that the two have nothing to do with each
    /// other.
    pub(crate) fn is_of_another_day(&self, time: Timestamp) -> bool {
        self.created_at.duration_since(time) >= Self::LIFETIME
    }
}

/// The time, as exact as the API shows it.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> UploadRecord {
        UploadRecord {
            id: Uuid::from_u128(7),
            title: "A day".to_owned(),
            container: Container::WebM,
            size_bytes: 12,
            sha256: "ab".repeat(32),
            duration_ms: Some(2_000),
            picture_size: Some((96, 54)),
            uploaded_at: Timestamp::from_millisecond(1_700_000_000_123).unwrap(),
            store_tag: Some("\"1-2-3\"".to_owned()),
            key: Some(KeyHash::from_hex("cd".repeat(32))),
        }
    }

    #[test]
    fn a_record_survives_its_document() {
        let json = serde_json::to_string(&RecordDocument::from(&record())).unwrap();
        let document: RecordDocument = serde_json::from_str(&json).unwrap();
        assert_eq!(UploadRecord::try_from(document).unwrap(), record());
    }

    #[test]
    fn a_record_of_the_first_schema_is_read_for_ever() {
        let document = r#"{"schema":1,"id":"00000000-0000-0000-0000-000000000007","title":"A day",
            "content_type":"video/webm","size_bytes":12,"sha256":"SHA","duration_ms":2000,"width":96,
            "height":54,"uploaded_at":"2023-11-14T22:13:20.123Z","store_tag":"\"1-2-3\"",
            "idempotency_key":"KEY","added_later":true}"#
            .replace("SHA", &"ab".repeat(32))
            .replace("KEY", &"cd".repeat(32));
        let document: RecordDocument = serde_json::from_str(&document).unwrap();
        assert_eq!(UploadRecord::try_from(document).unwrap(), record());
    }

    #[test]
    fn a_record_of_a_newer_schema_is_refused() {
        let mut document = RecordDocument::from(&record());
        document.schema = 2;
        let refused = UploadRecord::try_from(document).unwrap_err();
        assert!(matches!(refused, RecordError::NewerSchema(2)));
    }

    #[test]
    fn a_key_is_valid_for_a_day() {
        let created = record().uploaded_at;
        let key = KeyDocument::new(Uuid::nil(), created);
        assert!(key.is_valid(created));
        assert!(key.is_valid(created + SignedDuration::from_hours(23)));
        assert!(!key.is_valid(created + SignedDuration::from_hours(24)));
        assert!(key.is_of_another_day(created - SignedDuration::from_hours(24)));
        assert!(!key.is_of_another_day(created - SignedDuration::from_hours(23)));
        assert!(!key.released().is_valid(created));
    }
}
