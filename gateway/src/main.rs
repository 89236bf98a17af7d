//! The gateway as a process of its own.

use std::process::ExitCode;

use gateway::{Command, Service};
use service_kit::{command_line, process, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    let command = match command_line::parse_service() {
        Ok(command) => command,
        Err(health) => return health,
    };
    match start(command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = telemetry::chain(error.as_ref()), "cannot go on");
            ExitCode::FAILURE
        }
    }
}

async fn start(command: Command) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let Command {
        process,
        admin_listen,
        config,
    } = command;
    process::init(&process)?;
    let service = Service::bind(config).await?;
    tracing::info!(address = %service.local_addr(), "the public is answered here");
    let context = service.context().clone();
    process::run(admin_listen, context, |shutdown| service.run(shutdown)).await?;
    Ok(())
}
