//! The port: publishing, subscribing, dead letters.

#[cfg(test)]
pub(crate) mod conformance;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use service_kit::sqlite::DatabaseError;
use uuid::Uuid;

use crate::envelope::Envelope;
use crate::routing::Queue;

/// Carries events from the service that publishes to the queues of those that consume.
///
/// Laws, which every implementation keeps and `conformance.rs` checks:
/// 1. *Durable.* When [`publish`](Self::publish) answers `Ok`, the event outlives a `kill -9` of
///    every process, and is delivered to each queue of its routing key, also to one that nobody has
///    subscribed to yet.
/// 2. *At least once.* A delivery that was not acknowledged is delivered again; one that was
///    acknowledged, is not. Consumers are idempotent by the event's id.
/// 3. *Shared.* Several subscriptions to a queue share its events; one event is with one of them at
///    a time.
/// 4. *Bounded tries.* A delivery that is given back with [`Delivery::retry`] comes again after a
///    growing delay, does not hold up the others, and is a dead letter after [`MAX_TRIES`]. What was
///    merely dropped (its consumer stopped) comes again without having counted as a try.
/// 5. *Nothing vanishes.* A dead letter stays, with the reason, until somebody replays or discards it.
/// 6. *No order.* Events may be delivered in another order than they were published in.
#[async_trait]
pub trait EventBus: Send + Sync + std::fmt::Debug {
    /// Takes an event. `Ok` means durable.
    async fn publish(&self, event: Envelope) -> Result<(), PublishError>;

    /// Begins to consume a queue.
    async fn subscribe(&self, queue: Queue) -> Result<Box<dyn Subscription>, SubscribeError>;

    /// The oldest dead letters of a queue.
    async fn dead_letters(&self, queue: Queue, limit: usize) -> Result<Vec<DeadLetter>, BusError>;

    /// Puts a dead letter back into its queue, with all its tries ahead. `false`: there is no such.
    async fn replay(&self, queue: Queue, event: Uuid) -> Result<bool, BusError>;

    /// Removes a dead letter for good. `false`: there is no such.
    async fn discard(&self, queue: Queue, event: Uuid) -> Result<bool, BusError>;

    /// How it is at the moment. Asking costs nothing: no broker and no disk is asked.
    fn status(&self) -> BusStatus {
        BusStatus::default()
    }
}

/// How a bus is at the moment, for readiness and metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BusStatus {
    /// Whether what carries the events can be reached. Events are taken meanwhile if it cannot be,
    /// as long as there is room for them.
    pub is_connected: bool,
    /// Events that wait on this machine's disk until the broker takes them.
    pub spooled: u64,
    /// Times that the broker had no queue for an event and sent it back, since this process began.
    /// More than none calls for an operator: somebody has deleted a queue or a binding.
    pub returned: u64,
    /// Events that were not taken because there was no room left, since this process began.
    pub refused: u64,
}

impl Default for BusStatus {
    /// That of a bus which is in the process itself.
    fn default() -> Self {
        Self {
            is_connected: true,
            spooled: 0,
            returned: 0,
            refused: 0,
        }
    }
}

/// A consumer's place at a queue. Dropping it gives back what was delivered and not settled.
#[async_trait]
pub trait Subscription: Send {
    /// Waits for the next event.
    async fn next(&mut self) -> Result<Delivery, BusError>;
}

/// How often an event is tried before it is a dead letter.
pub const MAX_TRIES: u32 = 8;

/// How failed deliveries are tried again.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    /// How long the first failure waits; further ones wait longer.
    pub first_delay: Duration,
    /// How often an event is tried before it is a dead letter.
    pub tries: u32,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            first_delay: Duration::from_millis(500),
            tries: MAX_TRIES,
        }
    }
}

/// An event that was handed to a consumer. Dropping it is the same as never having received it.
#[derive(Debug)]
pub struct Delivery {
    /// The event.
    pub envelope: Envelope,
    /// How often it has failed before.
    pub failures: u32,
    settle: Box<dyn Settle>,
}

/// What a bus does when a delivery is settled.
#[async_trait]
pub trait Settle: Send + Sync + std::fmt::Debug {
    /// The event has had its effect.
    async fn ack(self: Box<Self>) -> Result<(), BusError>;
    /// The event failed by itself; it is to come again later.
    async fn retry(self: Box<Self>, reason: &str) -> Result<(), BusError>;
    /// The event can never have an effect.
    async fn reject(self: Box<Self>, reason: &str) -> Result<(), BusError>;
}

impl Delivery {
    /// A delivery that settles in this way.
    pub fn new(envelope: Envelope, failures: u32, settle: Box<dyn Settle>) -> Self {
        Self {
            envelope,
            failures,
            settle,
        }
    }

    /// The event has had its effect and need not come again.
    pub async fn ack(self) -> Result<(), BusError> {
        self.settle.ack().await
    }

    /// The event failed by itself: it comes again after a delay that grows, or is a dead letter
    /// when its tries are used up.
    pub async fn retry(self, reason: &str) -> Result<(), BusError> {
        self.settle.retry(reason).await
    }

    /// The event can never have an effect: it is a dead letter now.
    pub async fn reject(self, reason: &str) -> Result<(), BusError> {
        self.settle.reject(reason).await
    }
}

/// An event that was given up.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The event.
    pub envelope: Envelope,
    /// Why it was given up.
    pub reason: String,
    /// When it was given up.
    pub died_at: Timestamp,
}

/// Why an event was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// There is no room for it at the moment.
    #[error("the event bus takes no more events at the moment")]
    Full,
    /// The bus does not work at the moment.
    #[error("the event bus does not take events at the moment")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<DatabaseError> for PublishError {
    fn from(error: DatabaseError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

/// Why a queue cannot be consumed.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// Another process consumes it, and this kind of bus serves one process.
    #[error("another process consumes the queue {queue} of {bus} already")]
    Taken {
        /// The queue.
        queue: Queue,
        /// The bus.
        bus: String,
    },
    /// The bus does not work at the moment.
    #[error("the event bus does not deliver at the moment")]
    Unavailable(#[source] BusError),
}

/// Why the bus could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("the event bus does not work at the moment")]
pub struct BusError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl BusError {
    pub(crate) fn of(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}
