//! Calls to other services over HTTP/1.1: JSON with a deadline, and streams that are never buffered.

use std::time::Duration;

use axum::body::Body;
use axum::http::uri::{Authority, InvalidUri, PathAndQuery, Scheme};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::guard::ServiceToken;
use crate::problem::{MEDIA_TYPE, Problem, ProblemBody};
use crate::trace_context::{TRACEPARENT, TraceContext};

/// A service on the same network answers within this or is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Shorter than the servers keep idle connections, so that a call does not meet a closing one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// What one connection may buffer, in bytes.
const CONNECTION_BUFFER_BYTES: usize = 64 * 1024;

/// The largest JSON answer that is read, in bytes.
const ANSWER_LIMIT_BYTES: usize = 8 * 1024 * 1024;

/// Calls one other service.
#[derive(Clone, Debug)]
pub struct ServiceClient {
    client: Client<HttpConnector, Body>,
    scheme: Scheme,
    authority: Authority,
    authorization: HeaderValue,
}

/// Says why a URL cannot be a service's.
#[derive(Debug, thiserror::Error)]
#[error("a service's URL is http://HOST:PORT without a path, such as http://127.0.0.1:4030")]
pub struct InvalidServiceUrl;

/// Where a service answers: `http://HOST:PORT`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServiceUrl(Uri);

impl std::str::FromStr for ServiceUrl {
    type Err = InvalidServiceUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| InvalidServiceUrl)?;
        let plain = uri.scheme() == Some(&Scheme::HTTP)
            && uri.authority().is_some()
            && uri.path() == "/"
            && uri.query().is_none();
        if plain {
            Ok(Self(uri))
        } else {
            Err(InvalidServiceUrl)
        }
    }
}

impl std::fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl ServiceUrl {
    /// The URL of a service at this address.
    pub fn at(address: std::net::SocketAddr) -> Self {
        let uri = format!("http://{address}/").parse();
        Self(uri.expect("an address and a port make a URL"))
    }
}

/// Why a call has no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No connection, or it broke before the answer's head.
    #[error("{service} cannot be reached")]
    Unreachable {
        /// The host and port that was called.
        service: String,
        /// What the HTTP client said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer did not come in time.
    #[error("{service} did not answer within {} ms", after.as_millis())]
    TimedOut {
        /// The host and port that was called.
        service: String,
        /// How long the call waited.
        after: Duration,
    },
    /// The service refused.
    #[error("{service} answered {status}")]
    Answered {
        /// The host and port that was called.
        service: String,
        /// The status code.
        status: StatusCode,
        /// What the service said of it, if it said it in the form of RFC 9457.
        problem: Option<ProblemBody>,
        /// The whole answer's headers.
        headers: Box<axum::http::HeaderMap>,
    },
    /// The answer is not what this side understands.
    #[error("{service} gave an answer that is not understood")]
    Malformed {
        /// The host and port that was called.
        service: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The path cannot be called.
    #[error("the path of the call is no path")]
    InvalidPath(#[source] InvalidUri),
}

impl CallError {
    /// Whether the same call may succeed later: the service is down, slow or says so itself.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => true,
            Self::Answered { status, .. } => matches!(
                *status,
                StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT
            ),
            Self::Malformed { .. } | Self::InvalidPath(_) => false,
        }
    }

    /// The status code, if the service answered with an error.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Answered { status, .. } => Some(*status),
            _ => None,
        }
    }
}

impl ServiceClient {
    /// A client for the service at this URL.
    pub fn new(url: ServiceUrl, token: &ServiceToken) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(32)
            .http1_max_buf_size(CONNECTION_BUFFER_BYTES)
            .build(connector);
        let parts = url.0.into_parts();
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.as_str()))
            .expect("a token is visible ASCII");
        authorization.set_sensitive(true);
        Self {
            client,
            scheme: parts.scheme.unwrap_or(Scheme::HTTP),
            authority: parts.authority.expect("a service's URL has a host"),
            authorization,
        }
    }

    /// Gets JSON. The deadline covers the whole answer.
    pub async fn get_json<T: DeserializeOwned>(
        &self,
        path: &str,
        timeout: Duration,
    ) -> Result<T, CallError> {
        self.call(Request::get(path), Body::empty(), timeout).await
    }

    /// Sends JSON and takes JSON, or nothing when `T` is `()`. The deadline covers the whole answer.
    pub async fn send_json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &(impl Serialize + Sync),
        timeout: Duration,
    ) -> Result<T, CallError> {
        let bytes = serde_json::to_vec(body).map_err(|error| self.malformed(error))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json");
        self.call(request, Body::from(bytes), timeout).await
    }

    /// Sends nothing but the head, and takes JSON, or nothing when `T` is `()`.
    pub async fn send_empty<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        timeout: Duration,
    ) -> Result<T, CallError> {
        let request = Request::builder().method(method).uri(path);
        self.call(request, Body::empty(), timeout).await
    }

    /// Sends a request with any body, and answers with the head and a body that streams. The URI is
    /// the path and query only. The token and the trace are added; nothing is buffered. Without a
    /// deadline the head is waited for as long as the connection lives.
    pub async fn forward(
        &self,
        mut request: Request<Body>,
        head_timeout: Option<Duration>,
    ) -> Result<Response<Incoming>, CallError> {
        let path = request
            .uri()
            .path_and_query()
            .cloned()
            .unwrap_or(PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
            .map_err(|error| self.malformed(error))?;
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        let step = TraceContext::current().map_or_else(TraceContext::begin, TraceContext::next);
        headers.insert(TRACEPARENT, step.header_value());

        let answer = self.client.request(request);
        let answer = match head_timeout {
            Some(after) => tokio::time::timeout(after, answer)
                .await
                .map_err(|_| self.timed_out(after))?,
            None => answer.await,
        };
        answer.map_err(|error| CallError::Unreachable {
            service: self.authority.to_string(),
            source: error.into(),
        })
    }

    async fn call<T: DeserializeOwned>(
        &self,
        request: axum::http::request::Builder,
        body: Body,
        timeout: Duration,
    ) -> Result<T, CallError> {
        let request = request.body(body).map_err(|error| self.malformed(error))?;
        let call = async {
            let response = self.forward(request, None).await?;
            let (parts, body) = response.into_parts();
            let bytes = Limited::new(body, ANSWER_LIMIT_BYTES)
                .collect()
                .await
                .map_err(|source| CallError::Unreachable {
                    service: self.authority.to_string(),
                    source,
                })?
                .to_bytes();
            self.understand(&parts, &bytes)
        };
        tokio::time::timeout(timeout, call)
            .await
            .map_err(|_| self.timed_out(timeout))?
    }

    fn understand<T: DeserializeOwned>(
        &self,
        parts: &axum::http::response::Parts,
        bytes: &Bytes,
    ) -> Result<T, CallError> {
        if !parts.status.is_success() {
            return Err(CallError::Answered {
                service: self.authority.to_string(),
                status: parts.status,
                problem: problem_of(parts, bytes),
                headers: Box::new(parts.headers.clone()),
            });
        }
        // An empty answer is JSON's `null`, which `()` is read from.
        let json: &[u8] = if bytes.is_empty() { b"null" } else { bytes };
        serde_json::from_slice(json).map_err(|error| self.malformed(error))
    }

    fn timed_out(&self, after: Duration) -> CallError {
        CallError::TimedOut {
            service: self.authority.to_string(),
            after,
        }
    }

    fn malformed(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CallError {
        CallError::Malformed {
            service: self.authority.to_string(),
            source: source.into(),
        }
    }
}

fn problem_of(parts: &axum::http::response::Parts, bytes: &Bytes) -> Option<ProblemBody> {
    let media_type = parts.headers.get(header::CONTENT_TYPE)?;
    (media_type == MEDIA_TYPE)
        .then(|| serde_json::from_slice(bytes).ok())
        .flatten()
}

impl From<&CallError> for Problem {
    /// What a caller that cannot do without the answer says itself: 503 when the other service may
    /// come back, and otherwise 500, because this side asked wrongly or was misunderstood.
    fn from(error: &CallError) -> Self {
        if error.is_unavailable() {
            Self::unavailable("A service that is needed for this does not answer; try again soon.")
        } else {
            Self::internal()
        }
    }
}
