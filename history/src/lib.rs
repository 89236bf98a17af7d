//! Who watched what, where they stopped, and which views count.
//!
//! The service consumes what the streaming service tells of players, keeps one history entry per
//! viewer and video and one counted view per session, and tells the catalogue the number of each
//! view. In reading order:
//!
//! | module | owns |
//! |---|---|
//! | [`watch_session`] | beats, watched time, and when it makes a view |
//! | [`implicit_session`] | players that send no beats |
//! | [`entry`] | entries and where playing resumes |
//! | [`view_log`] | the port to the store, and its laws |
//! | `consumer`, `view_publisher`, `sweeper` | what happens without a request |
//! | `routes` | the HTTP API |

pub mod config;
mod consumer;
pub mod entry;
mod error;
mod health;
pub mod implicit_session;
mod metrics;
mod routes;
mod sweeper;
pub mod view_log;
mod view_publisher;
pub mod watch_session;

pub use config::Config;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use events::{ConsumeError, EventBus, Queue};
use service_kit::context::ServiceContext;
use service_kit::server::HttpServer;
use tokio_util::sync::CancellationToken;

use crate::config::ViewLogUrl;
use crate::consumer::Recorder;
use crate::health::Health;
use crate::metrics::HistoryMetrics;
use crate::routes::ApiState;
use crate::view_log::sqlite::SqliteViewLog;
use crate::view_log::{ViewLog, ViewLogError};
use crate::view_publisher::ViewPublisher;

/// The history service, bound to its port and its engines.
pub struct Service {
    server: HttpServer,
    config: Config,
    context: ServiceContext,
    log: Arc<dyn ViewLog>,
    bus: Arc<dyn EventBus>,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The port cannot be opened.
    #[error("cannot listen on {address}; another program may hold the port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The view log cannot be opened.
    #[error("cannot open the view log")]
    ViewLog(#[source] ViewLogError),
    /// The event bus cannot be opened.
    #[error("cannot open the event bus")]
    Events(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why the service ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The HTTP server failed.
    #[error("cannot serve HTTP")]
    Serve(#[source] io::Error),
    /// Events cannot be consumed.
    #[error("cannot consume events")]
    Consume(#[source] ConsumeError),
}

impl Service {
    /// Opens the port, the view log and the event bus.
    pub async fn bind(config: Config) -> Result<Self, BindError> {
        let server = HttpServer::bind(config.listen, &config.server)
            .await
            .map_err(|source| BindError::Listen {
                address: config.listen,
                source,
            })?;
        let log: Arc<dyn ViewLog> = match &config.view_log_url {
            ViewLogUrl::Sqlite(path) => Arc::new(
                SqliteViewLog::open(path)
                    .await
                    .map_err(BindError::ViewLog)?,
            ),
        };
        let bus = config
            .events
            .open()
            .await
            .map_err(|error| BindError::Events(Box::new(error)))?;
        let context = ServiceContext::new("history");
        Health::of(&context).opened();
        Ok(Self {
            server,
            config,
            context,
            log,
            bus,
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Its name, readiness, metrics and tasks.
    pub fn context(&self) -> &ServiceContext {
        &self.context
    }

    /// Serves and consumes until the token is cancelled, then finishes what it has begun.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RunError> {
        let Self {
            server,
            config,
            context,
            log,
            bus,
        } = self;
        let health = Health::of(&context);
        let publisher = ViewPublisher::new(Arc::clone(&log), Arc::clone(&bus), health.clone());
        let recorder = Recorder::new(
            Arc::clone(&log),
            publisher.clone(),
            health.clone(),
            HistoryMetrics::new(&context.metrics),
        );
        let state = ApiState {
            log: Arc::clone(&log),
            health: health.clone(),
        };
        let router = routes::router(state, config.service_token);

        let serve = async {
            server
                .run(router, &context, shutdown.clone())
                .await
                .map_err(RunError::Serve)
        };
        let consume = async {
            events::consume(
                bus,
                Queue::HISTORY,
                Arc::new(recorder),
                consumer::CONCURRENCY,
                shutdown.clone(),
            )
            .await
            .map_err(RunError::Consume)
        };
        let publish = async {
            publisher.run(shutdown.clone()).await;
            Ok(())
        };
        let sweep = async {
            sweeper::run(log, health, shutdown.clone()).await;
            Ok(())
        };
        // The first that fails ends the others, and with them the service.
        tokio::try_join!(serve, consume, publish, sweep).map(|_| ())
    }
}
