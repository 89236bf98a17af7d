//! An HTTP client that checks every answer against the error contract.

mod problem;
mod request;
mod response;

pub use request::TestRequest;
pub use response::{NoAnswer, OpenResponse, TestResponse};

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Body;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type RequestBody = UnsyncBoxBody<Bytes, BoxError>;

/// Longer than any answer takes on a busy machine; a test that reaches it hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// A client of one server. Connections are kept and used again, so that an answer with wrong
/// framing breaks the request behind it.
///
/// Every answer of status 400 and above must be `application/problem+json` (RFC 9457) with `type`,
/// `title`, `status` and `detail`; 401 must carry `WWW-Authenticate`, 405 `Allow`, 416
/// `Content-Range`, 429 and 503 `Retry-After`; 206 must carry `Content-Range`. A test that gets
/// another answer panics at the line of its request.
///
/// ```no_run
/// # use test_support::TestClient;
/// # use hyper::StatusCode;
/// # async fn example() {
/// let client = TestClient::new("http://127.0.0.1:4000").with_cookies();
/// let part = client.get("/api/videos/x/stream").header("range", "bytes=0-9").await;
/// part.expect(StatusCode::PARTIAL_CONTENT);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TestClient {
    http: Client<HttpConnector, RequestBody>,
    base: String,
    headers: HeaderMap,
    cookies: Option<Arc<Mutex<BTreeMap<String, String>>>>,
    patience: Duration,
}

impl TestClient {
    /// A client of the server at `base`, for example `http://127.0.0.1:4000`.
    #[must_use]
    pub fn new(base: impl Display) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(10)));
        Self {
            http: Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .build(connector),
            base: base.to_string().trim_end_matches('/').to_owned(),
            headers: HeaderMap::new(),
            cookies: None,
            patience: PATIENCE,
        }
    }

    /// A client of the server that listens on a local address.
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        Self::new(format_args!("http://{address}"))
    }

    /// Adds a header to every request.
    ///
    /// # Panics
    /// When this is no valid header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        let (name, value) = header(name, value);
        self.headers.insert(name, value);
        self
    }

    /// Sends a bearer token with every request.
    ///
    /// # Panics
    /// When the token cannot be a header's value.
    #[must_use]
    pub fn with_bearer(self, token: &str) -> Self {
        self.with_header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    /// Keeps cookies as a browser does, starting with none. Clones share them.
    #[must_use]
    pub fn with_cookies(mut self) -> Self {
        self.cookies = Some(Arc::default());
        self
    }

    /// Gives each head, and each body that is read whole, this long instead of a minute.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The same client, cookies included, for a server at another address.
    #[must_use]
    pub fn moved_to(&self, base: impl Display) -> Self {
        Self {
            base: base.to_string().trim_end_matches('/').to_owned(),
            ..self.clone()
        }
    }

    /// The value of a cookie that the server has set.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let jar = self.cookies.as_ref()?;
        let jar = jar.lock().unwrap_or_else(PoisonError::into_inner);
        jar.get(name).cloned()
    }

    /// Begins a request; `path` is everything behind the server's address.
    ///
    /// # Panics
    /// When the path cannot be part of an address.
    #[track_caller]
    pub fn request(&self, method: Method, path: &str) -> TestRequest {
        TestRequest::new(self.clone(), method, path)
    }

    /// `GET path`
    #[track_caller]
    pub fn get(&self, path: &str) -> TestRequest {
        self.request(Method::GET, path)
    }

    /// `HEAD path`
    #[track_caller]
    pub fn head(&self, path: &str) -> TestRequest {
        self.request(Method::HEAD, path)
    }

    /// `POST path`
    #[track_caller]
    pub fn post(&self, path: &str) -> TestRequest {
        self.request(Method::POST, path)
    }

    /// `PUT path`
    #[track_caller]
    pub fn put(&self, path: &str) -> TestRequest {
        self.request(Method::PUT, path)
    }

    /// `PATCH path`
    #[track_caller]
    pub fn patch(&self, path: &str) -> TestRequest {
        self.request(Method::PATCH, path)
    }

    /// `DELETE path`
    #[track_caller]
    pub fn delete(&self, path: &str) -> TestRequest {
        self.request(Method::DELETE, path)
    }

    /// Sends a request that was built elsewhere; its URI is the path and query only.
    #[track_caller]
    pub fn send<B>(&self, request: Request<B>) -> TestRequest
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        self.request(parts.method, &parts.uri.to_string())
            .headers(parts.headers)
            .stream(body)
    }

    fn remember(&self, headers: &HeaderMap) {
        let Some(jar) = &self.cookies else { return };
        let mut jar = jar.lock().unwrap_or_else(PoisonError::into_inner);
        for value in headers.get_all(SET_COOKIE) {
            let text = value.to_str().expect("cookies are visible ASCII");
            let mut attributes = text.split(';').map(str::trim);
            let (name, value) = attributes
                .next()
                .and_then(|pair| pair.split_once('='))
                .unwrap_or_else(|| panic!("{text:?} is no cookie"));
            if attributes.any(|attribute| attribute.eq_ignore_ascii_case("max-age=0")) {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

fn header(name: &str, value: &str) -> (HeaderName, HeaderValue) {
    (
        name.parse()
            .unwrap_or_else(|error| panic!("{name:?} is no header name: {error}")),
        value
            .parse()
            .unwrap_or_else(|error| panic!("{value:?} is no header value: {error}")),
    )
}
