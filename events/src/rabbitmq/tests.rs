//! Against a real broker: the laws, and what a broker adds to them.

mod dead_letters;
mod failures;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, ConnectionProperties};
use tempfile::TempDir;
use test_support::engines::rabbitmq;
use test_support::eventually;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;
use crate::bus::{Delivery, MAX_TRIES, conformance};
use crate::consumer::{Handled, Handler, consume};
use crate::event::{VideoDeleted, ViewCounted};

/// Long enough for any machine; nothing waits for it that works.
const SOON: Duration = Duration::from_mins(1);

/// Delays of milliseconds, so that the laws about tries do not take minutes.
const QUICK: Retries = Retries {
    first_delay: Duration::from_millis(1),
    tries: MAX_TRIES,
};

/// A virtual host of the test's own, and a folder for spools.
struct Ground {
    broker: String,
    folder: TempDir,
}

impl Ground {
    /// In the broker that all tests share.
    async fn shared() -> Option<Self> {
        Some(Self::on(rabbitmq::shared().await?).await)
    }

    async fn on(server: &rabbitmq::RabbitServer) -> Self {
        Self {
            broker: server.virtual_host().await,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The URL for a process with this spool.
    fn url(&self, spool: &str) -> RabbitMqUrl {
        let spool = self.folder.path().join(spool);
        let url = format!("{}?spool={}", self.broker, spool.display());
        url.parse().unwrap()
    }

    /// The bus as another process would open it.
    async fn replica(&self, spool: &str) -> Arc<RabbitMqBus> {
        let bus = RabbitMqBus::open_with(&self.url(spool), QUICK).await;
        let bus = Arc::new(bus.unwrap());
        connected(&bus).await;
        bus
    }

    async fn bus(&self) -> Arc<RabbitMqBus> {
        self.replica("spool.db").await
    }

    /// A channel of somebody who is not of the project.
    async fn foreigner(&self) -> Channel {
        let connection =
            lapin::Connection::connect(&self.broker, ConnectionProperties::default()).await;
        let channel = connection.unwrap().create_channel().await.unwrap();
        let confirming = channel.confirm_select(ConfirmSelectOptions::default());
        confirming.await.unwrap();
        channel
    }
}

async fn connected(bus: &RabbitMqBus) {
    eventually(SOON, || async { bus.status().is_connected.then_some(()) }).await;
}

fn counted(number: u64) -> Envelope {
    Envelope::of(&ViewCounted {
        session: Uuid::now_v7(),
        video: Uuid::now_v7(),
        number,
    })
}

fn deleted() -> Envelope {
    Envelope::of(&VideoDeleted {
        video: Uuid::now_v7(),
        deleted_at: jiff::Timestamp::UNIX_EPOCH,
    })
}

async fn receive(subscription: &mut dyn Subscription) -> Delivery {
    let delivery = timeout(SOON, subscription.next()).await;
    delivery.expect("a delivery comes").expect("the bus works")
}

/// Messages that wait in a queue and are with nobody.
async fn ready(channel: &Channel, queue: &str) -> u32 {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let declared = channel.queue_declare(queue.into(), options, FieldTable::default());
    declared.await.unwrap().message_count()
}

async fn publish_raw(channel: &Channel, routing_key: &str, body: &[u8]) {
    let options = BasicPublishOptions::default();
    let nothing = BasicProperties::default();
    let published = channel.basic_publish(
        topology::EVENTS.into(),
        routing_key.into(),
        options,
        body,
        nothing,
    );
    let confirmed = published.await.unwrap();
    assert!(confirmed.await.unwrap().is_ack());
}

macro_rules! keeps_the_law {
    ($($law:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $law() {
            let Some(ground) = Ground::shared().await else { return };
            conformance::$law(ground.bus().await).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_and_the_event_are_told_in_the_headers_too() {
    let Some(ground) = Ground::shared().await else {
        return;
    };
    let bus = ground.bus().await;
    let mut event = counted(1);
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    event.traceparent = Some(traceparent.to_owned());
    bus.publish(event.clone()).await.unwrap();

    let channel = ground.foreigner().await;
    let queue = topology::work_queue(Queue::METADATA);
    let got = channel.basic_get(queue.into(), BasicGetOptions::default());
    let message = got.await.unwrap().unwrap();
    let properties = &message.properties;
    let headers = properties.headers().as_ref().unwrap().inner();
    let header = headers["traceparent"].as_long_string().unwrap();
    assert_eq!(header.to_string(), traceparent);
    assert_eq!(properties.delivery_mode(), &Some(2));
    let id = properties.message_id().as_ref().unwrap();
    assert_eq!(id.as_str(), event.id.to_string());
    let kind = properties.kind().as_ref().unwrap();
    assert_eq!(kind.as_str(), "video.view-counted");
}

/// Takes events that this release can read.
struct Reading;

#[async_trait]
impl Handler for Reading {
    async fn handle(&self, envelope: &Envelope) -> Handled {
        match envelope.decode::<ViewCounted>() {
            Ok(_) => Handled::Done,
            Err(error) => Handled::Rejected(error.to_string()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_newer_version_is_a_dead_letter_and_lets_the_others_pass() {
    let Some(ground) = Ground::shared().await else {
        return;
    };
    let bus = ground.bus().await;
    let mut newer = counted(1);
    newer.version = 2;
    bus.publish(newer.clone()).await.unwrap();
    bus.publish(counted(2)).await.unwrap();
    let mut tasks = JoinSet::new();
    let handler = Arc::new(Reading);
    let shutdown = CancellationToken::new();
    let consuming = consume(bus.clone(), Queue::METADATA, handler, 2, shutdown.clone());
    tasks.spawn(consuming);
    let letter = eventually(SOON, || async {
        let letters = bus.dead_letters(Queue::METADATA, 10).await.unwrap();
        letters.into_iter().next()
    });
    let letter = letter.await;
    assert_eq!(letter.envelope, newer);
    assert!(letter.reason.contains("version 2"), "{}", letter.reason);
    let channel = ground.foreigner().await;
    let queue = topology::work_queue(Queue::METADATA);
    eventually(SOON, || async {
        (ready(&channel, &queue).await == 0).then_some(())
    })
    .await;
    shutdown.cancel();
    tasks.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_share_a_queue_and_each_event_goes_to_one() {
    const EVENTS: usize = 300;
    let Some(ground) = Ground::shared().await else {
        return;
    };
    let one = ground.replica("one.db").await;
    let other = ground.replica("other.db").await;
    let mut first = one.subscribe(Queue::METADATA).await.unwrap();
    let mut second = other.subscribe(Queue::METADATA).await.unwrap();
    for number in 0..EVENTS as u64 {
        let publisher = if number % 2 == 0 { &one } else { &other };
        publisher.publish(counted(number)).await.unwrap();
    }
    let mut seen = HashSet::new();
    let mut shares = [0, 0];
    while seen.len() < EVENTS {
        let (replica, delivery) = tokio::select! {
            delivery = receive(&mut *first) => (0, delivery),
            delivery = receive(&mut *second) => (1, delivery),
        };
        assert!(seen.insert(delivery.envelope.id), "it came twice");
        shares[replica] += 1;
        delivery.ack().await.unwrap();
    }
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_stands_still_holds_no_more_than_its_prefetch() {
    let Some(ground) = Ground::shared().await else {
        return;
    };
    let bus = ground.bus().await;
    for number in 0..50 {
        bus.publish(counted(number)).await.unwrap();
    }
    let mut subscription = bus.subscribe(Queue::METADATA).await.unwrap();
    let _held = receive(&mut *subscription).await;
    let rest = 50 - u32::from(subscription::PREFETCH);
    let channel = ground.foreigner().await;
    let queue = topology::work_queue(Queue::METADATA);
    eventually(SOON, || async {
        (ready(&channel, &queue).await == rest).then_some(())
    })
    .await;
    // Another replica gets the rest.
    let replica = ground.replica("other.db").await;
    let mut other = replica.subscribe(Queue::METADATA).await.unwrap();
    for _ in 0..rest {
        receive(&mut *other).await.ack().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_a_queue_waits_in_the_spool_and_holds_up_nobody() {
    let Some(ground) = Ground::shared().await else {
        return;
    };
    let bus = ground.bus().await;
    let channel = ground.foreigner().await;
    let queue = topology::work_queue(Queue::METADATA);
    let delete = channel.queue_delete(queue.into(), QueueDeleteOptions::default());
    delete.await.unwrap();

    let lost = counted(1);
    let fine = deleted();
    bus.publish(lost.clone()).await.unwrap();
    assert_eq!(bus.status().returned, 1);
    assert_eq!(bus.status().spooled, 1);
    bus.publish(fine.clone()).await.unwrap();
    assert_eq!(bus.status().spooled, 1);
    let mut history = bus.subscribe(Queue::HISTORY).await.unwrap();
    assert_eq!(receive(&mut *history).await.envelope, fine);

    // The queue comes back with its consumer, or with the next try; the event with it.
    let mut subscription = bus.subscribe(Queue::METADATA).await.unwrap();
    let delivery = receive(&mut *subscription).await;
    assert_eq!(delivery.envelope, lost);
    delivery.ack().await.unwrap();
    eventually(SOON, || async { (bus.status().spooled == 0).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_whose_queue_is_deleted_is_told_and_can_begin_again() {
    let Some(ground) = Ground::shared().await else {
        return;
    };
    let bus = ground.bus().await;
    let mut subscription = bus.subscribe(Queue::METADATA).await.unwrap();
    let channel = ground.foreigner().await;
    let queue = topology::work_queue(Queue::METADATA);
    let delete = channel.queue_delete(queue.into(), QueueDeleteOptions::default());
    delete.await.unwrap();
    let told = timeout(SOON, subscription.next()).await.unwrap();
    assert!(told.is_err());
    let mut subscription = bus.subscribe(Queue::METADATA).await.unwrap();
    bus.publish(counted(1)).await.unwrap();
    receive(&mut *subscription).await.ack().await.unwrap();
}
