//! Events as messages of the broker.

use std::sync::Arc;

use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use service_kit::trace_context::TRACEPARENT;
use uuid::Uuid;

use super::topology;
use crate::bus::{DeadLetter, Retries};
use crate::envelope::Envelope;
use crate::routing::Queue;

/// How often the event has failed by itself.
const FAILURES: &str = "x-failures";
/// Why the event was given up.
const REASON: &str = "x-reason";
/// When the event was given up, in milliseconds since the epoch.
const DIED_AT: &str = "x-died-at";

/// Bytes of a reason that are kept. All headers together must fit into one frame.
const REASON_BYTES: usize = 2_000;

/// Delivery mode 2: on disk. Quorum queues do it anyway; others, where an operator moves messages
/// to, do it only so.
const PERSISTENT: u8 = 2;

/// Something to publish.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) exchange: &'static str,
    pub(super) routing_key: String,
    pub(super) body: Arc<[u8]>,
    pub(super) properties: BasicProperties,
}

impl Message {
    /// An event for everybody whom it concerns. `json` is the same envelope.
    pub(super) fn event(envelope: &Envelope, json: &str) -> Self {
        let mut headers = FieldTable::default();
        if let Some(traceparent) = &envelope.traceparent {
            // For tools and consumers that look at headers only.
            headers.insert(TRACEPARENT.into(), text(traceparent));
        }
        let seconds = u64::try_from(envelope.time.as_second()).unwrap_or_default();
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(envelope.id.to_string().into())
            .with_type(envelope.event_type.as_str().into())
            .with_timestamp(seconds)
            .with_app_id("flixtube".into())
            .with_headers(headers);
        Self {
            exchange: topology::EVENTS,
            routing_key: envelope.event_type.clone(),
            body: json.as_bytes().into(),
            properties,
        }
    }

    /// What identifies it among the messages that are sent together.
    pub(super) fn identity(&self) -> (&str, &str, &str) {
        let id = self.properties.message_id().as_ref();
        let id = id.map_or("", |id| id.as_str());
        (self.exchange, &self.routing_key, id)
    }
}

/// A message as it was received.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) routing_key: String,
    pub(super) body: Arc<[u8]>,
    pub(super) properties: BasicProperties,
}

impl Received {
    /// Takes the content; the acknowledgement is somebody else's.
    pub(super) fn of(delivery: &mut lapin::message::Delivery) -> Self {
        Self {
            routing_key: delivery.routing_key.to_string(),
            body: std::mem::take(&mut delivery.data).into(),
            properties: std::mem::take(&mut delivery.properties),
        }
    }

    /// The event, if it is one.
    pub(super) fn envelope(&self) -> Result<Envelope, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// How often it has failed by itself.
    pub(super) fn failures(&self) -> u32 {
        let failures = self.header(FAILURES).and_then(integer);
        failures
            .and_then(|failures| u32::try_from(failures).ok())
            .unwrap_or_default()
    }

    /// The event's id. What cannot be read has one too: the publisher's, or one that follows from
    /// its bytes.
    pub(super) fn id(&self) -> Uuid {
        match self.envelope() {
            Ok(envelope) => envelope.id,
            Err(_) => self.unreadable_id(),
        }
    }

    fn unreadable_id(&self) -> Uuid {
        let id = self.properties.message_id().as_ref();
        id.and_then(|id| id.as_str().parse().ok())
            .unwrap_or_else(|| Uuid::new_v5(&Uuid::NAMESPACE_OID, &self.body))
    }

    /// The same message, to come back to this queue once the delay after `failures` is over.
    pub(super) fn delayed(&self, queue: Queue, failures: u32, retries: Retries) -> Message {
        let mut headers = self.clean_headers();
        headers.insert(FAILURES.into(), AMQPValue::LongUInt(failures));
        Message {
            exchange: topology::DELAYS,
            routing_key: topology::delay_key(retries, failures, queue),
            body: Arc::clone(&self.body),
            properties: self.identified().with_headers(headers),
        }
    }

    /// The same message as a dead letter of this queue.
    pub(super) fn dead(&self, queue: Queue, reason: &str) -> Message {
        let mut headers = self.clean_headers();
        let failures = self.failures();
        headers.insert(FAILURES.into(), AMQPValue::LongUInt(failures));
        headers.insert(REASON.into(), text(clip(reason)));
        let now = Timestamp::now().as_millisecond();
        headers.insert(DIED_AT.into(), AMQPValue::LongLongInt(now));
        Message {
            exchange: topology::DEAD_LETTERS,
            routing_key: queue.name().to_owned(),
            body: Arc::clone(&self.body),
            properties: self.identified().with_headers(headers),
        }
    }

    /// The same message with all its tries ahead, for this queue and no other.
    pub(super) fn replayed(&self, queue: Queue) -> Message {
        Message {
            // The default exchange knows every queue by its name.
            exchange: "",
            routing_key: topology::work_queue(queue),
            body: Arc::clone(&self.body),
            properties: self.identified().with_headers(self.clean_headers()),
        }
    }

    /// What a person is told of a dead letter.
    pub(super) fn dead_letter(&self) -> DeadLetter {
        let died_at = self.header(DIED_AT).and_then(integer);
        DeadLetter {
            envelope: self.envelope().unwrap_or_else(|error| Envelope {
                event_type: self.routing_key.clone(),
                version: 0,
                id: self.unreadable_id(),
                time: Timestamp::UNIX_EPOCH,
                traceparent: None,
                data: serde_json::json!({
                    "unreadable": String::from_utf8_lossy(&self.body),
                    "error": error.to_string(),
                }),
            }),
            reason: self.reason(),
            died_at: died_at
                .and_then(|at| Timestamp::from_millisecond(at).ok())
                .or_else(|| self.died_by_the_broker_at())
                .unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }

    /// Why it was given up: by a consumer, or by the broker, which notes it in `x-death`.
    fn reason(&self) -> String {
        if let Some(reason) = self.header(REASON) {
            return string(reason);
        }
        match self.broker_note("reason").map(string).as_deref() {
            Some("delivery_limit") => {
                format!(
                    "it was returned more than {DELIVERIES} times",
                    DELIVERIES = topology::DELIVERY_LIMIT
                )
            }
            Some(other) => format!("the broker gave it up: {other}"),
            None => "unknown".to_owned(),
        }
    }

    fn died_by_the_broker_at(&self) -> Option<Timestamp> {
        let AMQPValue::Timestamp(seconds) = self.broker_note("time")? else {
            return None;
        };
        Timestamp::from_second(i64::try_from(*seconds).ok()?).ok()
    }

    /// A member of the newest note that the broker has made when it moved the message.
    fn broker_note(&self, member: &str) -> Option<&AMQPValue> {
        let AMQPValue::FieldArray(notes) = self.header("x-death")? else {
            return None;
        };
        let AMQPValue::FieldTable(newest) = notes.as_slice().first()? else {
            return None;
        };
        newest.inner().get(member)
    }

    fn header(&self, name: &str) -> Option<&AMQPValue> {
        self.properties.headers().as_ref()?.inner().get(name)
    }

    /// The headers without ours and without the broker's notes of former deaths: the broker takes
    /// a message for one that goes in a circle, and drops it, when they name the same queue again.
    fn clean_headers(&self) -> FieldTable {
        let mut clean = FieldTable::default();
        let headers = self.properties.headers().iter();
        for (name, value) in headers.flat_map(FieldTable::inner) {
            let is_ours = [FAILURES, REASON, DIED_AT].contains(&name.as_str());
            let is_brokers = [
                "x-death",
                "x-first-death",
                "x-last-death",
                "x-delivery-count",
            ];
            let is_brokers = is_brokers
                .iter()
                .any(|prefix| name.as_str().starts_with(prefix));
            if !is_ours && !is_brokers {
                clean.insert(name.clone(), value.clone());
            }
        }
        clean
    }

    /// The properties of the message, which has an id for certain.
    fn identified(&self) -> BasicProperties {
        self.properties
            .clone()
            .with_delivery_mode(PERSISTENT)
            .with_message_id(self.id().to_string().into())
    }
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn string(value: &AMQPValue) -> String {
    match value {
        AMQPValue::LongString(text) => text.to_string(),
        AMQPValue::ShortString(text) => text.to_string(),
        _ => String::new(),
    }
}

/// A whole number, of whatever width: clients choose the narrowest.
fn integer(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::ShortShortInt(value) => Some((*value).into()),
        AMQPValue::ShortShortUInt(value) => Some((*value).into()),
        AMQPValue::ShortInt(value) => Some((*value).into()),
        AMQPValue::ShortUInt(value) => Some((*value).into()),
        AMQPValue::LongInt(value) => Some((*value).into()),
        AMQPValue::LongUInt(value) => Some((*value).into()),
        AMQPValue::LongLongInt(value) => Some(*value),
        _ => None,
    }
}

fn clip(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(REASON_BYTES)]
}
