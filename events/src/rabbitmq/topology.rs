//! The exchanges and queues, declared by everybody who connects.
//!
//! ```text
//!                  type                       .history (quorum) ─────────▶ consumers
//! publishers ───▶ flixtube.events (topic) ──▶ .metadata                       │ │
//!                                             .video-storage                  │ │ rejected, or
//!                     ▲ flixtube.redeliveries (topic), *.QUEUE                │ │ tried too often
//!                     │ when the time is over                                 │ ▼
//!       flixtube.delay.500ms … 32000ms ◀── flixtube.delays (topic) ◀── failed │ flixtube.dead-letters (direct)
//!                                               500ms.QUEUE                     ▼
//!                                                              .history.dead-letters …
//! ```
//!
//! Declaring is idempotent. Producers declare the consumers' queues too, so that an event which is
//! published before its consumer ever ran is kept. The names are the same on every system: two
//! systems on one broker have a virtual host each.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

use crate::bus::Retries;
use crate::routing::{Queue, ROUTES};

/// Where events are published, by their type.
pub(super) const EVENTS: &str = "flixtube.events";
/// Where failed events are published, by their delay and queue.
pub(super) const DELAYS: &str = "flixtube.delays";
/// Where delayed events come back from, with the same routing key.
const REDELIVERIES: &str = "flixtube.redeliveries";
/// Where events are published that are given up, by their queue.
pub(super) const DEAD_LETTERS: &str = "flixtube.dead-letters";

/// How often the broker may deliver an event before it gives it up by itself. Only a net: the
/// broker counts every return, also those of consumers that were stopped or lost their connection,
/// so this must be far from what happens in normal operation. Failures that are the event's own are
/// counted in a header.
pub(super) const DELIVERY_LIMIT: i64 = 50;

/// How often an event can be looked at as a dead letter: for ever. From RabbitMQ 4.0 on, saying
/// nothing means 20, and what is over the limit would be lost.
const NO_LIMIT: i64 = i32::MAX as i64;

/// How many steps the delays have. Each is a queue of its own, because messages leave a queue at
/// its head: one of ten minutes before one of a second would hold it up.
const DELAY_STEPS: u32 = 4;

/// Each step is this much longer than the one before.
const DELAY_FACTOR: u32 = 4;

/// The queue of a consuming service.
pub(super) fn work_queue(queue: Queue) -> String {
    format!("flixtube.{queue}")
}

/// Its dead letters.
pub(super) fn dead_letter_queue(queue: Queue) -> String {
    format!("flixtube.{queue}.dead-letters")
}

/// The routing key by which an event goes back to this queue after its `failures`th failure.
pub(super) fn delay_key(retries: Retries, failures: u32, queue: Queue) -> String {
    let step = failures.saturating_sub(1).min(DELAY_STEPS - 1);
    format!("{}ms.{queue}", delay(retries, step).as_millis())
}

fn delay(retries: Retries, step: u32) -> Duration {
    retries
        .first_delay
        .saturating_mul(DELAY_FACTOR.saturating_pow(step))
}

/// Declares everything.
pub(super) async fn declare(channel: &Channel, retries: Retries) -> Result<(), lapin::Error> {
    for (exchange, kind) in [
        (EVENTS, ExchangeKind::Topic),
        (DELAYS, ExchangeKind::Topic),
        (REDELIVERIES, ExchangeKind::Topic),
        (DEAD_LETTERS, ExchangeKind::Direct),
    ] {
        // Durable: it outlives a restart of the broker.
        let options = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let nothing = FieldTable::default();
        channel
            .exchange_declare(exchange.into(), kind, options, nothing)
            .await?;
    }
    for queue in Queue::ALL {
        declare_dead_letters(channel, queue).await?;
        declare_work(channel, queue).await?;
    }
    for step in 0..DELAY_STEPS {
        declare_delay(channel, delay(retries, step)).await?;
    }
    Ok(())
}

async fn declare_dead_letters(channel: &Channel, queue: Queue) -> Result<(), lapin::Error> {
    let name = dead_letter_queue(queue);
    let mut arguments = quorum();
    arguments.insert("x-delivery-limit".into(), NO_LIMIT.into());
    declare_queue(channel, &name, arguments).await?;
    bind(channel, &name, DEAD_LETTERS, queue.name()).await
}

async fn declare_work(channel: &Channel, queue: Queue) -> Result<(), lapin::Error> {
    let name = work_queue(queue);
    let mut arguments = quorum();
    arguments.insert("x-delivery-limit".into(), DELIVERY_LIMIT.into());
    dead_lettering_to(&mut arguments, DEAD_LETTERS);
    // Without it the type of the event would be the key, which does not tell the queue.
    arguments.insert("x-dead-letter-routing-key".into(), text(queue.name()));
    declare_queue(channel, &name, arguments).await?;
    for (event_type, queues) in ROUTES {
        if queues.contains(&queue) {
            bind(channel, &name, EVENTS, event_type).await?;
        }
    }
    bind(channel, &name, REDELIVERIES, &format!("*.{queue}")).await
}

async fn declare_delay(channel: &Channel, delay: Duration) -> Result<(), lapin::Error> {
    let milliseconds = delay.as_millis();
    let name = format!("flixtube.delay.{milliseconds}ms");
    let mut arguments = quorum();
    // The time that every message stays in this queue. Then it is "dead" for the broker, and goes
    // where dead letters of this queue go: back.
    let ttl = i64::try_from(milliseconds).unwrap_or(i64::MAX);
    arguments.insert("x-message-ttl".into(), ttl.into());
    dead_lettering_to(&mut arguments, REDELIVERIES);
    declare_queue(channel, &name, arguments).await?;
    bind(channel, &name, DELAYS, &format!("{milliseconds}ms.*")).await
}

/// A queue on a majority of the broker's nodes, each on disk before a message is confirmed.
fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments
}

/// What leaves the queue without having been acknowledged goes to this exchange.
fn dead_lettering_to(arguments: &mut FieldTable, exchange: &str) {
    arguments.insert("x-dead-letter-exchange".into(), text(exchange));
    // By default the broker forgets a dead letter once it has sent it on, confirmed or not; so it
    // keeps it until the other queue has confirmed.
    arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    // Which it only does for queues that refuse new messages when they are full (should an
    // operator's policy ever limit them) instead of dropping old ones. A refused publisher spools.
    arguments.insert("x-overflow".into(), text("reject-publish"));
}

async fn declare_queue(
    channel: &Channel,
    name: &str,
    arguments: FieldTable,
) -> Result<(), lapin::Error> {
    let options = QueueDeclareOptions {
        // It outlives a restart of the broker; a quorum queue cannot be otherwise.
        durable: true,
        // Several processes use it, and it stays when nobody does.
        exclusive: false,
        auto_delete: false,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(name.into(), options, arguments)
        .await
        .map(|_| ())
}

async fn bind(
    channel: &Channel,
    queue: &str,
    exchange: &str,
    routing_key: &str,
) -> Result<(), lapin::Error> {
    let options = QueueBindOptions::default();
    let nothing = FieldTable::default();
    channel
        .queue_bind(
            queue.into(),
            exchange.into(),
            routing_key.into(),
            options,
            nothing,
        )
        .await
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delays_grow_up_to_the_last_step_and_stay_there() {
        let retries = Retries::default();
        let keys: Vec<_> = (1..=6)
            .map(|failures| delay_key(retries, failures, Queue::HISTORY))
            .collect();
        let expected = ["500ms", "2000ms", "8000ms", "32000ms", "32000ms", "32000ms"];
        assert_eq!(keys, expected.map(|delay| format!("{delay}.history")));
    }
}
