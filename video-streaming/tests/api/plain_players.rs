//! Implicit sessions: what was sent to players that open none is reported.

use std::time::Duration;

use axum::http::StatusCode;
use events::VideoStreamed;
use test_support::{TestRequest, eventually};
use tokio::time::Instant;
use uuid::Uuid;

use crate::house::{House, SOON};
use crate::stand_ins::{ETAG, StorageMood};

/// A request as the gateway passes it on for a player without a cookie.
fn plain(house: &House, path: &str, user_agent: &str) -> TestRequest {
    house
        .client
        .get(path)
        .header("x-client-address", "192.0.2.44")
        .header("user-agent", user_agent)
}

#[tokio::test]
async fn a_plain_get_is_reported_within_five_seconds_of_its_end() {
    let house = House::new().await;
    plain(&house, &house.stream(), "curl/8.9")
        .await
        .expect(StatusCode::OK);
    let ended_at = Instant::now();
    let report = eventually(SOON, || async {
        house.published::<VideoStreamed>().into_iter().next()
    })
    .await;
    assert!(ended_at.elapsed() < Duration::from_secs(5));
    assert_eq!(report.video, house.video);
    assert!(report.covers_start);
    assert_eq!(report.duration_ms, Some(61_000));
    assert_eq!(report.client.len(), 64);
    assert!(report.first_byte_at <= report.last_byte_at);
}

#[tokio::test]
async fn many_ranges_of_one_player_are_one_report() {
    let mut house = House::new().await;
    for first in [0, 290_000, 50_000, 100_000] {
        plain(&house, &house.stream(), "VLC/3.0")
            .header("range", &format!("bytes={first}-{}", first + 9_999))
            .await
            .expect(StatusCode::PARTIAL_CONTENT);
    }
    house.stop().await;
    let reports = house.published::<VideoStreamed>();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].covers_start);
}

#[tokio::test]
async fn players_are_told_apart_by_address_and_user_agent() {
    let mut house = House::new().await;
    for (address, user_agent) in [
        ("192.0.2.1", "VLC/3.0"),
        ("192.0.2.1", "curl/8.9"),
        ("192.0.2.2", "VLC/3.0"),
        ("192.0.2.1", "VLC/3.0"),
    ] {
        plain(&house, &house.stream(), user_agent)
            .header("x-client-address", address)
            .await
            .expect(StatusCode::OK);
    }
    house.stop().await;
    let mut clients: Vec<_> = house
        .published::<VideoStreamed>()
        .into_iter()
        .map(|report| report.client)
        .collect();
    clients.sort();
    clients.dedup();
    assert_eq!(clients.len(), 3);
}

#[tokio::test]
async fn replicas_name_one_player_alike() {
    let mut house = House::new().await;
    let other = house.replica().await;
    plain(&house, &house.stream(), "VLC/3.0").await;
    other
        .get(&house.stream())
        .header("x-client-address", "192.0.2.44")
        .header("user-agent", "VLC/3.0")
        .header("range", "bytes=5-")
        .await
        .expect(StatusCode::PARTIAL_CONTENT);
    house.stop().await;
    let reports = house.published::<VideoStreamed>();
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[0].client, reports[1].client);
    assert_ne!(reports[0].report, reports[1].report);
    assert_ne!(reports[0].covers_start, reports[1].covers_start);
}

#[tokio::test]
async fn whoever_has_the_cookie_or_a_session_opens_none() {
    let mut house = House::new().await;
    let stream = house.stream();
    plain(&house, &stream, "Firefox")
        .header("x-viewer", &Uuid::from_u128(9).to_string())
        .await
        .expect(StatusCode::OK);
    for (session, status) in [
        ("", StatusCode::UNAUTHORIZED),
        ("=", StatusCode::UNAUTHORIZED),
        ("=rubbish", StatusCode::UNAUTHORIZED),
        ("=a&session=b", StatusCode::BAD_REQUEST),
    ] {
        let path = format!("{stream}?session{session}");
        plain(&house, &path, "Firefox").await.expect(status);
    }
    let token = crate::beats::open(&house).await;
    let path = format!("{stream}?session={token}");
    plain(&house, &path, "Firefox").await.expect(StatusCode::OK);
    house.stop().await;
    assert!(house.published_types().is_empty());
}

#[tokio::test]
async fn answers_without_bytes_of_the_video_open_none() {
    let mut house = House::new().await;
    let stream = house.stream();
    let head = house.client.head(&stream).header("user-agent", "curl/8.9");
    head.await.expect(StatusCode::OK);
    for (name, value, status) in [
        ("if-none-match", ETAG, StatusCode::NOT_MODIFIED),
        ("if-match", "\"other\"", StatusCode::PRECONDITION_FAILED),
        ("range", "bytes=300000-", StatusCode::RANGE_NOT_SATISFIABLE),
    ] {
        plain(&house, &stream, "curl/8.9")
            .header(name, value)
            .await
            .expect(status);
    }
    house.storage.state.is(StorageMood::BreaksOff(0));
    assert!(plain(&house, &stream, "curl/8.9").attempt().await.is_err());
    house.stop().await;
    assert!(house.published_types().is_empty());
}

#[tokio::test]
async fn a_player_that_hangs_up_is_reported_with_what_it_got() {
    let mut house = House::new().await;
    house.storage.state.is(StorageMood::Endless);
    let mut stream = plain(&house, &house.stream(), "curl/8.9").open().await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(300) {
        stream.next_piece().await.expect("it never ends");
    }
    drop(stream);
    house.stop().await;
    let reports = house.published::<VideoStreamed>();
    assert_eq!(reports.len(), 1, "{reports:?}");
    let got = reports[0]
        .last_byte_at
        .duration_since(reports[0].first_byte_at);
    assert!((200..30_000).contains(&got.as_millis()), "{got:?}");
}

#[tokio::test]
async fn a_report_that_cannot_be_published_waits() {
    let house = House::new().await;
    house.bus.refuses(true);
    plain(&house, &house.stream(), "curl/8.9")
        .await
        .expect(StatusCode::OK);
    eventually(SOON, || async { (house.bus.refused() >= 2).then_some(()) }).await;
    house.bus.refuses(false);
    eventually(SOON, || async {
        (house.published::<VideoStreamed>().len() == 1).then_some(())
    })
    .await;
}
