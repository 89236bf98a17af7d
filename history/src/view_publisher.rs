//! Publishes the numbers of counted views.
//!
//! Normally the consumer publishes a number right after it was given, and the event that made the
//! view is not acknowledged before. Redelivery therefore covers a crash in between, but not an
//! event that was discarded as a dead letter, nor a bus that was restored from an older backup.
//! So what is left is published at the start and from time to time as well.

use std::sync::Arc;
use std::time::Duration;

use events::{Envelope, EventBus, PublishError, ViewCounted};
use jiff::{SignedDuration, Timestamp};
use service_kit::telemetry::chain;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::health::Health;
use crate::view_log::{CountedView, ViewLog, ViewLogError};

/// How often it is looked for views that are left.
const ROUND: Duration = Duration::from_secs(30);
/// Views younger than this are most likely about to be published by the consumer.
const GRACE: SignedDuration = SignedDuration::from_secs(10);
/// How many views are read at once.
const BATCH: usize = 100;

/// Why a number is not published, or not known to be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishViewError {
    /// The bus did not take it.
    #[error("the number of a view cannot be published")]
    Publish(#[from] PublishError),
    /// The log was not told.
    #[error("a view cannot be marked as published")]
    Confirm(#[from] ViewLogError),
}

/// Publishes numbers and confirms them to the log.
#[derive(Clone)]
pub(crate) struct ViewPublisher {
    log: Arc<dyn ViewLog>,
    bus: Arc<dyn EventBus>,
    health: Health,
}

impl ViewPublisher {
    pub(crate) fn new(log: Arc<dyn ViewLog>, bus: Arc<dyn EventBus>, health: Health) -> Self {
        Self { log, bus, health }
    }

    /// Publishes one number. If it fails half-way, repeating it publishes the same number under
    /// the same event id, which is harmless.
    pub(crate) async fn publish(&self, view: CountedView) -> Result<(), PublishViewError> {
        let CountedView {
            video,
            number,
            session,
        } = view;
        let event = ViewCounted {
            session,
            video,
            number,
        };
        self.health
            .of_bus(self.bus.publish(Envelope::of(&event)).await)?;
        self.health
            .of_view_log(self.log.confirm_view(session).await)?;
        Ok(())
    }

    /// Publishes what is left, at once and then every half minute, until the service stops.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut rounds = tokio::time::interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // At the start nobody else is about to publish what an earlier run has left.
        let mut grace = SignedDuration::ZERO;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = rounds.tick() => {}
            }
            if let Err(error) = self.publish_left(Timestamp::now() - grace).await {
                tracing::warn!(error = chain(&error), "counted views are left unpublished");
            }
            grace = GRACE;
        }
    }

    async fn publish_left(&self, counted_before: Timestamp) -> Result<(), PublishViewError> {
        loop {
            let left = self.log.unpublished_views(counted_before, BATCH).await;
            let left = self.health.of_view_log(left)?;
            for view in &left {
                self.publish(*view).await?;
            }
            if left.len() < BATCH {
                return Ok(());
            }
        }
    }
}
