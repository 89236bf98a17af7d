//! Watch sessions and beats.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::world::{UNKNOWN, VIDEO, World, count, last};

fn watch_sessions() -> String {
    format!("/api/videos/{VIDEO}/watch-sessions")
}

async fn as_known_viewer(world: &World) -> Value {
    let browser = world.browser();
    browser.get("/").await.expect(StatusCode::OK);
    let answer = browser.post(&watch_sessions()).await;
    answer.expect(StatusCode::CREATED).value()
}

#[tokio::test]
async fn a_session_of_a_known_viewer_says_where_they_stopped() {
    let world = World::start().await;
    assert_eq!(
        as_known_viewer(&world).await,
        json!({"session": "signed", "resume_position_ms": 1500, "beat_interval_ms": 10000})
    );
    let viewer = last(&world.video_streaming).headers["x-viewer"].clone();
    let viewer = viewer.to_str().unwrap();
    let asked = last(&world.history).target;
    assert_eq!(asked, format!("/viewers/{viewer}/positions/{VIDEO}"));
}

#[tokio::test]
async fn a_session_of_a_new_viewer_begins_at_the_start_and_asks_nobody() {
    let world = World::start().await;
    let answer = world.client.post(&watch_sessions()).await;
    let session = answer.expect(StatusCode::CREATED).value();
    assert_eq!(session["resume_position_ms"], 0);
    assert_eq!(count(&world.history), 0);
}

#[tokio::test]
async fn playing_does_not_wait_for_a_history_that_is_down_fails_or_is_slow() {
    let down = None;
    let failing = Router::new().fallback(async || StatusCode::INTERNAL_SERVER_ERROR);
    let strange = Router::new().fallback(async || Json(json!({"resume_position_ms": -1})));
    let silent = Router::new().fallback(std::future::pending::<()>);
    for history in [down, Some(failing), Some(strange), Some(silent)] {
        let world = World::with(|setup| setup.history = history).await;
        let begun = Instant::now();
        let session = as_known_viewer(&world).await;
        assert_eq!(session["resume_position_ms"], 0);
        assert_eq!(session["session"], "signed");
        // 300 ms by contract; the rest is for a busy machine.
        assert!(
            begun.elapsed() < Duration::from_secs(3),
            "{:?}",
            begun.elapsed()
        );
    }
}

#[tokio::test]
async fn a_session_for_an_unknown_video_is_a_404_that_makes_no_viewer() {
    let world = World::start().await;
    let path = format!("/api/videos/{UNKNOWN}/watch-sessions");
    let answer = world.client.post(&path).await.expect(StatusCode::NOT_FOUND);
    assert_eq!(answer.header("set-cookie"), None);
}

#[tokio::test]
async fn beats_are_taken_or_refused_by_streaming() {
    let world = World::start().await;
    for (beat, status) in [
        (
            json!({"session": "signed", "seq": 1, "position_ms": 0, "state": "playing"}),
            StatusCode::NO_CONTENT,
        ),
        (
            json!({"session": "forged", "seq": 1, "position_ms": 0, "state": "playing"}),
            StatusCode::UNAUTHORIZED,
        ),
        (
            json!({"session": "signed", "seq": 0}),
            StatusCode::BAD_REQUEST,
        ),
        (json!({}), StatusCode::BAD_REQUEST),
    ] {
        let answer = world
            .client
            .post("/api/watch-sessions/beats")
            .json(&beat)
            .await;
        let answer = answer.expect(status);
        assert_eq!(answer.header("set-cookie"), None);
    }
}
