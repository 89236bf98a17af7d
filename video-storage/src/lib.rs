//! The bytes of the videos: taking them in and serving them, over any blob store.
//!
//! A complete upload is a blob with a record beside it; both are in the store before the client
//! hears of it, so the store is also the outbox for the catalogue. See the crate's README for the
//! interface and the invariants.

mod byte_range;
mod catalogue;
mod completion;
mod config;
mod deletion;
mod digest;
mod error;
#[cfg(test)]
mod faults;
mod idempotency;
mod keys;
mod lease;
mod measures;
mod media;
mod poster;
mod preconditions;
pub mod reconcile;
mod reconciler;
mod record;
mod records;
mod removal;
#[cfg(test)]
mod replicas;
mod routes;
mod running;
mod serve;
mod store;
mod sweeper;
pub mod transfer;
mod upload;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use events::{BusSource, EventBus, Queue};
use service_kit::client::ServiceClient;
use service_kit::context::ServiceContext;
use service_kit::guard;
use service_kit::server::HttpServer;
use service_kit::telemetry;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use config::{Config, DEFAULT_MAX_CONCURRENT_UPLOADS, DEFAULT_MAX_VIDEO_BYTES, UpkeepSettings};
pub use store::{
    AzureSettings, Bucket, Credential, Endpoint, GoogleSettings, InvalidEndpoint, InvalidStoreUrl,
    OpenError, S3Settings, StoreError, StoreSettings, StoreUrl,
};

use catalogue::Catalogue;
use completion::Completion;
use deletion::Deletion;
use keys::Keys;
use lease::Lease;
use measures::Measures;
use poster::Posters;
use reconciler::{Asked, Reconciler, Runs};
use records::Records;
use routes::App;
use running::Running;
use serve::{Reads, Redirects, Verification};
use store::Store;
use sweeper::Sweeper;
use upload::Uploads;

/// How soon it is tried again to open an event bus that is not there.
const NEXT_TRY: Duration = Duration::from_secs(2);
/// What uploads that were cut off at the end of the drain get to take away what they wrote.
const CLEAN_UP_TIME: Duration = Duration::from_secs(5);
/// What `/readyz` calls the store and the bus.
const STORE_GATE: &str = "store";
const EVENTS_GATE: &str = "events";
/// Deletions that are handled at the same time.
const DELETION_CONCURRENCY: usize = 4;

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The port is taken, or the address is not ours.
    #[error("cannot listen on {address}; another program may hold the port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The store could not be opened.
    #[error("cannot open the store {url}")]
    Store {
        /// The store.
        url: StoreUrl,
        /// Why not.
        source: OpenError,
    },
    /// What is at the bus's URL is no event bus of this release.
    #[error("EVENTS_URL does not lead to an event bus that this release can use")]
    Events(#[source] events::url::OpenError),
}

/// Why the service ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The HTTP server ended.
    #[error("the HTTP server ended")]
    Serve(#[source] std::io::Error),
    /// What is at the bus's URL, once it could be opened, is no event bus of this release.
    #[error("EVENTS_URL does not lead to an event bus that this release can use")]
    Events(#[source] events::url::OpenError),
    /// Events can no longer be consumed.
    #[error("the consumer of events ended")]
    Consume(#[source] events::ConsumeError),
}

/// The service, bound to its port and with its store open.
#[derive(Debug)]
pub struct Service {
    server: HttpServer,
    context: ServiceContext,
    router: axum::Router,
    /// `None` until it can be opened.
    bus: Option<Arc<dyn EventBus>>,
    events: BusSource,
    deletion: Arc<Deletion>,
    completion: Arc<Completion>,
    sweeper: Arc<Sweeper>,
    reconciler: Reconciler,
    asked: Asked,
    store: Store,
    store_url: StoreUrl,
}

impl Service {
    /// Opens the port and, where they are there, the store and the event bus. A store in a cloud
    /// or a bus that is not there yet is waited for by [`run`](Self::run).
    pub async fn bind(config: Config) -> Result<Self, BindError> {
        let address = config.listen;
        let server = HttpServer::bind(address, &config.server)
            .await
            .map_err(|source| BindError::Listen { address, source })?;
        let mut settings = config.store.clone();
        settings.take_over = config.server.take_over;
        let opened = Store::open(&config.store_url, &settings).await;
        let store = opened.map_err(|source| BindError::Store {
            url: config.store_url.clone(),
            source,
        })?;
        let bus = open_if_there(&config.events).await?;

        let context = ServiceContext::new("video-storage");
        // Closed until `run` has found them there.
        context.readiness.gate(STORE_GATE);
        context.readiness.gate(EVENTS_GATE);
        let measures = Measures::new(&context.metrics);
        let records = Records::new(store.clone());
        let client = ServiceClient::new(config.metadata_url, &config.service_token);
        let catalogue = Catalogue::new(client);
        let keys = Arc::new(Keys::new(store.clone(), records.clone()));
        let lease = Lease::on(&store, config.upkeep.upload_lease);
        let completion = Arc::new(Completion::new(
            store.clone(),
            records.clone(),
            Arc::clone(&keys),
            catalogue.clone(),
            measures.clone(),
        ));
        let running = Running::default();
        let sweeper = Arc::new(Sweeper {
            store: store.clone(),
            records: records.clone(),
            keys: Arc::clone(&keys),
            lease,
            completion: Arc::clone(&completion),
            running: running.clone(),
        });
        let (runs, asked) = Runs::new();
        let app = App {
            uploads: Arc::new(Uploads {
                store: store.clone(),
                records: records.clone(),
                keys: Arc::clone(&keys),
                lease,
                completion: Arc::clone(&completion),
                running: running.clone(),
                measures: measures.clone(),
                tasks: context.tasks.clone(),
                places: Arc::new(Semaphore::new(config.max_concurrent_uploads)),
                max_bytes: config.max_video_bytes,
            }),
            reads: Arc::new(Reads {
                store: store.clone(),
                records: records.clone(),
                verification: Verification::new(
                    store.clone(),
                    records.clone(),
                    context.tasks.clone(),
                ),
                tasks: context.tasks.clone(),
                redirects: redirects(&config.store),
                measures: measures.clone(),
            }),
            posters: Arc::new(Posters {
                store: store.clone(),
                records: records.clone(),
                measures: measures.clone(),
            }),
            runs,
        };
        Ok(Self {
            server,
            router: guard::service_token(routes::router(app), config.service_token),
            bus,
            events: config.events,
            store_url: config.store_url,
            deletion: Arc::new(Deletion {
                store: store.clone(),
                records: records.clone(),
                keys: Arc::clone(&keys),
            }),
            reconciler: Reconciler {
                store: store.clone(),
                records,
                keys,
                running,
                catalogue,
                completion: Arc::clone(&completion),
                sweeper: Arc::clone(&sweeper),
                measures,
                period: config.upkeep.reconcile_period,
            },
            asked,
            sweeper,
            completion,
            store,
            context,
        })
    }

    /// Where the service listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// The service's name, readiness, metrics and tasks.
    pub fn context(&self) -> &ServiceContext {
        &self.context
    }

    /// Serves until the token is cancelled, then lets what runs come to its end.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RunError> {
        let gate = self.context.readiness.gate(STORE_GATE);
        let serve = async {
            let served = self
                .server
                .run(self.router, &self.context, shutdown.clone())
                .await;
            served.map_err(RunError::Serve)
        };
        let consume = async {
            let opened = wait_for_bus(self.bus, &self.events);
            let Some(bus) = shutdown.run_until_cancelled(opened).await else {
                return Ok(());
            };
            let bus = bus.map_err(RunError::Events)?;
            let handler: Arc<dyn events::Handler> = self.deletion;
            let (consumed, ()) = tokio::join!(
                events::consume(
                    Arc::clone(&bus),
                    Queue::VIDEO_STORAGE,
                    handler,
                    DELETION_CONCURRENCY,
                    shutdown.clone(),
                ),
                events::observe(bus, self.context.clone(), EVENTS_GATE, shutdown.clone()),
            );
            consumed.map_err(RunError::Consume)
        };
        let background = async {
            tokio::join!(
                self.store.watch(&self.store_url, &gate, shutdown.clone()),
                self.completion.run(shutdown.clone()),
                // On the heap: what they hold while they wait would be carried by every caller.
                Box::pin(self.sweeper.run(shutdown.clone())),
                Box::pin(self.sweeper.clean_up_own(shutdown.clone())),
                Box::pin(self.reconciler.run(self.asked, shutdown.clone())),
            );
            Ok(())
        };
        let ended = tokio::try_join!(serve, consume, background).map(|_| ());
        self.context.tasks.close();
        let cleaned_up = tokio::time::timeout(CLEAN_UP_TIME, self.context.tasks.wait()).await;
        if cleaned_up.is_ok() {
            self.store.release();
        }
        ended
    }
}

fn redirects(settings: &StoreSettings) -> Redirects {
    let seconds = settings.redirect_seconds;
    Redirects((seconds > 0).then(|| Duration::from_secs(seconds.into())))
}

async fn open_if_there(source: &BusSource) -> Result<Option<Arc<dyn EventBus>>, BindError> {
    match source.open().await {
        Ok(bus) => Ok(Some(bus)),
        Err(error) if error.is_unavailable() => {
            let error = telemetry::chain(&error);
            tracing::warn!(error, "the event bus is not there yet");
            Ok(None)
        }
        Err(error) => Err(BindError::Events(error)),
    }
}

async fn wait_for_bus(
    opened: Option<Arc<dyn EventBus>>,
    source: &BusSource,
) -> Result<Arc<dyn EventBus>, events::url::OpenError> {
    if let Some(bus) = opened {
        return Ok(bus);
    }
    loop {
        tokio::time::sleep(NEXT_TRY).await;
        match source.open().await {
            Err(error) if error.is_unavailable() => {
                let error = telemetry::chain(&error);
                tracing::debug!(error, "the event bus is not there yet");
            }
            opened => return opened,
        }
    }
}
