//! What SQLite adds to the laws: the file, its indexes, and all orders of arrival at random.

use jiff::Timestamp;
use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

use super::{SqliteViewLog, entries, forgetting, implicit, schema, sessions, transfer, views};
use crate::entry::{Entry, PageRequest};
use crate::view_log::{CountedView, Forget, Observation, Outcome, ViewLog, conformance};
use crate::watch_session::{self, Beat, PlaybackState, WatchSession};

struct OpenedLog {
    log: SqliteViewLog,
    folder: TempDir,
}

impl OpenedLog {
    fn log(&self) -> &dyn ViewLog {
        &self.log
    }

    async fn reopened(self) -> Self {
        let Self { log, folder } = self;
        drop(log);
        let log = open_in(&folder).await;
        Self { log, folder }
    }
}

async fn open() -> OpenedLog {
    let folder = tempfile::tempdir().unwrap();
    let log = open_in(&folder).await;
    OpenedLog { log, folder }
}

async fn open_in(folder: &TempDir) -> SqliteViewLog {
    SqliteViewLog::open(&folder.path().join("history.db"))
        .await
        .unwrap()
}

async fn opened() -> Option<OpenedLog> {
    Some(open().await)
}

conformance::laws!(opened);

mod moving {
    use super::{OpenedLog, conformance, open};

    impl OpenedLog {
        fn store(&self) -> &dyn conformance::Store {
            &self.log
        }
    }

    async fn pair() -> Option<(OpenedLog, OpenedLog)> {
        Some((open().await, open().await))
    }

    conformance::transfer_laws!(pair);
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).unwrap()
}

fn session(viewer: Uuid, video: Uuid, started_ms: i64) -> WatchSession {
    WatchSession {
        id: Uuid::new_v4(),
        viewer,
        video,
        started_at: at(started_ms),
    }
}

fn playing(session: WatchSession, seq: u64, position_ms: u64) -> Observation {
    Observation::Beat {
        session,
        beat: Beat {
            seq,
            position_ms,
            state: PlaybackState::Playing,
            received_at: at(position_ms.cast_signed()),
        },
        duration_ms: None,
    }
}

#[tokio::test]
async fn what_was_recorded_and_forgotten_is_there_after_opening_again() {
    let opened = open().await;
    let viewer = Uuid::new_v4();
    let kept = session(viewer, Uuid::now_v7(), 0);
    let forgotten = session(viewer, Uuid::now_v7(), 0);
    let deleted = session(viewer, Uuid::now_v7(), 0);
    for seq in 1..=4 {
        for session in [kept, forgotten, deleted] {
            let beat = playing(session, seq, (seq - 1) * 10_000);
            opened.log().record(beat, at(0)).await.unwrap();
        }
    }
    for scope in [
        Forget::Entry {
            viewer,
            video: forgotten.video,
        },
        Forget::Video(deleted.video),
    ] {
        opened.log().forget(scope, at(60_000)).await.unwrap();
    }
    let before = opened.log().entry(viewer, kept.video).await.unwrap();

    let opened = opened.reopened().await;
    assert_eq!(
        opened.log().entry(viewer, kept.video).await.unwrap(),
        before
    );
    let mut views: Vec<_> = opened
        .log()
        .unpublished_views(at(1), 10)
        .await
        .unwrap()
        .into_iter()
        .map(|view| (view.session, view.number))
        .collect();
    views.sort_unstable();
    let mut expected = [(kept.id, 1), (forgotten.id, 1)];
    expected.sort_unstable();
    assert_eq!(views, expected);
    // Delivered once more because its acknowledgement was lost.
    for (session, outcome) in [
        (kept, Outcome::Duplicate),
        (forgotten, Outcome::Duplicate),
        (deleted, Outcome::VideoDeleted),
    ] {
        let again = opened.log().record(playing(session, 4, 30_000), at(0));
        assert_eq!(again.await.unwrap().outcome, outcome);
    }
    let page = PageRequest {
        after: None,
        limit: 10,
    };
    let listed = opened.log().entries(viewer, page).await.unwrap();
    assert_eq!(listed.entries.len(), 1);
}

#[tokio::test]
async fn a_long_history_is_forgotten_whole_in_many_steps() {
    let opened = open().await;
    let viewer = Uuid::new_v4();
    let records = (0..1_201).map(|index| {
        let session = session(viewer, Uuid::now_v7(), index);
        opened.log().record(playing(session, 1, 5), at(index))
    });
    futures_util::future::try_join_all(records).await.unwrap();
    let forget = opened.log().forget(Forget::Viewer(viewer), at(9_999));
    forget.await.unwrap();
    let left = opened
        .log
        .database
        .read(|connection| {
            let count = "SELECT count(*) FROM entries";
            Ok::<i64, super::ViewLogError>(connection.query_row(count, [], |row| row.get(0))?)
        })
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[test]
fn no_query_reads_more_rows_than_it_needs() {
    let connection = Connection::open_in_memory().unwrap();
    for migration in schema::MIGRATIONS {
        connection.execute_batch(migration).unwrap();
    }
    let queries = [
        entries::QUERIES,
        forgetting::QUERIES,
        implicit::QUERIES,
        sessions::QUERIES,
        sessions::moving::QUERIES,
        transfer::QUERIES,
        views::QUERIES,
    ];
    for sql in queries.concat() {
        let mut explain = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let parameters = vec![rusqlite::types::Null; explain.parameter_count()];
        let plan: Vec<String> = explain
            .query_map(rusqlite::params_from_iter(parameters), |row| row.get(3))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        for step in &plan {
            assert!(!step.starts_with("SCAN"), "{sql}\n{plan:#?}");
            assert!(!step.contains("TEMP B-TREE"), "{sql}\n{plan:#?}");
        }
    }
}

/// The events of three sessions of one viewer and video, as any player might send them.
fn any_sessions() -> impl Strategy<Value = Vec<(usize, Beat, Option<u64>)>> {
    let state = prop_oneof![
        5 => Just(PlaybackState::Playing),
        1 => Just(PlaybackState::Paused),
        1 => Just(PlaybackState::Ended),
    ];
    let duration = prop_oneof![3 => Just(None), 1 => (1_u64..200_000).prop_map(Some)];
    let beat = (0_u64..120_000, state, 0_i64..120_000, duration);
    let session = prop::collection::vec(beat, 0..8);
    prop::collection::vec(session, 3).prop_map(|sessions| {
        let mut events = Vec::new();
        for (index, beats) in sessions.into_iter().enumerate() {
            for (seq, (position_ms, state, received_ms, duration_ms)) in (1..).zip(beats) {
                let received_at = at(received_ms);
                let beat = Beat {
                    seq,
                    position_ms,
                    state,
                    received_at,
                };
                events.push((index, beat, duration_ms));
            }
        }
        events
    })
}

/// The same events twice: as they are, and shuffled with some repetitions.
#[derive(Clone, Debug)]
struct TwoOrders {
    events: Vec<(usize, Beat, Option<u64>)>,
    shuffled: Vec<usize>,
}

fn any_two_orders() -> impl Strategy<Value = TwoOrders> {
    any_sessions().prop_flat_map(|events| {
        let all: Vec<usize> = (0..events.len()).collect();
        let repeated = prop::collection::vec(0..events.len().max(1), 0..6);
        repeated
            .prop_flat_map(move |repeated| {
                let known = repeated.into_iter().filter(|index| *index < all.len());
                Just(all.iter().copied().chain(known).collect::<Vec<_>>()).prop_shuffle()
            })
            .prop_map(move |shuffled| TwoOrders {
                events: events.clone(),
                shuffled,
            })
    })
}

struct Recorded {
    entry: Option<Entry>,
    views: Vec<CountedView>,
}

async fn record_in_order(
    log: &dyn ViewLog,
    sessions: &[WatchSession],
    events: impl Iterator<Item = (usize, Beat, Option<u64>)>,
) -> Recorded {
    let mut views = Vec::new();
    for (index, beat, duration_ms) in events {
        let observation = Observation::Beat {
            session: sessions[index],
            beat,
            duration_ms,
        };
        let recorded = log.record(observation, at(0)).await.unwrap();
        if recorded.counted {
            views.extend(recorded.unpublished);
        }
    }
    let WatchSession { viewer, video, .. } = sessions[0];
    let entry = log.entry(viewer, video).await.unwrap();
    Recorded { entry, views }
}

/// What the definition says of the events of one session: watched time, duration, last beat.
fn by_definition(
    events: &[(usize, Beat, Option<u64>)],
    session: usize,
) -> Option<(u64, Option<u64>, Beat)> {
    let of_session: Vec<_> = events.iter().filter(|event| event.0 == session).collect();
    let watched_ms = of_session
        .windows(2)
        .map(|pair| watch_session::watched_between(&pair[0].1, &pair[1].1))
        .sum();
    let duration_ms = of_session.iter().rev().find_map(|event| event.2);
    Some((watched_ms, duration_ms, of_session.last()?.1))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_order_with_any_repetition_gives_the_same_sessions_entry_and_views(
        orders in any_two_orders(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let opened = open().await;
            let TwoOrders { events, shuffled } = &orders;
            let viewer = Uuid::new_v4();
            let video = Uuid::now_v7();
            // The second and the third start together, so that their ids decide.
            let sessions = [0, 500, 500].map(|started_ms| session(viewer, video, started_ms));
            let arrivals = shuffled.iter().map(|index| events[*index]);
            let recorded = record_in_order(opened.log(), &sessions, arrivals).await;

            let winner = (0..3)
                .filter(|index| by_definition(events, *index).is_some())
                .max_by_key(|index| (sessions[*index].started_at, sessions[*index].id));
            let expected = winner.and_then(|index| {
                let (watched_ms, duration_ms, last) = by_definition(events, index)?;
                Some(Entry {
                    video,
                    session: sessions[index].id,
                    position_ms: last.position_ms,
                    state: last.state,
                    watched_ms,
                    duration_ms,
                    last_watched_at: last.received_at,
                })
            });
            prop_assert_eq!(recorded.entry, expected);

            let mut numbers: Vec<_> = recorded.views.iter().map(|view| view.number).collect();
            numbers.sort_unstable();
            prop_assert_eq!(&numbers, &(1..=numbers.len() as u64).collect::<Vec<_>>());
            for (index, session) in sessions.iter().enumerate() {
                let times = recorded.views.iter().filter(|view| view.session == session.id).count();
                prop_assert!(times <= 1);
                let is_view = by_definition(events, index)
                    .is_some_and(|(watched_ms, duration_ms, _)| {
                        watch_session::is_view(watched_ms, duration_ms)
                    });
                // A view by what had arrived may be none by what arrived later, never the reverse.
                prop_assert!(!is_view || times == 1);
            }
            Ok(())
        })?;
    }
}
