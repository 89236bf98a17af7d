//! Who watched what, where they stopped, and which views count.
//!
//! The service consumes what the streaming service tells of players, keeps one history entry per
//! viewer and video and one counted view per session, and tells the catalogue the number of each
//! view. In reading order:
//!
//! | module | owns |
//! |---|---|
//! | [`watch_session`] | beats, watched time, and when it makes a view |
//! | [`implicit_session`] | players that send no beats |
//! | [`entry`] | entries and where playing resumes |
//! | [`view_log`] | the port to the store, and its laws |
//! | `consumer`, `view_publisher`, `sweeper` | what happens without a request |
//! | `routes` | the HTTP API |
//! | [`transfer`] | moving a whole view log from one store to another |
//! | `service` | all of it together, waiting for its dependencies |

pub mod config;
mod consumer;
pub mod entry;
mod error;
mod health;
pub mod implicit_session;
mod metrics;
mod routes;
mod service;
mod sweeper;
pub mod transfer;
pub mod view_log;
mod view_publisher;
pub mod watch_session;

pub use config::Config;
pub use service::{BindError, RunError, Service};
