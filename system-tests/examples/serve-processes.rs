//! Starts the five services, each in a process of its own, on real engines: MongoDB, RabbitMQ and
//! Azurite, those that the environment names, or servers of this machine that are started for it.
//!
//! It takes the place of `flixtube` where that is started as `flixtube --port 0 --data FOLDER` to be
//! tested, as the browser tests do. The variables of its environment reach the services, so that
//! `OWNER_TOKEN` is one. The data are gone at its end.
//!
//! `cargo build --workspace --all-targets && target/debug/examples/serve-processes`

#![expect(clippy::print_stdout, reason = "whoever starts it reads where to go")]

use std::process::ExitCode;

use clap::{Arg, Command};
use service_kit::process::stop_signal;
use system_tests::{Engines, Processes, SERVICES};
use test_support::engines::azurite;

#[tokio::main]
async fn main() -> ExitCode {
    // Every port is a free one, and the engines have places of their own.
    let port = Arg::new("port").long("port").value_parser(["0"]);
    let data = Arg::new("data").long("data");
    Command::new("serve-processes")
        .args([port, data])
        .get_matches();
    let (engines, store) = tokio::join!(Engines::live(), azurite::shared());
    let (Some(engines), Some(store)) = (engines, store) else {
        return ExitCode::FAILURE;
    };
    let system = Processes::start(engines.with_bytes_on(store)).await;
    for service in SERVICES {
        println!("admin of {service}: http://{}", system.admin(service));
    }
    println!("ready: http://{}", system.gateway());
    match stop_signal().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
