//! From the first signal to the last flush.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::admin::AdminServer;
use crate::context::ServiceContext;
use crate::settings::{ProcessSettings, ServerSettings};
use crate::telemetry;

/// Why a process could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The listener for operators could not be opened.
    #[error("cannot listen for operators on {address}; another program may hold the port")]
    Admin {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The signals of the system could not be heard.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    /// Logging could not begin.
    #[error(transparent)]
    Telemetry(#[from] telemetry::TelemetryError),
    /// The service ended with an error.
    #[error("the service {name} ended")]
    Service {
        /// The service.
        name: &'static str,
        /// Why it ended.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Begins to log; the first thing that a process does.
pub fn init(settings: &ProcessSettings) -> Result<(), ProcessError> {
    Ok(telemetry::init(settings)?)
}

/// Runs one service, with its listener for operators, until SIGINT or SIGTERM. A second one cuts what
/// still runs.
pub async fn run<F, E>(
    admin: SocketAddr,
    context: ServiceContext,
    service: impl FnOnce(CancellationToken) -> F,
) -> Result<(), ProcessError>
where
    F: Future<Output = Result<(), E>>,
    E: std::error::Error + Send + Sync + 'static,
{
    let shutdown = CancellationToken::new();
    let admin_shutdown = CancellationToken::new();
    let failed = |source| ProcessError::Admin {
        address: admin,
        source,
    };
    let operators = AdminServer::bind(admin, &ServerSettings::default())
        .await
        .map_err(failed)?;
    tracing::info!(address = %operators.local_addr(), "operators are answered here");
    let name = context.name;

    // On the heap: it is as large as the whole service.
    let service = Box::pin(async {
        let ended = service(shutdown.clone()).await;
        admin_shutdown.cancel();
        ended.map_err(|error| ProcessError::Service {
            name,
            source: Box::new(error),
        })
    });
    let operators = async {
        operators
            .run(vec![context], admin_shutdown.clone())
            .await
            .map_err(failed)
    };
    let stop = async {
        tokio::select! {
            heard = stop_signal() => heard.map_err(ProcessError::Signals)?,
            () = admin_shutdown.cancelled() => {}
        }
        shutdown.cancel();
        Ok::<(), ProcessError>(())
    };
    let asked_twice = async {
        shutdown.cancelled().await;
        stop_signal().await.map_err(ProcessError::Signals)
    };
    tokio::select! {
        ended = async { tokio::try_join!(service, operators, stop) } => ended.map(|_| ()),
        // Whoever asks twice does not want to wait for the drain.
        asked = asked_twice => asked,
    }
}

/// Waits for SIGINT or SIGTERM.
pub async fn stop_signal() -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => tracing::info!("interrupted; stopping"),
        _ = terminate.recv() => tracing::info!("asked to terminate; stopping"),
    }
    Ok(())
}
