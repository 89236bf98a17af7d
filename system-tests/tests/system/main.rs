//! Scenarios of the whole system, through the gateway.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod byte_contract;
mod deleting;
mod failures;
mod plain_players;
mod processes;
mod reconciling;
mod replicas;
mod uploading;
mod watching;
