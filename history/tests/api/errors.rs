//! What is refused: calls without the token, paths that name nothing, events that cannot be read.

use events::{Envelope, Event, Queue, VideoStreamed, WatchProgressed};
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::json;
use test_support::{TestClient, eventually};
use uuid::Uuid;

use crate::service::{Player, SOON, TestHistory};

#[tokio::test]
async fn a_call_without_the_service_token_is_refused() {
    let history = TestHistory::start().await;
    let path = format!("/viewers/{}/entries", Uuid::new_v4());
    let stranger = history
        .client
        .clone()
        .with_bearer("another-token-of-the-same-length--");
    for method in [Method::GET, Method::DELETE] {
        let refused = stranger.request(method, &path).await;
        refused.expect(StatusCode::UNAUTHORIZED);
    }
    let browser: TestClient = history
        .client
        .clone()
        .with_header("origin", "http://evil.test");
    browser.get(&path).await.expect(StatusCode::FORBIDDEN);
    history.stop().await;
}

#[tokio::test]
async fn a_path_that_names_no_viewer_is_not_found() {
    let history = TestHistory::start().await;
    let video = Uuid::now_v7();
    for path in [
        "/viewers/me/entries".to_owned(),
        format!("/viewers/me/positions/{video}"),
        "/viewers".to_owned(),
        "/".to_owned(),
    ] {
        let missing = history.client.get(&path).await;
        assert_eq!(
            missing.expect(StatusCode::NOT_FOUND).problem_kind(),
            "not-found"
        );
    }
    for path in [
        "/viewers/me/entries".to_owned(),
        format!("/viewers/me/entries/{video}"),
    ] {
        history
            .client
            .delete(&path)
            .await
            .expect(StatusCode::NOT_FOUND);
    }
    let path = format!("/viewers/{video}/entries");
    let refused = history.client.request(Method::POST, &path).await;
    refused.expect(StatusCode::METHOD_NOT_ALLOWED);
    history.stop().await;
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_put_aside_and_holds_up_no_other() {
    let history = TestHistory::start().await;
    let player = Player::new();
    let readable = Envelope::of(&player.beat(1, 20_000));
    let envelope = |event_type: &str, version, data| Envelope {
        event_type: event_type.to_owned(),
        version,
        id: Uuid::new_v4(),
        time: Timestamp::now(),
        traceparent: None,
        data,
    };
    let unreadable = [
        envelope(WatchProgressed::TYPE, 1, json!({"session": "?"})),
        envelope(VideoStreamed::TYPE, 1, json!(null)),
        envelope(WatchProgressed::TYPE, 2, readable.data.clone()),
        Envelope::of(&player.beat(0, 30_000)),
    ];
    for envelope in &unreadable {
        history.bus.publish(envelope.clone()).await.unwrap();
    }
    history.bus.publish(readable).await.unwrap();
    history
        .entries_when(player.viewer, |entries| entries.len() == 1)
        .await;
    let dead = eventually(SOON, || async {
        let dead = history.bus.dead_letters(Queue::HISTORY, 10).await.unwrap();
        (dead.len() == unreadable.len()).then_some(dead)
    })
    .await;
    for letter in dead {
        assert!(
            unreadable
                .iter()
                .any(|known| known.id == letter.envelope.id)
        );
        assert!(!letter.reason.is_empty());
    }
    let entries = history.entries(player.viewer).await;
    assert_eq!(entries[0]["position_ms"], 20_000);
    history.stop().await;
}
