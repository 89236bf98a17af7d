//! Bytes on their way in. The store must learn of an upload that breaks off, in whatever way.

use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use serde_json::json;
use test_support::{RawConnection, eventually};

use crate::world::{VIDEO, World, count, last};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn an_upload_is_answered_with_the_whole_video_and_its_address() {
    let world = World::start().await;
    let upload = world
        .client
        .post("/api/videos?title=A%20walk")
        .body("video/mp4", "0123456789");
    let answer = upload.await.expect(StatusCode::CREATED);
    assert_eq!(
        answer.header("location"),
        Some(&*format!("/api/videos/{VIDEO}"))
    );
    assert_eq!(
        answer.value(),
        json!({
            "id": VIDEO,
            "title": "A walk",
            "description": "",
            "tags": [],
            "content_type": "video/mp4",
            "size_bytes": 10,
            "duration_ms": 2000,
            "width": 96,
            "height": 64,
            "views": 0,
            "uploaded_at": "2026-01-02T03:04:05.678Z",
            "stream_url": format!("/api/videos/{VIDEO}/stream"),
            "poster_url": null,
        })
    );
    let asked = last(&world.video_storage);
    assert_eq!(asked.target, "/videos?title=A+walk");
    assert_eq!(asked.headers["content-type"], "video/mp4");
    assert_eq!(asked.headers["content-length"], "10");
    assert_eq!(world.uploads.whole(), 1);
    assert_eq!(world.uploads.received(), 10);
}

#[tokio::test]
async fn an_upload_with_a_key_is_answered_with_the_video_as_it_is_now() {
    let world = World::start().await;
    let upload = world
        .client
        .post("/api/videos?title=A%20walk")
        .header("idempotency-key", "once")
        .body("video/mp4", "0123456789");
    let answer = upload.await.expect(StatusCode::CREATED).value();
    assert_eq!(
        last(&world.video_storage).headers["idempotency-key"],
        "once"
    );
    // The catalogue knows that it was edited and watched since.
    assert_eq!(answer["description"], "In the hills");
    assert_eq!(answer["views"], 7);
}

#[tokio::test]
async fn an_upload_without_a_length_arrives_whole() {
    let world = World::start().await;
    let mut connection = RawConnection::open(world.address).await;
    connection.write(chunked_head()).await;
    connection.write("5\r\n01234\r\n").await;
    connection.write("5\r\n56789\r\n0\r\n\r\n").await;
    let answer = connection.read_head().await;
    assert!(answer.contains(" 201 "), "{answer}");
    assert_eq!((world.uploads.whole(), world.uploads.received()), (1, 10));
}

#[tokio::test]
async fn an_upload_that_is_hung_up_on_breaks_off_at_the_store() {
    for head in [chunked_head(), sized_head(100_000)] {
        for politely in [true, false] {
            let world = World::start().await;
            let mut connection = RawConnection::open(world.address).await;
            connection.write(head.clone()).await;
            connection.write("5\r\n01234\r\n").await;
            until_received(&world).await;
            if politely {
                connection.finish_writing().await;
            } else {
                connection.reset();
            }
            until_broken(&world).await;
        }
    }
}

#[tokio::test]
async fn an_upload_that_is_cut_by_the_end_of_the_gateway_breaks_off_at_the_store() {
    for head in [chunked_head(), sized_head(100_000)] {
        let world = World::start().await;
        let mut connection = RawConnection::open(world.address).await;
        connection.write(head).await;
        connection.write("5\r\n01234\r\n").await;
        until_received(&world).await;
        world.shutdown.cancel();
        until_broken(&world).await;
    }
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_an_upload_reaches_the_client() {
    let world = World::start().await;
    let mut rubbish = b"rubbish".to_vec();
    rubbish.resize(900_000, b'x');
    let upload = world
        .client
        .post("/api/videos?title=x")
        .body("video/mp4", rubbish);
    let answer = upload.await.expect(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(answer.value()["detail"], "This is no video.");
    assert_eq!(world.uploads.whole(), 0);
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_not_read() {
    let world = World::start().await;
    let mut connection = RawConnection::open(world.address).await;
    connection.write(sized_head(1024 * 1024 + 1)).await;
    let answer = connection.read_head().await;
    assert!(answer.contains(" 413 "), "{answer}");
    assert_eq!(count(&world.video_storage), 0);
}

#[tokio::test]
async fn a_body_without_a_length_is_cut_at_the_limit() {
    let world = World::start().await;
    let pieces = (0..20).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![0; 100_000])));
    let body = axum::body::Body::from_stream(futures_util::stream::iter(pieces));
    let upload = world.client.post("/api/videos?title=x").stream(body);
    upload.await.expect(StatusCode::PAYLOAD_TOO_LARGE);
    until_broken(&world).await;
}

#[tokio::test]
async fn a_store_that_does_not_read_holds_the_client_back() {
    let world = World::with(|setup| {
        let never = axum::Router::new().fallback(async |body: axum::body::Body| {
            std::future::pending::<()>().await;
            drop(body);
        });
        setup.video_storage = Some(never);
        setup.config.max_video_bytes = u64::MAX;
    })
    .await;
    let mut connection = RawConnection::open(world.address).await;
    connection.write(sized_head(1 << 40)).await;
    let mut sent = 0;
    let megabyte = vec![0; 1 << 20];
    // What the gateway and the kernel keep is bounded; far below a gigabyte, writing stops.
    while let Ok(written) =
        tokio::time::timeout(Duration::from_secs(1), connection.try_write(&megabyte)).await
    {
        written.unwrap();
        sent += 1;
        assert!(sent < 64, "{sent} MiB were taken for nobody");
    }
}

#[tokio::test]
async fn a_poster_is_stored_before_the_catalogue_learns_of_it() {
    let world = World::start().await;
    let path = format!("/api/videos/{VIDEO}/poster");
    let answer = world.client.put(&path).body("image/png", "picture").await;
    assert!(answer.expect(StatusCode::NO_CONTENT).body.is_empty());
    assert_eq!(
        last(&world.video_storage).headers["content-type"],
        "image/png"
    );
    let told = last(&world.metadata);
    assert_eq!(told.method, "PUT");
    assert_eq!(told.target, format!("/videos/{VIDEO}/poster"));
}

#[tokio::test]
async fn a_poster_that_is_refused_is_not_told_to_the_catalogue() {
    let world = World::start().await;
    let path = format!("/api/videos/{VIDEO}/poster");
    let answer = world.client.put(&path).body("image/png", "rubbish").await;
    answer.expect(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let large = vec![0; 1024 * 1024 + 1];
    let answer = world.client.put(&path).body("image/png", large).await;
    answer.expect(StatusCode::PAYLOAD_TOO_LARGE);
    assert!(last(&world.metadata).method == "GET");
}

fn chunked_head() -> String {
    "POST /api/videos?title=x HTTP/1.1\r\nHost: localhost\r\nContent-Type: video/mp4\r\n\
     Transfer-Encoding: chunked\r\n\r\n"
        .to_owned()
}

fn sized_head(length: u64) -> String {
    format!(
        "POST /api/videos?title=x HTTP/1.1\r\nHost: localhost\r\nContent-Type: video/mp4\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

async fn until_received(world: &World) {
    eventually(PATIENCE, async || {
        (world.uploads.received() > 0).then_some(())
    })
    .await;
}

async fn until_broken(world: &World) {
    eventually(PATIENCE, async || {
        (world.uploads.broken() > 0).then_some(())
    })
    .await;
    assert_eq!(
        world.uploads.whole(),
        0,
        "a broken upload was taken for a whole one"
    );
}
