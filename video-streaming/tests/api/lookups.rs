//! The catalogue is down, or slow, or says no. The exact times are the unit tests' (`lookup`).

use std::sync::Mutex;
use std::time::Duration;

use axum::http::StatusCode;
use test_support::eventually;
use tokio::time::Instant;

use crate::house::{House, SOON};
use crate::stand_ins::MetadataMood;

#[tokio::test]
async fn a_video_that_was_never_looked_up_is_503_while_the_catalogue_is_down() {
    let house = House::new().await;
    for mood in [
        MetadataMood::Status(StatusCode::SERVICE_UNAVAILABLE),
        MetadataMood::Status(StatusCode::BAD_GATEWAY),
        MetadataMood::Status(StatusCode::GATEWAY_TIMEOUT),
        MetadataMood::Hangs,
    ] {
        house.metadata.state.is(mood);
        let answer = house.client.get(&house.stream()).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{mood:?}");
    }
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_500() {
    let house = House::new().await;
    for mood in [
        MetadataMood::Rambles,
        MetadataMood::Status(StatusCode::UNAUTHORIZED),
        MetadataMood::Status(StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        house.metadata.state.is(mood);
        let answer = house.client.get(&house.stream()).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{mood:?}");
    }
}

#[tokio::test]
async fn a_video_plays_on_while_the_catalogue_is_down_until_it_says_404() {
    let house = House::new().await;
    let play = || async { house.client.head(&house.stream()).await.status };
    assert_eq!(play().await, StatusCode::OK);
    house
        .metadata
        .state
        .is(MetadataMood::Status(StatusCode::SERVICE_UNAVAILABLE));
    // Until the answer is no longer fresh and the catalogue is asked again, in vain.
    eventually(SOON, || async {
        assert_eq!(play().await, StatusCode::OK);
        (house.metadata.state.asked() > 2).then_some(())
    })
    .await;
    house.metadata.state.videos.lock().unwrap().clear();
    house.metadata.state.is(MetadataMood::Answers);
    assert_eq!(play().await, StatusCode::NOT_FOUND);
    house.metadata.state.is(MetadataMood::Hangs);
    assert_eq!(play().await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_deleted_video_starts_to_play_for_five_seconds_at_most() {
    let house = House::new().await;
    house
        .client
        .head(&house.stream())
        .await
        .expect(StatusCode::OK);
    let deleted_at = Instant::now();
    house.metadata.state.videos.lock().unwrap().clear();
    let last_play = Mutex::new(deleted_at);
    eventually(SOON, || async {
        let asked_at = Instant::now();
        let status = house.client.head(&house.stream()).await.status;
        if status == StatusCode::OK {
            *last_play.lock().unwrap() = asked_at;
        }
        (status == StatusCode::NOT_FOUND).then_some(())
    })
    .await;
    let last_play = last_play.into_inner().unwrap();
    assert!(last_play.duration_since(deleted_at) < Duration::from_secs(5));
}

#[tokio::test]
async fn a_burst_of_plays_asks_the_catalogue_once() {
    let house = House::new().await;
    let plays = (0..50).map(|_| async {
        house
            .client
            .get(&house.stream())
            .header("range", "bytes=0-9")
            .await
            .expect(StatusCode::PARTIAL_CONTENT);
    });
    futures_util::future::join_all(plays).await;
    assert_eq!(house.metadata.state.asked(), 1);
}
