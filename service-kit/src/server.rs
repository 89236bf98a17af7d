//! An HTTP/1.1 server that bounds what a client can take of it, and stops within a deadline.
//!
//! What it does for every service: it bounds connections, headers and waiting; it drops clients
//! that are silent in a request or do not read their answer; it reads on for a while when a request
//! body is refused, so that the answer arrives ([`body`]); it turns what the router itself answers
//! into problems; and on shutdown it drains: not ready, wait, accept no more, let running requests
//! end and arrive ([`closing`]), and cut what is left at the deadline.
//!
//! It serves a listener that the process was started with ([`inherited`]) where
//! there is one for its address. Such a socket outlives the process, and another process may be
//! serving it: it is accepted from only once the service can do its work, and until then clients
//! wait, or are answered by the other.

mod body;
mod closing;
mod explaining;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;
use tower_http::catch_panic::CatchPanicLayer;

use crate::context::ServiceContext;
use crate::extract::JSON_LIMIT_BYTES;
use crate::inherited;
use crate::problem::Problem;
pub use crate::settings::ServerSettings;
use crate::telemetry::{self, RequestMetrics};
use closing::Closing;
use explaining::Explaining;

/// What one connection may buffer, and so the largest head of a request, in bytes.
const CONNECTION_BUFFER_BYTES: usize = 64 * 1024;

/// More header fields than any browser sends.
const MAX_HEADERS: usize = 100;

/// How long to wait when the system has no descriptor left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often readiness, a flag in memory, is looked at before an inherited listener is served.
const READINESS_POLL: Duration = Duration::from_millis(5);

/// The other end of the connection that a request came by; an extension of every request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Peer(pub SocketAddr);

/// A bound HTTP server.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
    is_inherited: bool,
    settings: ServerSettings,
}

impl HttpServer {
    /// Takes the listener that the process was started with for this address, or else opens the
    /// port; port 0 takes any free one.
    pub async fn bind(address: SocketAddr, settings: &ServerSettings) -> io::Result<Self> {
        let inherited = inherited::take(address)?;
        let is_inherited = inherited.is_some();
        let listener = match inherited {
            Some(listener) => TcpListener::from_std(listener)?,
            None => TcpListener::bind(address).await?,
        };
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            is_inherited,
            settings: settings.clone(),
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the token is cancelled, then drains. Returns when the last connection is closed
    /// and the service's tracked tasks have ended, or at the deadline.
    pub async fn run(
        self,
        router: Router,
        context: &ServiceContext,
        shutdown: CancellationToken,
    ) -> io::Result<()> {
        let Self {
            listener,
            settings,
            is_inherited,
            ..
        } = self;
        let router = complete(router, context, &settings);
        let slots = Arc::new(Semaphore::new(settings.max_connections));
        let connections = TaskTracker::new();
        let draining = CancellationToken::new();
        let deadline = CancellationToken::new();
        let cut = deadline.clone().drop_guard();

        let readiness = context.readiness.clone();
        let stop_accepting = async {
            shutdown.cancelled().await;
            readiness.drain();
            tokio::time::sleep(settings.drain_delay).await;
        };
        tokio::pin!(stop_accepting);
        // From then on it accepts whatever happens: not being ready is an answer as well.
        let mut was_ready = !is_inherited;
        loop {
            let accepted = async {
                while !was_ready {
                    tokio::time::sleep(READINESS_POLL).await;
                    was_ready = readiness.is_ready();
                }
                let slot = Arc::clone(&slots)
                    .acquire_owned()
                    .await
                    .expect("the semaphore is never closed");
                (slot, listener.accept().await)
            };
            let (slot, (stream, peer)) = tokio::select! {
                () = &mut stop_accepting => break,
                (slot, accepted) = accepted => match accepted {
                    Ok(connection) => (slot, connection),
                    Err(error) => {
                        // Out of descriptors, or a client that was gone already: both pass.
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
            };
            let connection = serve(
                stream,
                peer,
                router.clone(),
                settings.clone(),
                draining.clone(),
                deadline.clone(),
            );
            let deadline = deadline.clone();
            connections.spawn(async move {
                tokio::select! {
                    () = connection => {}
                    () = deadline.cancelled() => {}
                }
                drop(slot);
            });
        }
        drop(listener);
        draining.cancel();
        connections.close();
        context.tasks.close();
        let ended = async {
            connections.wait().await;
            context.tasks.wait().await;
        };
        if tokio::time::timeout(settings.drain_grace, ended)
            .await
            .is_err()
        {
            tracing::warn!(
                service = context.name,
                connections = connections.len(),
                "the time to drain is over; what still runs is cut"
            );
        }
        drop(cut);
        // The process may end with this, and a connection has to be cut while there is a network.
        connections.wait().await;
        Ok(())
    }
}

/// Adds what every service has to its routes; the last layer is the outermost.
fn complete(router: Router, context: &ServiceContext, settings: &ServerSettings) -> Router {
    let metrics = RequestMetrics::new(context.name, &context.metrics);
    let bodies = body::Bodies {
        idle_timeout: settings.body_idle_timeout,
        tasks: context.tasks.clone(),
    };
    router
        .layer(DefaultBodyLimit::max(JSON_LIMIT_BYTES))
        .layer(middleware::from_fn_with_state(bodies, body::supervise))
        .layer(middleware::map_response(explain))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(metrics, telemetry::observe))
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    settings: ServerSettings,
    draining: CancellationToken,
    deadline: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot turn off Nagle's algorithm");
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(settings.write_idle_timeout));

    let last = draining.clone();
    let service = tower::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        let answer = router.clone().call(request);
        let last = last.clone();
        async move {
            let mut response = answer.await?;
            if last.is_cancelled() {
                // A client that has been told does not send its next request here.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let stream = Closing::new(stream, settings.write_idle_timeout, deadline);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        .max_buf_size(CONNECTION_BUFFER_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(
            TokioIo::new(Explaining::new(stream)),
            TowerToHyperService::new(service),
        );
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = draining.cancelled() => tokio::select! {
            ended = connection.as_mut() => ended,
            () = tokio::time::sleep(settings.drain_idle) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        },
    };
    if let Err(error) = ended {
        // A client that hangs up, is silent or talks nonsense is its own affair.
        tracing::debug!(error = telemetry::chain(&error), "a connection broke");
    }
}

/// Gives the router's own bare answers (404, 405, 413 …) a body that explains them.
async fn explain(response: Response) -> Response {
    let status = response.status();
    let refused = status.is_client_error() || status.is_server_error();
    if !refused || response.headers().contains_key(header::CONTENT_TYPE) {
        return response;
    }
    let problem = match status {
        StatusCode::NOT_FOUND => Problem::not_found("Nothing answers at this path."),
        StatusCode::METHOD_NOT_ALLOWED => Problem::method_not_allowed(
            "This path does not take this method; the header `Allow` names those that it takes.",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::payload_too_large("The body is larger than this path takes.")
        }
        StatusCode::REQUEST_TIMEOUT => {
            Problem::request_timeout("The request did not arrive in time.")
        }
        status if status.is_server_error() => Problem::internal(),
        _ => return response,
    };
    let (parts, _) = response.into_parts();
    let mut explained = problem.into_response();
    for (name, value) in &parts.headers {
        if name != header::CONTENT_LENGTH {
            explained.headers_mut().insert(name, value.clone());
        }
    }
    explained
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "`CatchPanicLayer` calls it so"
)]
fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(message, "a handler panicked");
    Problem::internal().into_response()
}

/// Whether a request brings a body along.
fn has_body(request: &Request) -> bool {
    use hyper::body::Body as _;
    !request.body().is_end_stream()
}
