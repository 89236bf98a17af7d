//! The pages of a viewer's history.

use hyper::StatusCode;
use jiff::SignedDuration;
use serde_json::Value;
use uuid::Uuid;

use crate::service::{Player, TestHistory};

/// A viewer with so many entries; the answer has the videos with the newest first.
async fn viewer_with_entries(history: &TestHistory, count: i64) -> (Uuid, Vec<String>) {
    let viewer = Uuid::new_v4();
    let mut videos = Vec::new();
    for index in 0..count {
        let player = Player::of(viewer, Uuid::now_v7());
        let received_at = player.started_at + SignedDuration::from_secs(index);
        history
            .publish(&player.beat_received(1, 20_000, received_at))
            .await;
        videos.insert(0, player.video.to_string());
    }
    let expected = usize::try_from(count).unwrap();
    history
        .entries_when(viewer, |entries| entries.len() == expected)
        .await;
    (viewer, videos)
}

fn videos_of(page: &Value) -> Vec<String> {
    let entries = page["entries"].as_array().unwrap();
    let videos = entries.iter().map(|entry| entry["video_id"].as_str());
    videos.map(|video| video.unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_follow_each_other_without_overlap_from_the_newest_to_the_oldest() {
    let history = TestHistory::start().await;
    let (viewer, newest_first) = viewer_with_entries(&history, 30).await;
    let path = format!("/viewers/{viewer}/entries");
    let first = history.client.get(&path).await.value();
    assert_eq!(videos_of(&first).len(), 24);

    let mut listed = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = history.client.get(&format!("{path}?limit=7{cursor}"));
        let page = page.await.value();
        listed.extend(videos_of(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(listed, newest_first);
    history.stop().await;
}

#[tokio::test]
async fn a_wrong_limit_or_cursor_is_refused() {
    let history = TestHistory::start().await;
    let (viewer, _) = viewer_with_entries(&history, 2).await;
    let path = format!("/viewers/{viewer}/entries");
    let page = history.client.get(&format!("{path}?limit=1")).await.value();
    let cursor = page["next_cursor"].as_str().unwrap();
    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=1.5",
        "limit=many",
        "limit=",
        "limit=1&limit=2",
        "cursor=",
        "cursor=nonsense",
        &format!("cursor={cursor}&cursor={cursor}"),
    ] {
        let refused = history.client.get(&format!("{path}?{query}")).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(refused.problem_kind(), "bad-request");
    }
    let of_another = format!("/viewers/{}/entries?cursor={cursor}", Uuid::new_v4());
    let refused = history.client.get(&of_another).await;
    refused.expect(StatusCode::BAD_REQUEST);
    let unknown = format!("{path}?limit=100&sort=sideways");
    history.client.get(&unknown).await.expect(StatusCode::OK);
    history.stop().await;
}
