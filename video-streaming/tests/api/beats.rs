//! Beats become events, or are refused.

use axum::http::StatusCode;
use events::{PlaybackState, Queue, VideoViewed, WatchProgressed};
use serde_json::{Value, json};
use test_support::TestClient;
use uuid::Uuid;

use crate::house::{House, SOON};

const BEATS: &str = "/watch-sessions/beats";
const VIEWER: Uuid = Uuid::from_u128(0xfeed);

pub(crate) async fn open(house: &House) -> String {
    let opened = house
        .client
        .post(&house.watch_sessions())
        .header("x-viewer", &VIEWER.to_string())
        .await
        .expect(StatusCode::CREATED)
        .value();
    opened["session"].as_str().expect("a token").to_owned()
}

fn beat(session: &str, seq: u64, position_ms: u64, state: &str) -> Value {
    json!({"session": session, "seq": seq, "position_ms": position_ms, "state": state})
}

async fn send(client: &TestClient, beat: &Value) -> StatusCode {
    client.post(BEATS).json(beat).await.status
}

#[tokio::test]
async fn a_playing_session_is_announced_once_and_then_progresses() {
    let house = House::new().await;
    let session = open(&house).await;
    for (seq, position_ms, state) in [
        (1, 0, "playing"),
        (2, 10_000, "playing"),
        (3, 12_500, "paused"),
        (4, 12_500, "playing"),
        (5, 61_000, "ended"),
    ] {
        let beat = beat(&session, seq, position_ms, state);
        assert_eq!(send(&house.client, &beat).await, StatusCode::NO_CONTENT);
    }
    assert_eq!(
        house.published_types()[..2],
        ["video.viewed", "video.watch-progressed"]
    );
    let viewed = house.published::<VideoViewed>();
    assert_eq!(viewed.len(), 1);
    assert_eq!(viewed[0].video, house.video);
    assert_eq!(viewed[0].viewer, VIEWER);
    assert_eq!(viewed[0].duration_ms, Some(61_000));
    let progressed = house.published::<WatchProgressed>();
    assert_eq!(progressed.len(), 5);
    let paused = &progressed[2];
    assert_eq!((paused.seq, paused.position_ms), (3, 12_500));
    assert_eq!(paused.state, PlaybackState::Paused);
    assert_eq!(paused.session, viewed[0].session);
    assert_eq!(paused.started_at, viewed[0].started_at);
    assert_eq!(paused.duration_ms, Some(61_000));
    let received: Vec<_> = progressed.iter().map(|beat| beat.received_at).collect();
    assert!(received.is_sorted());
    assert!(received[0] >= paused.started_at);
}

#[tokio::test]
async fn a_session_that_does_not_play_is_not_announced() {
    let house = House::new().await;
    let session = open(&house).await;
    let paused = beat(&session, 1, 0, "paused");
    assert_eq!(send(&house.client, &paused).await, StatusCode::NO_CONTENT);
    assert_eq!(house.published_types(), ["video.watch-progressed"]);
}

#[tokio::test]
async fn every_replica_takes_the_session_and_announces_the_same() {
    let mut house = House::new().await;
    let session = open(&house).await;
    let other = house.replica().await;
    for (client, seq) in [
        (&house.client, 1),
        (&other, 2),
        (&other, 3),
        (&house.client, 4),
    ] {
        let beat = beat(&session, seq, seq * 1_000, "playing");
        assert_eq!(send(client, &beat).await, StatusCode::NO_CONTENT);
    }
    let viewed = house.published::<VideoViewed>();
    assert_eq!(viewed.len(), 2);
    assert_eq!(viewed[0], viewed[1]);
    assert_eq!(house.published::<WatchProgressed>().len(), 4);
}

#[tokio::test]
async fn a_beat_that_was_taken_is_in_the_queue_of_history() {
    let house = House::new().await;
    let session = open(&house).await;
    let paused = beat(&session, 1, 7, "paused");
    assert_eq!(send(&house.client, &paused).await, StatusCode::NO_CONTENT);
    let mut queue = house.subscribe(Queue::HISTORY).await;
    let delivery = tokio::time::timeout(SOON, queue.next())
        .await
        .unwrap()
        .unwrap();
    let progressed: WatchProgressed = delivery.envelope.decode().unwrap();
    assert_eq!(progressed.position_ms, 7);
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn a_malformed_beat_is_400() {
    let house = House::new().await;
    let session = open(&house).await;
    let good = beat(&session, 1, 0, "playing");
    for (member, wrong) in [
        ("session", json!(5)),
        ("session", Value::Null),
        ("seq", json!(0)),
        ("seq", json!(-1)),
        ("seq", json!(1.5)),
        ("seq", json!(1_000_001)),
        ("seq", json!("1")),
        ("position_ms", json!(-1)),
        ("position_ms", json!(0.5)),
        ("position_ms", json!(1_u64 << 60)),
        ("state", json!("stopped")),
        ("state", json!("Playing")),
        ("state", Value::Null),
    ] {
        let mut beat = good.clone();
        beat[member] = wrong.clone();
        let status = send(&house.client, &beat).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{member} = {wrong}");
        beat.as_object_mut().unwrap().remove(member);
        let status = send(&house.client, &beat).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "without {member}");
    }
    for text in ["", "{", "[]", "null"] {
        let answer = house
            .client
            .post(BEATS)
            .body("application/json", text)
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{text:?}");
    }
    house
        .client
        .post(BEATS)
        .body("text/plain", good.to_string())
        .await
        .expect(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    house
        .client
        .post(BEATS)
        .json(&beat(&"x".repeat(70_000), 1, 0, "playing"))
        .await
        .expect(StatusCode::PAYLOAD_TOO_LARGE);
    assert!(house.published_types().is_empty());
}

#[tokio::test]
async fn a_session_that_is_not_ours_is_401() {
    let house = House::new().await;
    let other_house = House::new().await;
    let foreign = open(&other_house).await;
    let ours = open(&house).await;
    let last = if ours.ends_with('A') { "E" } else { "A" };
    let tampered = format!("{}{last}", &ours[..ours.len() - 1]);
    for session in ["", "rubbish", "💥", &foreign, &tampered, &ours[1..]] {
        let refused = house
            .client
            .post(BEATS)
            .json(&beat(session, 1, 0, "playing"))
            .await
            .expect(StatusCode::UNAUTHORIZED);
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
    assert!(house.published_types().is_empty());
}

#[tokio::test]
async fn a_beat_that_cannot_be_published_is_503_and_may_be_sent_again() {
    let house = House::new().await;
    let session = open(&house).await;
    let beat = beat(&session, 1, 0, "playing");
    house.bus.refuses(true);
    assert_eq!(
        send(&house.client, &beat).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    house.bus.refuses(false);
    assert_eq!(send(&house.client, &beat).await, StatusCode::NO_CONTENT);
    assert_eq!(
        house.published_types(),
        ["video.viewed", "video.watch-progressed"]
    );
}

#[tokio::test]
async fn beats_need_neither_the_catalogue_nor_the_store() {
    let house = House::new().await;
    let session = open(&house).await;
    house
        .metadata
        .state
        .is(crate::stand_ins::MetadataMood::Hangs);
    let beat = beat(&session, 1, 0, "playing");
    assert_eq!(send(&house.client, &beat).await, StatusCode::NO_CONTENT);
}
