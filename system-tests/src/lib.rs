//! The whole system for tests, on the engines that the test chooses: in one process ([`Rig`]), or
//! each service in a process of its own ([`Processes`]).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod balancer;
mod engines;
mod load;
mod processes;
mod rig;

use std::time::Duration;

pub use engines::Engines;
pub use load::{Load, Numbers};
pub use processes::{Processes, SERVICES};
pub use rig::Rig;

/// What the contract calls soon; and what a busy machine may take longer.
pub const SOON: Duration = Duration::from_mins(1);

const TOKEN: &str = "the-token-of-the-services-in-a-test";
