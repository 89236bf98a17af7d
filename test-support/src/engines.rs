//! Real engines for tests: found by a URL in the environment, or started on this machine.
//!
//! The tests of one program share one engine of a kind, and each test owns a database, a queue
//! prefix or a bucket in it. A test that kills its engine starts one of its own.
//!
//! A test that needs an engine which cannot be had does not pass silently: it says so on standard
//! error, past the capture of the test harness, and fails when `REQUIRE_LIVE=1` is set.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

pub mod azurite;
mod blob_store;
mod child;
pub mod mongodb;
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

/// A variable of the environment, unless it is empty.
pub(crate) fn setting(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests have no settings but these"
    )]
    let value = std::env::var(name).ok()?;
    (!value.is_empty()).then_some(value)
}

/// A loopback port that nobody listens on.
///
/// Not one of the ports that systems give to outgoing connections: an engine that is killed must
/// find its port free when it comes back.
pub(crate) fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test programs that run side by side begin at different places.
    let offset = std::process::id().wrapping_mul(127) % u32::from(COUNT);
    let offset = u16::try_from(offset).expect("less than COUNT");
    (0..COUNT)
        .map(|_| {
            let next = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
            FIRST + (offset + next) % COUNT
        })
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("some port is free")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_given_once() {
        let ports: std::collections::HashSet<u16> = (0..50).map(|_| free_port()).collect();
        assert_eq!(ports.len(), 50);
    }

    #[test]
    fn an_engine_that_runs_is_handed_on() {
        assert_eq!(Availability::Running(7).or_left_out("Seven"), Some(7));
    }
}
