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
mod measures;
mod media;
mod poster;
mod preconditions;
mod record;
mod records;
mod removal;
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

use events::{EventBus, Queue};
use service_kit::client::ServiceClient;
use service_kit::context::{Gate, ServiceContext};
use service_kit::guard;
use service_kit::server::HttpServer;
use service_kit::telemetry;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use config::{Config, DEFAULT_MAX_CONCURRENT_UPLOADS, DEFAULT_MAX_VIDEO_BYTES};
pub use store::{InvalidStoreUrl, OpenError, StoreError, StoreUrl};

use catalogue::Catalogue;
use completion::Completion;
use deletion::Deletion;
use measures::Measures;
use poster::Posters;
use records::Records;
use routes::App;
use running::Running;
use serve::{Reads, Verification};
use store::Store;
use sweeper::Sweeper;
use upload::Uploads;

/// How often it is looked whether the store is there.
const STORE_CHECK_PERIOD: Duration = Duration::from_secs(2);
/// What uploads that were cut off at the end of the drain get to take away what they wrote.
const CLEAN_UP_TIME: Duration = Duration::from_secs(5);
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
    /// The event bus could not be opened.
    #[error("cannot open the event bus")]
    Events(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why the service ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The HTTP server ended.
    #[error("the HTTP server ended")]
    Serve(#[source] std::io::Error),
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
    bus: Arc<dyn EventBus>,
    deletion: Arc<Deletion>,
    completion: Arc<Completion>,
    sweeper: Sweeper,
    store: Store,
}

impl Service {
    /// Opens the port, the store and the event bus.
    pub async fn bind(config: Config) -> Result<Self, BindError> {
        let server = HttpServer::bind(config.listen, &config.server)
            .await
            .map_err(|source| BindError::Listen {
                address: config.listen,
                source,
            })?;
        let store = Store::open(&config.store_url)
            .await
            .map_err(|source| BindError::Store {
                url: config.store_url.clone(),
                source,
            })?;
        let bus = config
            .events
            .open()
            .await
            .map_err(|error| BindError::Events(error.into()))?;

        let context = ServiceContext::new("video-storage");
        let measures = Measures::new(&context.metrics);
        let records = Records::new(store.clone());
        let client = ServiceClient::new(config.metadata_url, &config.service_token);
        let completion = Arc::new(Completion::new(
            store.clone(),
            records.clone(),
            Catalogue::new(client),
            measures.clone(),
        ));
        let running = Running::default();
        let app = App {
            uploads: Arc::new(Uploads {
                store: store.clone(),
                records: records.clone(),
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
                measures: measures.clone(),
            }),
            posters: Arc::new(Posters {
                store: store.clone(),
                records: records.clone(),
                measures,
            }),
        };
        Ok(Self {
            server,
            router: guard::service_token(routes::router(app), config.service_token),
            bus,
            deletion: Arc::new(Deletion {
                store: store.clone(),
                records: records.clone(),
            }),
            sweeper: Sweeper {
                store: store.clone(),
                records,
                completion: Arc::clone(&completion),
                running,
            },
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
        let gate = self.context.readiness.gate("store");
        let serve = async {
            let served = self
                .server
                .run(self.router, &self.context, shutdown.clone())
                .await;
            served.map_err(RunError::Serve)
        };
        let consume = async {
            let handler: Arc<dyn events::Handler> = self.deletion;
            let consumed = events::consume(
                self.bus,
                Queue::VIDEO_STORAGE,
                handler,
                DELETION_CONCURRENCY,
                shutdown.clone(),
            );
            consumed.await.map_err(RunError::Consume)
        };
        let background = async {
            tokio::join!(
                watch_store(&self.store, &gate, shutdown.clone()),
                self.completion.run(shutdown.clone()),
                self.sweeper.run(shutdown.clone()),
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

/// Sets the gate of the readiness, so that probes need not touch the store.
async fn watch_store(store: &Store, gate: &Gate, shutdown: CancellationToken) {
    loop {
        match store.check().await {
            Ok(()) => gate.set(true),
            Err(error) => {
                if gate.is_open() {
                    let error = telemetry::chain(&error);
                    tracing::warn!(error, "the store is not available");
                }
                gate.set(false);
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(STORE_CHECK_PERIOD) => {}
        }
    }
}
