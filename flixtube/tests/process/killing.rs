//! `kill -9` at any moment loses nothing that was acknowledged and counts nothing twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde_json::{Value, json};
use test_support::media::{FASTSTART, mp4_of};
use test_support::{DataFolder, TestClient, eventually};
use tokio::task::JoinSet;

use crate::{FlixTube, SOON, id_of};

/// How often the process is killed, and when after its start: spread over the life of a round, in
/// which uploads are taken, beats arrive and views are counted.
const KILLS: [u64; 6] = [300, 2400, 700, 1900, 1100, 1500];
const VIEWERS: usize = 4;

/// Half of the two seconds that the watched video lasts make a view.
const SURELY_A_VIEW_MS: u64 = 1_300;
const MAYBE_A_VIEW_MS: u64 = 900;

/// What the clients were told.
#[derive(Default)]
struct Told {
    /// The titles of the uploads that were answered with 201, and their lengths.
    uploaded: HashMap<String, usize>,
    /// The playbacks: their viewers with the positions that were sent and acknowledged last.
    playbacks: Vec<Playback>,
}

#[derive(Clone)]
struct Playback {
    browser: TestClient,
    sent_ms: u64,
    acknowledged_ms: Option<u64>,
}

async fn upload_for_ever(client: TestClient, round: usize, told: Arc<Mutex<Told>>) {
    for number in 0.. {
        let title = format!("{round}-{number}");
        let length = 20_000 + 7 * number;
        let upload = client.post(&format!("/api/videos?title={title}"));
        let Ok(answer) = upload.body("video/mp4", mp4_of(length)).attempt().await else {
            return;
        };
        answer.expect(StatusCode::CREATED);
        told.lock().unwrap().uploaded.insert(title, length);
    }
}

async fn watch_until_killed(browser: TestClient, video: String, told: Arc<Mutex<Told>>) {
    let open = browser.post(&format!("/api/videos/{video}/watch-sessions"));
    let Ok(opened) = open.attempt().await else {
        return;
    };
    let session = opened.expect(StatusCode::CREATED).value();
    let place = {
        let mut told = told.lock().unwrap();
        told.playbacks.push(Playback {
            browser: browser.clone(),
            sent_ms: 0,
            acknowledged_ms: None,
        });
        told.playbacks.len() - 1
    };
    let began = Instant::now();
    for seq in 1.. {
        let position = u64::try_from(began.elapsed().as_millis()).unwrap();
        told.lock().unwrap().playbacks[place].sent_ms = position;
        let beat = json!({
            "session": session["session"], "seq": seq, "position_ms": position, "state": "playing",
        });
        let sent = browser.post("/api/watch-sessions/beats").json(&beat);
        let Ok(answer) = sent.attempt().await else {
            return;
        };
        answer.expect(StatusCode::NO_CONTENT);
        told.lock().unwrap().playbacks[place].acknowledged_ms = Some(position);
    }
}

pub(crate) async fn all_videos(client: &TestClient) -> Vec<Value> {
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

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_loses_nothing_acknowledged_and_counts_nothing_twice() {
    let data = DataFolder::new();
    let told = Arc::new(Mutex::new(Told::default()));
    let mut flixtube = FlixTube::start(data.path(), &[]).await;
    let watched = flixtube.upload("Watched", FASTSTART.bytes.to_vec()).await;

    for (round, after) in KILLS.into_iter().enumerate() {
        let mut clients = JoinSet::new();
        clients.spawn(upload_for_ever(flixtube.client(), round, Arc::clone(&told)));
        for _ in 0..VIEWERS {
            let browser = flixtube.client().with_cookies();
            clients.spawn(watch_until_killed(
                browser,
                watched.clone(),
                Arc::clone(&told),
            ));
        }
        let killed = Instant::now() + Duration::from_millis(after);
        tokio::time::sleep_until(killed.into()).await;
        flixtube.process.kill9().await;
        clients.join_all().await;
        flixtube = FlixTube::start(data.path(), &[]).await;
    }

    let told = std::mem::take(&mut *told.lock().unwrap());
    let client = flixtube.client();
    check_uploads(&client, &told).await;
    check_views(&flixtube, &watched, &told).await;
}

/// Every acknowledged upload is there once and whole; nothing half is there.
async fn check_uploads(client: &TestClient, told: &Told) {
    assert!(told.uploaded.len() > KILLS.len(), "the kills left no time");
    let videos = all_videos(client).await;
    let mut found: HashMap<&str, &Value> = HashMap::new();
    for video in &videos {
        let earlier = found.insert(video["title"].as_str().unwrap(), video);
        assert!(earlier.is_none(), "listed twice: {video}");
    }
    for (title, length) in &told.uploaded {
        let video = found.get(title.as_str());
        let video = video.unwrap_or_else(|| panic!("the upload {title} was lost"));
        assert_eq!(video["size_bytes"], *length);
    }
    // Also those whose answer was lost are whole.
    for video in &videos {
        let stream = client.get(video["stream_url"].as_str().unwrap()).await;
        let bytes = stream.expect(StatusCode::OK).body;
        if video["title"] == "Watched" {
            assert_eq!(bytes, FASTSTART.bytes);
        } else {
            assert_eq!(bytes, mp4_of(bytes.len()));
        }
    }
}

/// Every acknowledged beat is in the history, and each playback is one view at most.
async fn check_views(flixtube: &FlixTube, watched: &str, told: &Told) {
    let surely = |playback: &&Playback| {
        playback
            .acknowledged_ms
            .is_some_and(|acknowledged| acknowledged >= SURELY_A_VIEW_MS)
    };
    let at_least = told.playbacks.iter().filter(surely).count();
    let maybe = |playback: &&Playback| playback.sent_ms >= MAYBE_A_VIEW_MS;
    let at_most = told.playbacks.iter().filter(maybe).count();
    assert!(at_least > 0, "the kills left no time for a view");

    // A last view, which comes through the same queues after all the others.
    let browser = flixtube.client().with_cookies();
    let last = Arc::new(Mutex::new(Told::default()));
    let mut watching = JoinSet::new();
    watching.spawn(watch_until_killed(browser, watched.to_owned(), last));
    let client = flixtube.client();
    let path = format!("/api/videos/{watched}");
    let views = eventually(SOON, || async {
        let video = client.get(&path).await.value();
        assert_eq!(id_of(&video), watched);
        let views = usize::try_from(video["views"].as_u64().unwrap()).unwrap();
        (views > at_least).then_some(views)
    })
    .await;
    watching.abort_all();
    assert!(views <= at_most + 1, "{views} views of {at_most} playbacks");

    for playback in &told.playbacks {
        let Some(acknowledged) = playback.acknowledged_ms else {
            continue;
        };
        // The viewer is known again after the restart, by the cookie of before.
        let moved = playback.browser.moved_to(&flixtube.base);
        let history = moved
            .get("/api/history")
            .await
            .expect(StatusCode::OK)
            .value();
        let entries = history["entries"].as_array().unwrap();
        assert_eq!(entries.len(), 1, "{history}");
        let position = entries[0]["position_ms"].as_u64().unwrap();
        assert!(
            (acknowledged..=playback.sent_ms).contains(&position),
            "{position} is not between {acknowledged} and {}",
            playback.sent_ms
        );
    }
}
