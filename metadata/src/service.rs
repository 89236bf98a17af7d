//! The running service: binds first, serves at once, and waits for its store and the event bus
//! without dying.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use events::url::OpenError;
use events::{BusSource, ConsumeError, EventBus, Queue};
use service_kit::context::ServiceContext;
use service_kit::guard;
use service_kit::server::HttpServer;
use service_kit::telemetry::chain;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::catalog::{Catalog, CatalogError, LateCatalog, MongoCatalog, SqliteCatalog};
use crate::config::{CatalogUrl, Config};
use crate::counts::Counts;
use crate::deletions::PendingDeletions;
use crate::routes::{Api, router};
use crate::view_counts::ViewCounts;

/// View numbers that are written side by side; they share commits.
const CONSUMED_AT_ONCE: usize = 8;

/// How often the store is asked whether it is there. Readiness follows it that much later.
const CATALOGUE_REVIEW: Duration = Duration::from_secs(1);

/// The service with its port open.
pub struct Service {
    server: HttpServer,
    router: Router,
    context: ServiceContext,
    catalog: Arc<LateCatalog>,
    catalog_url: CatalogUrl,
    bus: Option<Arc<dyn EventBus>>,
    events: BusSource,
    pending_deletions: PendingDeletions,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The port is taken, or the address is not of this machine.
    #[error("cannot listen on {address}; another program may hold the port")]
    Listen {
        /// The address from the settings.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// What is at the catalogue's URL is no catalogue of this release.
    #[error("CATALOG_URL does not lead to a catalogue that this release can use")]
    Catalog(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is at the bus's URL is no event bus of this release.
    #[error("EVENTS_URL does not lead to an event bus that this release can use")]
    Events(#[source] OpenError),
}

/// Why the service ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The port could not be served any more.
    #[error("serving ended")]
    Serve(#[source] io::Error),
    /// What is at the catalogue's URL, once it could be opened, is no catalogue of this release.
    #[error("CATALOG_URL does not lead to a catalogue that this release can use")]
    Catalog(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is at the bus's URL, once it could be opened, is no event bus of this release.
    #[error("EVENTS_URL does not lead to an event bus that this release can use")]
    Events(#[source] OpenError),
    /// The consumer of events ended.
    #[error("consuming events ended")]
    Consume(#[from] ConsumeError),
}

impl Service {
    /// Opens the port and, if that can be done at once, the catalogue and the event bus. Where it
    /// cannot for a reason that may pass, [`run`](Self::run) goes on trying.
    pub async fn bind(config: Config) -> Result<Self, BindError> {
        let Config {
            listen,
            service_token,
            catalog_url,
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
        let context = ServiceContext::new("metadata");
        // Asking for a gate makes it, closed.
        context.readiness.gate(EVENTS_GATE);
        let catalog = Arc::new(LateCatalog::default());
        open_catalog(&catalog_url, &catalog, &context)
            .await
            .or_else(|error| match error {
                CatalogError::Unavailable { .. } => {
                    tracing::warn!(error = chain(&error), "the catalogue is not there yet");
                    Ok(())
                }
                CatalogError::Broken { .. } => Err(BindError::Catalog(error.into())),
            })?;
        let bus = match events.open().await {
            Ok(bus) => Some(bus),
            Err(error) if error.is_unavailable() => {
                tracing::warn!(error = chain(&error), "the event bus is not there yet");
                None
            }
            Err(error) => return Err(BindError::Events(error)),
        };

        let pending_deletions = PendingDeletions::default();
        let api = Api {
            catalog: Arc::clone(&catalog) as Arc<dyn Catalog>,
            pending_deletions: pending_deletions.clone(),
            counts: Counts::new(&context.metrics),
        };
        Ok(Self {
            server,
            router: guard::service_token(router(api), service_token),
            context,
            catalog,
            catalog_url,
            bus,
            events,
            pending_deletions,
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Its readiness and its metrics.
    pub fn context(&self) -> &ServiceContext {
        &self.context
    }

    /// Serves until the token is cancelled, then answers what was asked and publishes what was
    /// deleted. Ends early when one of its parts does.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RunError> {
        let Self {
            server,
            router,
            context,
            catalog,
            catalog_url,
            bus,
            events,
            pending_deletions,
        } = self;
        // Deletions are published until the last request is answered.
        let served = CancellationToken::new();
        let serve = async {
            let ended = server.run(router, &context, shutdown.clone()).await;
            served.cancel();
            ended.map_err(RunError::Serve)
        };
        let open = async {
            let opened = async {
                wait_for_catalog(&catalog_url, &catalog, &context).await?;
                watch_catalog(&*catalog, &context).await;
                Ok(())
            };
            shutdown.run_until_cancelled(opened).await.unwrap_or(Ok(()))
        };
        let exchange = async {
            let opened = wait_for_bus(bus, &events);
            let Some(bus) = shutdown.run_until_cancelled(opened).await else {
                return Ok(());
            };
            let bus = bus.map_err(RunError::Events)?;
            let views = Arc::new(ViewCounts::new(Arc::clone(&catalog) as Arc<dyn Catalog>));
            let (consumed, (), ()) = tokio::join!(
                events::consume(
                    Arc::clone(&bus),
                    Queue::METADATA,
                    views,
                    CONSUMED_AT_ONCE,
                    shutdown.clone(),
                ),
                pending_deletions.publish_all(&*catalog, &*bus, served.clone()),
                events::observe(
                    Arc::clone(&bus),
                    context.clone(),
                    EVENTS_GATE,
                    shutdown.clone(),
                ),
            );
            consumed.map_err(RunError::Consume)
        };
        tokio::try_join!(serve, open, exchange).map(|_| ())
    }
}

/// Open while the store of the catalogue answers.
const CATALOGUE_GATE: &str = "catalogue";

/// Open once the bus has been reached.
const EVENTS_GATE: &str = "events";

async fn open_catalog(
    url: &CatalogUrl,
    catalog: &LateCatalog,
    context: &ServiceContext,
) -> Result<(), CatalogError> {
    let gate = context.readiness.gate(CATALOGUE_GATE);
    let opened: Arc<dyn Catalog> = match url {
        CatalogUrl::Sqlite(path) => Arc::new(SqliteCatalog::open(path).await?),
        CatalogUrl::Mongodb(url) => Arc::new(MongoCatalog::open(url).await?),
    };
    catalog.opened(opened);
    gate.set(true);
    Ok(())
}

async fn wait_for_catalog(
    url: &CatalogUrl,
    catalog: &LateCatalog,
    context: &ServiceContext,
) -> Result<(), RunError> {
    let mut backoff = Backoff::default();
    while !catalog.is_open() {
        backoff.wait().await;
        match open_catalog(url, catalog, context).await {
            Ok(()) => tracing::info!("the catalogue is there now"),
            Err(error @ CatalogError::Unavailable { .. }) => {
                tracing::warn!(error = chain(&error), "the catalogue is not there yet");
            }
            Err(error @ CatalogError::Broken { .. }) => {
                return Err(RunError::Catalog(error.into()));
            }
        }
    }
    Ok(())
}

/// Keeps the gate as open as the store is.
async fn watch_catalog(catalog: &dyn Catalog, context: &ServiceContext) {
    let gate = context.readiness.gate(CATALOGUE_GATE);
    let mut was_there = true;
    loop {
        tokio::time::sleep(CATALOGUE_REVIEW).await;
        // No video has this id: one key is looked for in one index.
        let answer = catalog.look_up(&[Uuid::nil()]).await;
        match &answer {
            Err(error) if was_there => {
                tracing::warn!(error = chain(error), "the catalogue does not answer");
            }
            Ok(_) if !was_there => tracing::info!("the catalogue answers again"),
            _ => {}
        }
        was_there = answer.is_ok();
        gate.set(was_there);
    }
}

async fn wait_for_bus(
    opened: Option<Arc<dyn EventBus>>,
    source: &BusSource,
) -> Result<Arc<dyn EventBus>, OpenError> {
    if let Some(bus) = opened {
        return Ok(bus);
    }
    let mut backoff = Backoff::default();
    loop {
        backoff.wait().await;
        match source.open().await {
            Err(error) if error.is_unavailable() => {
                tracing::warn!(error = chain(&error), "the event bus is not there yet");
            }
            opened => return opened,
        }
    }
}

#[cfg(test)]
mod tests;
