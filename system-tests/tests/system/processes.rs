//! Each service in a process of its own: started in any order, killed at any moment, replicated.

use http::StatusCode;
use serde_json::json;
use system_tests::{Engines, Load, Processes, SERVICES, SOON, on_all_engines};
use test_support::media::FASTSTART;
use test_support::{TestClient, eventually};

on_all_engines!(
    they_may_be_started_in_any_order,
    inner_services_answer_nobody_without_the_token,
    any_replica_takes_the_beats_of_any_session,
    each_service_killed_under_load_loses_nothing_acknowledged_and_counts_nothing_twice,
);

async fn upload(client: &TestClient, title: &str, bytes: Vec<u8>) -> Option<String> {
    let request = client.post(&format!("/api/videos?title={title}"));
    let answer = request.body("video/mp4", bytes).attempt().await.ok()?;
    (answer.status == StatusCode::CREATED)
        .then(|| answer.value()["id"].as_str().unwrap().to_owned())
}

async fn they_may_be_started_in_any_order(engines: Engines) {
    let mut system = Processes::nothing_yet(engines);
    for service in SERVICES.into_iter().rev() {
        system.launch(service);
    }
    for service in SERVICES {
        system.is_ready(service).await;
    }
    let client = system.plain();
    let uploaded = || upload(&client, "First", FASTSTART.bytes.to_vec());
    let id = eventually(SOON, uploaded).await;
    let stream = client.get(&format!("/api/videos/{id}/stream")).await;
    assert_eq!(stream.expect(StatusCode::OK).body, FASTSTART.bytes);
}

async fn inner_services_answer_nobody_without_the_token(engines: Engines) {
    let system = Processes::start(engines).await;
    let stranger = system.stranger("video-streaming");
    stranger
        .get("/videos/x/stream")
        .await
        .expect(StatusCode::UNAUTHORIZED);
    let friend = system.inner("video-streaming", 0);
    friend
        .get("/videos/x/stream")
        .await
        .expect(StatusCode::NOT_FOUND);
    let browser = friend.with_header("sec-fetch-site", "cross-site");
    browser
        .get("/videos/x/stream")
        .await
        .expect(StatusCode::FORBIDDEN);
    for service in SERVICES {
        let metrics = system.operator(service).get("/metrics").await;
        let label = format!(r#"{{service="{service}""#);
        assert!(metrics.expect(StatusCode::OK).text().contains(&label));
    }
}

async fn any_replica_takes_the_beats_of_any_session(engines: Engines) {
    let system = Processes::start_replicated(engines, &[("video-streaming", 2)]).await;
    let client = system.browser();
    let id = upload(&client, "Shared", FASTSTART.bytes.to_vec())
        .await
        .unwrap();
    let opened = client
        .post(&format!("/api/videos/{id}/watch-sessions"))
        .await
        .value();
    let replica = |number| system.inner("video-streaming", number);
    let (one, other) = (replica(0), replica(1));
    let beat = |seq: u64, position: u64| json!({"session": opened["session"], "seq": seq, "position_ms": position, "state": "playing"});
    for (seq, through) in [(1, &one), (2, &other), (3, &one)] {
        through
            .post("/watch-sessions/beats")
            .json(&beat(seq, seq * 100))
            .await
            .expect(StatusCode::NO_CONTENT);
    }
    let known = || async {
        let history = client.get("/api/history").await.value();
        (history["entries"][0]["position_ms"] == 300).then_some(())
    };
    eventually(SOON, known).await;
}

async fn each_service_killed_under_load_loses_nothing_acknowledged_and_counts_nothing_twice(
    engines: Engines,
) {
    let mut system = Processes::start(engines).await;
    let load = Load::start(&system).await;
    for service in SERVICES {
        load.goes_on().await;
        system.kill(service).await;
        system.launch(service);
        system.is_ready(service).await;
        load.goes_on().await;
    }
    load.finish(&system, "each-service-killed").await;
}
