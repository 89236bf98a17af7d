//! An entry of a viewer's history: where they stopped in one video.

use jiff::Timestamp;
use uuid::Uuid;

use crate::watch_session::PlaybackState;

/// A position before this is as good as the start.
const START_MS: u64 = 10_000;

/// With less than this left, the video counts as seen to its end.
const END_MS: u64 = 30_000;

/// Both of them are at most this part of the duration: a twentieth is 5 %.
const PART_OF_DURATION: u64 = 20;

/// The one entry of a viewer and a video. Its fields are those of the winning session: of those
/// that have sent a beat, the one that started last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The video.
    pub video: Uuid,
    /// The winning session.
    pub session: Uuid,
    /// The position in the beat with the session's highest sequence number.
    pub position_ms: u64,
    /// The state in that beat.
    pub state: PlaybackState,
    /// The session's watched time.
    pub watched_ms: u64,
    /// The length of the video, from the latest event of the session that knew it.
    pub duration_ms: Option<u64>,
    /// When that beat was received.
    pub last_watched_at: Timestamp,
}

impl Entry {
    /// Whether the viewer saw the video to its end: it ended, or less than min(30 s, 5 %) is left.
    #[must_use]
    pub fn finished(&self) -> bool {
        if self.state == PlaybackState::Ended {
            return true;
        }
        self.known_duration_ms().is_some_and(|duration_ms| {
            let left_ms = duration_ms.saturating_sub(self.position_ms);
            left_ms < END_MS && is_under_a_part(left_ms, duration_ms)
        })
    }

    /// Where playing goes on the next time: from the start when the video is finished or was
    /// hardly begun (before min(10 s, 5 %)), else from the position.
    #[must_use]
    pub fn resume_position_ms(&self) -> u64 {
        let hardly_begun = self.position_ms < START_MS
            && self
                .known_duration_ms()
                .is_none_or(|duration_ms| is_under_a_part(self.position_ms, duration_ms));
        if hardly_begun || self.finished() {
            0
        } else {
            self.position_ms
        }
    }

    /// A duration of zero says nothing about how much is left.
    fn known_duration_ms(&self) -> Option<u64> {
        self.duration_ms.filter(|duration_ms| *duration_ms > 0)
    }
}

/// `time_ms < duration_ms / 20`, without rounding.
fn is_under_a_part(time_ms: u64, duration_ms: u64) -> bool {
    time_ms.saturating_mul(PART_OF_DURATION) < duration_ms
}

/// Where an entry stands in a viewer's list: newest first, then by video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListPosition {
    /// When the video was last watched.
    pub last_watched_at: Timestamp,
    /// The video, which decides between entries of the same millisecond.
    pub video: Uuid,
}

/// Which part of a viewer's list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Only entries after this one; from the newest on without it.
    pub after: Option<ListPosition>,
    /// At most this many.
    pub limit: usize,
}

/// A part of a viewer's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPage {
    /// Newest first.
    pub entries: Vec<Entry>,
    /// Where the next page begins; `None` when this is the last.
    pub next: Option<ListPosition>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(position_ms: u64, state: PlaybackState, duration_ms: Option<u64>) -> Entry {
        Entry {
            video: Uuid::nil(),
            session: Uuid::nil(),
            position_ms,
            state,
            watched_ms: 0,
            duration_ms,
            last_watched_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn playing(position_ms: u64, duration_ms: Option<u64>) -> Entry {
        entry(position_ms, PlaybackState::Playing, duration_ms)
    }

    const HOUR: Option<u64> = Some(3_600_000);

    #[test]
    fn a_long_video_resumes_from_ten_seconds_on() {
        assert_eq!(playing(9_999, HOUR).resume_position_ms(), 0);
        assert_eq!(playing(10_000, HOUR).resume_position_ms(), 10_000);
    }

    #[test]
    fn a_short_video_resumes_from_a_twentieth_on() {
        assert_eq!(playing(2_999, Some(60_000)).resume_position_ms(), 0);
        assert_eq!(playing(3_000, Some(60_000)).resume_position_ms(), 3_000);
    }

    #[test]
    fn a_long_video_is_finished_with_less_than_thirty_seconds_left() {
        assert!(!playing(3_570_000, HOUR).finished());
        assert_eq!(playing(3_570_000, HOUR).resume_position_ms(), 3_570_000);
        assert!(playing(3_570_001, HOUR).finished());
        assert_eq!(playing(3_570_001, HOUR).resume_position_ms(), 0);
    }

    #[test]
    fn a_short_video_is_finished_with_less_than_a_twentieth_left() {
        assert!(!playing(57_000, Some(60_000)).finished());
        assert!(playing(57_001, Some(60_000)).finished());
    }

    #[test]
    fn a_video_that_ended_is_finished_whatever_its_duration() {
        for duration_ms in [None, Some(0), Some(60_000), HOUR] {
            let ended = entry(30_000, PlaybackState::Ended, duration_ms);
            assert!(ended.finished());
            assert_eq!(ended.resume_position_ms(), 0);
        }
    }

    #[test]
    fn without_a_duration_only_the_first_ten_seconds_and_the_end_are_special() {
        for duration_ms in [None, Some(0)] {
            assert_eq!(playing(9_999, duration_ms).resume_position_ms(), 0);
            assert_eq!(playing(10_000, duration_ms).resume_position_ms(), 10_000);
            assert!(!playing(10_000, duration_ms).finished());
        }
    }

    #[test]
    fn a_position_past_the_end_is_finished() {
        assert!(playing(60_001, Some(60_000)).finished());
    }

    proptest! {
        #[test]
        fn playing_goes_on_from_the_position_or_from_the_start(
            position_ms in any::<u64>(),
            duration_ms in proptest::option::of(any::<u64>()),
        ) {
            let entry = playing(position_ms, duration_ms);
            let resume_ms = entry.resume_position_ms();
            prop_assert!(resume_ms == 0 || resume_ms == position_ms);
            prop_assert!(!entry.finished() || resume_ms == 0);
        }
    }
}
