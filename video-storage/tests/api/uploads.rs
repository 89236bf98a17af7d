use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde_json::json;
use test_support::media::{FASTSTART, POSTER_PNG, VIDEOS, mp4_of};
use test_support::{TestClient, eventually};

use crate::world::{Mood, PATIENCE, World, files_of, id_of, sha256, without_identity};

#[tokio::test]
async fn an_uploaded_video_is_described_listed_and_served() {
    let world = World::new().await;
    for file in VIDEOS {
        let answer = world
            .client()
            .post("/videos?title=A%20%C3%A4%20%22day%22")
            .body("video/mp4", file.bytes)
            .await
            .expect(StatusCode::CREATED);
        let video = answer.value();
        let id = id_of(&video);
        assert_eq!(answer.header("location"), Some(&*format!("/videos/{id}")));
        let duration = video["duration_ms"].as_u64().unwrap();
        assert!(file.is_duration(duration), "{}: {duration} ms", file.name);
        assert_eq!(
            without_identity(&video),
            json!({
                "id": null,
                "title": "A ä \"day\"",
                "content_type": file.content_type,
                "size_bytes": file.bytes.len(),
                "etag": sha256(file.bytes),
                "duration_ms": duration,
                "width": file.width,
                "height": file.height,
                "uploaded_at": null,
            }),
            "{}",
            file.name
        );
        let mut listed = world.catalogue.video(&id).unwrap();
        listed["id"] = json!(id);
        assert_eq!(listed, video, "the catalogue is told the same");

        let served = world.client().get(&format!("/videos/{id}")).await;
        let served = served.expect(StatusCode::OK);
        assert_eq!(served.body, file.bytes);
        assert_eq!(served.header("content-type"), Some(file.content_type));
    }
}

#[tokio::test]
async fn a_complete_upload_leaves_its_bytes_and_its_record_only() {
    let world = World::new().await;
    let id = id_of(&world.uploaded(FASTSTART.bytes).await);
    assert_eq!(world.files(), files_of(&id));
}

#[tokio::test]
async fn many_parts_in_chunks_of_any_size_arrive_as_they_were_sent() {
    let world = World::new().await;
    let bytes = Bytes::from(mp4_of(5 * 1024 * 1024 + 17));
    for size in [1_000, 65_536, 3_000_000] {
        let pieces = bytes.clone();
        let chunks = (0..pieces.len()).step_by(size).map(move |at| {
            let end = pieces.len().min(at + size);
            Ok::<_, std::io::Error>(Frame::data(pieces.slice(at..end)))
        });
        let video = world
            .client()
            .post("/videos?title=A")
            .header("content-type", "video/mp4")
            .stream(StreamBody::new(stream::iter(chunks)))
            .await
            .expect(StatusCode::CREATED)
            .value();
        assert_eq!(video["etag"], sha256(&bytes));
        let served = world
            .client()
            .get(&format!("/videos/{}", id_of(&video)))
            .await;
        assert!(served.body == bytes, "{size}");
    }
}

#[tokio::test]
async fn what_is_no_video_is_refused_and_leaves_nothing() {
    let world = World::new().await;
    let half = &test_support::media::MOOV_LAST.bytes[..6_000];
    let sound = include_bytes!("../fixtures/sound-only.mp4");
    let heic = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic\x00\x00\x00\x00";
    for (bytes, status) in [
        (&b""[..], 400),
        (b"hello", 415),
        (b"<!DOCTYPE html><title>no video</title>", 415),
        (POSTER_PNG, 415),
        (&heic[..], 415),
        (&sound[..], 415),
        (half, 415),
    ] {
        let answer = world.upload("A", bytes).await;
        assert_eq!(answer.status.as_u16(), status, "{:?}", answer.text());
    }
    world.has_no_files().await;
    assert_eq!(world.catalogue.count(), 0);
}

#[tokio::test]
async fn a_head_that_is_not_in_order_is_refused_before_the_body() {
    let world = World::new().await;
    let client = world.client();
    for (path, content_type, status) in [
        ("/videos", "video/mp4", 400),
        ("/videos?title=", "video/mp4", 400),
        ("/videos?title=%20", "video/mp4", 400),
        ("/videos?title=a&title=b", "video/mp4", 400),
        ("/videos?title=a", "application/octet-stream", 415),
        ("/videos?title=a", "application/x-www-form-urlencoded", 415),
    ] {
        let answer = client.post(path).body(content_type, FASTSTART.bytes).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {content_type}");
    }
    let long = format!("/videos?title={}", "x".repeat(201));
    let answer = client.post(&long).body("video/mp4", FASTSTART.bytes).await;
    answer.expect(StatusCode::BAD_REQUEST);
    world.has_no_files().await;
}

#[tokio::test]
async fn the_limit_holds_for_declared_and_for_chunked_bodies() {
    let world = World::with(|config| config.max_video_bytes = 100_000).await;
    world
        .upload("A", mp4_of(100_000))
        .await
        .expect(StatusCode::CREATED);
    world
        .upload("A", mp4_of(100_001))
        .await
        .expect(StatusCode::PAYLOAD_TOO_LARGE);

    let chunk = Bytes::from(mp4_of(60_000));
    let chunks = [chunk.clone(), chunk].map(|chunk| Ok::<_, std::io::Error>(Frame::data(chunk)));
    world
        .client()
        .post("/videos?title=A")
        .header("content-type", "video/mp4")
        .stream(StreamBody::new(stream::iter(chunks)))
        .await
        .expect(StatusCode::PAYLOAD_TOO_LARGE);
    eventually(PATIENCE, || async {
        (world.files().len() == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_refusal_of_a_huge_upload_comes_before_its_body() {
    let world = World::with(|config| config.max_video_bytes = u64::MAX).await;
    for length in [1_u64 << 50, 1 << 60] {
        let mut raw = world.raw().await;
        raw.write(format!(
            "POST /videos?title=A HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
             content-type: video/mp4\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n",
            crate::world::TOKEN
        ))
        .await;
        let head = raw.read_head().await;
        assert!(head.starts_with("HTTP/1.1 507"), "{head}");
    }
    world.has_no_files().await;
}

#[tokio::test]
async fn an_upload_beyond_the_last_place_is_asked_to_come_again() {
    let world = World::with(|config| config.max_concurrent_uploads = 1).await;
    let mut first = world.raw().await;
    first
        .write(format!(
            "POST /videos?title=A HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
             content-type: video/mp4\r\ncontent-length: {}\r\n\r\n",
            crate::world::TOKEN,
            FASTSTART.bytes.len()
        ))
        .await;
    let (start, rest) = FASTSTART.bytes.split_at(2_000);
    first.write(start).await;
    eventually(PATIENCE, || async {
        (!world.files().is_empty()).then_some(())
    })
    .await;

    let second = world.upload("B", FASTSTART.bytes).await;
    let second = second.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert!(second.header("retry-after").is_some());

    first.write(rest).await;
    assert!(first.read_head().await.starts_with("HTTP/1.1 201"));
    world
        .upload("B", FASTSTART.bytes)
        .await
        .expect(StatusCode::CREATED);
}

#[tokio::test]
async fn uploads_are_taken_while_the_catalogue_is_down_and_listed_when_it_is_back() {
    let world = World::new().await;
    let mut videos = Vec::new();
    for mood in [Mood::Down, Mood::Refusing, Mood::Silent, Mood::Down] {
        world.catalogue.set(mood);
        videos.push(world.uploaded(FASTSTART.bytes).await);
    }
    assert_eq!(world.catalogue.count(), 0);
    for video in &videos {
        let served = world
            .client()
            .get(&format!("/videos/{}", id_of(video)))
            .await;
        served.expect(StatusCode::OK);
    }
    world.catalogue.set(Mood::Up);
    let mut files = Vec::new();
    for video in &videos {
        let id = id_of(video);
        let mut listed = world.catalogue.lists(&id).await;
        listed["id"] = json!(id);
        assert_eq!(listed, *video);
        files.extend(files_of(&id));
    }
    files.sort();
    world.has_files(&files).await;
}

#[tokio::test]
async fn a_video_that_was_deleted_before_it_was_listed_is_taken_away() {
    let world = World::new().await;
    world.catalogue.set(Mood::Down);
    world.uploaded(FASTSTART.bytes).await;
    world.catalogue.set(Mood::Deleted);
    world.has_no_files().await;
}

#[tokio::test]
async fn nobody_but_another_service_is_answered() {
    let world = World::new().await;
    let stranger = TestClient::at(world.address());
    stranger
        .get("/videos/x")
        .await
        .expect(StatusCode::UNAUTHORIZED);
    let upload = stranger
        .post("/videos?title=A")
        .body("video/mp4", FASTSTART.bytes);
    upload.await.expect(StatusCode::UNAUTHORIZED);
    for header in ["origin", "sec-fetch-site"] {
        let browser = world.client().get("/videos/x").header(header, "null");
        browser.await.expect(StatusCode::FORBIDDEN);
    }
    world.has_no_files().await;
}

#[tokio::test]
async fn routes_and_methods_that_are_not_there_are_explained() {
    let world = World::new().await;
    let client = world.client();
    client.get("/nothing").await.expect(StatusCode::NOT_FOUND);
    let wrong = client
        .delete("/videos")
        .await
        .expect(StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(wrong.header("allow"), Some("POST"));
    let wrong = client
        .post("/videos/x")
        .await
        .expect(StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(wrong.header("allow"), Some("GET,HEAD"));
}
