use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::bus::{MAX_TRIES, conformance};
use crate::event::ViewCounted;

/// Delays of milliseconds, so that the laws about tries do not take minutes.
const QUICK: Retries = Retries {
    first_delay: Duration::from_millis(1),
    tries: MAX_TRIES,
};

async fn bus_in(folder: &TempDir) -> Arc<EmbeddedBus> {
    let path = folder.path().join("events.db");
    Arc::new(EmbeddedBus::open_with(&path, QUICK).await.unwrap())
}

macro_rules! keeps_the_law {
    ($($law:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $law() {
            let folder = tempfile::tempdir().unwrap();
            conformance::$law(bus_in(&folder).await).await;
        }
    )*};
}

keeps_the_law!(
    an_event_reaches_a_queue_that_nobody_has_subscribed_to_yet,
    an_event_reaches_every_queue_of_its_route_and_no_other,
    an_acknowledged_event_does_not_come_again,
    a_dropped_delivery_comes_again_without_having_counted,
    what_a_consumer_held_when_it_stopped_comes_to_the_next,
    subscriptions_share_a_queue,
    an_event_that_fails_comes_again_and_does_not_hold_up_the_others,
    an_event_that_fails_for_ever_is_a_dead_letter_after_bounded_tries,
    a_rejected_event_is_a_dead_letter_at_once_and_can_be_replayed,
);

fn counted(number: u64) -> Envelope {
    Envelope::of(&ViewCounted {
        session: Uuid::now_v7(),
        video: Uuid::now_v7(),
        number,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_acknowledged_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let bus = bus_in(&folder).await;
    let event = counted(1);
    bus.publish(event.clone()).await.unwrap();
    let mut subscription = bus.subscribe(Queue::METADATA).await.unwrap();
    let delivery = subscription.next().await.unwrap();
    drop((delivery, subscription, bus));

    let bus = bus_in(&folder).await;
    let mut subscription = bus.subscribe(Queue::METADATA).await.unwrap();
    let delivery = subscription.next().await.unwrap();
    assert_eq!(delivery.envelope, event);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_told_that_the_queue_is_taken_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let first = bus_in(&folder).await;
    let second = bus_in(&folder).await;
    let subscription = first.subscribe(Queue::METADATA).await.unwrap();
    let refused = second.subscribe(Queue::METADATA).await;
    assert!(matches!(refused, Err(SubscribeError::Taken { .. })));
    drop(subscription);
    second.subscribe(Queue::METADATA).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_publishes_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let consumer = bus_in(&folder).await;
    let publisher = bus_in(&folder).await;
    let mut subscription = consumer.subscribe(Queue::METADATA).await.unwrap();
    let event = counted(1);
    let (done, delivery) = tokio::join!(publisher.publish(event.clone()), subscription.next());
    done.unwrap();
    assert_eq!(delivery.unwrap().envelope, event);
}
