//! Each service in a process of its own: started in any order, killed at any moment, replicated.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use http::StatusCode;
use serde_json::{Value, json};
use system_tests::{Engines, Processes, SERVICES, SOON, on_all_engines};
use test_support::media::{FASTSTART, mp4_of};
use test_support::{TestClient, eventually};
use tokio::task::JoinSet;

on_all_engines!(
    they_may_be_started_in_any_order,
    inner_services_answer_nobody_without_the_token,
    any_replica_takes_the_beats_of_any_session,
    each_service_killed_under_load_loses_nothing_acknowledged_and_counts_nothing_twice,
);

/// Half of the two seconds that the watched video lasts make a view.
const SURELY_A_VIEW_MS: u64 = 1_300;
const MAYBE_A_VIEW_MS: u64 = 900;

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

/// What the clients were told while services came and went.
#[derive(Default)]
struct Told {
    uploaded: HashMap<String, usize>,
    playbacks: Vec<(u64, Option<u64>)>,
}

/// Counts what was acknowledged, so that the test can wait for more of it.
#[derive(Default)]
struct Acknowledged {
    uploads: AtomicUsize,
    beats: AtomicUsize,
    playbacks: AtomicUsize,
}

async fn upload_for_ever(client: TestClient, told: Arc<Mutex<Told>>, seen: Arc<Acknowledged>) {
    for number in 0.. {
        let (title, length) = (format!("upload-{number}"), 20_000 + 7 * number);
        if upload(&client, &title, mp4_of(length)).await.is_some() {
            told.lock().unwrap().uploaded.insert(title, length);
            seen.uploads.fetch_add(1, Ordering::SeqCst);
        }
        tokio::task::yield_now().await;
    }
}

async fn open_session(browser: &TestClient, video: &str) -> Value {
    let path = format!("/api/videos/{video}/watch-sessions");
    let opened = || async {
        let answer = browser.post(&path).attempt().await.ok()?;
        (answer.status == StatusCode::CREATED).then(|| answer.value())
    };
    eventually(SOON, opened).await
}

/// One playback after the other, each by another viewer and long enough for a view.
async fn watch_for_ever(
    system: TestClient,
    video: String,
    told: Arc<Mutex<Told>>,
    seen: Arc<Acknowledged>,
) {
    loop {
        let browser = system.clone().with_cookies();
        let session = open_session(&browser, &video).await;
        let place = {
            let mut told = told.lock().unwrap();
            told.playbacks.push((0, None));
            told.playbacks.len() - 1
        };
        let began = Instant::now();
        for seq in 1.. {
            let position = u64::try_from(began.elapsed().as_millis()).unwrap();
            if position > 2 * SURELY_A_VIEW_MS {
                break;
            }
            told.lock().unwrap().playbacks[place].0 = position;
            let beat = json!({
                "session": session["session"], "seq": seq, "position_ms": position,
                "state": "playing",
            });
            let sent = browser.post("/api/watch-sessions/beats").json(&beat);
            if let Ok(answer) = sent.attempt().await
                && answer.status == StatusCode::NO_CONTENT
            {
                told.lock().unwrap().playbacks[place].1 = Some(position);
                seen.beats.fetch_add(1, Ordering::SeqCst);
            }
        }
        seen.playbacks.fetch_add(1, Ordering::SeqCst);
    }
}

async fn each_service_killed_under_load_loses_nothing_acknowledged_and_counts_nothing_twice(
    engines: Engines,
) {
    let mut system = Processes::start(engines).await;
    let client = system.plain();
    let watched = upload(&client, "Watched", FASTSTART.bytes.to_vec())
        .await
        .unwrap();
    let (told, seen) = (
        Arc::<Mutex<Told>>::default(),
        Arc::<Acknowledged>::default(),
    );
    let mut clients = JoinSet::new();
    clients.spawn(upload_for_ever(
        client.clone(),
        Arc::clone(&told),
        Arc::clone(&seen),
    ));
    for _ in 0..3 {
        clients.spawn(watch_for_ever(
            client.clone(),
            watched.clone(),
            Arc::clone(&told),
            Arc::clone(&seen),
        ));
    }
    for service in SERVICES {
        goes_on(&seen).await;
        system.kill(service).await;
        system.launch(service);
        system.is_ready(service).await;
        goes_on(&seen).await;
        a_playback_ends(&seen).await;
    }
    clients.abort_all();
    while clients.join_next().await.is_some() {}

    let told = std::mem::take(&mut *told.lock().unwrap());
    let all_there = || async {
        let listed = all_videos(&client).await;
        let known: HashMap<&str, &Value> = listed
            .iter()
            .map(|video| (video["title"].as_str().unwrap(), video))
            .collect();
        assert_eq!(known.len(), listed.len(), "something is listed twice");
        let whole = |(title, length): (&String, &usize)| {
            let video = known.get(title.as_str());
            video.is_some_and(|video| video["size_bytes"] == *length)
        };
        told.uploaded.iter().all(whole).then_some(())
    };
    eventually(SOON, all_there).await;
    let surely = |(_, acknowledged): &&(u64, Option<u64>)| {
        acknowledged.is_some_and(|acknowledged| acknowledged >= SURELY_A_VIEW_MS)
    };
    let at_least = told.playbacks.iter().filter(surely).count();
    let at_most = told
        .playbacks
        .iter()
        .filter(|(sent, _)| *sent >= MAYBE_A_VIEW_MS)
        .count();
    assert!(at_least > 0, "there was no time for a view");
    let counted = || async {
        let video = client.get(&format!("/api/videos/{watched}")).await.value();
        let views = usize::try_from(video["views"].as_u64().unwrap()).unwrap();
        assert!(views <= at_most, "{views} views of {at_most} playbacks");
        (views >= at_least).then_some(())
    };
    eventually(SOON, counted).await;
}

async fn all_videos(client: &TestClient) -> Vec<Value> {
    let mut videos = Vec::new();
    let mut path = "/api/videos?limit=100".to_owned();
    loop {
        let page = client.get(&path).await.expect(StatusCode::OK).value();
        videos.extend(page["videos"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else {
            return videos;
        };
        path = format!("/api/videos?limit=100&cursor={cursor}");
    }
}

/// Waits until uploads and beats are taken (again).
async fn goes_on(seen: &Acknowledged) {
    let uploads = seen.uploads.load(Ordering::SeqCst) + 3;
    let beats = seen.beats.load(Ordering::SeqCst) + 30;
    let more = || async {
        let enough = seen.uploads.load(Ordering::SeqCst) >= uploads
            && seen.beats.load(Ordering::SeqCst) >= beats;
        enough.then_some(())
    };
    eventually(SOON, more).await;
}

/// Waits until a playback that was there during the kill has come to its end.
async fn a_playback_ends(seen: &Acknowledged) {
    let playbacks = seen.playbacks.load(Ordering::SeqCst) + 1;
    let ended = || async { (seen.playbacks.load(Ordering::SeqCst) >= playbacks).then_some(()) };
    eventually(SOON, ended).await;
}
