//! Connecting, noticing that a connection is lost or blocked, and waiting before the next try.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt as _};
use lapin::options::ConfirmSelectOptions;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, Event};
use service_kit::telemetry::chain;
use tokio::sync::watch;
use tokio::time::timeout;

use super::topology;
use crate::bus::Retries;

/// How long connecting and declaring may take, and each question to the broker afterwards.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How often a connection is looked at that has not told anything.
const CHECK: Duration = Duration::from_secs(1);

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Why the broker does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum BrokerError {
    /// It said so, or the connection broke.
    #[error("the broker did not do it")]
    Refused(#[from] lapin::Error),
    /// It said nothing.
    #[error("the broker did not answer in time")]
    Silent,
    /// There is no connection at the moment.
    #[error("there is no connection to the broker at the moment")]
    Disconnected,
    /// It did not take a message.
    #[error("the broker did not confirm the message")]
    Unconfirmed,
    /// The channel by which a message came is closed; the message comes again.
    #[error("the message is not this consumer's any more")]
    Gone,
    /// A queue was deleted, or the consumer removed by the broker.
    #[error("the broker has ended the consumer")]
    Cancelled,
}

/// Waits for the broker's answer, but not for ever.
pub(super) async fn patiently<T>(
    answer: impl Future<Output = Result<T, lapin::Error>>,
) -> Result<T, BrokerError> {
    match timeout(PATIENCE, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(BrokerError::Silent),
    }
}

/// What the broker tells on its own of a connection.
pub(super) type Events = Pin<Box<dyn Stream<Item = Event> + Send>>;

/// A connection with everything declared.
pub(super) struct Link {
    pub(super) connection: Arc<Connection>,
    pub(super) events: Events,
}

impl Link {
    /// Connects and declares. `purpose` is what operators see in the list of connections.
    pub(super) async fn open(
        uri: &AMQPUri,
        purpose: &str,
        retries: Retries,
    ) -> Result<Self, BrokerError> {
        let name = format!("flixtube {purpose}, process {}", std::process::id());
        // The client's own recovery is left off: it would declare and publish again what it
        // remembers, beside the task that owns the connection and knows what is spooled.
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connect = Connection::connect_uri(uri.clone(), properties);
        let connection = patiently(connect).await?;
        let events = connection.events_listener().boxed();
        let connection = Arc::new(connection);
        declare(&connection, retries).await?;
        Ok(Self { connection, events })
    }

    /// Waits until the broker blocks or unblocks the connection (`Ok`: whether it is blocked), or
    /// the connection is lost.
    pub(super) async fn change(&mut self) -> Result<bool, BrokerError> {
        loop {
            let event = timeout(CHECK, self.events.next()).await;
            match event {
                Ok(Some(Event::ConnectionBlocked(_))) => return Ok(true),
                Ok(Some(Event::ConnectionUnblocked)) => return Ok(false),
                // Of a channel, perhaps; whoever uses it notices by itself.
                Ok(Some(Event::Error(error))) if !self.connection.status().connected() => {
                    return Err(error.into());
                }
                Ok(None) => return Err(BrokerError::Disconnected),
                Err(_) if !self.connection.status().connected() => {
                    return Err(BrokerError::Disconnected);
                }
                _ => {}
            }
        }
    }
}

/// Declares all exchanges and queues.
pub(super) async fn declare(connection: &Connection, retries: Retries) -> Result<(), BrokerError> {
    patiently(async {
        let channel = connection.create_channel().await?;
        topology::declare(&channel, retries).await
    })
    .await
}

/// A channel on which every message is confirmed once it is on the disks of its queues.
pub(super) async fn confirming_channel(connection: &Connection) -> Result<Channel, BrokerError> {
    patiently(async {
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok(channel)
    })
    .await
}

/// Pauses that grow, each shortened by chance, so that the many clients of a broker that comes back
/// do not all come at once.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Backoff {
    pub(super) async fn pause(&mut self) {
        let pause = self.0.mul_f64(rand::random_range(0.5..=1.0));
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
        tokio::time::sleep(pause).await;
    }
}

/// Keeps the connection for consuming: connects, tells everybody of the connection, and connects
/// again when it is lost, until it is aborted.
///
/// It is another connection than the one for publishing, because the broker stops to read from a
/// connection that publishes when it runs out of memory. Acknowledgements, which free memory, must
/// not wait behind that.
pub(super) async fn keep(
    uri: AMQPUri,
    retries: Retries,
    current: watch::Sender<Option<Arc<Connection>>>,
) {
    let mut backoff = Backoff::default();
    let mut complaints = Complaints::default();
    loop {
        match Link::open(&uri, "consumer", retries).await {
            Ok(mut link) => {
                tracing::info!("connected to the broker for consuming");
                let begun = Instant::now();
                current.send_replace(Some(Arc::clone(&link.connection)));
                let lost = loop {
                    // Blocked or not is nothing to those who only consume.
                    if let Err(lost) = link.change().await {
                        break lost;
                    }
                };
                current.send_replace(None);
                if has_lasted(begun) {
                    backoff = Backoff::default();
                    complaints = Complaints::default();
                }
                complaints.add("lost the connection for consuming", &lost);
            }
            Err(error) => complaints.add("cannot consume from the broker", &error),
        }
        backoff.pause().await;
    }
}

/// Whether a connection was of use. One that breaks at once, again and again, is no reason to
/// hurry.
pub(super) fn has_lasted(begun: Instant) -> bool {
    begun.elapsed() > LONGEST_PAUSE
}

/// Warns of the first failure of a row and then once a minute, so that hours without a broker do
/// not fill the logs.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    last: Option<Instant>,
}

impl Complaints {
    const EVERY: Duration = Duration::from_mins(1);

    /// Whether it is time to say something.
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.last.is_none_or(|last| last.elapsed() >= Self::EVERY);
        if is_due {
            self.last = Some(Instant::now());
        }
        is_due
    }

    pub(super) fn add(&mut self, what: &str, error: &(dyn std::error::Error + 'static)) {
        if self.is_due() {
            tracing::warn!(error = chain(error), "{what}; trying again until it works");
        } else {
            tracing::debug!(error = chain(error), "{what}");
        }
    }
}
