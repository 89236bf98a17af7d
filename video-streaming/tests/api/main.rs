//! The HTTP contract of video-streaming, over loopback, with stand-ins for the services that it
//! calls and the real embedded event bus.

mod beats;
mod house;
mod lookups;
mod plain_players;
mod stand_ins;
mod streaming;
mod watch_sessions;
