//! The events: the wire contract between the services.
//!
//! Durations and positions are in milliseconds, times are RFC 3339 in UTC. An event's id follows
//! from what it tells (UUID version 5, RFC 9562 §5.5), so that telling it again is harmless:
//! consumers keep the first body of an id.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Something that happened.
pub trait Event: Serialize + DeserializeOwned {
    /// The event's type, which is its routing key as well.
    const TYPE: &'static str;
    /// The version of its shape.
    const VERSION: u32;

    /// The event's identity: the same for each telling of the same happening.
    fn id(&self) -> Uuid;
}

/// What a player does.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaybackState {
    /// It plays.
    Playing,
    /// It stands still.
    Paused,
    /// It came to the end.
    Ended,
}

/// A watch session has begun to play.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct VideoViewed {
    /// The watch session.
    pub session: Uuid,
    /// The video.
    pub video: Uuid,
    /// Who watches.
    pub viewer: Uuid,
    /// When the session was opened.
    pub started_at: Timestamp,
    /// The video's duration, where its file tells it.
    pub duration_ms: Option<u64>,
}

/// A player told where it is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct WatchProgressed {
    /// The watch session.
    pub session: Uuid,
    /// The video.
    pub video: Uuid,
    /// Who watches.
    pub viewer: Uuid,
    /// When the session was opened.
    pub started_at: Timestamp,
    /// The beat's number within its session, from 1.
    pub seq: u64,
    /// The position in the video.
    pub position_ms: u64,
    /// What the player does from this position on.
    pub state: PlaybackState,
    /// When the beat was taken, by the clock of the server that took it.
    pub received_at: Timestamp,
    /// The video's duration, where its file tells it.
    pub duration_ms: Option<u64>,
}

/// A player that opens no watch sessions was sent a part of a video.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct VideoStreamed {
    /// The report's own identity.
    pub report: Uuid,
    /// The video.
    pub video: Uuid,
    /// Who was sent it: a keyed hash of address and user agent, in hexadecimal digits.
    pub client: String,
    /// When the first byte of this report was sent.
    pub first_byte_at: Timestamp,
    /// When the last byte of this report was sent.
    pub last_byte_at: Timestamp,
    /// Whether the video's first byte was among them.
    pub covers_start: bool,
    /// The video's duration, where its file tells it.
    pub duration_ms: Option<u64>,
}

/// A session became a view.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ViewCounted {
    /// The session that was counted.
    pub session: Uuid,
    /// The video.
    pub video: Uuid,
    /// The view's number among the views of its video, from 1 and without gaps.
    pub number: u64,
}

/// A video was deleted from the catalogue.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct VideoDeleted {
    /// The video.
    pub video: Uuid,
    /// When it was deleted.
    pub deleted_at: Timestamp,
}

impl Event for VideoViewed {
    const TYPE: &'static str = "video.viewed";
    const VERSION: u32 = 1;

    fn id(&self) -> Uuid {
        named(self.session, Self::TYPE, 0)
    }
}

impl Event for WatchProgressed {
    const TYPE: &'static str = "video.watch-progressed";
    const VERSION: u32 = 1;

    fn id(&self) -> Uuid {
        named(self.session, Self::TYPE, self.seq)
    }
}

impl Event for VideoStreamed {
    const TYPE: &'static str = "video.streamed";
    const VERSION: u32 = 1;

    fn id(&self) -> Uuid {
        self.report
    }
}

impl Event for ViewCounted {
    const TYPE: &'static str = "video.view-counted";
    const VERSION: u32 = 1;

    fn id(&self) -> Uuid {
        named(self.session, Self::TYPE, 0)
    }
}

impl Event for VideoDeleted {
    const TYPE: &'static str = "video.deleted";
    const VERSION: u32 = 1;

    fn id(&self) -> Uuid {
        named(self.video, Self::TYPE, 0)
    }
}

fn named(subject: Uuid, event_type: &str, sequence: u64) -> Uuid {
    Uuid::new_v5(&subject, format!("{event_type}:{sequence}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(seq: u64, position_ms: u64) -> WatchProgressed {
        WatchProgressed {
            session: Uuid::from_u128(1),
            video: Uuid::from_u128(2),
            viewer: Uuid::from_u128(3),
            started_at: Timestamp::UNIX_EPOCH,
            seq,
            position_ms,
            state: PlaybackState::Playing,
            received_at: Timestamp::UNIX_EPOCH,
            duration_ms: None,
        }
    }

    #[test]
    fn a_beat_told_again_has_the_same_identity_whatever_it_says() {
        assert_eq!(beat(7, 100).id(), beat(7, 200).id());
        assert_ne!(beat(7, 100).id(), beat(8, 100).id());
    }
}
