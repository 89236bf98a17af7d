//! The plumbing that every service shares, and nothing of what the services are about.
//!
//! | module | owns |
//! |---|---|
//! | [`server`] | accepting, limits, idle clients, refused bodies, bounded draining |
//! | [`inherited`] | listeners that the process was started with |
//! | [`context`] | what a running service has: its name, readiness, metrics and tasks |
//! | [`admin`], [`health`] | the listener for `/livez`, `/readyz`, `/metrics` and `/version`; asking it |
//! | [`problem`], [`extract`] | RFC 9457 answers, and extractors that refuse with them |
//! | [`guard`] | the token that services show each other |
//! | [`client`] | calls to other services: JSON, and streams that are never buffered |
//! | [`trace_context`], [`telemetry`] | W3C trace context across processes, structured logs |
//! | [`sqlite`] | an SQLite file with one writer, group commit and a pool of readers |
//! | [`merge`] | two ordered sequences side by side, for copying and comparing stores |
//! | [`secret`] | random keys that outlive a restart |
//! | [`command_line`], [`settings`] | reading settings, also from files; those that every process has |
//! | [`process`], [`version`] | signals, the way down; which build this is |

pub mod admin;
pub mod client;
pub mod command_line;
pub mod context;
pub mod extract;
pub mod guard;
pub mod health;
pub mod inherited;
pub mod merge;
pub mod problem;
pub mod process;
pub mod secret;
pub mod server;
pub mod settings;
pub mod sqlite;
pub mod telemetry;
pub mod trace_context;
pub mod version;
