//! The loop by which every service consumes.

use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use service_kit::telemetry::chain;
use service_kit::trace_context::TraceContext;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::bus::{BusError, Delivery, EventBus, SubscribeError, Subscription};
use crate::envelope::Envelope;
use crate::routing::Queue;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What a service does with the events of its queue.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Has the event's effect, once or again: events are delivered at least once.
    async fn handle(&self, envelope: &Envelope) -> Handled;
}

/// How it went.
#[derive(Debug)]
pub enum Handled {
    /// The effect is had, and durable.
    Done,
    /// The service's own store (or the bus that it answers on) is down. That is not the event's
    /// fault: it is held and tried again, and counts no try. Nothing more is consumed meanwhile.
    Unavailable(Box<dyn Error + Send + Sync>),
    /// This event fails by itself: it comes again later, and is a dead letter in the end.
    Failed(Box<dyn Error + Send + Sync>),
    /// This event can never have an effect: it is a dead letter now. Says why.
    Rejected(String),
}

/// Why consuming ended before it was told to.
#[derive(Debug, thiserror::Error)]
#[error("a task that consumes the queue {queue} died")]
pub struct ConsumeError {
    queue: Queue,
    source: tokio::task::JoinError,
}

/// Consumes a queue, `concurrency` events at once, until the token is cancelled; what is being
/// handled then is finished first.
pub async fn consume(
    bus: Arc<dyn EventBus>,
    queue: Queue,
    handler: Arc<dyn Handler>,
    concurrency: usize,
    shutdown: CancellationToken,
) -> Result<(), ConsumeError> {
    let mut workers = JoinSet::new();
    for _ in 0..concurrency {
        workers.spawn(work(
            Arc::clone(&bus),
            queue,
            Arc::clone(&handler),
            shutdown.clone(),
        ));
    }
    while let Some(ended) = workers.join_next().await {
        ended.map_err(|source| ConsumeError { queue, source })?;
    }
    Ok(())
}

async fn work(
    bus: Arc<dyn EventBus>,
    queue: Queue,
    handler: Arc<dyn Handler>,
    shutdown: CancellationToken,
) {
    while !shutdown.is_cancelled() {
        let Some(mut subscription) = subscribe(&*bus, queue, &shutdown).await else {
            return;
        };
        if let Err(error) = receive(&mut *subscription, queue, &*handler, &shutdown).await {
            tracing::warn!(%queue, error = chain(&error), "consuming broke off; subscribing again");
            pause(LONGEST_PAUSE, &shutdown).await;
        }
    }
}

async fn subscribe(
    bus: &dyn EventBus,
    queue: Queue,
    shutdown: &CancellationToken,
) -> Option<Box<dyn Subscription>> {
    let mut told = false;
    loop {
        let error = match bus.subscribe(queue).await {
            Ok(subscription) => return Some(subscription),
            Err(error) => error,
        };
        if !told {
            told = true;
            let hint = match error {
                SubscribeError::Taken { .. } => "waiting for the other process to end",
                SubscribeError::Unavailable(_) => "trying again until it works",
            };
            tracing::warn!(%queue, error = chain(&error), "cannot consume; {hint}");
        }
        pause(LONGEST_PAUSE, shutdown).await;
        if shutdown.is_cancelled() {
            return None;
        }
    }
}

async fn receive(
    subscription: &mut dyn Subscription,
    queue: Queue,
    handler: &dyn Handler,
    shutdown: &CancellationToken,
) -> Result<(), BusError> {
    loop {
        let delivery = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            delivery = subscription.next() => delivery?,
        };
        let context = delivery
            .envelope
            .traceparent
            .as_deref()
            .and_then(TraceContext::parse)
            .map_or_else(TraceContext::begin, TraceContext::next);
        let span = tracing::info_span!(
            "delivery",
            %queue,
            trace_id = context.trace_id(),
            event.r#type = delivery.envelope.event_type,
            event.id = %delivery.envelope.id,
        );
        context
            .scope(deliver(delivery, handler, shutdown))
            .instrument(span)
            .await?;
    }
}

async fn deliver(
    delivery: Delivery,
    handler: &dyn Handler,
    shutdown: &CancellationToken,
) -> Result<(), BusError> {
    let mut wait = FIRST_PAUSE;
    loop {
        let outcome = AssertUnwindSafe(handler.handle(&delivery.envelope))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Handled::Failed("its handler panicked".into()));
        match outcome {
            Handled::Done => return delivery.ack().await,
            Handled::Unavailable(error) => {
                tracing::warn!(error = chain(&*error), "cannot handle events; waiting");
                pause(wait, shutdown).await;
                if shutdown.is_cancelled() {
                    // Dropped, so that the next process finds it.
                    return Ok(());
                }
                wait = (wait * 2).min(LONGEST_PAUSE);
            }
            Handled::Failed(error) => {
                let reason = chain(&*error);
                tracing::warn!(reason, failures = delivery.failures + 1, "an event failed");
                return delivery.retry(&reason).await;
            }
            Handled::Rejected(reason) => {
                tracing::error!(
                    reason,
                    "an event cannot be handled; it is a dead letter now"
                );
                return delivery.reject(&reason).await;
            }
        }
    }
}

async fn pause(duration: Duration, shutdown: &CancellationToken) {
    // Both ends of the wait are as good.
    let _ = tokio::time::timeout(duration, shutdown.cancelled()).await;
}
