//! Playing: the bytes of a video in ranges, and the watch sessions of those who watch.
//!
//! The service holds no data. It asks `metadata` whether there is a video, passes the bytes of
//! `video-storage` on, and publishes what players say of themselves (beats) and what was sent to
//! players that say nothing (implicit sessions) for `history` to make views and entries of. Any
//! number of replicas may run; they share two keys and nothing else.

mod beats;
mod clock;
mod config;
mod error;
mod implicit;
mod lookup;
mod meters;
mod publishing;
mod relay;
mod routes;
mod watch_token;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use events::EventBus;
use service_kit::client::ServiceClient;
use service_kit::context::ServiceContext;
use service_kit::guard;
use service_kit::secret::SecretError;
use service_kit::server::HttpServer;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use config::{Command, Config};
use implicit::{ClientHashKey, Playbacks, Reporter};
use lookup::{Lookup, MetadataClient};
use meters::Meters;
use publishing::Publisher;
use relay::Relay;
use routes::Playing;
use watch_token::SessionKey;

/// How many plain players are followed at once; as each has a connection, more than enough.
const MAX_PLAIN_PLAYERS: usize = 20_000;

/// Open once the bus has been reached. Until then, and when it goes away later, events are spooled.
const EVENTS_GATE: &str = "events";

/// The service, bound to its port.
pub struct Service {
    context: ServiceContext,
    server: HttpServer,
    router: Router,
    reporter: Reporter,
    bus: Arc<dyn EventBus>,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The port is not to be had.
    #[error("cannot listen on {address}; another program may hold the port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A key is not to be had.
    #[error("a key cannot be used")]
    Key(#[from] SecretError),
    /// The event bus is not to be had.
    #[error("the event bus cannot be opened")]
    Events(#[from] events::url::OpenError),
}

/// Why the service ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The HTTP server failed.
    #[error("the HTTP server failed")]
    Serve(#[source] io::Error),
    /// The task that reports plain players died.
    #[error("the task that reports plain players ended")]
    Reporter(#[source] Option<tokio::task::JoinError>),
}

impl Service {
    /// Binds the port, loads the keys and opens the event bus. Neither its broker nor the services
    /// that it calls need be there yet.
    pub async fn bind(config: Config) -> Result<Self, BindError> {
        let Config {
            listen,
            service_token,
            metadata_url,
            video_storage_url,
            events,
            session_key,
            client_hash_key,
            server,
        } = config;
        let server =
            HttpServer::bind(listen, &server)
                .await
                .map_err(|source| BindError::Listen {
                    address: listen,
                    source,
                })?;
        let context = ServiceContext::new("video-streaming");
        let bus = events.open().await?;
        let events_gate = context.readiness.gate(EVENTS_GATE);
        events_gate.set(bus.status().is_connected);

        let meters = Meters::new(&context.metrics);
        let metadata = MetadataClient::new(ServiceClient::new(metadata_url, &service_token));
        let storage = ServiceClient::new(video_storage_url, &service_token);
        let playbacks = Arc::new(Playbacks::new(MAX_PLAIN_PLAYERS));
        let playing = Playing {
            lookup: Lookup::new(Arc::new(metadata), meters.clone()),
            relay: Relay::new(storage, meters.clone()),
            session_key: SessionKey::new(&session_key.load().await?),
            publisher: Publisher::new(Arc::clone(&bus)),
            client_hash_key: ClientHashKey::new(&client_hash_key.load().await?),
            playbacks: Arc::clone(&playbacks),
            meters: meters.clone(),
        };
        Ok(Self {
            router: guard::service_token(routes::router(Arc::new(playing)), service_token),
            reporter: Reporter::new(playbacks, Arc::clone(&bus), meters),
            bus,
            context,
            server,
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

    /// Serves until the token is cancelled, then drains: streams and beats first, and the reports
    /// of what was sent to plain players last.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RunError> {
        let Self {
            context,
            server,
            router,
            reporter,
            bus,
        } = self;
        let all_sent = CancellationToken::new();
        let mut observing = JoinSet::new();
        observing.spawn(events::observe(
            bus,
            context.clone(),
            EVENTS_GATE,
            all_sent.clone(),
        ));
        let mut reporting = JoinSet::new();
        reporting.spawn(reporter.run(all_sent.clone()));
        tokio::select! {
            served = server.run(router, &context, shutdown) => served.map_err(RunError::Serve)?,
            // It does not end by itself; what was sent would be lost from here on.
            died = reporting.join_next() => {
                return Err(RunError::Reporter(died.and_then(Result::err)));
            }
        }
        all_sent.cancel();
        observing.join_all().await;
        match reporting.join_next().await {
            Some(Err(died)) => Err(RunError::Reporter(Some(died))),
            Some(Ok(())) | None => Ok(()),
        }
    }
}
