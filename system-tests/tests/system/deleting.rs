//! A deleted video is gone everywhere, and stays gone.

use http::StatusCode;
use serde_json::json;
use system_tests::{Engines, Rig, SOON, on_all_engines};
use test_support::eventually;
use test_support::media::{FASTSTART, POSTER_JPEG};

on_all_engines!(
    a_deleted_video_is_gone_from_catalogue_stream_storage_and_history,
    a_deleted_video_opens_no_session_and_its_key_takes_a_new_upload,
);

async fn a_deleted_video_is_gone_from_catalogue_stream_storage_and_history(engines: Engines) {
    let rig = Rig::start(engines).await;
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
    let empty = || async {
        let left = rig
            .engines()
            .objects_in(["videos", "records", "intents", "posters"]);
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
    let engines = rig.stop_all().await;
    let rig = Rig::start(engines).await;
    let list = rig.plain().get("/api/videos").await.value();
    assert!(list["videos"].as_array().unwrap().is_empty());
    let gone = rig.plain().get(&path).await;
    gone.expect(StatusCode::NOT_FOUND);
}

async fn a_deleted_video_opens_no_session_and_its_key_takes_a_new_upload(engines: Engines) {
    let rig = Rig::start(engines).await;
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
