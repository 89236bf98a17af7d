//! Nothing is lost and nothing is counted twice when the service stops or is cut off.

use std::collections::BTreeMap;

use history::view_log::sqlite::SqliteViewLog;
use history::view_log::{Observation, ViewLog};
use history::watch_session::{Beat, PlaybackState, WatchSession};
use jiff::{SignedDuration, Timestamp};
use test_support::DataFolder;
use uuid::Uuid;

use crate::service::{Player, TestHistory, open_bus, publish};

#[tokio::test]
async fn what_was_watched_is_there_after_a_restart() {
    let history = TestHistory::start().await;
    let player = Player::new();
    history.publish(&player.beat(1, 50_000)).await;
    let before = history
        .entries_when(player.viewer, |entries| entries.len() == 1)
        .await;
    let folder = history.stop().await;
    let history = TestHistory::start_in(folder).await;
    assert_eq!(history.entries(player.viewer).await, before);
    history.stop().await;
}

#[tokio::test]
async fn events_wait_while_the_service_is_down() {
    let folder = DataFolder::new();
    let player = Player::new();
    let bus = open_bus(&folder).await;
    for beat in player.a_view() {
        publish(&*bus, &beat).await;
    }
    let history = TestHistory::start_in(folder).await;
    let mut counted = history.counted_views().await;
    assert_eq!(counted.next().await.session, player.session);
    history
        .entries_when(player.viewer, |entries| {
            entries
                .first()
                .is_some_and(|entry| entry["watched_ms"] == 40_000)
        })
        .await;
    history.stop().await;
}

#[tokio::test]
async fn a_view_that_a_crash_left_unpublished_is_published_at_the_start() {
    let folder = DataFolder::new();
    let session = WatchSession {
        id: Uuid::new_v4(),
        viewer: Uuid::new_v4(),
        video: Uuid::now_v7(),
        started_at: Timestamp::now() - SignedDuration::from_mins(5),
    };
    let log = SqliteViewLog::open(&folder.join("history.db"))
        .await
        .unwrap();
    for (seq, position_ms) in [(1, 0), (2, 30_000)] {
        let beat = Beat {
            seq,
            position_ms,
            state: PlaybackState::Playing,
            received_at: session.started_at
                + SignedDuration::from_millis(position_ms.cast_signed()),
        };
        let observation = Observation::Beat {
            session,
            beat,
            duration_ms: None,
        };
        log.record(observation, session.started_at).await.unwrap();
    }
    drop(log);

    // The event itself is gone from the bus: only the log knows.
    let history = TestHistory::start_in(folder).await;
    let mut counted = history.counted_views().await;
    let view = counted.next().await;
    assert_eq!((view.session, view.number), (session.id, 1));
    history.stop().await;
}

#[tokio::test]
async fn a_service_that_is_cut_off_again_and_again_loses_and_doubles_nothing() {
    const SESSIONS: usize = 60;
    let folder = DataFolder::new();
    let video = Uuid::now_v7();
    let players: Vec<_> = (0..SESSIONS)
        .map(|_| Player::of(Uuid::new_v4(), video))
        .collect();
    let bus = open_bus(&folder).await;
    let events = players.iter().flat_map(Player::a_view).collect::<Vec<_>>();
    let publishing = events.iter().map(|beat| publish(&*bus, beat));
    futures_util::future::join_all(publishing).await;

    let mut numbers = BTreeMap::new();
    let mut history = TestHistory::start_in(folder).await;
    for _ in 0..6 {
        // Cut off whenever the next view was heard of: in the middle of others.
        let mut counted = history.counted_views().await;
        for _ in 0..3 {
            let view = counted.next().await;
            assert_eq!(
                *numbers.entry(view.session).or_insert(view.number),
                view.number
            );
        }
        drop(counted);
        history = TestHistory::start_in(history.cut_off().await).await;
    }
    let mut counted = history.counted_views().await;
    while numbers.len() < SESSIONS {
        let view = counted.next().await;
        assert_eq!(
            *numbers.entry(view.session).or_insert(view.number),
            view.number
        );
    }
    let mut taken: Vec<_> = numbers.values().copied().collect();
    taken.sort_unstable();
    assert_eq!(taken, (1..=SESSIONS as u64).collect::<Vec<_>>());
    for player in &players {
        history
            .entries_when(player.viewer, |entries| {
                entries
                    .first()
                    .is_some_and(|entry| entry["watched_ms"] == 40_000)
            })
            .await;
    }
    history.stop().await;
}
