//! Events that cannot be understood: each becomes a dead letter, and those behind it go on.

use events::{Envelope, Event as _, EventBus, Queue, VideoDeleted, ViewCounted, WatchProgressed};
use jiff::Timestamp;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use serde_json::{Value, json};
use system_tests::{Engines, Load, Processes, SOON, on_all_engines};
use test_support::eventually;
use uuid::Uuid;

on_all_engines!(what_cannot_be_understood_is_a_dead_letter_and_holds_nothing_up);

fn event(event_type: &str, version: u32, data: Value) -> Envelope {
    Envelope {
        event_type: event_type.to_owned(),
        version,
        id: Uuid::new_v4(),
        time: Timestamp::now(),
        traceparent: None,
        data,
    }
}

/// Waits until the queue has these dead letters and no others; answers the reasons.
async fn dead(bus: &dyn EventBus, queue: Queue, wanted: &[Uuid]) -> Vec<String> {
    eventually(SOON, || async {
        let dead = bus.dead_letters(queue, 100).await.ok()?;
        let has = |id: &Uuid| dead.iter().any(|letter| letter.envelope.id == *id);
        let all = dead.len() == wanted.len() && wanted.iter().all(has);
        all.then(|| dead.iter().map(|letter| letter.reason.clone()).collect())
    })
    .await
}

/// Publishes bytes that are no event at all, as no service of ours does.
async fn publish_bytes(broker: &str, event_type: &str, id: Uuid) {
    let connection = Connection::connect(broker, ConnectionProperties::default());
    let channel = connection.await.unwrap().create_channel().await.unwrap();
    let properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_message_id(id.to_string().into());
    let published = channel.basic_publish(
        "flixtube.events".into(),
        event_type.into(),
        BasicPublishOptions::default(),
        b"\xff no event",
        properties,
    );
    published.await.unwrap().await.unwrap();
    // Closed in good order: what was sent has arrived.
    channel.close(200, "done".into()).await.unwrap();
}

async fn what_cannot_be_understood_is_a_dead_letter_and_holds_nothing_up(engines: Engines) {
    let system = Processes::start(engines).await;
    let url = system.engines().events_url("test").parse().unwrap();
    let bus = events::open(&url).await.unwrap();
    let newer = |event_type| event(event_type, 99, json!({"of": "a later release"}));
    let (beat, number, deletion) = (
        newer(WatchProgressed::TYPE),
        newer(ViewCounted::TYPE),
        newer(VideoDeleted::TYPE),
    );
    let nonsense = event(WatchProgressed::TYPE, 1, json!({"session": 7}));
    let mut for_history = vec![beat.id, deletion.id, nonsense.id];
    for event in [&beat, &number, &deletion, &nonsense] {
        bus.publish(event.clone()).await.unwrap();
    }
    if let Some(broker) = system.engines().broker() {
        let id = Uuid::new_v4();
        publish_bytes(broker, WatchProgressed::TYPE, id).await;
        for_history.push(id);
    }
    let load = Load::start(&system).await;
    load.goes_on().await;
    load.finish(&system, "not-understood").await;

    let reasons = dead(&*bus, Queue::HISTORY, &for_history).await;
    assert!(reasons.iter().any(|reason| reason.contains("version 99")));
    dead(&*bus, Queue::METADATA, &[number.id]).await;
    dead(&*bus, Queue::VIDEO_STORAGE, &[deletion.id]).await;
    // A person may try it again, and nothing is lost if it was too early.
    assert!(bus.replay(Queue::HISTORY, beat.id).await.unwrap());
    dead(&*bus, Queue::HISTORY, &for_history).await;
}
