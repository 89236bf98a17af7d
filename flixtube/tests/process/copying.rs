//! Everything is copied to other engines and back, interrupted on the way, and is the same there.

mod beside;
mod refusals;

use std::path::Path;
use std::time::Duration;

use events::embedded::EmbeddedBus;
use hyper::StatusCode;
use serde_json::{Value, json};
use test_support::engines::{self, BlobServer};
use test_support::media::{FASTSTART, POSTER_JPEG, mp4_of};
use test_support::process::ChildProcess;
use test_support::{DataFolder, TestClient, eventually};
use tokio::process::Command;

use crate::{FlixTube, SOON, id_of};

/// Copies read and write a hundred megabytes, on a machine that does something else meanwhile.
const IN_TIME: Duration = Duration::from_mins(3);

/// Large enough that a copy can be interrupted in the middle of it.
const LONG: usize = 24 * 1024 * 1024;

/// A set of engines besides the data folder: what a process on them is told.
#[derive(Clone, Default)]
struct Engines {
    /// `("catalog-url", …)` and so on.
    urls: Vec<(&'static str, String)>,
    variables: Vec<(&'static str, String)>,
}

impl Engines {
    /// MongoDB, with the videos in the data folder.
    async fn mongodb() -> Option<Self> {
        let server = engines::mongodb::shared().await?;
        Some(Self {
            urls: vec![
                ("catalog-url", server.database_url()),
                ("view-log-url", server.database_url()),
            ],
            variables: Vec::new(),
        })
    }

    /// MongoDB, with the videos in this store.
    async fn mongodb_and(store: &BlobServer) -> Option<Self> {
        let mut engines = Self::mongodb().await?;
        engines.urls.push(("store-url", store.store_url()));
        engines.variables = store.environment().to_vec();
        Some(engines)
    }

    /// Starts the whole system on them.
    async fn start(&self, data: &Path) -> FlixTube {
        let mut command = crate::command(data);
        command.args(["--drain-grace-seconds", "2"]);
        command.envs(self.variables.clone());
        for (name, url) in &self.urls {
            command.arg(format!("--{name}")).arg(url);
        }
        let process = ChildProcess::start(command);
        let line = process.wait_for_line("FlixTube is ready", SOON).await;
        let base = line.split_whitespace().last().unwrap().to_owned();
        FlixTube { process, base }
    }

    fn flags(&self, side: &str) -> Vec<String> {
        let flags = self.urls.iter();
        flags
            .flat_map(|(name, url)| [format!("--{side}-{name}"), url.clone()])
            .collect()
    }
}

/// A copy from the folder and its engines to the other folder and its engines.
fn copy_command((from, on): (&Path, &Engines), (to, onto): (&Path, &Engines)) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flixtube"));
    command
        .arg("copy")
        .arg("--from")
        .arg(from)
        .arg("--to")
        .arg(to);
    command.args(on.flags("from")).args(onto.flags("to"));
    command
        .envs(on.variables.clone())
        .envs(onto.variables.clone());
    command
}

/// Runs to the end, and answers the exit code and all that was said.
async fn finish(command: Command) -> (Option<i32>, String) {
    let mut process = ChildProcess::start(command);
    let status = process.wait_for_exit(IN_TIME).await;
    (status.code(), process.lines().join("\n"))
}

async fn succeed(command: Command) -> String {
    let (code, said) = finish(command).await;
    assert_eq!(code, Some(0), "{said}");
    said
}

/// What the clients did, and by which they are known again.
struct Audience {
    viewers: Vec<TestClient>,
    deleted: String,
    watched: String,
}

/// Videos of several kinds, posters, edits, a deletion, views, histories, something forgotten.
async fn fill(flixtube: &FlixTube) -> Audience {
    let client = flixtube.client();
    let watched = flixtube.upload("Watched", FASTSTART.bytes.to_vec()).await;
    let mut videos = vec![watched.clone()];
    for n in 0..6 {
        let bytes = mp4_of(LONG + n);
        videos.push(flixtube.upload(&format!("Long-{n}"), bytes).await);
    }
    for n in 0..40 {
        let bytes = mp4_of(20_000 + n);
        videos.push(flixtube.upload(&format!("Short-{n}"), bytes).await);
    }
    let poster = format!("/api/videos/{}/poster", videos[2]);
    let put = client.request(hyper::Method::PUT, &poster);
    put.body("image/jpeg", POSTER_JPEG.to_vec())
        .await
        .expect(StatusCode::NO_CONTENT);
    let edit = json!({ "title": "Zürich bei Nacht", "tags": ["see"], "description": "…" });
    client
        .request(hyper::Method::PATCH, &format!("/api/videos/{}", videos[3]))
        .json(&edit)
        .await
        .expect(StatusCode::OK);
    let mut viewers = Vec::new();
    for n in 0..4 {
        let viewer = client.clone().with_cookies();
        for video in videos.iter().take(1 + 3 * n) {
            watch(&viewer, video).await;
        }
        viewers.push(viewer);
    }
    let forget = format!("/api/history/{watched}");
    viewers[1]
        .delete(&forget)
        .await
        .expect(StatusCode::NO_CONTENT);
    viewers[2]
        .delete("/api/history")
        .await
        .expect(StatusCode::NO_CONTENT);
    let deleted = videos.pop().unwrap();
    watch(&viewers[3], &deleted).await;
    client
        .delete(&format!("/api/videos/{deleted}"))
        .await
        .expect(StatusCode::NO_CONTENT);
    let path = format!("/api/videos/{watched}");
    let counted = || async {
        let video = client.get(&path).await.value();
        (video["views"] == 4).then_some(())
    };
    eventually(SOON, counted).await;
    Audience {
        viewers,
        deleted,
        watched,
    }
}

/// Plays for a second and a half: a view of a video of two seconds, and none of a longer one.
async fn watch(viewer: &TestClient, video: &str) {
    let session = open_session(viewer, video).await;
    for (seq, position_ms) in [(1, 0), (2, 700), (3, 1_400)] {
        beat(viewer, &session, seq, position_ms).await;
        if seq < 3 {
            // Time that was watched is time that has passed.
            tokio::time::sleep(Duration::from_millis(710)).await;
        }
    }
}

async fn open_session(viewer: &TestClient, video: &str) -> Value {
    let open = viewer.post(&format!("/api/videos/{video}/watch-sessions"));
    open.await.expect(StatusCode::CREATED).value()["session"].clone()
}

async fn beat(viewer: &TestClient, session: &Value, seq: u64, position_ms: u64) {
    let beat = json!({
        "session": session, "seq": seq, "position_ms": position_ms, "state": "playing",
    });
    let sent = viewer.post("/api/watch-sessions/beats").json(&beat);
    sent.await.expect(StatusCode::NO_CONTENT);
}

/// All that anybody can see.
#[derive(Debug, PartialEq)]
struct Seen {
    videos: Vec<Value>,
    bodies: Vec<bytes::Bytes>,
    posters: Vec<Option<bytes::Bytes>>,
    histories: Vec<Value>,
    found: Value,
}

async fn look(flixtube: &FlixTube, audience: &Audience) -> Seen {
    // With a viewer's cookie it is no plain player, whose playbacks would be told as events.
    let client = audience.viewers[0].moved_to(&flixtube.base);
    let videos = crate::killing::all_videos(&client).await;
    let mut bodies = Vec::new();
    let mut posters = Vec::new();
    for video in &videos {
        let stream = client.get(video["stream_url"].as_str().unwrap()).await;
        bodies.push(stream.expect(StatusCode::OK).body);
        posters.push(match video["poster_url"].as_str() {
            Some(url) => Some(client.get(url).await.expect(StatusCode::OK).body),
            None => None,
        });
    }
    let mut histories = Vec::new();
    for viewer in &audience.viewers {
        let viewer = viewer.moved_to(&flixtube.base);
        let history = viewer.get("/api/history?limit=100").await;
        histories.push(history.expect(StatusCode::OK).value());
    }
    let deleted = client.get(&format!("/api/videos/{}", audience.deleted));
    deleted.await.expect(StatusCode::NOT_FOUND);
    Seen {
        videos,
        bodies,
        posters,
        histories,
        found: client.get("/api/videos?q=zur").await.value(),
    }
}

/// Whether both show the same; a difference is not printed with a hundred megabytes.
fn assert_same(found: &Seen, expected: &Seen) {
    assert_eq!(found.videos, expected.videos);
    assert_eq!(found.histories, expected.histories);
    assert_eq!(found.found, expected.found);
    assert!(found.bodies == expected.bodies, "the bytes differ");
    assert!(found.posters == expected.posters, "the posters differ");
}

/// Waits until every event has had its effect.
async fn drained(data: &Path) {
    let bus = EmbeddedBus::open(&data.join("events.db")).await.unwrap();
    let is_empty = || async { (bus.left().await.unwrap().waiting == 0).then_some(()) };
    eventually(SOON, is_empty).await;
}

async fn stop(mut flixtube: FlixTube) {
    flixtube.process.terminate();
    assert!(flixtube.process.wait_for_exit(SOON).await.success());
}

/// There and back again: embedded, distributed, embedded.
async fn there_and_back(distributed: Engines) {
    let folder = DataFolder::new();
    let (here, there, back) = (
        folder.join("here"),
        folder.join("there"),
        folder.join("back"),
    );
    let embedded = Engines::default();
    let first = embedded.start(&here).await;
    let audience = fill(&first).await;
    drained(&here).await;
    let expected = look(&first, &audience).await;
    assert_eq!(expected.videos.len(), 46);
    stop(first).await;

    // Killed once the videos have begun, then asked to stop, then let go on to the end.
    let copy = || copy_command((&here, &embedded), (&there, &distributed));
    let mut killed = ChildProcess::start(copy());
    killed.wait_for_line("videos: 0 B of", IN_TIME).await;
    killed.kill9().await;
    let mut interrupted = ChildProcess::start(copy());
    interrupted.wait_for_line("videos: 0 B of", IN_TIME).await;
    interrupted.interrupt();
    let status = interrupted.wait_for_exit(IN_TIME).await;
    let said = interrupted.lines().join("\n");
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(said.contains("goes on from there"), "{said}");
    let said = succeed(copy()).await;
    assert!(said.contains("SHA-256 of both"), "{said}");
    assert!(said.contains("46 videos are listed"), "{said}");
    let said = succeed(copy()).await;
    assert!(said.contains("catalogue: 0 written"), "{said}");
    assert!(said.contains("history: 0 written"), "{said}");
    assert!(said.contains("videos: 0 copied"), "{said}");
    let mut verify = copy();
    verify.arg("--verify-only");
    let said = succeed(verify).await;
    assert!(said.contains("both sides hold the same"), "{said}");

    // Life goes on there, with old cookies, and comes back.
    let second = distributed.start(&there).await;
    assert_same(&look(&second, &audience).await, &expected);
    let viewer = audience.viewers[0].moved_to(&second.base);
    watch(&viewer, &audience.watched).await;
    let path = format!("/api/videos/{}", audience.watched);
    let client = second.client();
    let counted = || async {
        let video = client.get(&path).await.value();
        (video["views"] == 5).then_some(())
    };
    eventually(SOON, counted).await;
    drained(&there).await;
    let expected = look(&second, &audience).await;
    stop(second).await;

    let copy = || copy_command((&there, &distributed), (&back, &embedded));
    let mut killed = ChildProcess::start(copy());
    killed.wait_for_line("videos: 0 B of", IN_TIME).await;
    killed.kill9().await;
    let said = succeed(copy()).await;
    assert!(said.contains("SHA-256 of both"), "{said}");
    let third = embedded.start(&back).await;
    assert_same(&look(&third, &audience).await, &expected);
    stop(third).await;
    // What was restored can be damaged, and that is found.
    let video = expected.videos[5]["id"].as_str().unwrap();
    let blob = back.join("videos/videos").join(video);
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[9_000] ^= 1;
    std::fs::write(&blob, bytes).unwrap();
    let mut verify = copy();
    verify.args(["--verify-only", "--only", "blobs"]);
    let (code, said) = finish(verify).await;
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(video), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_moves_to_mongodb_and_back_whatever_interrupts_it() {
    if let Some(distributed) = Engines::mongodb().await {
        there_and_back(distributed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_moves_to_mongodb_and_azure_and_back_whatever_interrupts_it() {
    let Some(store) = engines::azurite::shared().await else {
        return;
    };
    if let Some(distributed) = Engines::mongodb_and(store).await {
        there_and_back(distributed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_moves_to_mongodb_and_s3_and_back_whatever_interrupts_it() {
    let Some(store) = engines::s3::shared().await else {
        return;
    };
    if let Some(distributed) = Engines::mongodb_and(store).await {
        there_and_back(distributed).await;
    }
}
