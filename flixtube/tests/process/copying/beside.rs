//! A copy that is taken while people upload, watch, forget and delete.

use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;

/// What was acknowledged, with when.
#[derive(Default)]
struct Told {
    uploaded: Vec<(String, usize)>,
    deleted: Vec<String>,
}

/// Uploads without a pause, deletes every third video again, and stops when it is told to.
async fn upload_and_delete(client: TestClient, told: Arc<Mutex<Told>>, stop: CancellationToken) {
    for n in 0.. {
        if stop.is_cancelled() {
            return;
        }
        let length = 30_000 + 7 * n;
        let upload = client.post(&format!("/api/videos?title=Beside-{n}"));
        let video = upload.body("video/mp4", mp4_of(length)).await;
        let video = id_of(&video.expect(StatusCode::CREATED).value());
        if n % 3 == 2 {
            let victim = told.lock().unwrap().uploaded.remove(0).0;
            client
                .delete(&format!("/api/videos/{victim}"))
                .await
                .expect(StatusCode::NO_CONTENT);
            told.lock().unwrap().deleted.push(victim);
        }
        told.lock().unwrap().uploaded.push((video, length));
    }
}

async fn watch_for_ever(viewer: TestClient, video: String, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let session = open_session(&viewer, &video).await;
        for seq in 1..6 {
            beat(&viewer, &session, seq, (seq - 1) * 400).await;
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    }
}

async fn a_copy_beside(engines: Engines) {
    let folder = DataFolder::new();
    let (here, backup) = (folder.join("here"), folder.join("backup"));
    let flixtube = engines.start(&here).await;
    let mut long = Vec::new();
    for n in 0..4 {
        long.push(flixtube.upload("Long", mp4_of(LONG + n)).await);
    }
    let watched = flixtube.upload("Watched", FASTSTART.bytes.to_vec()).await;
    let viewer = flixtube.client().with_cookies();
    watch(&viewer, &watched).await;

    let told = Arc::new(Mutex::new(Told::default()));
    let stopping = CancellationToken::new();
    let mut clients = JoinSet::new();
    let (client, stop_it) = (flixtube.client(), stopping.clone());
    clients.spawn(upload_and_delete(client, Arc::clone(&told), stop_it));
    clients.spawn(watch_for_ever(
        viewer.clone(),
        watched.clone(),
        stopping.clone(),
    ));
    let busy = || async { (told.lock().unwrap().deleted.len() >= 2).then_some(()) };
    eventually(SOON, busy).await;
    let before = std::mem::take(&mut told.lock().unwrap().deleted);
    let embedded = Engines::default();
    let said = succeed(copy_command((&here, &engines), (&backup, &embedded))).await;
    assert!(said.contains("is as it was written"), "{said}");
    // Work has gone on meanwhile.
    let during = told.lock().unwrap().deleted.len();
    assert!(during > 0, "nothing was deleted while the copy was taken");
    stopping.cancel();
    clients.join_all().await;
    stop(flixtube).await;

    // It opens, and everything that it lists plays.
    let copy = embedded.start(&backup).await;
    let client = copy.client();
    let videos = crate::killing::all_videos(&client).await;
    assert!(videos.len() > long.len(), "{said}");
    for video in &videos {
        let stream = client.get(video["stream_url"].as_str().unwrap()).await;
        let body = stream.expect(StatusCode::OK).body;
        assert_eq!(video["size_bytes"], body.len());
        if video["title"] != "Watched" {
            assert!(body == mp4_of(body.len()), "other bytes: {video}");
        }
    }
    let listed = |id: &str| videos.iter().any(|video| video["id"] == id);
    assert!(long.iter().all(|id| listed(id)));
    assert!(
        before.iter().all(|id| !listed(id)),
        "deleted videos stay deleted"
    );
    let history = viewer.moved_to(&copy.base).get("/api/history").await;
    let history = history.expect(StatusCode::OK).value();
    assert_eq!(history["entries"][0]["video_id"], *watched);
    let video = client.get(&format!("/api/videos/{watched}")).await.value();
    assert!(video["views"].as_u64().unwrap() >= 1, "{video}");
    stop(copy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_beside_a_running_system_opens_and_plays() {
    a_copy_beside(Engines::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_beside_a_system_on_distributed_engines_opens_and_plays() {
    if let Some(engines) = Engines::mongodb().await {
        a_copy_beside(engines).await;
    }
}
