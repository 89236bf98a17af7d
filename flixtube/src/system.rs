//! Starting the services in one process, and stopping them in order.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use events::BusSource;
use service_kit::admin::AdminServer;
use service_kit::client::ServiceUrl;
use service_kit::context::ServiceContext;
use service_kit::guard::ServiceToken;
use service_kit::secret::SecretSource;
use service_kit::settings::{ServerSettings, loopback};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::control::{Control, ControlFile};
use crate::data_folder::{DataFolder, DataFolderError};

/// The whole system, bound to its ports.
pub struct System {
    gateway: gateway::Service,
    video_streaming: video_streaming::Service,
    video_storage: video_storage::Service,
    metadata: metadata::Service,
    history: history::Service,
    admin: AdminServer,
    control: Control,
    control_file: ControlFile,
    data: DataFolder,
}

/// Why the system cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// The event bus cannot be opened.
    #[error(transparent)]
    Events(#[from] events::url::OpenError),
    /// The listener for operators cannot be opened.
    #[error("cannot listen for operators on {address}; another program may hold the port")]
    Admin {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A service cannot start.
    #[error("the service {name} cannot start")]
    Service {
        /// The service.
        name: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why the system ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A service ended.
    #[error("the service {name} ended")]
    Service {
        /// The service.
        name: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A service panicked.
    #[error("a service panicked")]
    Panicked(#[source] tokio::task::JoinError),
}

/// The order in which services stop: who calls comes before who is called, so that a running
/// request finds every service that it needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Gateway,
    VideoStreaming,
    VideoStorage,
    Stores,
    Admin,
}

const STAGES: [Stage; 5] = [
    Stage::Gateway,
    Stage::VideoStreaming,
    Stage::VideoStorage,
    Stage::Stores,
    Stage::Admin,
];

impl System {
    /// Takes the data folder, opens all engines and all ports.
    pub async fn bind(config: &Config) -> Result<Self, StartError> {
        let data = DataFolder::take(&config.data)?;
        let bus = BusSource::Open(events::open(&config.events()).await?);
        // Nobody else needs it, so nobody else knows it, and the next run has another one.
        let token = ServiceToken::random();
        let key = |name: &str| SecretSource::File(data.join("secrets").join(name));
        // The gateway says when a request has taken too long; behind it nobody is in a hurry.
        let inner = ServerSettings {
            drain_delay: Duration::ZERO,
            ..config.server.clone()
        };

        let metadata = metadata::Service::bind(metadata::Config {
            listen: loopback(0),
            service_token: token.clone(),
            catalog_url: config.catalog(),
            events: bus.clone(),
            server: inner.clone(),
        })
        .await
        .map_err(|error| failed("metadata", error))?;
        let metadata_url = ServiceUrl::at(metadata.local_addr());

        let history = history::Service::bind(history::Config {
            listen: loopback(0),
            service_token: token.clone(),
            view_log_url: config.view_log(),
            events: bus.clone(),
            server: inner.clone(),
        })
        .await
        .map_err(|error| failed("history", error))?;

        let video_storage = video_storage::Service::bind(video_storage::Config {
            listen: loopback(0),
            service_token: token.clone(),
            store_url: config.store(),
            store: config.store_settings.clone(),
            metadata_url: metadata_url.clone(),
            events: bus.clone(),
            max_video_bytes: config.max_video_bytes,
            max_concurrent_uploads: config.max_concurrent_uploads.into(),
            upkeep: config.upkeep.clone(),
            server: inner.clone(),
        })
        .await
        .map_err(|error| failed("video-storage", error))?;
        let video_storage_url = ServiceUrl::at(video_storage.local_addr());
        let control = Control {
            video_storage: video_storage.local_addr(),
            token: token.clone(),
        };

        let video_streaming = video_streaming::Service::bind(video_streaming::Config {
            listen: loopback(0),
            service_token: token.clone(),
            metadata_url: metadata_url.clone(),
            video_storage_url: video_storage_url.clone(),
            events: bus,
            session_key: key("session.key"),
            client_hash_key: key("client-hash.key"),
            server: inner,
        })
        .await
        .map_err(|error| failed("video-streaming", error))?;

        let gateway = gateway::Service::bind(gateway::Config {
            listen: config.listen(),
            service_token: token,
            metadata_url,
            video_streaming_url: ServiceUrl::at(video_streaming.local_addr()),
            video_storage_url,
            history_url: ServiceUrl::at(history.local_addr()),
            viewer_key: key("viewer.key"),
            development_folder: None,
            public: config.public.clone(),
            max_video_bytes: config.max_video_bytes,
            server: config.server.clone(),
        })
        .await
        .map_err(|error| failed("gateway", error))?;

        let admin = bind_admin(config, gateway.local_addr()).await?;
        let control_file = ControlFile::write(&config.data, &control).map_err(|source| {
            let path = config.data.clone();
            DataFolderError::Unusable { path, source }
        })?;
        Ok(Self {
            gateway,
            video_streaming,
            video_storage,
            metadata,
            history,
            admin,
            control,
            control_file,
            data,
        })
    }

    /// Where the public is answered.
    pub fn local_addr(&self) -> SocketAddr {
        self.gateway.local_addr()
    }

    /// Where operators are answered.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin.local_addr()
    }

    /// How a command of this machine reaches it.
    pub(crate) fn control(&self) -> &Control {
        &self.control
    }

    /// What the services have: readiness, metrics.
    pub fn contexts(&self) -> Vec<ServiceContext> {
        vec![
            self.gateway.context().clone(),
            self.video_streaming.context().clone(),
            self.video_storage.context().clone(),
            self.metadata.context().clone(),
            self.history.context().clone(),
        ]
    }

    /// Runs until the token is cancelled, then stops one service after the other. When one ends by
    /// itself, the others are stopped as well.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RunError> {
        let contexts = self.contexts();
        let Self {
            gateway,
            video_streaming,
            video_storage,
            metadata,
            history,
            admin,
            control: _,
            control_file,
            data,
        } = self;
        let mut services = Services::default();
        services.start(Stage::Gateway, "gateway", |stop| gateway.run(stop));
        services.start(Stage::VideoStreaming, "video-streaming", |stop| {
            video_streaming.run(stop)
        });
        services.start(Stage::VideoStorage, "video-storage", |stop| {
            video_storage.run(stop)
        });
        services.start(Stage::Stores, "metadata", |stop| metadata.run(stop));
        services.start(Stage::Stores, "history", |stop| history.run(stop));
        services.start(Stage::Admin, "admin", |stop| admin.run(contexts, stop));

        let early = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            early = services.next_to_end() => early,
        };
        let stopped = services.stop().await;
        // Held until the last service has closed its files.
        drop((control_file, data));
        early.and(stopped)
    }
}

/// Listens beside the public port, or, if nobody asked for a port, on any when that is taken.
async fn bind_admin(config: &Config, public: SocketAddr) -> Result<AdminServer, StartError> {
    let wanted = match config.admin_listen {
        Some(address) => address,
        None if config.port == 0 => loopback(0),
        None => loopback(public.port().checked_add(1).unwrap_or(0)),
    };
    let settings = ServerSettings::default();
    match AdminServer::bind(wanted, &settings).await {
        Err(_) if config.admin_listen.is_none() => AdminServer::bind(loopback(0), &settings).await,
        bound => bound,
    }
    .map_err(|source| StartError::Admin {
        address: wanted,
        source,
    })
}

fn failed(name: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> StartError {
    StartError::Service {
        name,
        source: Box::new(error),
    }
}

/// The running services, each with the token that stops it.
#[derive(Default)]
struct Services {
    running: JoinSet<(Stage, Result<(), RunError>)>,
    stops: Vec<(Stage, CancellationToken)>,
}

impl Services {
    fn start<F, E>(
        &mut self,
        stage: Stage,
        name: &'static str,
        run: impl FnOnce(CancellationToken) -> F,
    ) where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::error::Error + Send + Sync + 'static,
    {
        let stop = CancellationToken::new();
        self.stops.push((stage, stop.clone()));
        let running = run(stop);
        self.running.spawn(async move {
            let ended = running.await.map_err(|error| RunError::Service {
                name,
                source: Box::new(error),
            });
            (stage, ended)
        });
    }

    async fn next_to_end(&mut self) -> Result<(), RunError> {
        match self.running.join_next().await {
            Some(Ok((_, ended))) => ended,
            Some(Err(error)) => Err(RunError::Panicked(error)),
            None => Ok(()),
        }
    }

    /// Stops one stage after the other; the first error is told when all have stopped.
    async fn stop(mut self) -> Result<(), RunError> {
        let mut result = Ok(());
        for stage in STAGES {
            let of_stage = self.stops.iter().filter(|(of, _)| *of == stage);
            let mut left = 0;
            for (_, stop) in of_stage {
                stop.cancel();
                left += 1;
            }
            while left > 0 {
                match self.running.join_next().await {
                    Some(Ok((ended_stage, ended))) => {
                        left -= usize::from(ended_stage == stage);
                        result = result.and(ended);
                    }
                    Some(Err(error)) => result = result.and(Err(RunError::Panicked(error))),
                    // One that ended early, or panicked, is not waited for twice.
                    None => left = 0,
                }
            }
        }
        result
    }
}
