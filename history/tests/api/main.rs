//! The HTTP contract of the history service and what it does with events, over a real port and
//! the real engines.

#![expect(
    clippy::unwrap_used,
    reason = "helpers outside of test functions are part of the tests as well"
)]

mod deletions;
mod errors;
mod listing;
mod mongodb;
mod restarts;
mod service;
mod views;
mod watching;
