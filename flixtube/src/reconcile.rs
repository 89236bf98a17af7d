//! The command `reconcile`: the system that runs on the data folder compares its store with its
//! catalogue; where none runs, one is started for that and stopped again.

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use service_kit::client::ServiceUrl;
use service_kit::settings::loopback;
use tokio_util::sync::CancellationToken;
use video_storage::reconcile::{ReconcileOptions, ReportBody, ask};

use crate::config::Config;
use crate::control::Control;
use crate::data_folder::DataFolderError;
use crate::system::{RunError, StartError, System};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// There is nothing to compare.
    #[error("there is no data folder {}; --data names it", path.display())]
    NoData {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A system uses the folder and does not say where it listens.
    #[error("the FlixTube on this data folder is starting or stopping; try again soon")]
    NotFound(#[source] io::Error),
    /// No system runs, and none could be started.
    #[error("no FlixTube runs on this data folder, and none can be started for this")]
    Start(#[from] StartError),
    /// The system that was started for this ended.
    #[error("the FlixTube that was started for this ended")]
    Run(#[from] RunError),
    /// Store and catalogue were not compared.
    #[error(transparent)]
    Reconcile(#[from] video_storage::reconcile::ReconcileError),
}

/// Has them compared.
pub async fn run(config: &Config, options: ReconcileOptions) -> Result<ReportBody, ReconcileError> {
    // Starting makes a folder; looking at one must not.
    if !config.data.exists() {
        let path = config.data.clone();
        return Err(ReconcileError::NoData { path });
    }
    // Nobody else is to find it.
    let private = Config {
        bind: Ipv4Addr::LOCALHOST.into(),
        port: 0,
        admin_listen: Some(loopback(0)),
        ..config.clone()
    };
    let system = match System::bind(&private).await {
        Ok(system) => system,
        Err(StartError::DataFolder(DataFolderError::Taken { .. })) => {
            let control = Control::read(&config.data).map_err(ReconcileError::NotFound)?;
            return Ok(ask_of(&control, options).await?);
        }
        Err(error) => return Err(error.into()),
    };
    let control = system.control().clone();
    let stop = CancellationToken::new();
    let asked = async {
        let report = ask_of(&control, options).await;
        stop.cancel();
        report
    };
    let (ended, report) = tokio::join!(Box::pin(system.run(stop.clone())), asked);
    ended?;
    Ok(report?)
}

async fn ask_of(
    control: &Control,
    options: ReconcileOptions,
) -> Result<ReportBody, video_storage::reconcile::ReconcileError> {
    let url = ServiceUrl::at(control.video_storage);
    ask(url, &control.token, options).await
}
