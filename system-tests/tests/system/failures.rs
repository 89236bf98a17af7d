//! What still works when one service is down, and what is answered for the rest.

use http::StatusCode;
use serde_json::{Value, json};
use system_tests::{Engines, Rig, on_all_engines};
use test_support::media::FASTSTART;

on_all_engines!(
    without_the_catalogue_what_was_looked_up_plays_on_and_uploads_are_taken,
    without_the_storage_nothing_plays_and_nothing_is_taken_but_the_catalogue_works,
    without_the_history_all_but_the_history_page_works,
    without_the_streaming_service_the_catalogue_and_uploads_work,
);

struct Scene {
    rig: Rig,
    id: String,
    session: Value,
}

/// A video that somebody has begun to watch.
async fn scene(engines: Engines) -> Scene {
    let rig = Rig::start(engines).await;
    let video = rig.upload("Robust", &FASTSTART).await;
    let id = video["id"].as_str().unwrap().to_owned();
    let opened = rig
        .plain()
        .post(&format!("/api/videos/{id}/watch-sessions"))
        .await;
    let session = opened.expect(StatusCode::CREATED).value();
    let scene = Scene { rig, id, session };
    scene.plays().await;
    scene
}

impl Scene {
    async fn get(&self, path: &str) -> StatusCode {
        self.rig.plain().get(path).await.status
    }

    async fn plays(&self) {
        let path = format!("/api/videos/{}/stream", self.id);
        let part = self
            .rig
            .plain()
            .get(&path)
            .header("range", "bytes=0-9")
            .await;
        assert_eq!(
            part.expect(StatusCode::PARTIAL_CONTENT).body,
            FASTSTART.bytes[..10]
        );
    }

    async fn takes_beats(&self) {
        let beat = json!({
            "session": self.session["session"], "seq": 1, "position_ms": 0, "state": "playing",
        });
        let taken = self
            .rig
            .plain()
            .post("/api/watch-sessions/beats")
            .json(&beat)
            .await;
        taken.expect(StatusCode::NO_CONTENT);
    }
}

async fn without_the_catalogue_what_was_looked_up_plays_on_and_uploads_are_taken(engines: Engines) {
    let mut scene = scene(engines).await;
    scene.rig.stop("metadata").await;
    scene.plays().await;
    scene.takes_beats().await;
    let opened = scene
        .rig
        .plain()
        .post(&format!("/api/videos/{}/watch-sessions", scene.id))
        .await;
    assert_eq!(
        opened.expect(StatusCode::CREATED).value()["resume_position_ms"],
        0
    );
    scene.rig.upload("Taken all the same", &FASTSTART).await;
    assert_eq!(
        scene.get("/api/videos").await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    let path = format!("/api/videos/{}", scene.id);
    assert_eq!(scene.get(&path).await, StatusCode::SERVICE_UNAVAILABLE);
    let client = scene.rig.plain();
    let edited = client.patch(&path).json(&json!({"title": "New"})).await;
    edited.expect(StatusCode::SERVICE_UNAVAILABLE);
    client
        .delete(&path)
        .await
        .expect(StatusCode::SERVICE_UNAVAILABLE);
}

async fn without_the_storage_nothing_plays_and_nothing_is_taken_but_the_catalogue_works(
    engines: Engines,
) {
    let mut scene = scene(engines).await;
    scene.rig.stop("video-storage").await;
    let path = format!("/api/videos/{}/stream", scene.id);
    assert_eq!(scene.get(&path).await, StatusCode::SERVICE_UNAVAILABLE);
    let upload = scene.rig.plain().post("/api/videos?title=No");
    let upload = upload.body("video/mp4", FASTSTART.bytes).await;
    upload.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(scene.get("/api/videos").await, StatusCode::OK);
    scene.takes_beats().await;
}

async fn without_the_history_all_but_the_history_page_works(engines: Engines) {
    let mut scene = scene(engines).await;
    scene.rig.stop("history").await;
    scene.plays().await;
    scene.takes_beats().await;
    assert_eq!(scene.get("/api/videos").await, StatusCode::OK);
    let browser = scene.rig.browser();
    let opened = browser
        .post(&format!("/api/videos/{}/watch-sessions", scene.id))
        .await;
    assert_eq!(
        opened.expect(StatusCode::CREATED).value()["resume_position_ms"],
        0
    );
    browser
        .get("/api/history")
        .await
        .expect(StatusCode::SERVICE_UNAVAILABLE);
    scene.rig.upload("Works", &FASTSTART).await;
}

async fn without_the_streaming_service_the_catalogue_and_uploads_work(engines: Engines) {
    let mut scene = scene(engines).await;
    scene.rig.stop("video-streaming").await;
    let path = format!("/api/videos/{}/stream", scene.id);
    assert_eq!(scene.get(&path).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(scene.get("/api/videos").await, StatusCode::OK);
    scene.rig.upload("Works", &FASTSTART).await;
}
