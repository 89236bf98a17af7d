//! Consuming a queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Acker, Channel, Connection, Consumer};
use tokio::sync::Mutex;

use super::Shared;
use super::connection::{BrokerError, declare, patiently};
use super::message::Received;
use super::topology;
use crate::bus::{BusError, Delivery, Retries, Settle, Subscription};
use crate::routing::Queue;

/// Events that the broker hands out to this process before it has acknowledged the first: enough to
/// keep all of its subscriptions busy and to hide the way to the broker behind the handling, and few
/// enough that other replicas get their share, that a process which is stopped gives back little,
/// and that one whose store is down holds little. (What is held for longer than the broker's
/// `consumer_timeout`, half an hour unless an operator says otherwise, the broker takes back; it
/// comes again.)
pub(super) const PREFETCH: u16 = 32;

/// What this process consumes of a queue, by one consumer of the broker on a channel of its own.
///
/// The subscriptions of the process share it, so that no event that was handed out waits behind one
/// that takes long while another subscription has nothing to do.
#[derive(Debug)]
pub(super) struct QueueConsumer {
    queue: Queue,
    consumer: Mutex<Consumer>,
    /// Set when the broker, or the loss of the connection, has ended it: nothing more comes.
    is_ended: AtomicBool,
    channel: Channel,
}

impl QueueConsumer {
    /// Begins to consume. A queue that somebody has deleted is declared again.
    pub(super) async fn begin(
        connection: &Connection,
        queue: Queue,
        retries: Retries,
    ) -> Result<Self, BrokerError> {
        let (channel, consumer) = match consume(connection, queue).await {
            Ok(consuming) => consuming,
            Err(BrokerError::Refused(error)) if error.is_amqp_soft_error() => {
                declare(connection, retries).await?;
                consume(connection, queue).await?
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            queue,
            consumer: Mutex::new(consumer),
            is_ended: AtomicBool::new(false),
            channel,
        })
    }

    /// Whether something may still come.
    pub(super) fn is_alive(&self) -> bool {
        !self.is_ended.load(Ordering::Relaxed) && self.channel.status().connected()
    }

    /// The next message, for whoever has waited longest.
    async fn next(&self) -> Result<lapin::message::Delivery, BrokerError> {
        let mut consumer = self.consumer.lock().await;
        if self.is_ended.load(Ordering::Relaxed) {
            return Err(BrokerError::Cancelled);
        }
        let delivered = match consumer.next().await {
            Some(delivered) => delivered.map_err(BrokerError::from),
            None => Err(BrokerError::Cancelled),
        };
        if delivered.is_err() {
            self.is_ended.store(true, Ordering::Relaxed);
        }
        delivered
    }
}

async fn consume(
    connection: &Connection,
    queue: Queue,
) -> Result<(Channel, Consumer), BrokerError> {
    patiently(async {
        let channel = connection.create_channel().await?;
        // Not global: quorum queues do not know limits for several consumers together.
        let limit = BasicQosOptions { global: false };
        channel.basic_qos(PREFETCH, limit).await?;
        let options = BasicConsumeOptions {
            // An event is removed after its effect, when we say so, and not when it is sent.
            no_ack: false,
            // Several replicas share the queue.
            exclusive: false,
            // The broker's answer tells whether the queue is there.
            nowait: false,
            // RabbitMQ does not know it.
            no_local: false,
        };
        let tag = "".into(); // the broker makes a name
        let name = topology::work_queue(queue).into();
        let consumer = channel
            .basic_consume(name, tag, options, FieldTable::default())
            .await?;
        Ok((channel, consumer))
    })
    .await
}

/// A subscription's share of a queue.
#[derive(Debug)]
pub(super) struct QueueSubscription {
    consumer: Arc<QueueConsumer>,
    shared: Arc<Shared>,
}

impl QueueSubscription {
    pub(super) fn new(consumer: Arc<QueueConsumer>, shared: Arc<Shared>) -> Self {
        Self { consumer, shared }
    }
}

#[async_trait]
impl Subscription for QueueSubscription {
    async fn next(&mut self) -> Result<Delivery, BusError> {
        let queue = self.consumer.queue;
        loop {
            let mut delivered = self.consumer.next().await.map_err(BusError::of)?;
            let message = Received::of(&mut delivered);
            let settle = Box::new(Unsettled {
                queue,
                shared: Arc::clone(&self.shared),
                message: message.clone(),
                acker: Some(delivered.acker),
                _channel: self.consumer.channel.clone(),
            });
            match message.envelope() {
                Ok(envelope) => return Ok(Delivery::new(envelope, message.failures(), settle)),
                Err(error) => {
                    tracing::error!(
                        %queue,
                        event.id = %message.id(),
                        %error,
                        "an event cannot be read; it is a dead letter now"
                    );
                    settle
                        .reject(&format!("it cannot be read: {error}"))
                        .await?;
                }
            }
        }
    }
}

/// An event that is with a consumer. Dropped before it is settled, it goes back to its queue.
#[derive(Debug)]
struct Unsettled {
    queue: Queue,
    shared: Arc<Shared>,
    message: Received,
    acker: Option<Acker>,
    /// It can be acknowledged on the channel by which it came and on no other.
    _channel: Channel,
}

impl Unsettled {
    async fn acknowledge(mut self: Box<Self>) -> Result<(), BusError> {
        let Some(acker) = self.acker.take() else {
            return Ok(());
        };
        let only_this = BasicAckOptions { multiple: false };
        let acknowledged = patiently(acker.ack(only_this)).await;
        if acknowledged.map_err(BusError::of)? {
            Ok(())
        } else {
            // The connection was lost meanwhile: the broker gives it to somebody again.
            Err(BusError::of(BrokerError::Gone))
        }
    }
}

#[async_trait]
impl Settle for Unsettled {
    async fn ack(self: Box<Self>) -> Result<(), BusError> {
        self.acknowledge().await
    }

    async fn retry(self: Box<Self>, reason: &str) -> Result<(), BusError> {
        let retries = self.shared.retries;
        let failures = self.message.failures() + 1;
        if failures >= retries.tries {
            return self.reject(reason).await;
        }
        let delayed = self.message.delayed(self.queue, failures, retries);
        // First there, then gone from here: a crash between the two makes two of it, not none.
        self.shared.lane.publish_patiently(delayed).await?;
        self.acknowledge().await
    }

    async fn reject(self: Box<Self>, reason: &str) -> Result<(), BusError> {
        // Not by the broker's own rejection, which would not carry the reason.
        let dead = self.message.dead(self.queue, reason);
        self.shared.lane.publish_patiently(dead).await?;
        self.acknowledge().await
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        if let Some(acker) = self.acker.take() {
            let back = BasicNackOptions {
                multiple: false,
                requeue: true,
            };
            // The first poll hands it to the connection; nothing is to be learnt from the rest. If
            // the connection is lost, the broker takes the event back by itself.
            let _ = acker.nack(back).now_or_never();
        }
    }
}
