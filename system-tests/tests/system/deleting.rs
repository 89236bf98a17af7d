//! A deleted video is gone everywhere, and stays gone.

use http::StatusCode;
use serde_json::json;
use system_tests::{Rig, SOON};
use test_support::eventually;
use test_support::media::{FASTSTART, POSTER_JPEG};

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_video_is_gone_from_catalogue_stream_storage_and_history() {
    let rig = Rig::start().await;
    let browser = rig.browser();
    let video = rig.upload("Going", &FASTSTART).await;
    let id = video["id"].as_str().unwrap();
    let path = format!("/api/videos/{id}");
    let poster = browser
        .put(&format!("{path}/poster"))
        .body("image/jpeg", POSTER_JPEG)
        .await;
    poster.expect(StatusCode::NO_CONTENT);
    let session = browser
        .post(&format!("{path}/watch-sessions"))
        .await
        .value();
    let beat =
        json!({"session": session["session"], "seq": 1, "position_ms": 500, "state": "playing"});
    browser
        .post("/api/watch-sessions/beats")
        .json(&beat)
        .await
        .expect(StatusCode::NO_CONTENT);
    let entry = || async {
        let history = browser.get("/api/history").await.value();
        (history["entries"].as_array().unwrap().len() == 1).then_some(())
    };
    eventually(SOON, entry).await;

    browser.delete(&path).await.expect(StatusCode::NO_CONTENT);
    // At once, for whoever deleted it.
    browser.get(&path).await.expect(StatusCode::NOT_FOUND);
    browser.delete(&path).await.expect(StatusCode::NOT_FOUND);
    browser
        .get(&format!("{path}/poster"))
        .await
        .expect(StatusCode::NOT_FOUND);
    let list = browser.get("/api/videos").await.value();
    assert!(list["videos"].as_array().unwrap().is_empty());
    let history = browser.get("/api/history").await.value();
    assert!(history["entries"].as_array().unwrap().is_empty());
    // Soon, everywhere.
    let stream = || async {
        let answer = rig.plain().get(&format!("{path}/stream")).await;
        (answer.status == StatusCode::NOT_FOUND).then_some(())
    };
    eventually(SOON, stream).await;
    let store = rig.data().join("videos");
    let empty = || async {
        let left = ["videos", "records", "intents", "posters"]
            .map(|folder| std::fs::read_dir(store.join(folder)).map_or(0, Iterator::count));
        (left == [0; 4]).then_some(())
    };
    eventually(SOON, empty).await;

    // A beat that comes late brings nothing back, and neither does a restart.
    let late =
        json!({"session": session["session"], "seq": 2, "position_ms": 900, "state": "playing"});
    browser
        .post("/api/watch-sessions/beats")
        .json(&late)
        .await
        .expect(StatusCode::NO_CONTENT);
    let data = rig.stop_all().await;
    let rig = Rig::start_in(data).await;
    let list = rig.plain().get("/api/videos").await.value();
    assert!(list["videos"].as_array().unwrap().is_empty());
    let gone = rig.plain().get(&path).await;
    gone.expect(StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_video_opens_no_session_and_its_key_takes_a_new_upload() {
    let rig = Rig::start().await;
    let client = rig.plain();
    let upload = || async {
        let request = client.post("/api/videos?title=Again");
        let request = request.header("idempotency-key", "the-same-key");
        let request = request.body(FASTSTART.content_type, FASTSTART.bytes);
        let video = request.await.expect(StatusCode::CREATED).value();
        video["id"].as_str().unwrap().to_owned()
    };
    let first = upload().await;
    let path = format!("/api/videos/{first}");
    let sessions = format!("{path}/watch-sessions");
    client.post(&sessions).await.expect(StatusCode::CREATED);
    let edit = json!({"title": "Edited"});
    client.patch(&path).json(&edit).await.expect(StatusCode::OK);
    assert_eq!(upload().await, first);

    client.delete(&path).await.expect(StatusCode::NO_CONTENT);
    client.post(&sessions).await.expect(StatusCode::NOT_FOUND);
    let second = upload().await;
    assert_ne!(second, first);
    let stream = client.get(&format!("/api/videos/{second}/stream")).await;
    assert_eq!(stream.expect(StatusCode::OK).body, FASTSTART.bytes);
}
