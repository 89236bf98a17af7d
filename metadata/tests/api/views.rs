use events::{Envelope, EventBus, Queue, ViewCounted};
use serde_json::Value;
use test_support::eventually;
use uuid::Uuid;

use super::{DEADLINE, Running, id, titles};

async fn count_view(bus: &dyn EventBus, video: u32, number: u64) {
    let counted = ViewCounted {
        session: Uuid::from_u128(number.into()),
        video: id(video),
        number,
    };
    bus.publish(Envelope::of(&counted)).await.unwrap();
}

async fn eventually_with_views(service: &Running, video: u32, views: u64) -> Value {
    let path = format!("/videos/{}", id(video));
    eventually(DEADLINE, || async {
        let record = service.get(&path).await;
        (record["views"] == views).then_some(record)
    })
    .await
}

#[tokio::test]
async fn counted_views_reach_the_catalogue_and_its_order() {
    let service = Running::start().await;
    service.register(1, "Old").await;
    service.register(2, "New").await;
    let bus = service.bus().await;
    for number in [2, 3, 1] {
        count_view(&*bus, 1, number).await;
    }
    eventually_with_views(&service, 1, 3).await;
    assert_eq!(
        titles(&service.get("/videos?sort=views").await),
        ["Old", "New"]
    );
    service.stop().await;
}

#[tokio::test]
async fn a_view_of_a_video_that_is_registered_later_counts() {
    let service = Running::start().await;
    service.register(1, "Known").await;
    let bus = service.bus().await;
    count_view(&*bus, 9, 5).await;
    count_view(&*bus, 1, 1).await;
    eventually_with_views(&service, 1, 1).await;
    service.register(9, "Registered later").await;
    eventually_with_views(&service, 9, 5).await;
    service.stop().await;
}

#[tokio::test]
async fn an_event_of_a_newer_version_is_put_aside_and_holds_nothing_up() {
    let service = Running::start().await;
    service.register(1, "Title").await;
    let bus = service.bus().await;
    let mut newer = Envelope::of(&ViewCounted {
        session: Uuid::from_u128(7),
        video: id(1),
        number: 7,
    });
    newer.version = 2;
    bus.publish(newer.clone()).await.unwrap();
    count_view(&*bus, 1, 1).await;
    eventually_with_views(&service, 1, 1).await;
    let letters = eventually(DEADLINE, || async {
        let letters = bus.dead_letters(Queue::METADATA, 10).await.unwrap();
        (!letters.is_empty()).then_some(letters)
    })
    .await;
    assert_eq!(letters[0].envelope.id, newer.id);
    service.stop().await;
}
