//! People who watch and upload while services and engines come and go, and what they were told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::{Value, json};
use test_support::media::{FASTSTART, mp4_of};
use test_support::{TestClient, eventually};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{Processes, SOON};

/// How many watch at once.
const VIEWERS: usize = 4;

/// How often a player sends a beat: far more often than a real one, as if there were many.
const PACE: Duration = Duration::from_millis(25);

/// How often a file is uploaded.
const UPLOAD_PACE: Duration = Duration::from_millis(100);

/// Longer than the half of the video's two seconds that makes a view.
const SURELY_A_VIEW: Duration = Duration::from_millis(1_100);

/// Somebody uploads, and some watch one video, until they are told to finish. Each sends what was
/// not taken again until it is, as the pages do.
#[derive(Debug)]
pub struct Load {
    watched: String,
    uploads: bool,
    told: Arc<Told>,
    stop: CancellationToken,
    people: JoinSet<()>,
}

/// What they were told.
#[derive(Debug, Default)]
struct Told {
    uploads: AtomicUsize,
    beats: AtomicU64,
    beats_refused: AtomicU64,
    playbacks: AtomicU64,
    /// Title and length of what was acknowledged.
    uploaded: Mutex<BTreeMap<String, usize>>,
}

/// What became of what was accepted.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    /// Beats answered with 204.
    pub accepted: u64,
    /// Beats in the view log.
    pub stored: u64,
    /// Beats and views that were counted more than once.
    pub duplicated: u64,
    /// Beats and views that are missing.
    pub lost: u64,
    /// Beats that were not answered with 204 at the first try.
    pub refused: u64,
}

impl Load {
    /// Begins.
    pub async fn start(system: &Processes) -> Self {
        Self::begin(system, true).await
    }

    /// Begins without the uploads, for when they are not to be taken.
    pub async fn start_watching(system: &Processes) -> Self {
        Self::begin(system, false).await
    }

    async fn begin(system: &Processes, uploads: bool) -> Self {
        let client = system.plain();
        let upload = client.post("/api/videos?title=Watched");
        let upload = upload.body(FASTSTART.content_type, FASTSTART.bytes);
        let video = upload.await.expect(StatusCode::CREATED).value();
        let watched = video["id"].as_str().unwrap().to_owned();
        let told = Arc::<Told>::default();
        let stop = CancellationToken::new();
        let mut people = JoinSet::new();
        if uploads {
            let told = Arc::clone(&told);
            people.spawn(upload_until(client.clone(), told, stop.clone()));
        }
        for _ in 0..VIEWERS {
            let (video, told) = (watched.clone(), Arc::clone(&told));
            people.spawn(watch_until(client.clone(), video, told, stop.clone()));
        }
        Self {
            watched,
            uploads,
            told,
            stop,
            people,
        }
    }

    /// The video that is watched.
    pub fn watched(&self) -> &str {
        &self.watched
    }

    /// Waits until more uploads and beats are taken, and whole playbacks.
    pub async fn goes_on(&self) {
        let told = &self.told;
        let seen = || {
            let uploads = told.uploads.load(Ordering::SeqCst);
            let beats = told.beats.load(Ordering::SeqCst);
            (uploads, beats, told.playbacks.load(Ordering::SeqCst))
        };
        let before = seen();
        // One that began before may end now; the one behind it was begun since.
        let playbacks = u64::try_from(VIEWERS).unwrap() + 1;
        eventually(SOON, || async {
            let now = seen();
            let uploads = if self.uploads { 3 } else { 0 };
            let more = now.0 >= before.0 + uploads && now.1 >= before.1 + 50;
            (more && now.2 >= before.2 + playbacks).then_some(())
        })
        .await;
    }

    /// Lets everybody come to their end, waits until everything has arrived, and tells the numbers,
    /// in a line of a form that stays.
    pub async fn finish(mut self, system: &Processes, scenario: &str) -> Numbers {
        self.stop.cancel();
        while let Some(ended) = self.people.join_next().await {
            ended.unwrap();
        }
        let told = &self.told;
        let playbacks = told.playbacks.load(Ordering::SeqCst);
        let accepted = told.beats.load(Ordering::SeqCst);
        assert!(playbacks > 0 && accepted > 0, "there was no load");
        let uploaded = told.uploaded.lock().unwrap().clone();
        let client = system.plain();
        let arrived = || async { all_listed(&client, &uploaded).await.then_some(()) };
        eventually(SOON, arrived).await;

        let path = format!("/api/videos/{}", self.watched);
        let views = || async { client.get(&path).await.value()["views"].as_u64().unwrap() };
        let settled = || async {
            let stored = system.engines().stored_beats().await;
            (stored >= accepted && views().await >= playbacks).then_some(())
        };
        // What is lost is for the numbers to say.
        let _ = tokio::time::timeout(SOON, eventually(SOON * 2, settled)).await;
        let (stored, views) = (system.engines().stored_beats().await, views().await);
        let numbers = Numbers {
            accepted,
            stored,
            duplicated: stored.saturating_sub(accepted) + views.saturating_sub(playbacks),
            lost: accepted.saturating_sub(stored) + playbacks.saturating_sub(views),
            refused: told.beats_refused.load(Ordering::SeqCst),
        };
        let redelivered = system
            .counted("history", "history_events_duplicate_total")
            .await;
        report(&format!(
            "numbers: {scenario} accepted={accepted} stored={stored} duplicated={} lost={} \
             refused={} redelivered={redelivered} views={views} playbacks={playbacks} uploads={}",
            numbers.duplicated,
            numbers.lost,
            numbers.refused,
            uploaded.len(),
        ));
        assert_eq!((numbers.lost, numbers.duplicated), (0, 0), "{numbers:?}");
        numbers
    }
}

#[expect(clippy::print_stdout, reason = "whoever asks for the numbers reads it")]
fn report(line: &str) {
    println!("{line}");
}

async fn upload_until(client: TestClient, told: Arc<Told>, stop: CancellationToken) {
    let mut pace = tokio::time::interval(UPLOAD_PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0.. {
        if stop.run_until_cancelled(pace.tick()).await.is_none() {
            return;
        }
        let (title, length) = (format!("upload-{number}"), 20_000 + 7 * number);
        let upload = client.post(&format!("/api/videos?title={title}"));
        let upload = upload.body("video/mp4", mp4_of(length)).attempt().await;
        if upload.is_ok_and(|answer| answer.status == StatusCode::CREATED) {
            told.uploaded.lock().unwrap().insert(title, length);
            told.uploads.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// One playback after the other, each by another viewer and surely long enough for a view.
async fn watch_until(client: TestClient, video: String, told: Arc<Told>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let viewer = client.clone().with_cookies();
        let session = open_session(&viewer, &video).await;
        play(&viewer, &session, &told).await;
        told.playbacks.fetch_add(1, Ordering::SeqCst);
    }
}

async fn open_session(viewer: &TestClient, video: &str) -> Value {
    let path = format!("/api/videos/{video}/watch-sessions");
    let opened = || async {
        let answer = viewer.post(&path).attempt().await.ok()?;
        (answer.status == StatusCode::CREATED).then(|| answer.value())
    };
    eventually(SOON, opened).await["session"].clone()
}

async fn play(viewer: &TestClient, session: &Value, told: &Told) {
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let began = Instant::now();
    let mut first_taken = None;
    for seq in 1_u64.. {
        pace.tick().await;
        // At double speed, so that what counts is the time between the beats as the server saw it.
        let position = u64::try_from(2 * began.elapsed().as_millis()).unwrap();
        let beat = json!({
            "session": session, "seq": seq, "position_ms": position, "state": "playing",
        });
        let is_last = first_taken.is_some_and(|taken: Instant| taken.elapsed() > SURELY_A_VIEW);
        eventually(SOON, || async {
            let sent = viewer.post("/api/watch-sessions/beats").json(&beat);
            let answer = sent.attempt().await;
            let is_taken = answer.is_ok_and(|answer| answer.status == StatusCode::NO_CONTENT);
            if !is_taken {
                told.beats_refused.fetch_add(1, Ordering::SeqCst);
            }
            is_taken.then_some(())
        })
        .await;
        told.beats.fetch_add(1, Ordering::SeqCst);
        first_taken.get_or_insert_with(Instant::now);
        if is_last {
            return;
        }
    }
}

/// Whether everything is listed, whole and once.
async fn all_listed(client: &TestClient, uploaded: &BTreeMap<String, usize>) -> bool {
    let mut known = BTreeMap::new();
    let mut path = "/api/videos?limit=100".to_owned();
    loop {
        let page = client.get(&path).await.expect(StatusCode::OK).value();
        for video in page["videos"].as_array().unwrap() {
            let title = video["title"].as_str().unwrap().to_owned();
            let before = known.insert(title, video["size_bytes"].clone());
            assert_eq!(before, None, "something is listed twice");
        }
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/api/videos?limit=100&cursor={cursor}");
    }
    uploaded
        .iter()
        .all(|(title, length)| known.get(title).is_some_and(|size| size == length))
}
