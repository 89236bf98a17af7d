//! The gateway as a service: bound, then run.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use service_kit::context::ServiceContext;
use service_kit::secret::SecretError;
use service_kit::server::HttpServer;
use tokio_util::sync::CancellationToken;

use crate::admission::Admission;
use crate::config::{Config, Contradiction, PublicSettings};
use crate::development::Development;
use crate::edge::Edge;
use crate::routes;

/// A gateway that holds its port.
#[derive(Debug)]
pub struct Service {
    server: HttpServer,
    context: ServiceContext,
    router: Router,
}

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The settings do not go together.
    #[error(transparent)]
    Settings(#[from] Contradiction),
    /// The key of the cookies cannot be had.
    #[error("the key of the cookies cannot be loaded")]
    ViewerKey(#[source] SecretError),
    /// The port cannot be had.
    #[error("cannot listen on {address}; another program may hold the port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Why the gateway ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The server ended.
    #[error("the public server ended")]
    Serve(#[source] io::Error),
}

impl Service {
    /// Checks the settings, loads the key and takes the port. The services behind the gateway need
    /// not be there: it serves what it can without them, and is ready at once.
    pub async fn bind(config: Config) -> Result<Self, BindError> {
        config.check()?;
        let key = config
            .viewer_key
            .load()
            .await
            .map_err(BindError::ViewerKey)?;
        let server = HttpServer::bind(config.listen, &config.server)
            .await
            .map_err(|source| BindError::Listen {
                address: config.listen,
                source,
            })?;
        warn_of_exposure(&config);
        let context = ServiceContext::new("gateway");
        let development = config.development_folder.clone().map(|folder| {
            let shown = folder.display();
            tracing::warn!(folder = %shown, "this gateway serves pages for development");
            Development::new(folder, context.readiness.clone())
        });
        let edge = Arc::new(Edge::new(&config, &key, development));
        let requests_per_minute = config.public.requests_per_minute();
        let admission = Admission::new(
            config.public.public_hosts,
            config.public.trusted_proxies,
            requests_per_minute,
        );
        Ok(Self {
            server,
            context,
            router: routes::router(edge, Arc::new(admission)),
        })
    }

    /// Where the public is answered.
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Its readiness, metrics and tasks.
    pub fn context(&self) -> &ServiceContext {
        &self.context
    }

    /// Serves until the token is cancelled, then drains.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RunError> {
        let Self {
            server,
            context,
            router,
        } = self;
        server
            .run(router, &context, shutdown)
            .await
            .map_err(RunError::Serve)
    }
}

/// Says what is legal but rarely meant.
fn warn_of_exposure(config: &Config) {
    let PublicSettings {
        owner_token,
        allow_anonymous_writes,
        public_hosts,
        ..
    } = &config.public;
    let loopback = config.listen.ip().to_canonical().is_loopback();
    if !loopback && public_hosts.is_empty() {
        tracing::warn!(
            "other machines can reach this server but call it by a name that PUBLIC_HOSTS does not \
             list; they are answered 421"
        );
    }
    if *allow_anonymous_writes && !loopback {
        tracing::warn!("everybody who reaches this server may upload, edit and delete");
    }
    if loopback && !public_hosts.is_empty() && owner_token.is_none() {
        tracing::warn!(
            "PUBLIC_HOSTS is set without OWNER_TOKEN: everybody whom a proxy lets through to this \
             server may upload, edit and delete"
        );
    }
}
