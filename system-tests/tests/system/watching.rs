//! From the first beat to the view and the history.

use std::time::Instant;

use http::StatusCode;
use serde_json::{Value, json};
use system_tests::{Engines, Rig, SOON, on_all_engines};
use test_support::media::{FASTSTART, SILENT};
use test_support::{TestClient, eventually};

on_all_engines!(
    one_playback_is_one_view_and_one_entry_and_resumes_where_it_stopped,
    a_video_that_was_seen_to_its_end_begins_again_from_the_start,
    opening_a_page_is_no_view_and_no_entry,
    the_history_is_its_viewers_to_delete,
    a_session_that_is_not_ours_is_refused,
);

async fn open_session(browser: &TestClient, id: &str) -> Value {
    let opened = browser
        .post(&format!("/api/videos/{id}/watch-sessions"))
        .await;
    opened.expect(StatusCode::CREATED).value()
}

async fn beat(browser: &TestClient, session: &Value, seq: u64, position_ms: u64, state: &str) {
    let body = json!({
        "session": session["session"], "seq": seq, "position_ms": position_ms, "state": state,
    });
    let taken = browser.post("/api/watch-sessions/beats").json(&body).await;
    taken.expect(StatusCode::NO_CONTENT);
}

async fn views(rig: &Rig, id: &str) -> u64 {
    let video = rig.plain().get(&format!("/api/videos/{id}")).await.value();
    video["views"].as_u64().unwrap()
}

async fn entries(browser: &TestClient) -> Vec<Value> {
    let history = browser.get("/api/history").await.expect(StatusCode::OK);
    history.value()["entries"].as_array().unwrap().clone()
}

/// Plays in real time, a beat each round, until the video has this many views.
async fn play_until_viewed(rig: &Rig, browser: &TestClient, id: &str, wanted: u64) -> Value {
    let session = open_session(browser, id).await;
    let began = Instant::now();
    let mut seq = 0;
    eventually(SOON, || {
        seq += 1;
        let position = u64::try_from(began.elapsed().as_millis()).unwrap();
        let session = session.clone();
        async move {
            beat(browser, &session, seq, position, "playing").await;
            (views(rig, id).await == wanted).then_some(())
        }
    })
    .await;
    session
}

fn id_of(video: &Value) -> String {
    video["id"].as_str().unwrap().to_owned()
}

async fn one_playback_is_one_view_and_one_entry_and_resumes_where_it_stopped(engines: Engines) {
    let rig = Rig::start(engines).await;
    let id = id_of(&rig.upload("Watched", &FASTSTART).await);
    let browser = rig.browser();
    let session = play_until_viewed(&rig, &browser, &id, 1).await;
    // Two seconds long: the first 100 ms and the last 100 ms do not count as a place to resume.
    beat(&browser, &session, 900_001, 1_300, "paused").await;
    let paused = || async {
        let entries = entries(&browser).await;
        (entries.len() == 1 && entries[0]["position_ms"] == 1_300).then(|| entries[0].clone())
    };
    let entry = eventually(SOON, paused).await;
    assert_eq!(entry["video_id"], Value::String(id.clone()));
    assert_eq!(entry["title"], "Watched");
    assert_eq!(entry["finished"], false);
    assert!(entry["watched_ms"].as_u64().unwrap() >= 1_000);

    let again = open_session(&browser, &id).await;
    assert_eq!(again["resume_position_ms"], 1_300);
    assert_eq!(views(&rig, &id).await, 1);

    // Another viewer has another history, and makes another view.
    let other = rig.browser();
    assert!(entries(&other).await.is_empty());
    assert_eq!(open_session(&other, &id).await["resume_position_ms"], 0);
    play_until_viewed(&rig, &other, &id, 2).await;
}

async fn a_video_that_was_seen_to_its_end_begins_again_from_the_start(engines: Engines) {
    let rig = Rig::start(engines).await;
    let id = id_of(&rig.upload("Finished", &FASTSTART).await);
    let browser = rig.browser();
    let session = open_session(&browser, &id).await;
    beat(&browser, &session, 1, 0, "playing").await;
    beat(&browser, &session, 2, 2_000, "ended").await;
    let finished = || async {
        let entries = entries(&browser).await;
        (entries.len() == 1 && entries[0]["finished"] == true).then_some(())
    };
    eventually(SOON, finished).await;
    assert_eq!(open_session(&browser, &id).await["resume_position_ms"], 0);
}

async fn opening_a_page_is_no_view_and_no_entry(engines: Engines) {
    let rig = Rig::start(engines).await;
    let id = id_of(&rig.upload("Only opened", &FASTSTART).await);
    let browser = rig.browser();
    for _ in 0..3 {
        let session = open_session(&browser, &id).await;
        let token = session["session"].as_str().unwrap();
        let stream = format!("/api/videos/{id}/stream?session={token}");
        browser.get(&stream).header("range", "bytes=0-").await;
    }
    // Something that comes after it through the same queues, so that waiting has an end.
    let other = id_of(&rig.upload("Marker", &SILENT).await);
    play_until_viewed(&rig, &rig.browser(), &other, 1).await;
    assert_eq!(views(&rig, &id).await, 0);
    assert!(entries(&browser).await.is_empty());
}

async fn the_history_is_its_viewers_to_delete(engines: Engines) {
    let rig = Rig::start(engines).await;
    let browser = rig.browser();
    let mut ids = Vec::new();
    for title in ["One", "Two", "Three"] {
        let id = id_of(&rig.upload(title, &FASTSTART).await);
        let session = open_session(&browser, &id).await;
        beat(&browser, &session, 1, 700, "playing").await;
        ids.push(id);
    }
    let all = || async { (entries(&browser).await.len() == 3).then_some(()) };
    eventually(SOON, all).await;
    let first = browser.get("/api/history?limit=2").await.value();
    assert_eq!(first["entries"].as_array().unwrap().len(), 2);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = browser
        .get(&format!("/api/history?limit=2&cursor={cursor}"))
        .await
        .value();
    assert_eq!(rest["entries"][0]["title"], "One");
    assert_eq!(rest["next_cursor"], Value::Null);

    let path = format!("/api/history/{}", ids[1]);
    browser.delete(&path).await.expect(StatusCode::NO_CONTENT);
    let titles: Vec<Value> = entries(&browser)
        .await
        .iter()
        .map(|entry| entry["title"].clone())
        .collect();
    assert_eq!(titles, ["Three", "One"]);
    browser
        .delete("/api/history")
        .await
        .expect(StatusCode::NO_CONTENT);
    assert!(entries(&browser).await.is_empty());
}

async fn a_session_that_is_not_ours_is_refused(engines: Engines) {
    let rig = Rig::start(engines).await;
    let id = id_of(&rig.upload("Guarded", &FASTSTART).await);
    let browser = rig.browser();
    let session = open_session(&browser, &id).await["session"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut forged = session.clone();
    let last = if forged.pop() == Some('A') { 'B' } else { 'A' };
    forged.push(last);
    let good = json!({"session": session, "seq": 1, "position_ms": 0, "state": "playing"});
    for (change, status) in [
        (json!({"session": forged}), StatusCode::UNAUTHORIZED),
        (json!({"session": "nonsense"}), StatusCode::UNAUTHORIZED),
        (json!({"session": ""}), StatusCode::UNAUTHORIZED),
        (json!({"seq": 0}), StatusCode::BAD_REQUEST),
        (json!({"seq": -1}), StatusCode::BAD_REQUEST),
        (json!({"position_ms": -1}), StatusCode::BAD_REQUEST),
        (json!({"position_ms": 1.5}), StatusCode::BAD_REQUEST),
        (json!({"state": "dancing"}), StatusCode::BAD_REQUEST),
        (json!({"state": null}), StatusCode::BAD_REQUEST),
    ] {
        let mut body = good.clone();
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let refused = browser.post("/api/watch-sessions/beats").json(&body).await;
        assert_eq!(refused.status, status, "{change}");
    }
    let taken = browser.post("/api/watch-sessions/beats").json(&good).await;
    taken.expect(StatusCode::NO_CONTENT);
}
