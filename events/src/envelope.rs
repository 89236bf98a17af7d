//! How an event travels, whatever carries it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use service_kit::trace_context::TraceContext;
use uuid::Uuid;

use crate::event::Event;

/// An event on its way: what carriers and consumers need to know, and its data as JSON.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Envelope {
    /// The event's type, which is its routing key.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The version of the data's shape.
    pub version: u32,
    /// The event's identity; the first body of an id wins.
    pub id: Uuid,
    /// When it was published.
    pub time: Timestamp,
    /// The trace that it belongs to (W3C Trace Context).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The event itself.
    pub data: serde_json::Value,
}

/// Why an envelope does not hold what the consumer expects.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It holds an event of another type.
    #[error("the event is a {found}, not a {expected}")]
    OtherType {
        /// What the consumer expects.
        expected: &'static str,
        /// What the envelope says.
        found: String,
    },
    /// Its shape is of a version that this release does not know.
    #[error("the {event_type} has version {found}; this release knows versions up to {known}")]
    NewerVersion {
        /// The event's type.
        event_type: &'static str,
        /// What the envelope says.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// Its data has another shape than its version says.
    #[error("the data of the {event_type} cannot be read")]
    Malformed {
        /// The event's type.
        event_type: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Envelope {
    /// Puts an event into an envelope, together with the trace that the running task is in.
    pub fn of<E: Event>(event: &E) -> Self {
        Self {
            event_type: E::TYPE.to_owned(),
            version: E::VERSION,
            id: event.id(),
            time: Timestamp::now(),
            traceparent: TraceContext::current().map(|step| step.next().to_string()),
            data: serde_json::to_value(event).expect("an event's members all have a JSON form"),
        }
    }

    /// The envelope as it is stored and sent.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an envelope's members all have a JSON form")
    }

    /// Takes the event out.
    pub fn decode<E: Event>(&self) -> Result<E, DecodeError> {
        if self.event_type != E::TYPE {
            return Err(DecodeError::OtherType {
                expected: E::TYPE,
                found: self.event_type.clone(),
            });
        }
        if self.version > E::VERSION {
            return Err(DecodeError::NewerVersion {
                event_type: E::TYPE,
                found: self.version,
                known: E::VERSION,
            });
        }
        E::deserialize(&self.data).map_err(|source| DecodeError::Malformed {
            event_type: E::TYPE,
            source,
        })
    }
}
