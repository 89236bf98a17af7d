//! The service `video-storage` as a process of its own.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use service_kit::settings::{ProcessSettings, loopback};
use service_kit::{command_line, process, telemetry};
use video_storage::reconcile::{self, EXIT_FINDINGS, ReconcileArguments};
use video_storage::{Config, Service};

/// Takes videos in and serves their bytes.
///
/// Without a command it does so until SIGINT or SIGTERM.
#[derive(Debug, Parser)]
#[command(version)]
struct Program {
    #[command(subcommand)]
    task: Option<Task>,

    #[command(flatten)]
    config: Config,

    /// Where operators are answered: /livez, /readyz, /metrics, /version
    #[arg(long, env = "ADMIN_LISTEN", default_value_t = loopback(4021))]
    admin_listen: SocketAddr,

    #[command(flatten)]
    process: ProcessSettings,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Task {
    /// Compare the store with the catalogue, finish what is half done, and report what is wrong
    ///
    /// The service that answers at LISTEN does it; if none does, it is done here. Exit code: 0 when
    /// nothing is wrong, 1 when it could not be done, 3 when something is wrong.
    Reconcile(ReconcileArguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let program = match command_line::parse_service() {
        Ok(program) => program,
        Err(health) => return health,
    };
    // The settings of all the stores make it too large for the stack of a thread.
    match Box::pin(run(program)).await {
        Ok(code) => code,
        Err(error) => {
            tracing::error!(error = telemetry::chain(error.as_ref()), "cannot go on");
            ExitCode::FAILURE
        }
    }
}

async fn run(program: Program) -> anyhow::Result<ExitCode> {
    process::init(&program.process)?;
    match program.task {
        None => Box::pin(serve(program)).await.map(|()| ExitCode::SUCCESS),
        Some(Task::Reconcile(arguments)) => Box::pin(reconcile(program, arguments)).await,
    }
}

async fn serve(program: Program) -> anyhow::Result<()> {
    let service = Service::bind(program.config).await?;
    let context = service.context().clone();
    process::run(program.admin_listen, context, |shutdown| {
        service.run(shutdown)
    })
    .await?;
    Ok(())
}

#[expect(
    clippy::print_stdout,
    reason = "this is what the person at the terminal asked for"
)]
async fn reconcile(program: Program, arguments: ReconcileArguments) -> anyhow::Result<ExitCode> {
    let report = Box::pin(reconcile::run(program.config, arguments.into())).await?;
    print!("{report}");
    Ok(if report.is_fine() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FINDINGS)
    })
}
