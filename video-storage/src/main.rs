//! The service `video-storage` as a process of its own.

use std::net::SocketAddr;

use clap::Parser;
use service_kit::process;
use service_kit::settings::{ProcessSettings, loopback};
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
async fn main() -> anyhow::Result<()> {
    let program = Program::parse();
    process::init(&program.process)?;
    let service = Service::bind(program.config).await?;
    let context = service.context().clone();
    process::run(program.admin_listen, context, |shutdown| {
        service.run(shutdown)
    })
    .await?;
    Ok(())
}
