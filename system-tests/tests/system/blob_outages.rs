//! What holds when the blob store is killed in mid-stream and in mid-upload, and when it is back.

use http::StatusCode;
use serde_json::json;
use system_tests::{Engines, Load, Processes, SERVICES, SOON};
use test_support::engines::{BlobServer, azurite, mongodb, rabbitmq, s3};
use test_support::media::mp4_of;
use test_support::{Ending, RawConnection, TestClient, TestResponse, eventually};

/// More than flows into the buffers between a store and a slow reader at once.
const LONG: usize = 40_000_000;

/// More than waits in memory for the store.
const UNDER_WAY: u64 = 8_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn azure_blob_storage_killed_in_mid_stream_and_mid_upload() {
    if let Some(blobs) = azurite::own().await {
        killed_in_mid_stream_and_mid_upload(blobs).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_killed_in_mid_stream_and_mid_upload() {
    if let Some(blobs) = s3::own().await {
        killed_in_mid_stream_and_mid_upload(blobs).await;
    }
}

async fn killed_in_mid_stream_and_mid_upload(mut blobs: BlobServer) {
    let Some(mongo) = mongodb::shared().await else {
        return;
    };
    let Some(rabbit) = rabbitmq::shared().await else {
        return;
    };
    let engines = Engines::on(mongo, rabbit).await.with_bytes_on(&blobs);
    let system = Processes::start(engines).await;
    let client = system.plain();
    let bytes = mp4_of(LONG);
    let video = upload(&client, "Long", &bytes).await;
    let stream = format!("/api/videos/{video}/stream");
    let load = Load::start_watching(&system).await;
    load.goes_on().await;

    blobs.saved().await;
    let mut broken = begin_upload(&system, &bytes).await;
    let mut reader = RawConnection::open_with_small_window(system.gateway()).await;
    let request = format!("GET {stream} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    reader.write(request).await;
    assert!(reader.read_head().await.starts_with("HTTP/1.1 200"));
    let mut taken = reader.read_exactly(1_000).await;
    blobs.kill_at_once();

    // Bytes that cannot be had are not made up for: the connection ends before its length.
    let (rest, ending) = reader.read_to_end().await;
    assert!(matches!(ending, Ending::Closed | Ending::Reset));
    taken.extend_from_slice(&rest);
    assert!(taken.len() < LONG, "nothing was missing");
    // The rest may be cut off: the answer is what counts.
    let _ = broken.try_write(&bytes[bytes.len() / 2..]).await;
    let head = broken.read_head().await;
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    is_down(&client.get(&stream).await);
    let refused = client.post("/api/videos?title=Refused");
    is_down(&refused.body("video/mp4", mp4_of(20_000)).await);
    // What needs no bytes goes on.
    load.goes_on().await;
    client.get("/api/videos").await.expect(StatusCode::OK);
    let path = format!("/api/videos/{video}");
    let edited = client.patch(&path).json(&json!({"title": "Edited"})).await;
    edited.expect(StatusCode::OK);
    for service in SERVICES {
        let operator = system.operator(service);
        operator.get("/livez").await.expect(StatusCode::OK);
    }

    blobs.start_again().await;
    system.is_ready("video-storage").await;
    // As a player does, the reader asks for the rest.
    let range = format!("bytes={}-", taken.len());
    let rest = eventually(SOON, || async {
        let rest = client.get(&stream).header("range", &range).await;
        (rest.status == StatusCode::PARTIAL_CONTENT).then_some(rest.body)
    })
    .await;
    taken.extend_from_slice(&rest);
    assert!(taken == bytes, "not the bytes that were uploaded");
    let numbers = load.finish(&system, "blob-store-killed").await;
    assert_eq!(numbers.refused, 0);
    upload(&client, "After", &mp4_of(20_000)).await;
    only_whole_videos_are_left(&system, 3).await;
}

async fn upload(client: &TestClient, title: &str, bytes: &[u8]) -> String {
    let upload = client.post(&format!("/api/videos?title={title}"));
    let upload = upload.body("video/mp4", bytes.to_vec()).await;
    let video = upload.expect(StatusCode::CREATED).value();
    video["id"].as_str().unwrap().to_owned()
}

fn is_down(answer: &TestResponse) {
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.header("retry-after").is_some());
}

/// Sends half of an upload, and waits until the store has got some of it.
async fn begin_upload(system: &Processes, bytes: &[u8]) -> RawConnection {
    const COUNTER: &str = "video_received_bytes_total";
    let before = system.counted("video-storage", COUNTER).await;
    let mut upload = RawConnection::open(system.gateway()).await;
    let length = bytes.len();
    upload
        .write(format!(
            "POST /api/videos?title=Broken HTTP/1.1\r\nhost: localhost\r\n\
             content-type: video/mp4\r\ncontent-length: {length}\r\n\r\n"
        ))
        .await;
    upload.write(&bytes[..length / 2]).await;
    eventually(SOON, || async {
        let received = system.counted("video-storage", COUNTER).await - before;
        (received > UNDER_WAY).then_some(())
    })
    .await;
    upload
}

/// So many, by the catalogue and the store, and nothing in the store besides.
async fn only_whole_videos_are_left(system: &Processes, count: usize) {
    let storage = system.inner("video-storage", 0);
    eventually(SOON, || async {
        let asked = storage.post("/reconciliations").json(&json!({})).await;
        let asked = asked.expect(StatusCode::ACCEPTED).value();
        let path = format!("/reconciliations/{}", asked["id"].as_str().unwrap());
        let report = eventually(SOON, || async {
            let run = storage.get(&path).await.expect(StatusCode::OK).value();
            assert_ne!(run["state"], "failed", "{run}");
            (run["state"] == "done").then(|| run["report"].clone())
        })
        .await;
        assert_eq!(report["strays"]["count"], 0, "{report}");
        assert_eq!(report["entries_without_bytes"]["count"], 0, "{report}");
        let checked = &report["checked"];
        (checked["entries"] == count && checked["blobs"] == count).then_some(())
    })
    .await;
}
