//! Runs the catalogue as a process of its own.

use std::process::ExitCode;

use anyhow::Context as _;
use metadata::{Command, Service};
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
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    process::init(&command.process)?;
    let service = Service::bind(command.config)
        .await
        .context("the catalogue cannot start")?;
    tracing::info!(address = %service.local_addr(), "services are answered here");
    let context = service.context().clone();
    process::run(command.admin_listen, context, |shutdown| {
        service.run(shutdown)
    })
    .await?;
    Ok(())
}
