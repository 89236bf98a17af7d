//! Opening watch sessions.

use axum::http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use crate::house::House;
use crate::stand_ins::MetadataMood;

#[tokio::test]
async fn a_session_is_opened_for_the_viewer_and_changes_nothing() {
    let mut house = House::new().await;
    let opened = house
        .client
        .post(&house.watch_sessions())
        .header("x-viewer", &Uuid::from_u128(5).to_string())
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(opened.header("cache-control"), Some("no-store"));
    let opened = opened.value();
    assert!(opened["session"].as_str().unwrap().len() > 100);
    assert_eq!(opened["beat_interval_ms"], 10_000);
    assert_eq!(opened["duration_ms"], 61_000);
    house.stop().await;
    assert!(house.published_types().is_empty());
}

#[tokio::test]
async fn an_unknown_duration_is_null() {
    let house = House::new().await;
    let video = house.video.to_string();
    house
        .metadata
        .state
        .videos
        .lock()
        .unwrap()
        .insert(video, None);
    let opened = house
        .client
        .post(&house.watch_sessions())
        .header("x-viewer", &Uuid::from_u128(5).to_string())
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(opened.value()["duration_ms"], Value::Null);
}

#[tokio::test]
async fn a_session_needs_a_viewer_a_video_and_the_catalogue() {
    let house = House::new().await;
    let path = house.watch_sessions();
    let viewer = Uuid::from_u128(5).to_string();
    house
        .client
        .post(&path)
        .await
        .expect(StatusCode::BAD_REQUEST);
    house
        .client
        .post(&path)
        .header("x-viewer", "somebody")
        .await
        .expect(StatusCode::BAD_REQUEST);
    for unknown in ["0197f0a0-0000-7000-8000-000000000000", "nothing"] {
        house
            .client
            .post(&format!("/videos/{unknown}/watch-sessions"))
            .header("x-viewer", &viewer)
            .await
            .expect(StatusCode::NOT_FOUND);
    }
    house
        .metadata
        .state
        .is(MetadataMood::Status(StatusCode::SERVICE_UNAVAILABLE));
    house
        .client
        .post(&path)
        .header("x-viewer", &viewer)
        .await
        .expect(StatusCode::SERVICE_UNAVAILABLE);
}
