//! The gateway over loopback, with stand-ins for the four services behind it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on panics, in its helpers as well"
)]

mod admission;
mod bytes;
mod errors;
mod history;
mod openapi;
mod owner;
mod pages;
mod stand_ins;
mod uploads;
mod videos;
mod viewers;
mod watching;
mod world;
