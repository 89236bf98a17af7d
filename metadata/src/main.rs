//! Runs the catalogue as a process of its own.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use metadata::{Config, Service};
use service_kit::process;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Config::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> anyhow::Result<()> {
    process::init(&config.process)?;
    let admin = config.admin_listen;
    let service = Service::bind(config)
        .await
        .context("the catalogue cannot start")?;
    tracing::info!(address = %service.local_addr(), "services are answered here");
    let context = service.context().clone();
    process::run(admin, context, |shutdown| service.run(shutdown)).await?;
    Ok(())
}
