//! The table routing key → queues.
//!
//! It stands here and not with the consumers, so that producers can declare the queues as well: an
//! event that is published before its consumer ever ran is kept for it.

use std::fmt;
use std::str::FromStr;

use crate::event::{Event, VideoDeleted, VideoStreamed, VideoViewed, ViewCounted, WatchProgressed};

/// A named queue: what waits for one consuming service, whatever the number of its replicas.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Queue(&'static str);

impl Queue {
    /// What `history` consumes.
    pub const HISTORY: Self = Self("history");
    /// What `metadata` consumes.
    pub const METADATA: Self = Self("metadata");
    /// What `video-storage` consumes.
    pub const VIDEO_STORAGE: Self = Self("video-storage");

    /// Every queue there is.
    pub const ALL: [Self; 3] = [Self::HISTORY, Self::METADATA, Self::VIDEO_STORAGE];

    /// The queue's name.
    pub fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Says why a text names no queue.
#[derive(Debug, thiserror::Error)]
#[error("the queues are history, metadata and video-storage")]
pub struct UnknownQueue;

impl FromStr for Queue {
    type Err = UnknownQueue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|queue| queue.0 == text)
            .ok_or(UnknownQueue)
    }
}

/// Which queues get the events of which type. A type that is not listed goes nowhere.
pub const ROUTES: [(&str, &[Queue]); 5] = [
    (VideoViewed::TYPE, &[Queue::HISTORY]),
    (WatchProgressed::TYPE, &[Queue::HISTORY]),
    (VideoStreamed::TYPE, &[Queue::HISTORY]),
    (ViewCounted::TYPE, &[Queue::METADATA]),
    (VideoDeleted::TYPE, &[Queue::HISTORY, Queue::VIDEO_STORAGE]),
];

/// The queues that get events of this type.
pub fn queues_of(event_type: &str) -> &'static [Queue] {
    ROUTES
        .iter()
        .find(|(routed, _)| *routed == event_type)
        .map_or(&[], |(_, queues)| queues)
}
