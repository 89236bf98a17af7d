//! The beats of a session in little room.
//!
//! No beat can come between two whose numbers follow each other, so what was watched between them
//! is final. Beats with consecutive numbers are therefore kept as one run: its first beat, its
//! last beat and the time watched in between. A session whose beats all arrive is one run, however
//! long it is; only holes in the numbers cost room.

use crate::watch_session::{Beat, MOST_BEATS, watched_between};

/// How many runs a session may have: a beat that would begin another one is not stored.
///
/// Real players leave a hole for each beat that was lost. A thousand holes make a document of
/// some hundred kilobytes, which is rewritten with each beat.
pub(crate) const MOST_RUNS: usize = 1_000;

/// Beats whose numbers follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: Beat,
    pub(crate) last: Beat,
    /// Watched from the first to the last.
    pub(crate) watched_ms: u64,
}

/// All beats of a session, in the order of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BeatRuns {
    runs: Vec<Run>,
}

/// What became of a beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Insertion {
    /// It is stored now.
    Stored,
    /// A beat with its number was there.
    Known,
    /// There is no room for it.
    NoRoom,
}

impl Run {
    /// One beat; `watched_ms` is what was watched before it, of beats that are known no more.
    pub(crate) fn starting_with(beat: Beat, watched_ms: u64) -> Self {
        Self {
            first: beat,
            last: beat,
            watched_ms,
        }
    }

    /// How many beats it is.
    pub(crate) fn beats(&self) -> u64 {
        self.last.seq - self.first.seq + 1
    }

    fn followed_by(self, next: Self) -> Self {
        Self {
            first: self.first,
            last: next.last,
            watched_ms: self.watched_ms
                + watched_between(&self.last, &next.first)
                + next.watched_ms,
        }
    }

    fn touches(&self, next: &Self) -> bool {
        self.last.seq.checked_add(1) == Some(next.first.seq)
    }
}

impl BeatRuns {
    /// From what is stored, in the order of the numbers.
    pub(crate) fn new(runs: Vec<Run>) -> Self {
        Self { runs }
    }

    /// From parts in the order of the numbers, of which some may touch.
    pub(crate) fn joined(parts: impl IntoIterator<Item = Run>) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for part in parts {
            match runs.last_mut() {
                Some(before) if before.touches(&part) => *before = before.followed_by(part),
                _ => runs.push(part),
            }
        }
        Self { runs }
    }

    /// In the order of the numbers.
    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The beat with the highest number.
    pub(crate) fn last(&self) -> Option<&Beat> {
        self.runs.last().map(|run| &run.last)
    }

    /// The time watched over all beats.
    pub(crate) fn watched_ms(&self) -> u64 {
        let within: u64 = self.runs.iter().map(|run| run.watched_ms).sum();
        let between: u64 = self
            .runs
            .windows(2)
            .map(|pair| watched_between(&pair[0].last, &pair[1].first))
            .sum();
        within + between
    }

    /// Puts a beat in its place.
    pub(crate) fn insert(&mut self, beat: Beat) -> Insertion {
        let place = self.runs.partition_point(|run| run.first.seq <= beat.seq);
        if place > 0 && self.runs[place - 1].last.seq >= beat.seq {
            return Insertion::Known;
        }
        if self.runs.iter().map(Run::beats).sum::<u64>() >= MOST_BEATS {
            return Insertion::NoRoom;
        }
        let mut run = Run::starting_with(beat, 0);
        let mut replaced = place..place;
        if place > 0 && self.runs[place - 1].touches(&run) {
            run = self.runs[place - 1].followed_by(run);
            replaced.start -= 1;
        }
        if let Some(next) = self.runs.get(place)
            && run.touches(next)
        {
            run = run.followed_by(*next);
            replaced.end += 1;
        }
        if replaced.is_empty() && self.runs.len() >= MOST_RUNS {
            return Insertion::NoRoom;
        }
        self.runs.splice(replaced, [run]);
        Insertion::Stored
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::watch_session::PlaybackState;

    fn beat(seq: u64, position_ms: u64, received_ms: i64) -> Beat {
        Beat {
            seq,
            position_ms,
            state: PlaybackState::Playing,
            received_at: Timestamp::from_millisecond(received_ms).unwrap(),
        }
    }

    #[test]
    fn beats_that_arrive_in_order_are_one_run() {
        let mut runs = BeatRuns::default();
        for seq in 1..=100 {
            let inserted = runs.insert(beat(seq, seq * 1_000, seq.cast_signed() * 1_000));
            assert_eq!(inserted, Insertion::Stored);
        }
        assert_eq!(runs.runs().len(), 1);
        assert_eq!(runs.watched_ms(), 99_000);
        assert_eq!(runs.insert(beat(50, 0, 0)), Insertion::Known);
    }

    #[test]
    fn a_beat_that_fills_a_hole_joins_the_runs_beside_it() {
        let mut runs = BeatRuns::default();
        for seq in [1, 3, 2] {
            runs.insert(beat(seq, seq * 1_000, seq.cast_signed() * 1_000));
        }
        assert_eq!(runs.runs().len(), 1);
        assert_eq!(runs.watched_ms(), 2_000);
    }

    #[test]
    fn the_number_of_beats_and_of_holes_is_bounded() {
        let mut runs = BeatRuns::default();
        for seq in 1..=MOST_BEATS {
            runs.insert(beat(seq, seq, 0));
        }
        assert_eq!(runs.insert(beat(MOST_BEATS + 1, 0, 0)), Insertion::NoRoom);
        assert_eq!(runs.insert(beat(MOST_BEATS, 0, 0)), Insertion::Known);

        let mut runs = BeatRuns::default();
        for number in 0..MOST_RUNS as u64 {
            runs.insert(beat(1 + 2 * number, 0, 0));
        }
        assert_eq!(runs.insert(beat(1_000_000, 0, 0)), Insertion::NoRoom);
        assert_eq!(runs.insert(beat(2, 0, 0)), Insertion::Stored);
        assert_eq!(runs.insert(beat(1_000_000, 0, 0)), Insertion::Stored);
        assert_eq!(runs.insert(beat(u64::MAX, 0, 0)), Insertion::NoRoom);
    }

    prop_compose! {
        fn any_beat()(
            seq in 1_u64..40,
            position_ms in 0_u64..300_000,
            state in prop_oneof![
                4 => Just(PlaybackState::Playing),
                1 => Just(PlaybackState::Paused),
                1 => Just(PlaybackState::Ended),
            ],
            received_ms in 0_i64..300_000,
        ) -> Beat {
            Beat { state, ..beat(seq, position_ms, received_ms) }
        }
    }

    proptest! {
        #[test]
        fn runs_say_what_the_beats_say_after_every_arrival(
            arrivals in prop::collection::vec(any_beat(), 0..60),
        ) {
            let mut runs = BeatRuns::default();
            let mut beats = BTreeMap::new();
            for arrived in arrivals {
                let expected = if beats.contains_key(&arrived.seq) {
                    Insertion::Known
                } else {
                    Insertion::Stored
                };
                prop_assert_eq!(runs.insert(arrived), expected);
                beats.entry(arrived.seq).or_insert(arrived);
                let watched: u64 = beats
                    .values()
                    .zip(beats.values().skip(1))
                    .map(|(earlier, later)| watched_between(earlier, later))
                    .sum();
                prop_assert_eq!(runs.watched_ms(), watched);
                prop_assert_eq!(runs.last(), beats.values().next_back());
            }
        }
    }
}
