//! The running service: binds first, serves at once, and waits for its store and the event bus
//! without dying.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use events::url::OpenError;
use events::{BusSource, ConsumeError, EventBus, Queue};
use jiff::Timestamp;
use service_kit::context::ServiceContext;
use service_kit::server::HttpServer;
use service_kit::telemetry::chain;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, ViewLogUrl};
use crate::consumer::{self, Recorder};
use crate::health::{self, Health};
use crate::metrics::HistoryMetrics;
use crate::routes::{self, ApiState};
use crate::sweeper;
use crate::view_log::mongodb::MongoViewLog;
use crate::view_log::sqlite::SqliteViewLog;
use crate::view_log::{LateViewLog, ViewLog, ViewLogError};
use crate::view_publisher::ViewPublisher;

/// How long after a try to reach a dependency the next one follows.
const NEXT_TRY: Duration = Duration::from_secs(2);

/// The history service with its port open.
pub struct Service {
    server: HttpServer,
    router: axum::Router,
    context: ServiceContext,
    log: Arc<LateViewLog>,
    view_log_url: ViewLogUrl,
    bus: Option<Arc<dyn EventBus>>,
    events: BusSource,
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
    /// What is at the view log's URL is no view log of this release.
    #[error("VIEW_LOG_URL does not lead to a view log that this release can use")]
    ViewLog(#[source] ViewLogError),
    /// What is at the bus's URL is no event bus of this release.
    #[error("EVENTS_URL does not lead to an event bus that this release can use")]
    Events(#[source] OpenError),
}

/// Why the service ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The HTTP server failed.
    #[error("cannot serve HTTP")]
    Serve(#[source] io::Error),
    /// What is at the view log's URL, once it could be opened, is no view log of this release.
    #[error("VIEW_LOG_URL does not lead to a view log that this release can use")]
    ViewLog(#[source] ViewLogError),
    /// What is at the bus's URL, once it could be opened, is no event bus of this release.
    #[error("EVENTS_URL does not lead to an event bus that this release can use")]
    Events(#[source] OpenError),
    /// Events cannot be consumed.
    #[error("cannot consume events")]
    Consume(#[source] ConsumeError),
}

impl Service {
    /// Opens the port and, if that can be done at once, the view log and the event bus. Where it
    /// cannot for a reason that may pass, [`run`](Self::run) goes on trying.
    pub async fn bind(config: Config) -> Result<Self, BindError> {
        let Config {
            listen,
            service_token,
            view_log_url,
            events,
            server,
        } = config;
        let server =
            HttpServer::bind(listen, &server)
                .await
                .map_err(|source| BindError::Listen {
                    address: listen,
                    source,
                })?;
        let context = ServiceContext::new("history");
        let health = Health::of(&context);
        let log = Arc::new(LateViewLog::default());
        match open_view_log(&view_log_url).await {
            Ok(opened) => {
                log.opened(opened);
                health.view_log_opened();
            }
            Err(error @ ViewLogError::Unavailable(_)) => {
                tracing::warn!(error = chain(&error), "the view log is not there yet");
            }
            Err(error @ ViewLogError::Broken(_)) => return Err(BindError::ViewLog(error)),
        }
        let bus = match events.open().await {
            Ok(bus) => {
                if bus.status().is_connected {
                    health.bus_opened();
                }
                Some(bus)
            }
            Err(error) if error.is_unavailable() => {
                tracing::warn!(error = chain(&error), "the event bus is not there yet");
                None
            }
            Err(error) => return Err(BindError::Events(error)),
        };
        let state = ApiState {
            log: Arc::clone(&log) as Arc<dyn ViewLog>,
            health,
        };
        Ok(Self {
            server,
            router: routes::router(state, service_token),
            context,
            log,
            view_log_url,
            bus,
            events,
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

    /// Serves and consumes until the token is cancelled, then finishes what it has begun. Ends
    /// early when one of its parts does.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RunError> {
        let Self {
            server,
            router,
            context,
            log: late,
            view_log_url,
            bus,
            events,
        } = self;
        let health = Health::of(&context);
        let log = Arc::clone(&late) as Arc<dyn ViewLog>;
        let serve = async {
            let served = server.run(router, &context, shutdown.clone()).await;
            served.map_err(RunError::Serve)
        };
        let attend = async {
            let attended = async {
                wait_for_view_log(&view_log_url, &late, &health).await?;
                watch_view_log(&*log, &health).await
            };
            shutdown
                .run_until_cancelled(attended)
                .await
                .unwrap_or(Ok(()))
        };
        let exchange = async {
            let opened = wait_for_bus(bus, &events);
            let Some(bus) = shutdown.run_until_cancelled(opened).await else {
                return Ok(());
            };
            let bus = bus.map_err(RunError::Events)?;
            let publisher = ViewPublisher::new(Arc::clone(&log), Arc::clone(&bus), health.clone());
            let recorder = Recorder::new(
                Arc::clone(&log),
                publisher.clone(),
                health.clone(),
                HistoryMetrics::new(&context.metrics),
            );
            let (consumed, (), ()) = tokio::join!(
                events::consume(
                    Arc::clone(&bus),
                    Queue::HISTORY,
                    Arc::new(recorder),
                    consumer::CONCURRENCY,
                    shutdown.clone(),
                ),
                publisher.run(shutdown.clone()),
                // Boxed, because the future of the service would be too large to move about.
                Box::pin(events::observe(
                    Arc::clone(&bus),
                    context.clone(),
                    health::EVENTS_GATE,
                    shutdown.clone(),
                )),
            );
            consumed.map_err(RunError::Consume)
        };
        let sweep = async {
            sweeper::run(Arc::clone(&log), health.clone(), shutdown.clone()).await;
            Ok(())
        };
        // The first that fails ends the others, and with them the service.
        tokio::try_join!(serve, attend, exchange, sweep).map(|_| ())
    }
}

async fn open_view_log(url: &ViewLogUrl) -> Result<Arc<dyn ViewLog>, ViewLogError> {
    Ok(match url {
        ViewLogUrl::Sqlite(path) => Arc::new(SqliteViewLog::open(path).await?),
        ViewLogUrl::Mongodb(url) => Arc::new(MongoViewLog::open(url).await?),
    })
}

async fn wait_for_view_log(
    url: &ViewLogUrl,
    log: &LateViewLog,
    health: &Health,
) -> Result<(), RunError> {
    while !log.is_open() {
        tokio::time::sleep(NEXT_TRY).await;
        match open_view_log(url).await {
            Ok(opened) => {
                log.opened(opened);
                health.view_log_opened();
                tracing::info!("the view log is there now");
            }
            Err(error @ ViewLogError::Unavailable(_)) => {
                tracing::debug!(error = chain(&error), "the view log is not there yet");
            }
            Err(error @ ViewLogError::Broken(_)) => return Err(RunError::ViewLog(error)),
        }
    }
    Ok(())
}

/// Asks a view log that did not answer its last call whether it answers again: a service that is
/// not ready gets no requests that could find it out.
async fn watch_view_log(log: &dyn ViewLog, health: &Health) -> Result<(), RunError> {
    loop {
        tokio::time::sleep(NEXT_TRY).await;
        if !health.view_log_answers() {
            let asked = log.unpublished_views(Timestamp::UNIX_EPOCH, 1).await;
            if health.of_view_log(asked).is_ok() {
                tracing::info!("the view log answers again");
            }
        }
    }
}

async fn wait_for_bus(
    opened: Option<Arc<dyn EventBus>>,
    source: &BusSource,
) -> Result<Arc<dyn EventBus>, OpenError> {
    if let Some(bus) = opened {
        return Ok(bus);
    }
    loop {
        tokio::time::sleep(NEXT_TRY).await;
        match source.open().await {
            Err(error) if error.is_unavailable() => {
                tracing::debug!(error = chain(&error), "the event bus is not there yet");
            }
            opened => return opened,
        }
    }
}
