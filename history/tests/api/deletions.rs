//! What viewers delete from their history, and videos that are deleted.

use events::VideoDeleted;
use hyper::StatusCode;
use jiff::Timestamp;
use uuid::Uuid;

use crate::service::{Player, TestHistory};

#[tokio::test]
async fn a_deleted_entry_is_gone_at_once_and_only_something_newer_brings_it_back() {
    let history = TestHistory::start().await;
    let player = Player::new();
    let other = Player::of(player.viewer, Uuid::now_v7());
    history.publish(&player.beat(1, 50_000)).await;
    history.publish(&other.beat(1, 50_000)).await;
    history
        .entries_when(player.viewer, |entries| entries.len() == 2)
        .await;

    let path = format!("/viewers/{}/entries/{}", player.viewer, player.video);
    history
        .client
        .delete(&path)
        .await
        .expect(StatusCode::NO_CONTENT);
    let entries = history.entries(player.viewer).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["video_id"], other.video.to_string());
    let resume_ms = history.resume_position_ms(player.viewer, player.video);
    assert_eq!(resume_ms.await, 0);

    // Accepted before the deletion, delivered after it.
    history.publish(&player.beat(2, 60_000)).await;
    history.settle().await;
    assert_eq!(history.entries(player.viewer).await.len(), 1);

    // The same tab plays on.
    let later = player.beat_received(3, 70_000, Timestamp::now());
    history.publish(&later).await;
    let entries = history
        .entries_when(player.viewer, |entries| entries.len() == 2)
        .await;
    assert_eq!(entries[0]["position_ms"], 70_000);
    history.stop().await;
}

#[tokio::test]
async fn deleting_the_whole_history_leaves_that_of_others() {
    let history = TestHistory::start().await;
    let viewer = Uuid::new_v4();
    let other = Player::new();
    history.publish(&other.beat(1, 20_000)).await;
    for _ in 0..5 {
        let player = Player::of(viewer, Uuid::now_v7());
        history.publish(&player.beat(1, 20_000)).await;
    }
    history
        .entries_when(viewer, |entries| entries.len() == 5)
        .await;
    let path = format!("/viewers/{viewer}/entries");
    history
        .client
        .delete(&path)
        .await
        .expect(StatusCode::NO_CONTENT);
    assert!(history.entries(viewer).await.is_empty());
    history
        .entries_when(other.viewer, |entries| entries.len() == 1)
        .await;
    history.stop().await;
}

#[tokio::test]
async fn deleting_what_is_not_there_is_answered_like_a_deletion() {
    let history = TestHistory::start().await;
    let viewer = Uuid::new_v4();
    for path in [
        format!("/viewers/{viewer}/entries/{}", Uuid::now_v7()),
        format!("/viewers/{viewer}/entries/no-id-at-all"),
        format!("/viewers/{viewer}/entries"),
    ] {
        history
            .client
            .delete(&path)
            .await
            .expect(StatusCode::NO_CONTENT);
    }
    history.stop().await;
}

#[tokio::test]
async fn views_outlive_the_history_that_they_came_from() {
    let history = TestHistory::start().await;
    let mut counted = history.counted_views().await;
    let video = Uuid::now_v7();
    for number in 1..=2 {
        let player = Player::of(Uuid::new_v4(), video);
        for beat in player.a_view() {
            history.publish(&beat).await;
        }
        assert_eq!(counted.number_of(player.session).await, number);
        history.settle().await;
        let path = format!("/viewers/{}/entries", player.viewer);
        history
            .client
            .delete(&path)
            .await
            .expect(StatusCode::NO_CONTENT);
    }
    history.stop().await;
}

#[tokio::test]
async fn a_deleted_video_leaves_every_history_and_never_comes_back() {
    let history = TestHistory::start().await;
    let player = Player::new();
    let kept = Player::of(player.viewer, Uuid::now_v7());
    history.publish(&player.beat(1, 20_000)).await;
    history.publish(&kept.beat(1, 20_000)).await;
    history
        .entries_when(player.viewer, |entries| entries.len() == 2)
        .await;
    let deleted = VideoDeleted {
        video: player.video,
        deleted_at: Timestamp::now(),
    };
    history.publish(&deleted).await;
    history
        .entries_when(player.viewer, |entries| entries.len() == 1)
        .await;
    let later = player.beat_received(2, 30_000, Timestamp::now());
    history.publish(&later).await;
    history.publish(&deleted).await;
    history.settle().await;
    let entries = history.entries(player.viewer).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["video_id"], kept.video.to_string());
    history.stop().await;
}
