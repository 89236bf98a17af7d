//! The catalogue of FlixTube: what videos there are, what they are called, how often each was
//! watched, which are deleted. It knows no bytes; `video-storage` tells it of them.
//!
//! | module | owns |
//! |---|---|
//! | [`config`] | the settings |
//! | `video` | what may be said about a video |
//! | `search` | how text becomes words, and words become what is looked up |
//! | `page` | orders, pages and cursors |
//! | `catalog` | the port to the store, its laws, and its implementations on SQLite and MongoDB |
//! | `routes`, `error` | the HTTP interface |
//! | `view_counts` | the numbers of counted views, from the event bus |
//! | `deletions` | tells the whole system of deletions, whatever is down meanwhile |
//! | [`transfer`] | moving a whole catalogue from one store to another |
//! | `service` | all of it as one running service |

mod backoff;
mod catalog;
pub mod config;
mod counts;
mod deletions;
mod error;
mod page;
mod routes;
mod search;
mod service;
pub mod transfer;
mod video;
mod view_counts;

pub use config::{Command, Config};
pub use service::{BindError, RunError, Service};
