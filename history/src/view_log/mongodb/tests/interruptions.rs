//! A crash between any two writes is mended by the delivery that follows.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::super::MongoViewLog;
use super::{Interruption, at, beat, new_database, open_at, session};
use crate::entry::{Entry, PageRequest};
use crate::implicit_session::{ByteSpan, StreamReport};
use crate::view_log::{CountedView, Forget, Observation, STREAM_RETENTION, ViewLog, ViewLogError};
use crate::watch_session::WatchSession;

/// A call of the log that may be repeated.
#[derive(Clone, Debug)]
enum Call {
    Record(Observation),
    Forget(Forget, Timestamp),
    Confirm(Uuid),
    Sweep(Timestamp),
}

use Call::{Confirm, Record, Sweep};

impl Call {
    async fn make(&self, log: &MongoViewLog) -> Result<(), ViewLogError> {
        match self.clone() {
            Record(observation) => log.record(observation, at(0)).await.map(|_| ()),
            Self::Forget(scope, until) => log.forget(scope, until).await,
            Confirm(session) => log.confirm_view(session).await,
            Sweep(now) => log.sweep(now).await.map(|_| ()),
        }
    }
}

/// Calls around the one that is cut short.
struct Scenario {
    watched: WatchSession,
    before: Vec<Call>,
    cut: Call,
    /// Comes after the cut and before the repetition.
    meanwhile: Vec<Call>,
    /// How many writes the uncut call does at least, lest nothing be tested.
    writes: u32,
}

/// All that can be asked of a log that knows one viewer and one video.
#[derive(Debug, PartialEq)]
struct Answers {
    entry: Option<Entry>,
    listed: Vec<Entry>,
    unpublished: Vec<(Uuid, u64)>,
    /// The number of the next view.
    next_number: Option<u64>,
    documents: [usize; 6],
}

async fn answers(log: &MongoViewLog, watched: WatchSession) -> Answers {
    let WatchSession { viewer, video, .. } = watched;
    let documents = log.store.count_of_all().await;
    let entry = log.entry(viewer, video).await.unwrap();
    let page = PageRequest {
        after: None,
        limit: 100,
    };
    let listed = log.entries(viewer, page).await.unwrap().entries;
    let unpublished = log.unpublished_views(Timestamp::MAX, 100).await.unwrap();
    let mut unpublished: Vec<_> = unpublished
        .iter()
        .map(
            |CountedView {
                 session, number, ..
             }| (*session, *number),
        )
        .collect();
    unpublished.sort_unstable();
    let next = session(Uuid::new_v4(), video, 0);
    log.record(beat(next, 1, 0), at(0)).await.unwrap();
    let next = log.record(beat(next, 2, 30_000), at(0)).await.unwrap();
    Answers {
        entry,
        listed,
        unpublished,
        next_number: next.unpublished.map(|view| view.number),
        documents,
    }
}

async fn open_interrupted() -> Option<(MongoViewLog, Interruption)> {
    let mut log = open_at(&new_database().await?).await;
    let interruption = Interruption::default();
    log.store.interrupt_with(&interruption);
    Some((log, interruption))
}

async fn make_all(log: &MongoViewLog, calls: &[Call]) {
    for call in calls {
        call.make(log).await.unwrap();
    }
}

impl Scenario {
    async fn holds(self) {
        let Self {
            watched,
            before,
            cut,
            meanwhile,
            writes,
        } = self;
        let Some((whole, _)) = open_interrupted().await else {
            return;
        };
        make_all(&whole, &before).await;
        cut.make(&whole).await.unwrap();
        make_all(&whole, &meanwhile).await;
        let expected = answers(&whole, watched).await;

        for after in 1.. {
            let Some((log, interruption)) = open_interrupted().await else {
                return;
            };
            make_all(&log, &before).await;
            interruption.cut_after(after);
            let made = cut.make(&log).await;
            let was_cut = interruption.lifted();
            assert_eq!(made.is_err(), was_cut, "{made:?}");
            make_all(&log, &meanwhile).await;
            cut.make(&log).await.unwrap();
            let told = answers(&log, watched).await;
            assert_eq!(told, expected, "{cut:?} was cut short after write {after}");
            if !was_cut {
                assert!(after > writes, "{cut:?} does {after} writes");
                return;
            }
        }
    }
}

fn watched() -> WatchSession {
    session(Uuid::new_v4(), Uuid::now_v7(), 0)
}

fn beats(session: WatchSession, seqs: impl IntoIterator<Item = u64>) -> Vec<Call> {
    seqs.into_iter()
        .map(|seq| Record(beat(session, seq, (seq - 1) * 10_000)))
        .collect()
}

fn nth(session: WatchSession, seq: u64) -> Call {
    Record(beat(session, seq, (seq - 1) * 10_000))
}

/// Minutes of bytes to one plain player.
fn report(video: Uuid, first: i64, last: i64) -> Call {
    Record(Observation::Streamed(StreamReport {
        report: Uuid::new_v4(),
        video,
        client: "a plain player".to_owned(),
        span: ByteSpan::new(at(first * 60_000), at(last * 60_000), true, None),
    }))
}

#[tokio::test]
async fn the_first_beat_makes_its_entry_in_the_end() {
    let watched = watched();
    Scenario {
        watched,
        before: vec![],
        cut: nth(watched, 1),
        meanwhile: vec![],
        writes: 2,
    }
    .holds()
    .await;
}

#[tokio::test]
async fn the_beat_that_makes_a_view_counts_once_in_the_end() {
    let watched = watched();
    Scenario {
        watched,
        before: beats(watched, 1..4),
        cut: nth(watched, 4),
        meanwhile: vec![],
        writes: 3,
    }
    .holds()
    .await;
}

#[tokio::test]
async fn a_view_that_was_cut_short_is_counted_whatever_its_session_sends_meanwhile() {
    let watched = watched();
    for meanwhile in [nth(watched, 5), nth(watched, 1)] {
        Scenario {
            watched,
            before: beats(watched, 1..4),
            cut: nth(watched, 4),
            meanwhile: vec![meanwhile],
            writes: 3,
        }
        .holds()
        .await;
    }
}

#[tokio::test]
async fn an_entry_that_was_cut_short_follows_the_later_session_meanwhile() {
    let watched = watched();
    let later = session(watched.viewer, watched.video, 1_000);
    Scenario {
        watched,
        before: beats(watched, 1..3),
        cut: nth(watched, 3),
        meanwhile: beats(later, [1]),
        writes: 2,
    }
    .holds()
    .await;
}

#[tokio::test]
async fn a_late_beat_brings_its_time_to_the_entry_in_the_end() {
    let watched = watched();
    Scenario {
        watched,
        before: beats(watched, [1, 2, 12]),
        cut: nth(watched, 7),
        meanwhile: vec![],
        writes: 2,
    }
    .holds()
    .await;
}

#[tokio::test]
async fn a_start_that_tells_the_duration_makes_the_view_in_the_end() {
    let watched = watched();
    Scenario {
        watched,
        before: beats(watched, 1..3),
        cut: Record(Observation::Started {
            session: watched,
            duration_ms: Some(20_000),
        }),
        meanwhile: vec![],
        writes: 3,
    }
    .holds()
    .await;
}

#[tokio::test]
async fn an_event_of_a_video_that_is_deleted_meanwhile_leaves_nothing_in_the_end() {
    let watched = watched();
    let deleted = Call::Forget(Forget::Video(watched.video), at(0));
    for (before, cut, writes) in [
        (beats(watched, 1..4), nth(watched, 4), 3),
        (vec![], report(watched.video, 0, 10), 2),
    ] {
        Scenario {
            watched,
            before,
            cut,
            meanwhile: vec![deleted.clone()],
            writes,
        }
        .holds()
        .await;
    }
}

#[tokio::test]
async fn a_report_is_counted_once_in_the_end() {
    let watched = watched();
    Scenario {
        watched,
        before: vec![],
        cut: report(watched.video, 0, 10),
        meanwhile: vec![],
        writes: 2,
    }
    .holds()
    .await;
}

#[tokio::test]
async fn joined_sessions_are_one_view_in_the_end_and_their_numbers_are_taken_again() {
    let watched = watched();
    let video = watched.video;
    let before = vec![
        report(video, 0, 10),
        report(video, 50, 60),
        report(video, 100, 110),
    ];
    for meanwhile in [vec![], vec![report(video, 51, 59)]] {
        Scenario {
            watched,
            before: before.clone(),
            cut: report(video, 5, 105),
            meanwhile,
            writes: 3,
        }
        .holds()
        .await;
    }
}

#[tokio::test]
async fn a_number_that_was_given_back_is_claimed_once_in_the_end() {
    let watched = watched();
    let video = watched.video;
    let mut before = vec![
        report(video, 0, 10),
        report(video, 50, 60),
        report(video, 5, 55),
    ];
    before.extend(beats(watched, 1..4));
    Scenario {
        watched,
        before,
        cut: nth(watched, 4),
        meanwhile: vec![],
        writes: 3,
    }
    .holds()
    .await;
}

#[tokio::test]
async fn what_is_forgotten_is_gone_in_the_end_and_stays_away() {
    let watched = watched();
    let WatchSession { viewer, video, .. } = watched;
    let other = session(viewer, Uuid::now_v7(), 0);
    let mut before = beats(watched, 1..5);
    before.extend(beats(other, 1..3));
    let other_entry = Forget::Entry {
        viewer,
        video: other.video,
    };
    before.push(Call::Forget(other_entry, at(20_000)));
    for (scope, writes) in [
        (Forget::Entry { viewer, video }, 1),
        (Forget::Viewer(viewer), 3),
        (Forget::Video(video), 4),
    ] {
        for meanwhile in [vec![], beats(watched, 1..5)] {
            Scenario {
                watched,
                before: before.clone(),
                cut: Call::Forget(scope, at(40_000)),
                meanwhile,
                writes,
            }
            .holds()
            .await;
        }
    }
}

#[tokio::test]
async fn a_publication_is_confirmed_in_the_end() {
    let watched = watched();
    Scenario {
        watched,
        before: beats(watched, 1..5),
        cut: Confirm(watched.id),
        meanwhile: vec![],
        writes: 1,
    }
    .holds()
    .await;
}

#[tokio::test]
async fn a_sweep_goes_on_where_it_was_cut_short() {
    let watched = watched();
    let video = watched.video;
    let mut before = beats(watched, 1..5);
    before.push(report(video, 0, 10));
    before.push(report(video, 10_000, 10_010));
    let first_is_over = STREAM_RETENTION + SignedDuration::from_hours(1);
    for now in [at(0) + first_is_over, at(0) + first_is_over * 2] {
        Scenario {
            watched,
            before: before.clone(),
            cut: Sweep(now),
            meanwhile: vec![],
            writes: 2,
        }
        .holds()
        .await;
    }
}
