//! Scenarios of the whole system, through the gateway.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod blob_outages;
mod byte_contract;
mod deleting;
mod failures;
mod messages;
mod outages;
mod plain_players;
mod processes;
mod reconciling;
mod replicas;
mod shared_store;
mod uploading;
mod watching;
