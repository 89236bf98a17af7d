//! Real engines for tests: found by a URL in the environment, or started on this machine, as a
//! child process or, where Docker works and has the image, in a container.
//!
//! | engine | URL | program | image |
//! |---|---|---|---|
//! | RabbitMQ | `RABBITMQ_URL`, `RABBITMQ_MANAGEMENT_URL` | `rabbitmq-server` | `rabbitmq:4-management` |
//! | MongoDB | `MONGODB_URL` | `mongod`; after the image the stand-in | `mongo:8` |
//! | Azure Blob Storage | `AZURITE_URL` | `azurite-blob` | `mcr.microsoft.com/azure-storage/azurite` |
//! | S3 | `S3_URL` | `versitygw` | |
//!
//! Nothing is downloaded here but the stand-in's few files: `scripts/test` installs programs and
//! pulls images. With `LIVE_ENGINES=containers` the programs are passed over, with
//! `LIVE_ENGINES=none` everything.
//!
//! The tests of one program share one engine of a kind, and each test owns a database, a queue
//! prefix or a bucket in it. A test that kills its engine starts one of its own.
//!
//! A test that needs an engine which cannot be had does not pass silently: it says so on standard
//! error, past the capture of the test harness, and fails when `REQUIRE_LIVE=1` is set.

use std::io::Write as _;

pub mod azurite;
mod blob_store;
mod child;
mod container;
pub mod mongodb;
mod ports;
mod program;
pub mod rabbitmq;
pub mod s3;

pub use blob_store::BlobServer;
pub use child::EngineProcess;

/// What came of looking for an engine.
#[derive(Clone, Debug)]
pub enum Availability<E> {
    /// It runs.
    Running(E),
    /// It cannot be had here. The text says how to get it.
    Missing(String),
}

impl<E> Availability<E> {
    /// The engine, or `None` after having said loudly that this test does not run.
    ///
    /// # Panics
    /// When it is missing and `REQUIRE_LIVE=1` is set.
    pub fn or_left_out(self, engine: &str) -> Option<E> {
        match self {
            Self::Running(running) => Some(running),
            Self::Missing(how) => {
                let test = std::thread::current().name().unwrap_or("a test").to_owned();
                let is_required = setting("REQUIRE_LIVE").is_some_and(|value| value == "1");
                assert!(!is_required, "{engine} is required and missing. {how}");
                // Written and not printed: what is printed is shown for failed tests only.
                let line = format!("!! LIVE TEST NOT RUN: {test} needs {engine}. {how}\n");
                // Standard error may be closed; that is no reason to fail.
                let _ = std::io::stderr().write_all(line.as_bytes());
                None
            }
        }
    }
}

/// Says so if whoever runs the tests wants no engines: `LIVE_ENGINES=none`.
pub(crate) fn unwanted() -> Option<String> {
    (setting("LIVE_ENGINES")? == "none").then(|| "LIVE_ENGINES=none leaves it out.".to_owned())
}

/// Whether programs of this machine may be used: not with `LIVE_ENGINES=containers`.
pub(crate) fn programs_are_wanted() -> bool {
    setting("LIVE_ENGINES").is_none_or(|wanted| wanted != "containers")
}

/// A variable of the environment, unless it is empty.
pub(crate) fn setting(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests have no settings but these"
    )]
    let value = std::env::var(name).ok()?;
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_runs_is_handed_on() {
        assert_eq!(Availability::Running(7).or_left_out("Seven"), Some(7));
    }
}
