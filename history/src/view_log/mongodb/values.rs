//! How values of the domain are stored in documents.

use jiff::Timestamp;
use mongodb::bson::{Bson, DateTime};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::view_log::ViewLogError;
use crate::watch_session::{Beat, PlaybackState};

/// A UUID in a document: binary subtype 4, which sorts as the UUID does.
pub(super) type Id = mongodb::bson::Uuid;

pub(super) fn id(uuid: Uuid) -> Id {
    Id::from_bytes(uuid.into_bytes())
}

pub(super) fn uuid(id: Id) -> Uuid {
    Uuid::from_bytes(id.bytes())
}

pub(super) fn date(time: Timestamp) -> DateTime {
    DateTime::from_millis(time.as_millisecond())
}

/// A time as MongoDB orders it, which is earlier than all that are stored.
pub(super) const BEFORE_ALL: Timestamp = Timestamp::MIN;

pub(super) fn time(date: DateTime) -> Result<Timestamp, ViewLogError> {
    Timestamp::from_millisecond(date.timestamp_millis())
        .map_err(|error| ViewLogError::Broken(Box::new(error)))
}

/// A count, a number or a time span in milliseconds.
///
/// Integers of BSON are signed: what does not fit is stored as the largest that does, which no
/// real position, duration or sequence number reaches.
pub(super) fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn uncount(value: i64) -> Result<u64, ViewLogError> {
    u64::try_from(value).map_err(|error| ViewLogError::Broken(Box::new(error)))
}

pub(super) fn uncount_known(value: Option<i64>) -> Result<Option<u64>, ViewLogError> {
    value.map(uncount).transpose()
}

/// The key of what is known of one of two by the other: a viewer and a video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EntryKey {
    pub(super) viewer: Id,
    pub(super) video: Id,
}

impl From<EntryKey> for Bson {
    /// Fields of a key are compared in their order, here and in the derived serialisation.
    fn from(EntryKey { viewer, video }: EntryKey) -> Self {
        mongodb::bson::doc! { "viewer": viewer, "video": video }.into()
    }
}

/// A beat within a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct BeatDocument {
    seq: i64,
    position_ms: i64,
    state: StateDocument,
    received_at: DateTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateDocument {
    Playing,
    Paused,
    Ended,
}

impl From<&Beat> for BeatDocument {
    fn from(beat: &Beat) -> Self {
        let Beat {
            seq,
            position_ms,
            state,
            received_at,
        } = *beat;
        Self {
            seq: count(seq),
            position_ms: count(position_ms),
            state: match state {
                PlaybackState::Playing => StateDocument::Playing,
                PlaybackState::Paused => StateDocument::Paused,
                PlaybackState::Ended => StateDocument::Ended,
            },
            received_at: date(received_at),
        }
    }
}

impl TryFrom<BeatDocument> for Beat {
    type Error = ViewLogError;

    fn try_from(document: BeatDocument) -> Result<Self, ViewLogError> {
        let BeatDocument {
            seq,
            position_ms,
            state,
            received_at,
        } = document;
        Ok(Self {
            seq: uncount(seq)?,
            position_ms: uncount(position_ms)?,
            state: match state {
                StateDocument::Playing => PlaybackState::Playing,
                StateDocument::Paused => PlaybackState::Paused,
                StateDocument::Ended => PlaybackState::Ended,
            },
            received_at: time(received_at)?,
        })
    }
}
