//! What a service shows of its bus: whether it is there, and what waits for it.

use std::sync::Arc;
use std::time::Duration;

use service_kit::context::ServiceContext;
use tokio_util::sync::CancellationToken;

use crate::bus::{BusStatus, EventBus};

/// How often the numbers are brought up to date. Nothing but memory is read for it.
const INTERVAL: Duration = Duration::from_millis(500);

/// Opens the gate of this name once the bus has been connected, and keeps the metrics of the bus up
/// to date, until the token is cancelled.
///
/// The gate is then left alone when the broker goes away later: events are spooled meanwhile, and a
/// service that took itself out of the traffic would turn a broker's restart into an outage.
pub async fn observe(
    bus: Arc<dyn EventBus>,
    context: ServiceContext,
    gate: &'static str,
    shutdown: CancellationToken,
) {
    let gate = context.readiness.gate(gate);
    let metrics = &context.metrics;
    let connected = metrics.gauge(
        "events_connected",
        "1 while events can be published without the spool and consumed",
    );
    let spooled = metrics.gauge(
        "events_spooled",
        "Events that wait on this machine's disk for the broker",
    );
    let returned = metrics.counter(
        "events_returned",
        "Times that the broker had no queue for an event; any is an alarm",
    );
    let refused = metrics.counter(
        "events_refused",
        "Events that were not taken because there was no room left",
    );
    let mut before = BusStatus::default();
    let mut has_been_connected = false;
    loop {
        let status = bus.status();
        if status.is_connected && !has_been_connected {
            has_been_connected = true;
            gate.set(true);
        }
        connected.set(i64::from(status.is_connected));
        spooled.set(i64::try_from(status.spooled).unwrap_or(i64::MAX));
        returned.inc_by(status.returned.saturating_sub(before.returned));
        refused.inc_by(status.refused.saturating_sub(before.refused));
        before = status;
        let pause = tokio::time::sleep(INTERVAL);
        if shutdown.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use test_support::eventually;
    use tokio::task::JoinSet;
    use uuid::Uuid;

    use super::*;
    use crate::bus::{BusError, DeadLetter, PublishError, SubscribeError, Subscription};
    use crate::envelope::Envelope;
    use crate::routing::Queue;

    const SOON: Duration = Duration::from_secs(20);

    /// A bus that is only looked at.
    #[derive(Debug)]
    struct Shown(Mutex<BusStatus>);

    #[async_trait]
    impl EventBus for Shown {
        async fn publish(&self, _: Envelope) -> Result<(), PublishError> {
            Err(PublishError::Full)
        }

        async fn subscribe(&self, _: Queue) -> Result<Box<dyn Subscription>, SubscribeError> {
            Err(SubscribeError::Unavailable(BusError::of("not this one")))
        }

        async fn dead_letters(&self, _: Queue, _: usize) -> Result<Vec<DeadLetter>, BusError> {
            Ok(Vec::new())
        }

        async fn replay(&self, _: Queue, _: Uuid) -> Result<bool, BusError> {
            Ok(false)
        }

        async fn discard(&self, _: Queue, _: Uuid) -> Result<bool, BusError> {
            Ok(false)
        }

        fn status(&self) -> BusStatus {
            *self.0.lock().unwrap()
        }
    }

    #[tokio::test]
    async fn the_gate_opens_when_the_broker_comes_and_stays_open_when_it_goes() {
        let away = BusStatus {
            is_connected: false,
            ..BusStatus::default()
        };
        let bus = Arc::new(Shown(Mutex::new(away)));
        let context = ServiceContext::new("observed");
        let gate = context.readiness.gate("events");
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let shown = Arc::clone(&bus) as Arc<dyn EventBus>;
        tasks.spawn(observe(shown, context.clone(), "events", shutdown.clone()));
        assert!(!gate.is_open());
        *bus.0.lock().unwrap() = BusStatus::default();
        eventually(SOON, || async { gate.is_open().then_some(()) }).await;
        *bus.0.lock().unwrap() = away;
        shutdown.cancel();
        tasks.join_all().await;
        assert!(context.readiness.is_ready());
    }
}
