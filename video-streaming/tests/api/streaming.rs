//! The bytes: what the store says arrives as it is, and what it does not say does not.

use axum::http::StatusCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use test_support::{Ending, RawConnection, TestClient, eventually};

use crate::house::{House, SOON};
use crate::stand_ins::{ELSEWHERE, ENDLESS, ETAG, LAST_MODIFIED, PIECE, StorageMood};

#[tokio::test]
async fn a_range_is_relayed_as_it_is() {
    let house = House::new().await;
    let part = house
        .client
        .get(&house.stream())
        .header("range", "bytes=1000-200999")
        .await
        .expect(StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.body, house.storage.state.bytes.slice(1000..201_000));
    for (name, value) in [
        ("content-range", "bytes 1000-200999/300000"),
        ("content-length", "200000"),
        ("content-type", "video/mp4"),
        ("accept-ranges", "bytes"),
        ("etag", ETAG),
        ("last-modified", LAST_MODIFIED),
        ("cache-control", "private, no-cache"),
    ] {
        assert_eq!(part.header(name), Some(value), "{name}");
    }
    assert_eq!(part.header("server"), None);
}

#[tokio::test]
async fn the_whole_video_arrives_byte_for_byte() {
    let house = House::new().await;
    let whole = house
        .client
        .get(&house.stream())
        .await
        .expect(StatusCode::OK);
    assert_eq!(whole.body, house.storage.state.bytes);
}

#[tokio::test]
async fn who_tells_what_it_watches_may_be_redirected_to_the_bytes() {
    let house = House::new().await;
    house.storage.state.is(StorageMood::Redirects);
    let get = || house.client.get(&house.stream());
    let viewer = "0192f0c1-2345-7abc-8def-0123456789ab";
    let redirected = get().header("x-viewer", viewer).await;
    let redirected = redirected.expect(StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(redirected.header("location"), Some(ELSEWHERE));
    assert!(redirected.body.is_empty());
    let head = house.client.head(&house.stream());
    head.header("x-viewer", viewer).await.expect(StatusCode::OK);
}

/// What a plain player watches is known from what it is sent.
#[tokio::test]
async fn a_plain_player_gets_its_bytes_from_here() {
    let house = House::new().await;
    house.storage.state.is(StorageMood::Redirects);
    let served = house.client.get(&house.stream()).await;
    assert_eq!(
        served.expect(StatusCode::OK).body,
        house.storage.state.bytes
    );
    // A store that redirects all the same is one that makes no sense.
    house.storage.state.is(StorageMood::RedirectsAll);
    let refused = house.client.get(&house.stream()).await;
    refused.expect(StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn head_answers_the_headers_of_the_whole_video() {
    let house = House::new().await;
    let head = house
        .client
        .head(&house.stream())
        .header("range", "bytes=0-9")
        .await
        .expect(StatusCode::OK);
    assert_eq!(head.header("content-length"), Some("300000"));
    assert_eq!(head.header("etag"), Some(ETAG));
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn what_the_client_says_of_ranges_and_preconditions_reaches_the_store_and_nothing_else() {
    let house = House::new().await;
    let said = [
        ("range", "bytes=5-"),
        ("if-match", ETAG),
        ("if-none-match", "W/\"other\", \"another\""),
        ("if-modified-since", "Mon, 01 Jun 2026 10:00:00 GMT"),
        ("if-unmodified-since", "Wed, 03 Jun 2026 10:00:00 GMT"),
        ("if-range", LAST_MODIFIED),
    ];
    let mut request = house
        .client
        .get(&house.stream())
        .header("cookie", "viewer=x");
    for (name, value) in said {
        request = request.header(name, value);
    }
    request.await.expect(StatusCode::PARTIAL_CONTENT);
    for (name, value) in said {
        assert_eq!(
            house.storage.state.last_header(name).as_deref(),
            Some(value)
        );
    }
    assert_eq!(house.storage.state.last_header("cookie"), None);
}

#[tokio::test]
async fn a_304_is_relayed_without_a_length_that_is_not_the_videos() {
    let house = House::new().await;
    let unchanged = house
        .client
        .get(&house.stream())
        .header("if-none-match", ETAG)
        .await
        .expect(StatusCode::NOT_MODIFIED);
    assert_eq!(unchanged.header("etag"), Some(ETAG));
    assert_eq!(unchanged.header("content-length"), None);
    assert_eq!(unchanged.header("transfer-encoding"), None);
}

#[tokio::test]
async fn a_failed_precondition_and_a_range_past_the_end_are_relayed() {
    let house = House::new().await;
    house
        .client
        .get(&house.stream())
        .header("if-match", "\"other\"")
        .await
        .expect(StatusCode::PRECONDITION_FAILED);
    let past = house
        .client
        .get(&house.stream())
        .header("range", "bytes=300000-")
        .await
        .expect(StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(past.header("content-range"), Some("bytes */300000"));
    assert_eq!(past.problem_kind(), "range-not-satisfiable");
}

#[tokio::test]
async fn a_store_that_breaks_off_breaks_the_connection() {
    let house = House::new().await;
    for bytes in [0, 1, 100_000, 299_999] {
        house.storage.state.is(StorageMood::BreaksOff(bytes));
        let answer = house.client.get(&house.stream()).attempt().await;
        assert!(answer.is_err(), "after {bytes} bytes: {answer:?}");
    }
}

#[tokio::test]
async fn a_broken_body_is_shorter_than_its_length_on_the_wire_as_well() {
    let house = House::new().await;
    house.storage.state.is(StorageMood::BreaksOff(100_000));
    let mut connection = RawConnection::open(house.address).await;
    connection.write(house.raw_get()).await;
    let head = connection.read_head().await.to_ascii_lowercase();
    assert!(head.contains("content-length: 300000"), "{head}");
    assert!(!head.contains("transfer-encoding"), "{head}");
    let (body, ending) = connection.read_to_end().await;
    assert!(body.len() <= 100_000, "{} bytes, {ending:?}", body.len());
    assert!(matches!(ending, Ending::Closed | Ending::Reset));
}

#[tokio::test]
async fn the_read_at_the_store_ends_when_the_client_hangs_up() {
    let house = House::new().await;
    for mood in [StorageMood::Endless, StorageMood::Stalls] {
        house.storage.state.is(mood);
        let mut stream = house.client.get(&house.stream()).open().await;
        assert_eq!(stream.status, StatusCode::OK);
        assert_eq!(stream.header("content-length"), Some(&*ENDLESS.to_string()));
        stream.next_piece().await.unwrap();
        assert_eq!(house.storage.state.open(), 1);
        drop(stream);
        eventually(SOON, || async {
            (house.storage.state.open() == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_read_at_the_store() {
    let house = House::new().await;
    house.storage.state.is(StorageMood::Endless);
    let mut connection = RawConnection::open_with_small_window(house.address).await;
    connection.write(house.raw_get()).await;
    connection.read_head().await;
    // The pauses between two looks grow: a dozen looks that see the same are more than a second.
    let (mut before, mut looks) = (u64::MAX, 0);
    eventually(SOON, || {
        let read = house.storage.state.bytes_read();
        looks = if read == before { looks + 1 } else { 0 };
        before = read;
        std::future::ready((looks == 12).then_some(()))
    })
    .await;
    let read = house.storage.state.bytes_read();
    assert!(read < 32 << 20, "{read} bytes were read for nobody");
    connection.read_exactly(4 * PIECE).await;
}

#[tokio::test]
async fn an_unknown_id_is_404_whatever_its_form() {
    let house = House::new().await;
    let video = house.video;
    for id in [
        "0197f0a0-0000-7000-8000-000000000000".to_owned(),
        "nothing".to_owned(),
        "%FF".to_owned(),
        video.simple().to_string(),
        video.to_string().to_uppercase(),
    ] {
        let missing = house.client.get(&format!("/videos/{id}/stream")).await;
        assert_eq!(missing.problem_kind(), "not-found", "{id}");
        house
            .client
            .head(&format!("/videos/{id}/stream"))
            .await
            .expect(StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_store_that_is_down_is_503_before_the_first_byte() {
    let mut house = House::new().await;
    house
        .storage
        .state
        .is(StorageMood::Status(StatusCode::SERVICE_UNAVAILABLE));
    let down = house
        .client
        .get(&house.stream())
        .await
        .expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(down.header("retry-after"), Some("7"));

    let nobody = unused_address().await;
    let client = house
        .replica_with(|config| {
            config.video_storage_url = service_kit::client::ServiceUrl::at(nobody);
        })
        .await;
    client
        .get(&house.stream())
        .await
        .expect(StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_video_without_bytes_is_404_and_looked_up_again_the_next_time() {
    let house = House::new().await;
    house
        .storage
        .state
        .is(StorageMood::Status(StatusCode::NOT_FOUND));
    for times in 1..=2 {
        house
            .client
            .get(&house.stream())
            .await
            .expect(StatusCode::NOT_FOUND);
        assert_eq!(house.metadata.state.asked(), times);
    }
}

#[tokio::test]
async fn trouble_between_the_services_is_not_the_clients() {
    let house = House::new().await;
    for mood in [
        StorageMood::Status(StatusCode::UNAUTHORIZED),
        StorageMood::Status(StatusCode::FORBIDDEN),
        StorageMood::Status(StatusCode::INTERNAL_SERVER_ERROR),
        StorageMood::NoLength,
    ] {
        house.storage.state.is(mood);
        let answer = house.client.get(&house.stream()).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{mood:?}");
        assert_eq!(answer.header("www-authenticate"), None);
    }
}

#[tokio::test]
async fn only_the_other_services_are_answered() {
    let house = House::new().await;
    let stranger = TestClient::at(house.address);
    stranger
        .get(&house.stream())
        .await
        .expect(StatusCode::UNAUTHORIZED);
    house
        .client
        .get(&house.stream())
        .header("origin", "https://evil.example")
        .await
        .expect(StatusCode::FORBIDDEN);
    let wrong = house
        .client
        .delete(&house.stream())
        .await
        .expect(StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(wrong.header("allow"), Some("GET,HEAD"));
}

#[tokio::test]
async fn an_open_stream_does_not_hold_up_the_end_beyond_its_grace() {
    let mut house = House::new().await;
    let client = house
        .replica_with(|config| config.server.drain_grace = Duration::from_millis(200))
        .await;
    house.storage.state.is(StorageMood::Endless);
    let mut stream = client.get(&house.stream()).open().await;
    stream.next_piece().await.unwrap();
    tokio::time::timeout(SOON, house.stop()).await.unwrap();
    eventually(SOON, || async {
        (house.storage.state.open() == 0).then_some(())
    })
    .await;
    assert!(stream.attempt_read().await.is_err());
    assert!(house.storage.state.pieces_read.load(Ordering::SeqCst) > 0);
}

/// An address at which nobody listens.
async fn unused_address() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    listener.local_addr().expect("the port")
}
