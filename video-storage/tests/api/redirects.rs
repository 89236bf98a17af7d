//! Redirects to the blob store itself, on real servers: what a browser gets there.

use std::net::SocketAddr;

use axum::http::StatusCode;
use test_support::engines::{BlobServer, azurite, s3};
use test_support::media::mp4_of;
use test_support::{RawConnection, TestClient};

use crate::blob_servers::uses;
use crate::world::{World, id_of};

const LENGTH: usize = 7_000_000;

struct Video {
    world: World,
    path: String,
    bytes: Vec<u8>,
    server: SocketAddr,
    endpoint: String,
}

impl Video {
    async fn new(server: &BlobServer) -> Self {
        let url = server.store_url();
        let world = World::with(|config| {
            uses(config, server, &url);
            config.store.redirect_seconds = 60;
        })
        .await;
        let bytes = mp4_of(LENGTH);
        let id = id_of(&world.uploaded(bytes.clone()).await);
        let endpoint = server.endpoint().to_owned();
        Self {
            path: format!("/videos/{id}"),
            server: endpoint.strip_prefix("http://").unwrap().parse().unwrap(),
            endpoint,
            world,
            bytes,
        }
    }

    /// Asks as a caller that passes redirects on.
    async fn ask(&self, headers: &[(&str, &str)]) -> test_support::TestResponse {
        let mut request = self.world.client().get(&self.path);
        for (name, value) in headers.iter().chain(&[("x-redirect", "allowed")]) {
            request = request.header(name, value);
        }
        request.await
    }

    /// Where the bytes are, as a path at the server.
    async fn link(&self, headers: &[(&str, &str)]) -> String {
        let answer = self.ask(headers).await;
        let answer = answer.expect(StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(answer.header("cache-control"), Some("private, no-store"));
        assert!(answer.body.is_empty());
        let link = answer.header("location").unwrap();
        let path = link.strip_prefix(&self.endpoint);
        path.unwrap_or_else(|| panic!("{link} is not at {}", self.endpoint))
            .to_owned()
    }
}

async fn a_whole_and_a_first_last_read_are_redirected_to_the_very_bytes(server: &BlobServer) {
    let video = Video::new(server).await;
    // Without a right of its own.
    let browser = TestClient::at(video.server);
    let whole = browser.get(&video.link(&[]).await).await;
    let whole = whole.expect(StatusCode::OK);
    assert!(whole.body == video.bytes);
    assert_eq!(whole.header("content-type"), Some("video/mp4"));
    for (range, bytes) in [
        ("bytes=0-", 0..LENGTH),
        ("bytes=0-0", 0..1),
        ("bytes=5242000-5243999", 5_242_000..5_244_000),
        ("bytes=6999999-9999999", LENGTH - 1..LENGTH),
    ] {
        // A browser sends the range again to where it is redirected.
        let headers = [("range", range)];
        let link = video.link(&headers).await;
        let part = browser.get(&link).header("range", range).await;
        let part = part.expect(StatusCode::PARTIAL_CONTENT);
        assert!(part.body == video.bytes[bytes.clone()], "{range}");
        let content_range = format!("bytes {}-{}/{LENGTH}", bytes.start, bytes.end - 1);
        assert_eq!(part.header("content-range"), Some(&*content_range));
    }
}

async fn everything_else_goes_through_the_service(server: &BlobServer) {
    let video = Video::new(server).await;
    let tag = video
        .world
        .client()
        .head(&video.path)
        .await
        .header("etag")
        .unwrap()
        .to_owned();
    for (headers, status) in [
        (vec![("range", "bytes=-7")], 206),
        (vec![("range", "bytes=7000000-")], 416),
        (vec![("range", "bytes=0-1,5-6")], 200),
        (vec![("if-none-match", &*tag)], 304),
        (vec![("if-match", "\"x\"")], 412),
        (vec![("if-range", &*tag), ("range", "bytes=0-1")], 206),
    ] {
        let answer = video.ask(&headers).await;
        assert_eq!(answer.status.as_u16(), status, "{headers:?}");
        assert_eq!(answer.header("location"), None);
    }
    let head = video.world.client().head(&video.path);
    let head = head.header("x-redirect", "allowed").await;
    assert_eq!(head.expect(StatusCode::OK).header("etag"), Some(&*tag));
    // Who does not say that it can handle a redirect gets none.
    let plain = video.world.client().get(&video.path).await;
    assert!(plain.expect(StatusCode::OK).body == video.bytes);
}

async fn a_link_gives_no_more_than_its_one_object(server: &BlobServer) {
    let video = Video::new(server).await;
    let other = id_of(&video.world.uploaded(mp4_of(100_000)).await);
    let link = video.link(&[]).await;
    let browser = TestClient::at(video.server);
    let id = video.path.rsplit('/').next().unwrap();
    let forged = link.replace(id, &other);
    assert_ne!(forged, link);
    for (method, path) in [("GET", &forged), ("DELETE", &link), ("PUT", &link)] {
        let mut raw = RawConnection::open(video.server).await;
        let (host, length) = (video.server, "content-length: 0");
        raw.write(format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{length}\r\n\r\n"
        ))
        .await;
        let head = raw.read_head().await;
        assert!(head.starts_with("HTTP/1.1 40"), "{method}: {head}");
    }
    browser.get(&link).await.expect(StatusCode::OK);
}

macro_rules! on_each_server {
    ($($test:ident)+) => {
        mod azure_blob_storage {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let Some(server) = super::azurite::shared().await else { return };
                    super::$test(server).await;
                }
            )+
        }
        mod s3_server {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let Some(server) = super::s3::shared().await else { return };
                    super::$test(server).await;
                }
            )+
        }
    };
}

on_each_server! {
    a_whole_and_a_first_last_read_are_redirected_to_the_very_bytes
    everything_else_goes_through_the_service
    a_link_gives_no_more_than_its_one_object
}

#[tokio::test]
async fn a_folder_refuses_the_setting() {
    let mut world = World::new().await;
    let mut config = world.config();
    world.stop().await;
    config.store.redirect_seconds = 60;
    let refused = video_storage::Service::bind(config).await.unwrap_err();
    let reason = std::error::Error::source(&refused).unwrap().to_string();
    assert!(reason.contains("STORE_REDIRECT_SECONDS"), "{reason}");
}
