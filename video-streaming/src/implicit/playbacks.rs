//! What is being sent to plain players, gathered into reports.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use events::VideoStreamed;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::ClientHash;

/// A player that goes on is reported this often.
const REPORT_INTERVAL: SignedDuration = SignedDuration::from_secs(10);

/// A player that got nothing for this long is reported without waiting for more: its view is to
/// be counted within five seconds of its last byte.
const IDLE: SignedDuration = SignedDuration::from_secs(3);

/// One client that plays one video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Player {
    /// What it plays.
    pub(crate) video: Uuid,
    /// Who it is.
    pub(crate) client: ClientHash,
}

/// The players of this replica that got bytes lately, at most `capacity` of them.
pub(crate) struct Playbacks {
    capacity: usize,
    players: Mutex<HashMap<Player, Arc<Mutex<Playback>>>>,
}

/// What one player got since its last report.
#[derive(Debug)]
struct Playback {
    duration_ms: Option<u64>,
    span: Option<Span>,
}

/// The time between two bytes.
#[derive(Clone, Copy, Debug)]
struct Span {
    first_byte_at: Timestamp,
    last_byte_at: Timestamp,
    covers_start: bool,
}

/// One response to a player, told of each piece that is sent.
#[derive(Debug)]
pub(crate) struct SentBytes {
    playback: Arc<Mutex<Playback>>,
    /// Whether the response starts at byte 0, and that byte is still to be sent.
    start_ahead: bool,
}

impl Playbacks {
    /// Nobody plays yet.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            players: Mutex::default(),
        }
    }

    /// A response to the player begins, `from_start` if its first byte is byte 0 of the video.
    /// Nothing is reported until a byte is sent. `None` when there are too many players.
    pub(crate) fn begin(
        &self,
        player: Player,
        duration_ms: Option<u64>,
        from_start: bool,
    ) -> Option<SentBytes> {
        let mut players = lock(&self.players);
        if players.len() >= self.capacity && !players.contains_key(&player) {
            return None;
        }
        let playback = players.entry(player).or_insert_with(|| {
            Arc::new(Mutex::new(Playback {
                duration_ms,
                span: None,
            }))
        });
        Some(SentBytes {
            playback: Arc::clone(playback),
            start_ahead: from_start,
        })
    }

    /// Takes the reports that are due, and forgets players that are gone.
    pub(crate) fn take_due(&self, now: Timestamp) -> Vec<VideoStreamed> {
        self.take(|span| span.is_due(now))
    }

    /// Takes all that has not been reported yet, for the end of the process.
    pub(crate) fn take_all(&self) -> Vec<VideoStreamed> {
        self.take(|_| true)
    }

    fn take(&self, wanted: impl Fn(&Span) -> bool) -> Vec<VideoStreamed> {
        let mut reports = Vec::new();
        lock(&self.players).retain(|player, shared| {
            let mut playback = lock(shared);
            if let Some(span) = playback.span.take_if(|span| wanted(span)) {
                reports.push(report(player, playback.duration_ms, span));
            }
            // Responses hold the other references, and are only begun under the players' lock.
            playback.span.is_some() || Arc::strong_count(shared) > 1
        });
        reports
    }
}

impl SentBytes {
    /// A piece of the response (with at least one byte) was sent.
    pub(crate) fn sent(&mut self, now: Timestamp) {
        let covers_start = std::mem::take(&mut self.start_ahead);
        let mut playback = lock(&self.playback);
        let span = playback.span.get_or_insert(Span {
            first_byte_at: now,
            last_byte_at: now,
            covers_start,
        });
        // A clock that is set back must not turn the span around.
        span.last_byte_at = span.last_byte_at.max(now);
        span.covers_start |= covers_start;
    }
}

impl Span {
    fn is_due(&self, now: Timestamp) -> bool {
        let idle = now.duration_since(self.last_byte_at);
        let length = now.duration_since(self.first_byte_at);
        // Negative when the clock was set back: what was gathered before is reported as it is.
        idle >= IDLE || length >= REPORT_INTERVAL || idle.is_negative()
    }
}

fn report(player: &Player, duration_ms: Option<u64>, span: Span) -> VideoStreamed {
    let Player { video, client } = *player;
    let Span {
        first_byte_at,
        last_byte_at,
        covers_start,
    } = span;
    VideoStreamed {
        report: Uuid::now_v7(),
        video,
        client: client.to_hex(),
        first_byte_at,
        last_byte_at,
        covers_start,
        duration_ms,
    }
}

/// No code that holds one of these locks can panic half-way through a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use service_kit::secret::Secret;

    use super::super::ClientHashKey;
    use super::*;

    fn player(user_agent: &str) -> Player {
        let secret: Secret = "07".repeat(32).parse().unwrap();
        Player {
            video: Uuid::from_u128(1),
            client: ClientHashKey::new(&secret)
                .hash("192.0.2.1".parse().unwrap(), user_agent.as_bytes()),
        }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_780_000_000_000 + ms).unwrap()
    }

    fn one(reports: &[VideoStreamed]) -> (Timestamp, Timestamp, bool) {
        assert_eq!(reports.len(), 1, "{reports:?}");
        let report = &reports[0];
        (
            report.first_byte_at,
            report.last_byte_at,
            report.covers_start,
        )
    }

    #[test]
    fn many_ranges_of_one_player_make_one_report() {
        let playbacks = Playbacks::new(10);
        for range in 0..50 {
            let mut response = playbacks
                .begin(player("VLC"), Some(60_000), range == 0)
                .unwrap();
            response.sent(at(range * 100));
            response.sent(at(range * 100 + 50));
            assert_eq!(playbacks.take_due(at(range * 100 + 60)), []);
        }
        let reports = playbacks.take_due(at(4_950 + 3_000));
        assert_eq!(one(&reports), (at(0), at(4_950), true));
        assert_eq!(reports[0].duration_ms, Some(60_000));
        assert_eq!(playbacks.take_due(at(60_000)), []);
    }

    #[test]
    fn a_long_response_is_reported_every_ten_seconds_in_spans_that_follow_each_other() {
        let playbacks = Playbacks::new(10);
        let mut response = playbacks.begin(player("curl"), None, true).unwrap();
        let mut reports = Vec::new();
        for second in 0..=30 {
            response.sent(at(second * 1_000));
            reports.extend(playbacks.take_due(at(second * 1_000)));
        }
        let spans: Vec<_> = reports
            .iter()
            .map(|report| {
                (
                    report.first_byte_at,
                    report.last_byte_at,
                    report.covers_start,
                )
            })
            .collect();
        assert_eq!(
            spans,
            [(at(0), at(10_000), true), (at(11_000), at(21_000), false),]
        );
        assert_ne!(reports[0].report, reports[1].report);
        assert_eq!(one(&playbacks.take_all()), (at(22_000), at(30_000), false));
    }

    #[test]
    fn a_player_that_stopped_reading_is_reported_once_and_again_when_it_goes_on() {
        let playbacks = Playbacks::new(10);
        let mut response = playbacks.begin(player("VLC"), None, true).unwrap();
        response.sent(at(0));
        assert_eq!(one(&playbacks.take_due(at(3_000))), (at(0), at(0), true));
        assert_eq!(playbacks.take_due(at(3_000_000)), []);
        response.sent(at(3_600_000));
        assert_eq!(
            one(&playbacks.take_due(at(3_603_000))),
            (at(3_600_000), at(3_600_000), false)
        );
    }

    #[test]
    fn a_response_without_a_byte_is_not_reported() {
        let playbacks = Playbacks::new(10);
        drop(playbacks.begin(player("curl"), None, true).unwrap());
        assert_eq!(playbacks.take_due(at(60_000)), []);
        assert_eq!(playbacks.take_all(), []);
        assert!(lock(&playbacks.players).is_empty());
    }

    #[test]
    fn a_response_that_starts_later_in_the_video_does_not_cover_its_start() {
        let playbacks = Playbacks::new(10);
        playbacks
            .begin(player("curl"), None, false)
            .unwrap()
            .sent(at(0));
        assert_eq!(one(&playbacks.take_all()), (at(0), at(0), false));
    }

    #[test]
    fn players_are_told_apart_and_forgotten_when_they_are_gone() {
        let playbacks = Playbacks::new(2);
        let mut staying = playbacks.begin(player("curl"), None, true).unwrap();
        staying.sent(at(0));
        playbacks
            .begin(player("VLC"), None, true)
            .unwrap()
            .sent(at(0));
        assert!(playbacks.begin(player("mpv"), None, true).is_none());
        assert!(playbacks.begin(player("curl"), None, true).is_some());
        assert_eq!(playbacks.take_due(at(3_000)).len(), 2);
        assert_eq!(lock(&playbacks.players).len(), 1);
        assert!(playbacks.begin(player("mpv"), None, true).is_some());
    }

    #[test]
    fn a_clock_that_is_set_back_neither_turns_a_span_around_nor_holds_it_up() {
        let playbacks = Playbacks::new(10);
        let mut response = playbacks.begin(player("curl"), None, true).unwrap();
        response.sent(at(3_600_000));
        response.sent(at(0));
        assert_eq!(
            one(&playbacks.take_due(at(0))),
            (at(3_600_000), at(3_600_000), true)
        );
    }
}
