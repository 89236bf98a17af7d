//! The HTTP contract of video-storage, against the real service on a loopback port, with a small
//! catalogue of the tests' own that can be down.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on panics, and its helpers with it"
)]

mod blob_servers;
mod broken_uploads;
mod byte_contract;
mod deletion;
mod idempotency;
mod posters;
mod reconciling;
mod recovery;
mod redirects;
mod uploads;
mod world;
