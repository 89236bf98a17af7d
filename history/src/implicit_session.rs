//! Implicit sessions: the playback of a plain player (curl, VLC, a TV) that sends no beats.
//!
//! Each replica of the streaming service reports when it sent the first and the last byte to one
//! client. Reports of one video and client that lie less than [`JOIN_WITHIN_MS`] apart belong to
//! one session. A session is an interval and joining is the union of intervals, so neither the
//! order of the reports nor their repetition changes the outcome, and no report has to be kept.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::watch_session;

/// Reports closer to each other than this belong to one session.
pub const JOIN_WITHIN_MS: i64 = 30 * 60 * 1000;

/// What one replica sent to one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamReport {
    /// The id of the report; it names the session that it opens.
    pub report: Uuid,
    /// The video that was sent.
    pub video: Uuid,
    /// A keyed hash of the client's address and user agent.
    pub client: String,
    /// The time span of the bytes.
    pub span: ByteSpan,
}

/// The time between the first and the last byte that were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSpan {
    first_byte_at: Timestamp,
    last_byte_at: Timestamp,
    covers_start: bool,
    duration_ms: Option<u64>,
}

impl ByteSpan {
    /// A span from the first to the last byte; `covers_start` says whether byte 0 was among them.
    ///
    /// A last byte before the first one (a clock that was set back) makes a span of no length.
    #[must_use]
    pub fn new(
        first_byte_at: Timestamp,
        last_byte_at: Timestamp,
        covers_start: bool,
        duration_ms: Option<u64>,
    ) -> Self {
        Self {
            first_byte_at,
            last_byte_at: last_byte_at.max(first_byte_at),
            covers_start,
            duration_ms,
        }
    }

    /// When the first byte was sent.
    #[must_use]
    pub fn first_byte_at(&self) -> Timestamp {
        self.first_byte_at
    }

    /// When the last byte was sent.
    #[must_use]
    pub fn last_byte_at(&self) -> Timestamp {
        self.last_byte_at
    }

    /// Whether byte 0 was sent.
    #[must_use]
    pub fn covers_start(&self) -> bool {
        self.covers_start
    }

    /// The length of the video, where a report knew it.
    #[must_use]
    pub fn duration_ms(&self) -> Option<u64> {
        self.duration_ms
    }

    /// Whether the two lie less than 30 minutes apart, or overlap.
    #[must_use]
    pub fn joins(&self, other: &Self) -> bool {
        let apart = SignedDuration::from_millis(JOIN_WITHIN_MS);
        self.first_byte_at.duration_since(other.last_byte_at) < apart
            && other.first_byte_at.duration_since(self.last_byte_at) < apart
    }

    /// The span that covers both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self {
            first_byte_at: self.first_byte_at.min(other.first_byte_at),
            last_byte_at: self.last_byte_at.max(other.last_byte_at),
            covers_start: self.covers_start || other.covers_start,
            // Reports of one video agree; the larger one, so that the order never matters.
            duration_ms: self.duration_ms.max(other.duration_ms),
        }
    }

    /// Whether a session of this span is a view: it started at the beginning of the video and
    /// went on for as long as rule 4 asks of watched time.
    #[must_use]
    pub fn is_view(&self) -> bool {
        let lasted = self.last_byte_at.duration_since(self.first_byte_at);
        let lasted_ms = u64::try_from(lasted.as_millis()).unwrap_or(0);
        self.covers_start && watch_session::is_view(lasted_ms, self.duration_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(first_ms: i64, last_ms: i64) -> ByteSpan {
        ByteSpan::new(
            Timestamp::from_millisecond(first_ms).unwrap(),
            Timestamp::from_millisecond(last_ms).unwrap(),
            true,
            None,
        )
    }

    #[test]
    fn spans_join_when_they_lie_less_than_thirty_minutes_apart() {
        let earlier = span(0, 1_000);
        let within = span(1_000 + JOIN_WITHIN_MS - 1, 5_000_000);
        let apart = span(1_000 + JOIN_WITHIN_MS, 5_000_000);
        assert!(earlier.joins(&within) && within.joins(&earlier));
        assert!(!earlier.joins(&apart) && !apart.joins(&earlier));
    }

    #[test]
    fn a_span_within_another_joins_it_and_changes_nothing() {
        let whole = span(0, 7_200_000);
        let part = span(3_000_000, 3_100_000);
        assert!(whole.joins(&part));
        assert_eq!(whole.union(&part), whole);
    }

    #[test]
    fn only_a_session_from_the_start_is_a_view() {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        assert!(ByteSpan::new(at(0), at(30_000), true, None).is_view());
        assert!(!ByteSpan::new(at(0), at(30_000), false, None).is_view());
        assert!(!ByteSpan::new(at(0), at(29_999), true, None).is_view());
        assert!(ByteSpan::new(at(0), at(5_000), true, Some(10_000)).is_view());
    }

    #[test]
    fn a_clock_that_was_set_back_makes_a_span_of_no_length() {
        assert_eq!(span(5_000, 1_000), span(5_000, 5_000));
    }
}
