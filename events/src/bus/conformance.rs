//! The laws of [`EventBus`], one function each; every implementation runs them all.
//!
//! A law gets a bus of its own, whose failed deliveries are tried [`MAX_TRIES`] times with delays
//! of milliseconds.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Delivery, EventBus, MAX_TRIES, Subscription};
use crate::envelope::Envelope;
use crate::event::{VideoDeleted, ViewCounted};
use crate::routing::Queue;

/// Long enough for any machine; a law that holds never waits for it.
const SOON: Duration = Duration::from_secs(20);
/// How long nothing must happen for "never".
const NEVER: Duration = Duration::from_millis(700);

fn counted(number: u64) -> Envelope {
    Envelope::of(&ViewCounted {
        session: Uuid::now_v7(),
        video: Uuid::now_v7(),
        number,
    })
}

async fn receive(subscription: &mut dyn Subscription) -> Delivery {
    tokio::time::timeout(SOON, subscription.next())
        .await
        .expect("a delivery comes")
        .expect("the bus works")
}

async fn receives_nothing(subscription: &mut dyn Subscription) -> bool {
    tokio::time::timeout(NEVER, subscription.next())
        .await
        .is_err()
}

pub(crate) async fn an_event_reaches_a_queue_that_nobody_has_subscribed_to_yet(
    bus: Arc<dyn EventBus>,
) {
    let event = counted(1);
    bus.publish(event.clone()).await.unwrap();
    let mut subscription = bus.subscribe(Queue::METADATA).await.unwrap();
    let delivery = receive(&mut *subscription).await;
    assert_eq!(delivery.envelope, event);
    assert_eq!(delivery.failures, 0);
    delivery.ack().await.unwrap();
}

pub(crate) async fn an_event_reaches_every_queue_of_its_route_and_no_other(bus: Arc<dyn EventBus>) {
    let event = Envelope::of(&VideoDeleted {
        video: Uuid::now_v7(),
        deleted_at: Timestamp::UNIX_EPOCH,
    });
    bus.publish(event.clone()).await.unwrap();
    for queue in [Queue::HISTORY, Queue::VIDEO_STORAGE] {
        let mut subscription = bus.subscribe(queue).await.unwrap();
        let delivery = receive(&mut *subscription).await;
        assert_eq!(delivery.envelope, event);
        delivery.ack().await.unwrap();
    }
    let mut other = bus.subscribe(Queue::METADATA).await.unwrap();
    assert!(receives_nothing(&mut *other).await);
}

pub(crate) async fn an_acknowledged_event_does_not_come_again(bus: Arc<dyn EventBus>) {
    bus.publish(counted(1)).await.unwrap();
    let mut subscription = bus.subscribe(Queue::METADATA).await.unwrap();
    receive(&mut *subscription).await.ack().await.unwrap();
    drop(subscription);
    let mut subscription = bus.subscribe(Queue::METADATA).await.unwrap();
    assert!(receives_nothing(&mut *subscription).await);
}

pub(crate) async fn a_dropped_delivery_comes_again_without_having_counted(bus: Arc<dyn EventBus>) {
    let event = counted(1);
    bus.publish(event.clone()).await.unwrap();
    let mut subscription = bus.subscribe(Queue::METADATA).await.unwrap();
    for _ in 0..2 * MAX_TRIES {
        let delivery = receive(&mut *subscription).await;
        assert_eq!(delivery.envelope, event);
        assert_eq!(delivery.failures, 0);
        drop(delivery);
    }
    receive(&mut *subscription).await.ack().await.unwrap();
}

pub(crate) async fn what_a_consumer_held_when_it_stopped_comes_to_the_next(bus: Arc<dyn EventBus>) {
    for number in 1..=3 {
        bus.publish(counted(number)).await.unwrap();
    }
    let mut first = bus.subscribe(Queue::METADATA).await.unwrap();
    let held = receive(&mut *first).await;
    drop(first);
    drop(held);
    let mut second = bus.subscribe(Queue::METADATA).await.unwrap();
    for _ in 1..=3 {
        receive(&mut *second).await.ack().await.unwrap();
    }
    assert!(receives_nothing(&mut *second).await);
}

pub(crate) async fn subscriptions_share_a_queue(bus: Arc<dyn EventBus>) {
    const EVENTS: u64 = 100;
    for number in 1..=EVENTS {
        bus.publish(counted(number)).await.unwrap();
    }
    let mut one = bus.subscribe(Queue::METADATA).await.unwrap();
    let mut other = bus.subscribe(Queue::METADATA).await.unwrap();
    let mut seen = HashSet::new();
    let mut by_other = 0;
    for _ in 0..EVENTS / 2 {
        // Both hold one at the same time, and never the same one.
        let (first, second) = tokio::join!(receive(&mut *one), receive(&mut *other));
        assert!(seen.insert(first.envelope.id));
        assert!(seen.insert(second.envelope.id));
        by_other += 1;
        first.ack().await.unwrap();
        second.ack().await.unwrap();
    }
    assert_eq!(seen.len() as u64, EVENTS);
    assert_eq!(by_other, EVENTS / 2);
}

pub(crate) async fn an_event_that_fails_comes_again_and_does_not_hold_up_the_others(
    bus: Arc<dyn EventBus>,
) {
    let failing = counted(1);
    let fine = counted(2);
    bus.publish(failing.clone()).await.unwrap();
    bus.publish(fine.clone()).await.unwrap();
    let mut subscription = bus.subscribe(Queue::METADATA).await.unwrap();
    let mut failures = Vec::new();
    let mut fine_came = false;
    while failures.len() < 3 || !fine_came {
        let delivery = receive(&mut *subscription).await;
        if delivery.envelope.id == failing.id {
            failures.push(delivery.failures);
            if failures.len() == 3 {
                delivery.ack().await.unwrap();
            } else {
                delivery.retry("not yet").await.unwrap();
            }
        } else {
            fine_came = true;
            delivery.ack().await.unwrap();
        }
    }
    assert_eq!(failures, [0, 1, 2]);
    assert!(receives_nothing(&mut *subscription).await);
}

pub(crate) async fn an_event_that_fails_for_ever_is_a_dead_letter_after_bounded_tries(
    bus: Arc<dyn EventBus>,
) {
    let event = counted(1);
    bus.publish(event.clone()).await.unwrap();
    let mut subscription = bus.subscribe(Queue::METADATA).await.unwrap();
    for failures in 0..MAX_TRIES {
        let delivery = receive(&mut *subscription).await;
        assert_eq!(delivery.failures, failures);
        delivery.retry("it never works").await.unwrap();
    }
    assert!(receives_nothing(&mut *subscription).await);
    let letters = bus.dead_letters(Queue::METADATA, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].envelope, event);
    assert_eq!(letters[0].reason, "it never works");
}

pub(crate) async fn a_rejected_event_is_a_dead_letter_at_once_and_can_be_replayed(
    bus: Arc<dyn EventBus>,
) {
    let event = counted(1);
    bus.publish(event.clone()).await.unwrap();
    let mut subscription = bus.subscribe(Queue::METADATA).await.unwrap();
    let delivery = receive(&mut *subscription).await;
    delivery.reject("it is nonsense").await.unwrap();
    assert!(receives_nothing(&mut *subscription).await);

    assert!(bus.replay(Queue::METADATA, event.id).await.unwrap());
    assert!(!bus.replay(Queue::METADATA, event.id).await.unwrap());
    assert!(
        bus.dead_letters(Queue::METADATA, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let delivery = receive(&mut *subscription).await;
    assert_eq!((&delivery.envelope, delivery.failures), (&event, 0));
    delivery.reject("it still is").await.unwrap();

    assert!(bus.discard(Queue::METADATA, event.id).await.unwrap());
    assert!(!bus.discard(Queue::METADATA, event.id).await.unwrap());
    assert!(receives_nothing(&mut *subscription).await);
}
