//! What the tests of every crate share: waiting for a condition, an HTTP client that checks each
//! answer against the error contract, raw connections for broken requests, child processes, data
//! folders that survive a failed test, and tiny real videos.
//!
//! This is a development dependency only and depends on no other crate of the workspace, so that
//! every crate's tests may use it. Everything here panics instead of returning errors: the caller
//! is a test, and the panic names the caller's line.

pub mod engines;
pub mod http;
pub mod media;
pub mod process;

mod data_folder;
mod raw_connection;
mod waiting;

pub use data_folder::DataFolder;
pub use http::{OpenResponse, TestClient, TestRequest, TestResponse};
pub use raw_connection::{Ending, RawConnection};
pub use waiting::eventually;
