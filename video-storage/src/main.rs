//! The service `video-storage` as a process of its own.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use service_kit::settings::{ProcessSettings, loopback};
use service_kit::{command_line, process, telemetry};
use video_storage::{Config, Service};

/// Takes videos in and serves their bytes.
#[derive(Debug, Parser)]
#[command(version)]
struct Program {
    #[command(flatten)]
    config: Config,

    /// Where operators are answered: /livez, /readyz, /metrics, /version
    #[arg(long, env = "ADMIN_LISTEN", default_value_t = loopback(4021))]
    admin_listen: SocketAddr,

    #[command(flatten)]
    process: ProcessSettings,
}

#[tokio::main]
async fn main() -> ExitCode {
    let program = match command_line::parse_service() {
        Ok(program) => program,
        Err(health) => return health,
    };
    // The settings of all the stores make it too large for the stack of a thread.
    match Box::pin(run(program)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = telemetry::chain(error.as_ref()), "cannot go on");
            ExitCode::FAILURE
        }
    }
}

async fn run(program: Program) -> anyhow::Result<()> {
    process::init(&program.process)?;
    let service = Service::bind(program.config).await?;
    let context = service.context().clone();
    process::run(program.admin_listen, context, |shutdown| {
        service.run(shutdown)
    })
    .await?;
    Ok(())
}
