//! The answers of the catalogue, with their age.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::Video;

/// The last answers, as many as fit; the oldest goes first.
pub(super) struct Memory {
    capacity: usize,
    answers: HashMap<Uuid, Remembered>,
    /// Which answer came first: several may be of the same instant, so it is a number.
    order: BTreeMap<u64, Uuid>,
    next: u64,
}

struct Remembered {
    video: Video,
    asked_at: Instant,
    place: u64,
}

impl Memory {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            answers: HashMap::new(),
            order: BTreeMap::new(),
            next: 0,
        }
    }

    /// The answer about a video, if it is younger than `age`.
    pub(super) fn get(&self, id: Uuid, age: Duration) -> Option<Video> {
        self.answers
            .get(&id)
            .filter(|remembered| remembered.asked_at.elapsed() < age)
            .map(|remembered| remembered.video)
    }

    /// Keeps an answer in place of an older one.
    pub(super) fn remember(&mut self, id: Uuid, video: Video, asked_at: Instant) {
        self.forget(id);
        let place = self.next;
        self.next += 1;
        self.order.insert(place, id);
        self.answers.insert(
            id,
            Remembered {
                video,
                asked_at,
                place,
            },
        );
        if self.answers.len() > self.capacity
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.answers.remove(&oldest);
        }
    }

    /// Drops the answer about a video.
    pub(super) fn forget(&mut self, id: Uuid) {
        if let Some(remembered) = self.answers.remove(&id) {
            self.order.remove(&remembered.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn video(duration_ms: u64) -> Video {
        Video {
            duration_ms: Some(duration_ms),
        }
    }

    #[tokio::test]
    async fn the_oldest_answer_goes_when_there_is_no_more_room() {
        let mut memory = Memory::new(2);
        let [a, b, c] = [1, 2, 3].map(Uuid::from_u128);
        let now = Instant::now();
        memory.remember(a, video(1), now);
        memory.remember(b, video(2), now);
        memory.remember(a, video(11), now);
        memory.remember(c, video(3), now);
        assert_eq!(memory.get(a, HOUR), Some(video(11)));
        assert_eq!(memory.get(b, HOUR), None);
        assert_eq!(memory.get(c, HOUR), Some(video(3)));
        assert_eq!(memory.order.len(), 2);
    }

    #[tokio::test]
    async fn what_is_forgotten_leaves_nothing_behind() {
        let mut memory = Memory::new(2);
        memory.remember(Uuid::nil(), video(1), Instant::now());
        memory.forget(Uuid::nil());
        assert_eq!(memory.get(Uuid::nil(), HOUR), None);
        assert!(memory.order.is_empty());
    }
}
