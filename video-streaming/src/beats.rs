//! Beats: what a player says about its playback every few seconds.

use events::PlaybackState;
use jiff::Timestamp;

/// How often a playing player sends a beat, in milliseconds.
pub(crate) const INTERVAL_MS: u64 = 10_000;

/// The highest sequence number that is taken. A session lasts a day; one beat every 100 ms for
/// all of it stays below, and a number from somewhere else does not get in.
pub(crate) const MAX_SEQ: u64 = 1_000_000;

/// The largest position that is taken: the largest integer that every JSON reader holds exactly.
pub(crate) const MAX_POSITION_MS: u64 = (1 << 53) - 1;

/// One beat of a watch session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beat {
    seq: u64,
    position_ms: u64,
    state: PlaybackState,
    received_at: Timestamp,
}

/// Why something is not a beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BeatError {
    /// Sequences start at 1; 0 is the start of the session itself.
    #[error("`seq` must be between 1 and {MAX_SEQ}")]
    Seq,
    /// No video is that long.
    #[error("`position_ms` must not be above {MAX_POSITION_MS}")]
    Position,
}

impl Beat {
    /// A beat as it came in at `received_at`.
    pub(crate) fn new(
        seq: u64,
        position_ms: u64,
        state: PlaybackState,
        received_at: Timestamp,
    ) -> Result<Self, BeatError> {
        if !(1..=MAX_SEQ).contains(&seq) {
            return Err(BeatError::Seq);
        }
        if position_ms > MAX_POSITION_MS {
            return Err(BeatError::Position);
        }
        Ok(Self {
            seq,
            position_ms,
            state,
            received_at,
        })
    }

    /// The beat's place in its session.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Where in the video the player is.
    pub(crate) fn position_ms(&self) -> u64 {
        self.position_ms
    }

    /// What the player does from here on.
    pub(crate) fn state(&self) -> PlaybackState {
        self.state
    }

    /// When the beat arrived. Watched time is measured by this and not by the player's clock,
    /// which may say anything.
    pub(crate) fn received_at(&self) -> Timestamp {
        self.received_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(seq: u64, position_ms: u64) -> Result<Beat, BeatError> {
        Beat::new(
            seq,
            position_ms,
            PlaybackState::Paused,
            Timestamp::UNIX_EPOCH,
        )
    }

    #[test]
    fn sequences_go_from_one_to_a_million() {
        assert_eq!(beat(0, 0), Err(BeatError::Seq));
        assert!(beat(1, 0).is_ok());
        assert!(beat(MAX_SEQ, 0).is_ok());
        assert_eq!(beat(MAX_SEQ + 1, 0), Err(BeatError::Seq));
    }

    #[test]
    fn a_position_that_javascript_cannot_hold_is_refused() {
        assert!(beat(1, MAX_POSITION_MS).is_ok());
        assert_eq!(beat(1, MAX_POSITION_MS + 1), Err(BeatError::Position));
    }
}
