//! The runner with real processes: a workspace of two tiny services is changed as people change it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod building;
mod handing_over;
mod lifecycle;
mod world;
