//! What the services tell each other without waiting for an answer.
//!
//! | module | owns |
//! |---|---|
//! | [`event`] | the events, their versions and identities: the wire contract |
//! | [`envelope`] | how an event travels, whatever carries it |
//! | [`routing`] | the table routing key → queues |
//! | [`bus`] | the port: publish, subscribe, dead letters, and its laws |
//! | [`consumer`] | the loop by which every service consumes |
//! | [`embedded`] | the bus in an SQLite file, for a system in one process |
//! | [`rabbitmq`] | the bus on a broker, for a system of many processes |
//! | [`spool`] | events that wait on disk until the broker takes them |
//! | [`observation`] | what a service shows of its bus: readiness and metrics |
//! | [`url`] | which bus a setting names |
//!
//! Changes to an event are additive: a new member is optional and has a default. Anything else is
//! a new version, which older consumers put aside as dead letters instead of guessing. Recorded
//! examples (`fixtures/*.v1.json`) must decode for ever.

pub mod bus;
pub mod consumer;
pub mod embedded;
pub mod envelope;
pub mod event;
pub mod observation;
pub mod rabbitmq;
pub mod routing;
pub mod spool;
pub mod url;

pub use bus::{
    BusError, BusStatus, DeadLetter, Delivery, EventBus, PublishError, Retries, SubscribeError,
    Subscription,
};
pub use consumer::{ConsumeError, Handled, Handler, consume};
pub use envelope::{DecodeError, Envelope};
pub use event::{
    Event, PlaybackState, VideoDeleted, VideoStreamed, VideoViewed, ViewCounted, WatchProgressed,
};
pub use observation::observe;
pub use routing::Queue;
pub use url::{BusSource, BusUrl, open};
