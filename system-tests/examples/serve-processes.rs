//! Starts the five services, each in a process of its own, on real engines: those that the
//! environment names, or servers of this machine that are started for it.
//!
//! `cargo build --workspace && cargo run --package system-tests --example serve-processes`

#![expect(clippy::print_stdout, reason = "whoever starts it reads where to go")]

use std::process::ExitCode;

use service_kit::process::stop_signal;
use system_tests::{Engines, Processes, SERVICES};

#[tokio::main]
async fn main() -> ExitCode {
    let Some(engines) = Engines::live().await else {
        return ExitCode::FAILURE;
    };
    let system = Processes::start(engines).await;
    for service in SERVICES {
        println!("admin of {service}: http://{}", system.admin(service));
    }
    println!("ready: http://{}", system.gateway());
    match stop_signal().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
