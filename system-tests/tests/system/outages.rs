//! What holds when an engine is killed, and when it is back: real processes, real servers.

use std::time::Instant;

use http::StatusCode;
use serde_json::json;
use system_tests::{Engines, Load, Processes, SERVICES, SOON};
use test_support::engines::{mongodb, rabbitmq};
use test_support::eventually;
use test_support::media::FASTSTART;

async fn all_live(system: &Processes) {
    for service in SERVICES {
        let operator = system.operator(service);
        operator.get("/livez").await.expect(StatusCode::OK);
    }
}

async fn plays(system: &Processes, video: &str) {
    let path = format!("/api/videos/{video}/stream");
    // Not the first byte: with it, two of these would be a view of a plain player's.
    let part = system.plain().get(&path).header("range", "bytes=1-9").await;
    let part = part.expect(StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.body, FASTSTART.bytes[1..10]);
}

async fn upload(system: &Processes, title: &str) -> String {
    let upload = system.plain().post(&format!("/api/videos?title={title}"));
    let upload = upload.body(FASTSTART.content_type, FASTSTART.bytes).await;
    let video = upload.expect(StatusCode::CREATED).value();
    video["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn services_start_before_their_engines_and_outlive_them() {
    let Some(mut mongo) = mongodb::own().await else {
        return;
    };
    let Some(mut rabbit) = rabbitmq::own().await else {
        return;
    };
    let engines = Engines::on(&mongo, &rabbit).await;
    mongo.kill();
    rabbit.kill().await;

    let mut system = Processes::nothing_yet(engines);
    for service in SERVICES {
        system.launch(service);
    }
    for (service, gate) in [
        ("metadata", "catalogue"),
        ("metadata", "events"),
        ("history", "view-log"),
        ("history", "events"),
        ("video-storage", "events"),
        ("video-streaming", "events"),
    ] {
        system.waits_for(service, gate).await;
    }
    // It has no engine to wait for.
    system.is_ready("gateway").await;
    all_live(&system).await;

    rabbit.start_again().await;
    for service in ["video-storage", "video-streaming"] {
        system.is_ready(service).await;
    }
    system.waits_for("metadata", "catalogue").await;
    system.waits_for("history", "view-log").await;
    mongo.start_again().await;
    for service in SERVICES {
        system.is_ready(service).await;
    }
    let video = upload(&system, "First").await;
    plays(&system, &video).await;

    rabbit.kill().await;
    mongo.kill();
    system.waits_for("metadata", "catalogue").await;
    all_live(&system).await;
    // A broker that went away is bridged by the spool, so this one stays in the traffic.
    system.is_ready("video-streaming").await;
    plays(&system, &video).await;
    mongo.start_again().await;
    rabbit.start_again().await;
    for service in SERVICES {
        system.is_ready(service).await;
    }
    upload(&system, "Second").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_killed_during_playback_loses_no_event_and_refuses_no_beat() {
    let Some(mongo) = mongodb::shared().await else {
        return;
    };
    let Some(mut rabbit) = rabbitmq::own().await else {
        return;
    };
    let system = Processes::start(Engines::on(mongo, &rabbit).await).await;
    let load = Load::start(&system).await;
    load.goes_on().await;

    rabbit.kill().await;
    load.goes_on().await;
    plays(&system, load.watched()).await;
    let client = system.plain();
    let video = upload(&system, "Meanwhile").await;
    let path = format!("/api/videos/{video}");
    let edited = client.patch(&path).json(&json!({"title": "Edited"})).await;
    edited.expect(StatusCode::OK);
    client.get("/api/videos").await.expect(StatusCode::OK);
    client.delete(&path).await.expect(StatusCode::NO_CONTENT);
    client.get(&path).await.expect(StatusCode::NOT_FOUND);

    rabbit.start_again().await;
    load.goes_on().await;
    let numbers = load.finish(&system, "rabbitmq-killed").await;
    assert_eq!(numbers.refused, 0);
    // The deletion was told of once the broker was back: the bytes are gone.
    let removed = || async {
        let stream = system
            .inner("video-storage", 0)
            .get(&format!("/videos/{video}"));
        (stream.await.status == StatusCode::NOT_FOUND).then_some(())
    };
    eventually(SOON, removed).await;
    all_live(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_killed_during_playback_stops_lists_and_edits_but_no_playback_and_no_upload() {
    let Some(mut mongo) = mongodb::own().await else {
        return;
    };
    let Some(rabbit) = rabbitmq::shared().await else {
        return;
    };
    let system = Processes::start(Engines::on(&mongo, rabbit).await).await;
    let load = Load::start(&system).await;
    load.goes_on().await;
    plays(&system, load.watched()).await;
    // Without a cookie there is no history that could be missing.
    let viewer = system.browser();
    let sessions = format!("/api/videos/{}/watch-sessions", load.watched());
    viewer.post(&sessions).await.expect(StatusCode::CREATED);

    mongo.kill();
    load.goes_on().await;
    plays(&system, load.watched()).await;
    let client = system.plain();
    let path = format!("/api/videos/{}", load.watched());
    let down = StatusCode::SERVICE_UNAVAILABLE;
    client.get("/api/videos").await.expect(down);
    client.get(&path).await.expect(down);
    let edited = client.patch(&path).json(&json!({"title": "No"})).await;
    edited.expect(down);
    client.delete(&path).await.expect(down);
    viewer.get("/api/history").await.expect(down);
    let taken = upload(&system, "Meanwhile").await;

    mongo.start_again().await;
    let returned = Instant::now();
    let listed = || async {
        let video = client.get(&format!("/api/videos/{taken}")).await;
        (video.status == StatusCode::OK).then_some(())
    };
    eventually(SOON, listed).await;
    println!(
        "mongodb-killed: an upload was listed {:?} after the return",
        returned.elapsed()
    );
    load.goes_on().await;
    let numbers = load.finish(&system, "mongodb-killed").await;
    assert_eq!(numbers.refused, 0);
    all_live(&system).await;
}
