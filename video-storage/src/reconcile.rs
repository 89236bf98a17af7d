//! The command `reconcile`: has a running service compare its store with the catalogue, or does it
//! itself where none runs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use axum::http::Method;
use clap::Args;
use serde::{Deserialize, Serialize};
use service_kit::client::{CallError, ServiceClient, ServiceUrl};
use service_kit::guard::ServiceToken;
use service_kit::settings::loopback;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use crate::reconciler::{CheckedBody, FindingsBody, ReconcileOptions, ReportBody};
use crate::{BindError, Config, RunError, Service};

/// The exit code of a run whose report needs a person. 1 is a run that failed, 2 a wrong flag.
pub const EXIT_FINDINGS: u8 = 3;

const PATIENCE: Duration = Duration::from_secs(10);
const POLLING: Duration = Duration::from_millis(200);
/// How often the log says how far a long run is.
const TELLING: Duration = Duration::from_secs(10);

/// The flags of the command.
#[derive(Clone, Copy, Debug, Args)]
pub struct ReconcileArguments {
    /// Remove what is in the store and belongs to no upload and no video
    #[arg(long)]
    remove_strays: bool,

    /// Change nothing, and say what would be done
    #[arg(long)]
    dry_run: bool,
}

impl From<ReconcileArguments> for ReconcileOptions {
    fn from(arguments: ReconcileArguments) -> Self {
        let ReconcileArguments {
            remove_strays,
            dry_run,
        } = arguments;
        Self {
            remove_strays,
            dry_run,
        }
    }
}

/// How far a run is, as the service answers it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub(crate) enum RunBody {
    Waiting,
    Running { ids: u64 },
    Done { report: Box<ReportBody> },
    Failed { reason: String },
}

#[derive(Deserialize)]
struct AskedBody {
    id: Uuid,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The running service does not answer as it should.
    #[error("the service video-storage was asked in vain")]
    Ask(#[from] Box<CallError>),
    /// The run failed; it may be repeated.
    #[error("store and catalogue were not compared: {0}")]
    Failed(String),
    /// No service runs, and none could be started for this.
    #[error("no video-storage answers at {address}, and none can be started here")]
    Bind {
        /// Where it was looked for.
        address: SocketAddr,
        /// Why not.
        source: BindError,
    },
    /// The service that was started for this ended.
    #[error("the service that was started for this ended")]
    Run(#[from] RunError),
}

/// Asks the service at this URL for a run, and waits for its report.
pub async fn ask(
    url: ServiceUrl,
    token: &ServiceToken,
    options: ReconcileOptions,
) -> Result<ReportBody, ReconcileError> {
    let client = ServiceClient::new(url, token);
    let asked = client.send_json(Method::POST, "/reconciliations", &options, PATIENCE);
    let AskedBody { id } = asked.await.map_err(Box::new)?;
    let path = format!("/reconciliations/{id}");
    let mut told = Instant::now();
    loop {
        match client.get_json(&path, PATIENCE).await.map_err(Box::new)? {
            RunBody::Running { ids } if told.elapsed() >= TELLING => {
                tracing::info!(ids, "comparing");
                told = Instant::now();
            }
            RunBody::Waiting | RunBody::Running { .. } => {}
            RunBody::Done { report } => return Ok(*report),
            RunBody::Failed { reason } => return Err(ReconcileError::Failed(reason)),
        }
        tokio::time::sleep(POLLING).await;
    }
}

/// Has the service with these settings compare, or one that is started for this if none answers.
pub async fn run(config: Config, options: ReconcileOptions) -> Result<ReportBody, ReconcileError> {
    let token = config.service_token.clone();
    let address = reachable(config.listen);
    match ask(ServiceUrl::at(address), &token, options).await {
        Err(ReconcileError::Ask(error)) if matches!(*error, CallError::Unreachable { .. }) => {}
        answered => return answered,
    }
    let config = Config {
        listen: loopback(0),
        ..config
    };
    let bound = Service::bind(config).await;
    let service = bound.map_err(|source| ReconcileError::Bind { address, source })?;
    let url = ServiceUrl::at(service.local_addr());
    let stop = CancellationToken::new();
    let asked = async {
        let report = ask(url, &token, options).await;
        stop.cancel();
        report
    };
    let (ended, report) = tokio::join!(Box::pin(service.run(stop.clone())), asked);
    ended?;
    report
}

/// Where a service that listens here is reached from the same machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
