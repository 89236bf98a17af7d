//! Stored bytes on their way out: relayed faithfully, never acting as a page, never cut unnoticed.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use test_support::{RawConnection, eventually};
use tokio::sync::{Notify, mpsc};

use crate::stand_ins;
use crate::world::{BYTES, VIDEO, World, count, last};

fn stream_path() -> String {
    format!("/api/videos/{VIDEO}/stream")
}

fn poster_path() -> String {
    format!("/api/videos/{VIDEO}/poster")
}

#[tokio::test]
async fn bytes_come_with_the_headers_that_matter_and_no_others() {
    let world = World::start().await;
    for path in [stream_path(), poster_path()] {
        let whole = world.client.get(&path).await.expect(StatusCode::OK);
        assert_eq!(whole.text(), BYTES);
        for (name, value) in [
            ("accept-ranges", "bytes"),
            ("content-length", "10"),
            ("etag", "\"abab\""),
            ("last-modified", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("cache-control", "private, no-cache"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; sandbox"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(whole.header(name), Some(value), "{path} {name}");
        }
        for name in ["set-cookie", "x-inner"] {
            assert_eq!(whole.header(name), None, "{path} {name}");
        }
        let head = world.client.head(&path).await.expect(StatusCode::OK);
        assert_eq!(head.header("content-length"), Some("10"));
        assert!(head.body.is_empty());
    }
    assert_eq!(last(&world.video_streaming).method, "HEAD");
    assert_eq!(last(&world.video_storage).method, "HEAD");
}

#[tokio::test]
async fn ranges_and_conditions_are_judged_behind_the_gateway() {
    let world = World::start().await;
    let ask = async |name: &str, value: &str| {
        let request = world.client.get(&stream_path());
        request.header(name, value).await
    };
    let part = ask("range", "bytes=2-3")
        .await
        .expect(StatusCode::PARTIAL_CONTENT);
    assert_eq!(
        (part.text().as_str(), part.header("content-range")),
        ("23", Some("bytes 2-3/10"))
    );
    let outside = ask("range", "bytes=99-").await;
    let outside = outside.expect(StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(outside.header("content-range"), Some("bytes */10"));
    let known = ask("if-none-match", "\"abab\"")
        .await
        .expect(StatusCode::NOT_MODIFIED);
    assert!(known.body.is_empty());
    for (name, value) in [
        ("if-range", "\"abab\""),
        ("if-match", "\"abab\""),
        ("if-modified-since", "Fri, 02 Jan 2026 03:04:05 GMT"),
        ("if-unmodified-since", "Fri, 02 Jan 2026 03:04:05 GMT"),
        ("user-agent", "player"),
    ] {
        ask(name, value).await;
        assert_eq!(last(&world.video_streaming).headers[name], value);
    }
}

#[tokio::test]
async fn streaming_learns_the_session_and_the_address_and_nothing_that_a_client_made_up() {
    let world = World::start().await;
    let path = format!("{}?session=a%26b&other=1", stream_path());
    let request = world
        .client
        .get(&path)
        .header("x-client-address", "203.0.113.1");
    let request = request
        .header("cookie", "a=b")
        .header("authorization", "Bearer x");
    request
        .header("origin", "http://localhost")
        .await
        .expect(StatusCode::OK);
    let asked = last(&world.video_streaming);
    assert_eq!(
        asked.target,
        format!("/videos/{VIDEO}/stream?session=a%26b")
    );
    assert_eq!(asked.headers["x-client-address"], "127.0.0.1");
    for name in ["cookie", "origin"] {
        assert_eq!(asked.headers.get(name), None);
    }
}

#[tokio::test]
async fn a_forged_session_is_the_clients_fault() {
    let world = World::start().await;
    let path = format!("{}?session=forged", stream_path());
    let answer = world
        .client
        .get(&path)
        .await
        .expect(StatusCode::UNAUTHORIZED);
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
}

#[tokio::test]
async fn a_redirect_to_the_blob_store_is_passed_on_and_no_other_address() {
    for (status, expected) in [
        (StatusCode::TEMPORARY_REDIRECT, Some("http://store/x?sig=y")),
        (StatusCode::OK, None),
    ] {
        let world = World::with(|setup| {
            let answer = get(async move || {
                let headers = [
                    ("location", "http://store/x?sig=y"),
                    ("cache-control", "private, no-store"),
                ];
                (status, headers)
            });
            setup.video_streaming = Some(Router::new().route("/videos/{id}/stream", answer));
        })
        .await;
        let answer = world.client.get(&stream_path()).await.expect(status);
        assert_eq!(answer.header("location"), expected);
        assert_eq!(answer.header("cache-control"), Some("private, no-store"));
        assert!(answer.body.is_empty());
    }
}

#[tokio::test]
async fn a_video_without_a_poster_has_none_to_show() {
    let mut record = stand_ins::record();
    record["poster"] = serde_json::Value::Null;
    let world = World::with(|setup| {
        let show = get(async move || Json(record));
        setup.metadata = Some(Router::new().route("/videos/{id}", show));
    })
    .await;
    let answer = world.client.get(&poster_path()).await;
    answer.expect(StatusCode::NOT_FOUND);
    assert_eq!(count(&world.video_storage), 0);
}

#[tokio::test]
async fn a_service_that_fails_in_mid_body_aborts_the_connection() {
    for length in [Some("1000"), None] {
        let fail = Arc::new(Notify::new());
        let failing = Arc::clone(&fail);
        let world = World::with(|setup| {
            let broken = get(async move || {
                let begin = stream::iter([Ok(Bytes::from_static(b"01234"))]);
                let end = stream::once(async move {
                    failing.notified().await;
                    Err(std::io::Error::other("the disk is gone"))
                });
                let mut response = Response::new(Body::from_stream(begin.chain(end)));
                if let Some(length) = length {
                    let length = HeaderValue::from_static(length);
                    response.headers_mut().insert("content-length", length);
                }
                response
            });
            setup.video_streaming = Some(Router::new().route("/videos/{id}/stream", broken));
        })
        .await;
        let mut answer = world.client.get(&stream_path()).open().await;
        assert_eq!(answer.next_piece().await.as_deref(), Some(&b"01234"[..]));
        fail.notify_one();
        assert!(
            answer.attempt_read().await.is_err(),
            "a broken body looks complete"
        );
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_the_reading_behind_the_gateway() {
    let (alive, mut ended) = mpsc::channel::<()>(1);
    let world = World::with(|setup| {
        let endless = get(async move || {
            // Dropped with the body.
            let alive = alive.clone();
            let pieces = stream::repeat(Bytes::from(vec![0; 16 * 1024])).map(move |piece| {
                let _held = &alive;
                Ok::<_, std::io::Error>(piece)
            });
            Body::from_stream(pieces)
        });
        setup.video_streaming = Some(Router::new().route("/videos/{id}/stream", endless));
    })
    .await;
    let mut connection = RawConnection::open(world.address).await;
    let request = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", stream_path());
    connection.write(request).await;
    connection.read_head().await;
    connection.reset();
    let reading = || world_reads(&ended);
    eventually(Duration::from_secs(20), || async {
        (!reading()).then_some(())
    })
    .await;
    ended.close();
}

/// Only the route's own sender is left when no body is being read.
fn world_reads(ended: &mpsc::Receiver<()>) -> bool {
    ended.sender_strong_count() > 1
}
