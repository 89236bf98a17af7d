//! The task that owns the connection for publishing: it sends what is handed in and what is
//! spooled, and connects again when the connection is lost.
//!
//! Messages are sent in windows: up to [`WINDOW`] messages, and then their confirmations, before
//! the next.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use lapin::Channel;
use lapin::uri::AMQPUri;
use service_kit::telemetry::chain;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::connection::{
    Backoff, BrokerError, Complaints, Link, confirming_channel, declare, has_lasted,
};
use super::message::Message;
use super::window::{Outcome, Window};
use crate::bus::{BusError, Retries};
use crate::spool::Spool;

/// Messages that are sent before their confirmations are waited for: enough to share the broker's
/// flushes to disk, and few enough that a window takes milliseconds.
const WINDOW: usize = 256;

/// How long the broker may take to confirm. An answer takes milliseconds, or, while its disk is
/// busy or its nodes choose a leader, a second.
const CONFIRM_WITHIN: Duration = Duration::from_secs(2);

/// How long a publisher waits altogether, for a window before its own too. Less than the services'
/// callers wait, so that there is time left to spool.
const PUBLISH_WITHIN: Duration = Duration::from_secs(3);

/// How long what a consumer wants to publish waits for the broker. Longer, because it has no spool:
/// it is on the broker already.
const SETTLE_WITHIN: Duration = Duration::from_secs(20);

/// How long the spool is left alone after it could not be read or written.
const SPOOL_PAUSE: Duration = Duration::from_secs(1);

/// How often it is asked whether the spool, which another process holds, is there.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

struct Request {
    message: Message,
    /// Dropped: unknown.
    outcome: oneshot::Sender<Outcome>,
}

/// What the publisher tells of itself.
#[derive(Debug, Default)]
pub(super) struct Telling {
    returned: AtomicU64,
}

/// The way to the publisher.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    requests: mpsc::Sender<Request>,
    /// Whether the broker takes messages at the moment.
    is_open: watch::Receiver<bool>,
    telling: Arc<Telling>,
}

impl Lane {
    /// Whether the broker takes messages at the moment.
    pub(super) fn is_open(&self) -> bool {
        *self.is_open.borrow()
    }

    /// How many messages the broker has sent back.
    pub(super) fn returned(&self) -> u64 {
        self.telling.returned.load(Ordering::Relaxed)
    }

    /// Publishes, if that can be done at once.
    pub(super) async fn publish(&self, message: Message) -> Outcome {
        if !self.is_open() {
            return Outcome::Unknown;
        }
        timeout(PUBLISH_WITHIN, self.send(message))
            .await
            .unwrap_or(Outcome::Unknown)
    }

    /// Publishes for a consumer: waits for the broker if need be.
    pub(super) async fn publish_patiently(&self, message: Message) -> Result<(), BusError> {
        let publish = async {
            let mut is_open = self.is_open.clone();
            // The publisher has ended only when the bus has.
            let opened = is_open.wait_for(|is_open| *is_open).await;
            opened.map_err(|_| BrokerError::Disconnected)?;
            match self.send(message).await {
                Outcome::Confirmed => Ok(()),
                Outcome::Returned | Outcome::Refused | Outcome::Unknown => {
                    Err(BrokerError::Unconfirmed)
                }
            }
        };
        timeout(SETTLE_WITHIN, publish)
            .await
            .unwrap_or(Err(BrokerError::Silent))
            .map_err(BusError::of)
    }

    async fn send(&self, message: Message) -> Outcome {
        let (outcome, told) = oneshot::channel();
        let request = Request { message, outcome };
        if self.requests.send(request).await.is_err() {
            return Outcome::Unknown;
        }
        told.await.unwrap_or(Outcome::Unknown)
    }
}

/// The publisher, to be run by a task.
pub(super) struct Publisher {
    uri: AMQPUri,
    retries: Retries,
    requests: mpsc::Receiver<Request>,
    is_open: watch::Sender<bool>,
    /// Empty as long as another process holds the spool.
    spool: Arc<OnceLock<Spool>>,
    telling: Arc<Telling>,
    alarm: Complaints,
}

/// What there is to send.
enum Step {
    Requests,
    Spool,
}

/// Why a channel is of no more use.
enum Ended {
    /// Something on it was not answered, and may be at a time when nobody asks any more.
    Channel,
    /// The broker takes nothing until further notice.
    Blocked,
    /// The connection is lost.
    Lost(BrokerError),
}

impl From<BrokerError> for Ended {
    fn from(error: BrokerError) -> Self {
        Self::Lost(error)
    }
}

impl Publisher {
    /// A publisher, and the way to it.
    pub(super) fn new(uri: AMQPUri, retries: Retries, spool: Arc<OnceLock<Spool>>) -> (Self, Lane) {
        let (sender, requests) = mpsc::channel(WINDOW);
        let (is_open, opened) = watch::channel(false);
        let telling = Arc::new(Telling::default());
        let publisher = Self {
            uri,
            retries,
            requests,
            is_open,
            spool,
            telling: Arc::clone(&telling),
            alarm: Complaints::default(),
        };
        let lane = Lane {
            requests: sender,
            is_open: opened,
            telling,
        };
        (publisher, lane)
    }

    /// Connects, publishes, and connects again, until it is aborted.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        let mut complaints = Complaints::default();
        loop {
            let uri = self.uri.clone();
            let open = Link::open(&uri, "publisher", self.retries);
            match self.refusing(open).await {
                Ok(link) => {
                    tracing::info!("connected to the broker for publishing");
                    let begun = Instant::now();
                    let lost = self.serve(link).await;
                    self.is_open.send_replace(false);
                    if has_lasted(begun) {
                        backoff = Backoff::default();
                        complaints = Complaints::default();
                    }
                    complaints.add("lost the connection for publishing", &lost);
                }
                Err(error) => complaints.add("cannot publish to the broker", &error),
            }
            self.refusing(backoff.pause()).await;
        }
    }

    /// Waits for something while there is nobody to publish to: who asks, is told at once.
    async fn refusing<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        loop {
            tokio::select! {
                biased;
                done = &mut future => return done,
                Some(request) = self.requests.recv() => drop(request),
            }
        }
    }

    /// Publishes until the connection is lost.
    async fn serve(&mut self, mut link: Link) -> BrokerError {
        loop {
            let channel = match self.refusing(confirming_channel(&link.connection)).await {
                Ok(channel) => channel,
                Err(error) => return error,
            };
            self.is_open.send_replace(true);
            match self.publish_on(&channel, &mut link).await {
                Ended::Channel => {}
                Ended::Blocked => {
                    self.is_open.send_replace(false);
                    tracing::warn!("the broker is short of memory or disk; events are spooled");
                    if let Err(lost) = self.refusing(unblocked(&mut link)).await {
                        return lost;
                    }
                    tracing::info!("the broker takes events again");
                }
                Ended::Lost(error) => return error,
            }
        }
    }

    /// Publishes until the channel is of no more use.
    async fn publish_on(&mut self, channel: &Channel, link: &mut Link) -> Ended {
        let spool = Arc::clone(&self.spool);
        let mut requests = Vec::with_capacity(WINDOW);
        loop {
            // One of them by chance when there are several, so that none waits for another's end.
            let step = tokio::select! {
                ended = trouble(link) => return ended,
                _ = self.requests.recv_many(&mut requests, WINDOW) => Step::Requests,
                () = has_work(&spool) => Step::Spool,
                () = tokio::time::sleep(LOOK_AGAIN), if spool.get().is_none() => continue,
            };
            let done = match (step, spool.get()) {
                (Step::Spool, Some(spool)) => self.drain(spool, channel, link).await,
                (Step::Spool, None) => Ok(()),
                (Step::Requests, _) => self.publish_requests(&mut requests, channel, link).await,
            };
            if let Err(ended) = done {
                return ended;
            }
        }
    }

    async fn publish_requests(
        &mut self,
        requests: &mut Vec<Request>,
        channel: &Channel,
        link: &mut Link,
    ) -> Result<(), Ended> {
        let (messages, callers): (Vec<_>, Vec<_>) = requests
            .drain(..)
            // Nobody waits any more: it was spooled, or the caller has gone.
            .filter(|request| !request.outcome.is_closed())
            .map(|Request { message, outcome }| (message, outcome))
            .unzip();
        let (outcomes, ended) = self.send(messages, channel, link).await;
        for (caller, outcome) in callers.into_iter().zip(outcomes) {
            // The caller may have gone meanwhile.
            let _ = caller.send(outcome);
        }
        ended
    }

    /// Sends the first window of the spool.
    async fn drain(
        &mut self,
        spool: &Spool,
        channel: &Channel,
        link: &mut Link,
    ) -> Result<(), Ended> {
        let spooled = match spool.next(WINDOW).await {
            Ok(spooled) => spooled,
            Err(error) => {
                tracing::error!(error = chain(&error), "the spool cannot be read");
                self.refusing(tokio::time::sleep(SPOOL_PAUSE)).await;
                return Ok(());
            }
        };
        if spooled.iter().any(|event| event.refusals > 0) {
            // It was sent back because a queue or a binding is missing; perhaps that is all.
            self.refusing(declare(&link.connection, self.retries))
                .await?;
        }
        let mut events = Vec::with_capacity(spooled.len());
        let mut messages = Vec::with_capacity(spooled.len());
        let mut refused = Vec::new();
        for event in spooled {
            match serde_json::from_str(&event.envelope) {
                Ok(envelope) => {
                    messages.push(Message::event(&envelope, &event.envelope));
                    events.push(event);
                }
                // Another release has written it. It is kept, and lets the others pass.
                Err(_) => refused.push(event),
            }
        }
        let (outcomes, ended) = self.send(messages, channel, link).await;
        let mut confirmed = Vec::new();
        for (event, outcome) in events.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Confirmed => confirmed.push(event),
                Outcome::Returned | Outcome::Refused => refused.push(event),
                Outcome::Unknown => {}
            }
        }
        if let Err(error) = spool.settle(confirmed, refused).await {
            // They are sent again, which is harmless, but not at once.
            tracing::error!(error = chain(&error), "the spool cannot be written");
            self.refusing(tokio::time::sleep(SPOOL_PAUSE)).await;
        }
        ended
    }

    /// Sends messages and waits for their confirmations. The outcomes are those of the messages, in
    /// their order.
    async fn send(
        &mut self,
        messages: Vec<Message>,
        channel: &Channel,
        link: &mut Link,
    ) -> (Vec<Outcome>, Result<(), Ended>) {
        let mut window = Window::of(messages);
        let sent = tokio::select! {
            sent = timeout(CONFIRM_WITHIN, window.send(channel)) => sent,
            ended = trouble(link) => return (window.broken_off(), Err(ended)),
        };
        match sent {
            Ok(Ok(())) => {
                let returned = window.note_returned();
                if returned > 0 {
                    self.raise_alarm(returned);
                }
                (window.outcomes, Ok(()))
            }
            Ok(Err(error)) => (window.broken_off(), Err(BrokerError::from(error).into())),
            Err(_) if window.is_unanswered() => (window.outcomes, Err(BrokerError::Silent.into())),
            Err(_) => {
                tracing::warn!("a queue did not confirm in time; its events wait in the spool");
                (window.timed_out(), Err(Ended::Channel))
            }
        }
    }

    fn raise_alarm(&mut self, returned: u64) {
        let before = self.telling.returned.fetch_add(returned, Ordering::Relaxed);
        if self.alarm.is_due() {
            tracing::error!(
                returned = before + returned,
                "the broker has no queue for events that it should have one for; was a queue or a \
                 binding deleted? The events are kept in the spool and tried again"
            );
        }
    }
}

/// Waits until there is something in the spool to be sent.
async fn has_work(spool: &OnceLock<Spool>) {
    match spool.get() {
        Some(spool) => spool.has_work().await,
        // Another process holds it; looked for again after LOOK_AGAIN.
        None => std::future::pending().await,
    }
}

/// Waits until nothing more can be sent.
async fn trouble(link: &mut Link) -> Ended {
    loop {
        match link.change().await {
            Ok(true) => return Ended::Blocked,
            Ok(false) => {}
            Err(lost) => return lost.into(),
        }
    }
}

/// Waits until the broker takes messages again.
async fn unblocked(link: &mut Link) -> Result<(), BrokerError> {
    while link.change().await? {}
    Ok(())
}
