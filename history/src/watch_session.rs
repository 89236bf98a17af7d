//! A watch session: one playback by one viewer, known by the beats that its player sends.
//!
//! Beats may arrive late, twice and in any order. Everything here is therefore a function of the
//! *set* of beats, taken in the order of their sequence numbers; when one more beat arrives, only
//! the two gaps beside it change.

use jiff::Timestamp;
use uuid::Uuid;

/// The most that one gap between two beats may add to the watched time. A player sends a beat
/// every ten seconds; a longer silence is a sleeping laptop as likely as a viewer.
pub const LONGEST_GAP_MS: u64 = 60_000;

/// Watched time that always makes a view.
const FULL_VIEW_MS: u64 = 30_000;

/// How many beats one session may store. Playing for the 24 hours that a session token is good for
/// takes 8,640; the rest is room for seeks and pauses.
///
/// A beat beyond it still moves the viewer's entry, but is not stored and adds no watched time, so
/// that a player gone wild costs about a megabyte and nobody's resume position.
pub const MOST_BEATS: u64 = 20_000;

/// What the player said it was doing when it sent a beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlaybackState {
    /// The picture moves from this position on.
    Playing,
    /// The viewer paused, or the player waits for bytes.
    Paused,
    /// The end of the video was reached.
    Ended,
}

/// Who started to watch what, and when. The same in every event of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchSession {
    /// The session's id, from its signed token.
    pub id: Uuid,
    /// Who watches.
    pub viewer: Uuid,
    /// What is watched.
    pub video: Uuid,
    /// When the token was issued.
    pub started_at: Timestamp,
}

/// One sign of life of a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The player's own count, from 1. The first body that arrives under a number stays.
    pub seq: u64,
    /// Where in the video the player was.
    pub position_ms: u64,
    /// What it was doing.
    pub state: PlaybackState,
    /// When the streaming service took the beat in.
    pub received_at: Timestamp,
}

/// The time watched between two beats that follow each other in sequence.
///
/// It is the position gained, but no more than the time that really passed (a seek forward is not
/// watched), no more than [`LONGEST_GAP_MS`], and nothing unless the earlier beat was `playing`.
#[must_use]
pub fn watched_between(earlier: &Beat, later: &Beat) -> u64 {
    if earlier.state != PlaybackState::Playing {
        return 0;
    }
    let gained = later.position_ms.saturating_sub(earlier.position_ms);
    let elapsed = later.received_at.as_millisecond() - earlier.received_at.as_millisecond();
    gained
        .min(u64::try_from(elapsed).unwrap_or(0))
        .min(LONGEST_GAP_MS)
}

/// The watched time of a session after `beat` took its place between its neighbours in sequence.
///
/// The gap between the neighbours is replaced by the two gaps beside the new beat. The result
/// equals the sum over all gaps whatever the order of arrival.
#[must_use]
pub fn watched_with(
    watched_ms: u64,
    previous: Option<&Beat>,
    beat: &Beat,
    next: Option<&Beat>,
) -> u64 {
    let gap = |earlier: Option<&Beat>, later: Option<&Beat>| match (earlier, later) {
        (Some(earlier), Some(later)) => watched_between(earlier, later),
        _ => 0,
    };
    let added = gap(previous, Some(beat)) + gap(Some(beat), next);
    (watched_ms + added).saturating_sub(gap(previous, next))
}

/// Whether this much watched time makes a view: min(30 s, half of the duration), and 30 s where
/// the duration is unknown. A duration of zero says no more than an unknown one.
#[must_use]
pub fn is_view(watched_ms: u64, duration_ms: Option<u64>) -> bool {
    let half_is_watched = match duration_ms {
        Some(duration_ms) if duration_ms > 0 => watched_ms >= duration_ms.div_ceil(2),
        _ => false,
    };
    watched_ms >= FULL_VIEW_MS || half_is_watched
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn beat(seq: u64, position_ms: u64, state: PlaybackState, received_ms: i64) -> Beat {
        Beat {
            seq,
            position_ms,
            state,
            received_at: Timestamp::from_millisecond(received_ms).unwrap(),
        }
    }

    /// The definition: the sum over the gaps, recomputed from all beats.
    fn recomputed(beats: &BTreeMap<u64, Beat>) -> u64 {
        beats
            .values()
            .zip(beats.values().skip(1))
            .map(|(earlier, later)| watched_between(earlier, later))
            .sum()
    }

    #[test]
    fn ten_seconds_of_playing_are_ten_seconds_watched() {
        let earlier = beat(1, 0, PlaybackState::Playing, 0);
        let later = beat(2, 10_000, PlaybackState::Playing, 10_000);
        assert_eq!(watched_between(&earlier, &later), 10_000);
    }

    #[test]
    fn a_seek_forward_counts_no_more_than_the_time_that_passed() {
        let earlier = beat(1, 0, PlaybackState::Playing, 0);
        let later = beat(2, 600_000, PlaybackState::Playing, 3_000);
        assert_eq!(watched_between(&earlier, &later), 3_000);
    }

    #[test]
    fn a_seek_back_counts_nothing() {
        let earlier = beat(1, 50_000, PlaybackState::Playing, 0);
        let later = beat(2, 20_000, PlaybackState::Playing, 10_000);
        assert_eq!(watched_between(&earlier, &later), 0);
    }

    #[test]
    fn a_silence_counts_no_more_than_a_minute() {
        let earlier = beat(1, 0, PlaybackState::Playing, 0);
        let later = beat(2, 3_600_000, PlaybackState::Playing, 3_600_000);
        assert_eq!(watched_between(&earlier, &later), LONGEST_GAP_MS);
    }

    #[test]
    fn nothing_is_watched_after_a_pause_or_the_end() {
        for state in [PlaybackState::Paused, PlaybackState::Ended] {
            let earlier = beat(1, 0, state, 0);
            let later = beat(2, 10_000, PlaybackState::Playing, 10_000);
            assert_eq!(watched_between(&earlier, &later), 0);
        }
    }

    #[test]
    fn a_later_beat_that_was_received_earlier_counts_nothing() {
        let earlier = beat(1, 0, PlaybackState::Playing, 5_000);
        let later = beat(2, 10_000, PlaybackState::Playing, 4_000);
        assert_eq!(watched_between(&earlier, &later), 0);
    }

    #[test]
    fn a_view_takes_thirty_seconds_or_half_of_a_short_video() {
        assert!(is_view(30_000, None));
        assert!(!is_view(29_999, None));
        assert!(!is_view(29_999, Some(0)));
        assert!(is_view(30_000, Some(7_200_000)));
        assert!(!is_view(29_999, Some(7_200_000)));
        assert!(is_view(5_000, Some(10_000)));
        assert!(!is_view(4_999, Some(10_000)));
        assert!(!is_view(5_000, Some(10_001)));
        assert!(!is_view(0, Some(1)));
    }

    fn any_state() -> impl Strategy<Value = PlaybackState> {
        prop_oneof![
            4 => Just(PlaybackState::Playing),
            1 => Just(PlaybackState::Paused),
            1 => Just(PlaybackState::Ended),
        ]
    }

    prop_compose! {
        fn any_beat()(
            seq in 1_u64..40,
            position_ms in 0_u64..300_000,
            state in any_state(),
            received_ms in 0_i64..300_000,
        ) -> Beat {
            beat(seq, position_ms, state, received_ms)
        }
    }

    proptest! {
        #[test]
        fn the_update_by_neighbours_equals_the_recomputation_after_every_arrival(
            arrivals in prop::collection::vec(any_beat(), 0..60),
        ) {
            let mut beats = BTreeMap::new();
            let mut watched_ms = 0;
            for arrived in arrivals {
                if beats.contains_key(&arrived.seq) {
                    continue;
                }
                let previous = beats.range(..arrived.seq).next_back().map(|(_, beat)| *beat);
                let next = beats.range(arrived.seq..).next().map(|(_, beat)| *beat);
                watched_ms = watched_with(watched_ms, previous.as_ref(), &arrived, next.as_ref());
                beats.insert(arrived.seq, arrived);
                prop_assert_eq!(watched_ms, recomputed(&beats));
            }
        }

        #[test]
        fn the_watched_time_is_never_longer_than_the_time_that_passed(
            positions in prop::collection::vec((0_u64..300_000, any_state()), 1..60),
        ) {
            let beats: BTreeMap<u64, Beat> = (1_u64..)
                .zip(positions)
                .map(|(seq, (position_ms, state))| {
                    let received_ms = i64::try_from(seq).unwrap() * 10_000;
                    (seq, beat(seq, position_ms, state, received_ms))
                })
                .collect();
            let passed_ms = 10_000 * (beats.len() as u64 - 1);
            prop_assert!(recomputed(&beats) <= passed_ms);
        }
    }
}
