//! The history service as a process of its own.

use std::process::ExitCode;

use history::Service;
use history::config::Command;
use service_kit::telemetry::chain;
use service_kit::{command_line, process};

#[tokio::main]
async fn main() -> ExitCode {
    let command = match command_line::parse_service() {
        Ok(command) => command,
        Err(health) => return health,
    };
    match run(command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = chain(error.as_ref()), "history cannot go on");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    let Command {
        config,
        admin_listen,
        process,
    } = command;
    process::init(&process)?;
    let service = Service::bind(config).await?;
    tracing::info!(address = %service.local_addr(), "services are answered here");
    let context = service.context().clone();
    process::run(admin_listen, context, |shutdown| service.run(shutdown)).await?;
    Ok(())
}
