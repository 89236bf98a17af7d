//! What is watched becomes an entry.

use events::PlaybackState;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use test_support::eventually;
use uuid::Uuid;

use crate::service::{Player, SOON, TestHistory};

#[tokio::test]
async fn a_watched_video_is_in_the_history_and_resumes_where_it_stopped() {
    let history = TestHistory::start().await;
    assert!(history.context.readiness.is_ready());
    let player = Player::new();
    history.publish(&player.start()).await;
    for beat in player.a_view() {
        history.publish(&beat).await;
    }
    let entries = history
        .entries_when(player.viewer, |entries| {
            entries
                .first()
                .is_some_and(|entry| entry["watched_ms"] == 40_000)
        })
        .await;
    let last = player.started_at.as_millisecond() + 40_000;
    assert_eq!(
        entries,
        [json!({
            "video_id": player.video,
            "position_ms": 40_000,
            "watched_ms": 40_000,
            "finished": false,
            "last_watched_at": Timestamp::from_millisecond(last).unwrap(),
        })]
    );
    let resume_ms = history.resume_position_ms(player.viewer, player.video);
    assert_eq!(resume_ms.await, 40_000);
    history.stop().await;
}

#[tokio::test]
async fn a_video_that_ended_is_finished_and_starts_anew() {
    let history = TestHistory::start().await;
    let player = Player::new();
    let mut ended = player.beat(2, 200_000);
    ended.state = PlaybackState::Ended;
    history.publish(&ended).await;
    let entries = history
        .entries_when(player.viewer, |entries| !entries.is_empty())
        .await;
    assert_eq!(entries[0]["finished"], true);
    assert_eq!(entries[0]["position_ms"], 200_000);
    let resume_ms = history.resume_position_ms(player.viewer, player.video);
    assert_eq!(resume_ms.await, 0);
    history.stop().await;
}

#[tokio::test]
async fn a_video_that_was_never_watched_starts_at_its_beginning() {
    let history = TestHistory::start().await;
    let (viewer, video) = (Uuid::new_v4(), Uuid::now_v7());
    assert_eq!(history.resume_position_ms(viewer, video).await, 0);
    assert!(history.entries(viewer).await.is_empty());
    history.stop().await;
}

#[tokio::test]
async fn a_session_that_only_started_is_not_in_the_history() {
    let history = TestHistory::start().await;
    let player = Player::new();
    history.publish(&player.start()).await;
    history.settle().await;
    assert!(history.entries(player.viewer).await.is_empty());
    history.stop().await;
}

#[tokio::test]
async fn the_newer_session_tells_where_the_viewer_stopped() {
    let history = TestHistory::start().await;
    let older = Player::new();
    let mut newer = Player::of(older.viewer, older.video);
    newer.started_at = older.started_at + SignedDuration::from_mins(10);
    history.publish(&newer.beat(1, 60_000)).await;
    history.publish(&older.beat(90, 500_000)).await;
    history.settle().await;
    let entries = history.entries(older.viewer).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["position_ms"], 60_000);
    history.stop().await;
}

#[tokio::test]
async fn beats_that_arrive_backwards_and_twice_make_the_same_entry() {
    let history = TestHistory::start().await;
    let player = Player::new();
    for beat in player.a_view().into_iter().rev() {
        history.publish(&beat).await;
        history.publish(&beat).await;
    }
    eventually(SOON, || async {
        let entries = history.entries(player.viewer).await;
        let entry = entries.first()?;
        (entry["position_ms"] == 40_000 && entry["watched_ms"] == 40_000).then_some(())
    })
    .await;
    history.stop().await;
}
