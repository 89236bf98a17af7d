//! Implicit sessions: playback by players that know nothing of watch sessions (curl, VLC, a TV).
//!
//! Such a player asks for the bytes without a viewer's cookie and without a session, often in
//! hundreds of ranges. What was sent to it is collected per video and client ([`Playbacks`]) and
//! reported as spans of time ([`Reporter`]); `history` joins the spans, of all replicas, into
//! sessions. Each report says the first and last byte of its own span and has an id of its own:
//! repeating one changes nothing, and losing one loses its seconds only.

mod client;
mod playbacks;
mod reporter;

pub(crate) use client::{ClientHash, ClientHashKey};
pub(crate) use playbacks::{Playbacks, Player, SentBytes};
pub(crate) use reporter::Reporter;
