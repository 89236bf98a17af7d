//! The bus on a RabbitMQ broker, for a system of many processes.
//!
//! | module | owns |
//! |---|---|
//! | `settings` | what an `amqp://` URL says |
//! | `topology` | exchanges and queues, with the reason of each option |
//! | `message` | events as messages: headers, tries, dead letters |
//! | `connection` | connecting, and noticing that a connection is lost |
//! | `publisher` | the task that owns the connection for publishing |
//! | `window` | messages that are sent together, and what becomes of them |
//! | `subscription` | consuming a queue |
//! | `dead_letters` | listing, replaying and removing them |
//!
//! How the laws of [`EventBus`] are kept:
//!
//! *Durable.* [`publish`](EventBus::publish) answers `Ok` when the broker has confirmed the event
//! (it is then on the disks of most of its nodes, in each queue of its route), or when it is in the
//! [spool](crate::spool) on this machine's disk. It goes to the spool when there is no connection,
//! when the broker takes nothing (a memory or disk alarm), when it does not confirm within seconds,
//! and when it has no queue for the event. What was not confirmed in time may have arrived all the
//! same and is then sent twice; consumers know it by its id. The spool is sent in its order as soon
//! as the broker is back, beside what is new: the bus promises no order.
//!
//! *At least once.* Consumers acknowledge by hand, after the effect. What a lost connection leaves
//! unacknowledged, the broker delivers again.
//!
//! *Bounded tries.* A message that fails by itself is published to a delay queue with its number of
//! failures in a header, and acknowledged once that is confirmed. A message that is only given back
//! (its consumer was stopped) does not count, save for the broker's own limit, which is a net.
//!
//! Opening does not wait for the broker. [`BusStatus`] tells whether it is there.

mod connection;
mod dead_letters;
mod message;
mod publisher;
mod settings;
mod subscription;
mod topology;
mod window;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use lapin::Connection;
use service_kit::telemetry::chain;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

use crate::bus::{
    BusError, BusStatus, DeadLetter, EventBus, PublishError, Retries, SubscribeError, Subscription,
};
use crate::envelope::Envelope;
use crate::routing::{Queue, queues_of};
use crate::spool::{Spool, SpoolError};
use connection::BrokerError;
use dead_letters::Desk;
use message::Message;
use publisher::{Lane, Publisher};
use subscription::{QueueConsumer, QueueSubscription};
use window::Outcome;

pub use settings::{InvalidRabbitMqUrl, RabbitMqUrl};

/// How long a call waits for the connection before it says that there is none.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How often a spool is asked for that another process holds.
const SPOOL_POLL: Duration = Duration::from_secs(1);

/// The bus on a RabbitMQ broker.
#[derive(Debug)]
pub struct RabbitMqBus {
    shared: Arc<Shared>,
}

/// What subscriptions share with the bus. The tasks end with the last of them.
#[derive(Debug)]
struct Shared {
    retries: Retries,
    lane: Lane,
    /// Empty as long as another process holds it.
    spool: Arc<OnceLock<Spool>>,
    consuming: watch::Receiver<Option<Arc<Connection>>>,
    consumers: Mutex<HashMap<Queue, Weak<QueueConsumer>>>,
    desk: Desk,
    refused: AtomicU64,
    _tasks: JoinSet<()>,
}

impl RabbitMqBus {
    /// Opens the spool and begins to connect.
    pub async fn open(url: &RabbitMqUrl) -> Result<Self, SpoolError> {
        Self::open_with(url, Retries::default()).await
    }

    /// The same, with failed deliveries tried again in this way. All processes of one system must
    /// agree on it: the delays are queues.
    pub async fn open_with(url: &RabbitMqUrl, retries: Retries) -> Result<Self, SpoolError> {
        let mut tasks = JoinSet::new();
        let spool = Arc::new(OnceLock::new());
        match Spool::open(url.spool(), url.spool_max_bytes()).await {
            Ok(opened) => {
                // It is new, so nobody else has set it.
                let _ = spool.set(opened);
            }
            Err(error @ SpoolError::Taken { .. }) => {
                // The process that this one replaces is still ending; or this is a tool, which runs
                // beside the service and publishes no events.
                tracing::warn!(error = chain(&error), "events are not spooled for now");
                tasks.spawn(wait_for_spool(url.clone(), Arc::clone(&spool)));
            }
            Err(error) => return Err(error),
        }
        let (publisher, lane) = Publisher::new(url.uri().clone(), retries, Arc::clone(&spool));
        tasks.spawn(publisher.run());
        let (current, consuming) = watch::channel(None);
        tasks.spawn(connection::keep(url.uri().clone(), retries, current));
        Ok(Self {
            shared: Arc::new(Shared {
                retries,
                lane,
                spool,
                consuming,
                consumers: Mutex::default(),
                desk: Desk::default(),
                refused: AtomicU64::new(0),
                _tasks: tasks,
            }),
        })
    }
}

impl Shared {
    /// The connection for consuming, waited for a little.
    async fn connection(&self) -> Result<Arc<Connection>, BrokerError> {
        let mut consuming = self.consuming.clone();
        let connected = timeout(CONNECT_WITHIN, consuming.wait_for(Option::is_some)).await;
        match connected {
            Ok(Ok(connection)) => connection.clone().ok_or(BrokerError::Disconnected),
            Ok(Err(_)) | Err(_) => Err(BrokerError::Disconnected),
        }
    }

    /// The consumer that the subscriptions to a queue share, begun for the first of them.
    async fn consumer(&self, queue: Queue) -> Result<Arc<QueueConsumer>, BrokerError> {
        let mut consumers = self.consumers.lock().await;
        let begun = consumers.get(&queue).and_then(Weak::upgrade);
        if let Some(consumer) = begun.filter(|consumer| consumer.is_alive()) {
            return Ok(consumer);
        }
        let connection = self.connection().await?;
        let consumer = QueueConsumer::begin(&connection, queue, self.retries).await?;
        let consumer = Arc::new(consumer);
        consumers.insert(queue, Arc::downgrade(&consumer));
        Ok(consumer)
    }

    async fn spool(&self, json: String, is_parked: bool) -> Result<(), PublishError> {
        let Some(spool) = self.spool.get() else {
            return Err(PublishError::Unavailable(BrokerError::Disconnected.into()));
        };
        spool.put(json, is_parked).await
    }
}

async fn wait_for_spool(url: RabbitMqUrl, spool: Arc<OnceLock<Spool>>) {
    loop {
        tokio::time::sleep(SPOOL_POLL).await;
        match Spool::open(url.spool(), url.spool_max_bytes()).await {
            Ok(opened) => {
                tracing::info!("the spool is free; events are spooled from now on");
                let _ = spool.set(opened);
                return;
            }
            Err(SpoolError::Taken { .. }) => {}
            Err(error) => tracing::error!(error = chain(&error), "the spool cannot be opened"),
        }
    }
}

#[async_trait]
impl EventBus for RabbitMqBus {
    async fn publish(&self, event: Envelope) -> Result<(), PublishError> {
        if queues_of(&event.event_type).is_empty() {
            // By the table it goes nowhere.
            return Ok(());
        }
        let shared = &self.shared;
        let json = event.to_json();
        let message = Message::event(&event, &json);
        let taken = match shared.lane.publish(message).await {
            Outcome::Confirmed => return Ok(()),
            Outcome::Unknown => shared.spool(json, false).await,
            Outcome::Returned | Outcome::Refused => shared.spool(json, true).await,
        };
        if taken.is_err() {
            shared.refused.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    async fn subscribe(&self, queue: Queue) -> Result<Box<dyn Subscription>, SubscribeError> {
        let shared = Arc::clone(&self.shared);
        match shared.consumer(queue).await {
            Ok(consumer) => Ok(Box::new(QueueSubscription::new(consumer, shared))),
            Err(error) => Err(SubscribeError::Unavailable(BusError::of(error))),
        }
    }

    async fn dead_letters(&self, queue: Queue, limit: usize) -> Result<Vec<DeadLetter>, BusError> {
        let list = async {
            let connection = self.shared.connection().await?;
            self.shared.desk.list(&connection, queue, limit).await
        };
        list.await.map_err(BusError::of)
    }

    async fn replay(&self, queue: Queue, event: Uuid) -> Result<bool, BusError> {
        let Shared { desk, lane, .. } = &*self.shared;
        let connection = self.shared.connection().await.map_err(BusError::of)?;
        desk.replay(&connection, lane, queue, event).await
    }

    async fn discard(&self, queue: Queue, event: Uuid) -> Result<bool, BusError> {
        let discard = async {
            let connection = self.shared.connection().await?;
            self.shared.desk.discard(&connection, queue, event).await
        };
        discard.await.map_err(BusError::of)
    }

    fn status(&self) -> BusStatus {
        let shared = &self.shared;
        let is_consuming = shared.consuming.borrow().is_some();
        BusStatus {
            is_connected: is_consuming && shared.lane.is_open(),
            spooled: shared.spool.get().map_or(0, Spool::depth),
            returned: shared.lane.returned(),
            refused: shared.refused.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests;
