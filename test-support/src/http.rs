//! An HTTP client that checks every answer against the error contract.

mod problem;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::IntoFuture;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{
    AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE,
};
use hyper::http::request;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

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
    pub fn at(address: std::net::SocketAddr) -> Self {
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
        let target = format!("{}{path}", self.base);
        let mut parts = Request::new(()).into_parts().0;
        parts.uri = target
            .parse()
            .unwrap_or_else(|error| panic!("{target} is no address: {error}"));
        parts.method = method;
        TestRequest {
            client: self.clone(),
            caller: Location::caller(),
            parts,
            body: Empty::new().map_err(|never| match never {}).boxed_unsync(),
        }
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
        let mut ours = self.request(parts.method, &parts.uri.to_string());
        ours.parts.headers = parts.headers;
        ours.stream(body)
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

/// A request in the making. Awaiting it sends it and reads the whole answer.
#[must_use = "a request is sent when it is awaited"]
pub struct TestRequest {
    client: TestClient,
    caller: &'static Location<'static>,
    parts: request::Parts,
    body: RequestBody,
}

impl TestRequest {
    /// Sets a header, in place of the client's own of that name.
    ///
    /// # Panics
    /// When this is no valid header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let (name, value) = header(name, value);
        self.parts.headers.insert(name, value);
        self
    }

    /// Sends these bytes, with their media type.
    ///
    /// # Panics
    /// When the media type cannot be a header's value.
    pub fn body(mut self, content_type: &str, bytes: impl Into<Bytes>) -> Self {
        self.body = Full::new(bytes.into())
            .map_err(|never| match never {})
            .boxed_unsync();
        self.header(CONTENT_TYPE.as_str(), content_type)
    }

    /// Sends a value as JSON.
    ///
    /// # Panics
    /// When the value cannot be JSON.
    pub fn json(self, value: &impl Serialize) -> Self {
        let bytes = serde_json::to_vec(value).expect("the value can be JSON");
        self.body("application/json", bytes)
    }

    /// Sends a body that comes piece by piece: chunked, unless it knows its length.
    pub fn stream<B>(mut self, body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.body = body.map_err(Into::into).boxed_unsync();
        self
    }

    /// Sends the request and answers the head with the body still to be read.
    ///
    /// # Panics
    /// When no answer comes, and as [`TestClient`] says for answers that break the contract.
    pub async fn open(self) -> OpenResponse {
        let caller = self.caller;
        self.attempt_open()
            .await
            .unwrap_or_else(|error| panic!("{caller}: {error}"))
    }

    /// Sends the request to a server that may be down, or may die while it answers.
    ///
    /// # Panics
    /// As [`TestClient`] says for answers that break the contract.
    pub async fn attempt(self) -> Result<TestResponse, NoAnswer> {
        self.attempt_open().await?.attempt_read().await
    }

    async fn attempt_open(mut self) -> Result<OpenResponse, NoAnswer> {
        for (name, value) in &self.client.headers {
            if !self.parts.headers.contains_key(name) {
                self.parts.headers.insert(name, value.clone());
            }
        }
        self.add_cookies();
        let asked = format!("{} {}", self.parts.method, self.parts.uri);
        let no_answer = |reason: String| NoAnswer {
            asked: asked.clone(),
            reason,
        };
        let method = self.parts.method.clone();
        let html_accepted = self
            .parts
            .headers
            .get(hyper::header::ACCEPT)
            .is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"));
        let request = Request::from_parts(self.parts, self.body);
        let response = timeout(self.client.patience, self.client.http.request(request))
            .await
            .map_err(|_| no_answer("no answer in time".to_owned()))?
            .map_err(|error| no_answer(with_sources(&error)))?;
        self.client.remember(response.headers());
        let expectation = problem::Expectation {
            asked,
            caller: self.caller,
            has_body: method != Method::HEAD,
            html_accepted,
        };
        problem::check_head(&expectation, response.status(), response.headers());
        Ok(OpenResponse {
            status: response.status(),
            headers: response.headers().clone(),
            response,
            expectation,
            patience: self.client.patience,
        })
    }

    fn add_cookies(&mut self) {
        let Some(jar) = &self.client.cookies else {
            return;
        };
        let jar = jar.lock().unwrap_or_else(PoisonError::into_inner);
        if jar.is_empty() || self.parts.headers.contains_key(COOKIE) {
            return;
        }
        let pairs: Vec<_> = jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let value = HeaderValue::from_str(&pairs.join("; ")).expect("cookies came as a header");
        self.parts.headers.insert(COOKIE, value);
    }
}

impl IntoFuture for TestRequest {
    type Output = TestResponse;
    type IntoFuture = Pin<Box<dyn Future<Output = TestResponse> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.open().await.read().await })
    }
}

/// An answer whose body has not been read. Dropping it hangs up.
#[derive(Debug)]
pub struct OpenResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    response: Response<Incoming>,
    expectation: problem::Expectation,
    patience: Duration,
}

impl OpenResponse {
    /// The next piece of the body, or `None` at its end.
    ///
    /// # Panics
    /// When the connection breaks, or nothing comes in time.
    pub async fn next_piece(&mut self) -> Option<Bytes> {
        let caller = self.expectation.caller;
        loop {
            let frame = timeout(self.patience, self.response.body_mut().frame())
                .await
                .unwrap_or_else(|_| panic!("{caller}: the body stopped coming"))?
                .unwrap_or_else(|error| panic!("{caller}: {}", with_sources(&error)));
            if let Ok(piece) = frame.into_data() {
                return Some(piece);
            }
        }
    }

    /// Reads the rest of the body.
    ///
    /// # Panics
    /// When it does not arrive whole, and as [`TestClient`] says for errors.
    pub async fn read(self) -> TestResponse {
        let caller = self.expectation.caller;
        self.attempt_read()
            .await
            .unwrap_or_else(|error| panic!("{caller}: {error}"))
    }

    /// Reads the rest of a body that may break off.
    ///
    /// # Panics
    /// As [`TestClient`] says for answers that break the contract.
    pub async fn attempt_read(self) -> Result<TestResponse, NoAnswer> {
        let Self {
            status,
            headers,
            response,
            expectation,
            patience,
        } = self;
        let no_answer = |reason| NoAnswer {
            asked: expectation.asked.clone(),
            reason,
        };
        let body = timeout(patience, response.into_body().collect())
            .await
            .map_err(|_| no_answer("the body did not end in time".to_owned()))?
            .map_err(|error| no_answer(with_sources(&error)))?
            .to_bytes();
        problem::check_body(&expectation, status, &headers, &body);
        Ok(TestResponse {
            status,
            headers,
            body,
            expectation,
        })
    }

    /// The body as it streams, for tests that drive it themselves.
    pub fn into_body(self) -> Incoming {
        self.response.into_body()
    }

    /// The value of a header, or `None` when it is not there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct TestResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: Bytes,
    expectation: problem::Expectation,
}

impl TestResponse {
    /// The value of a header, or `None` when it is not there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Asserts the status, and answers the response for more.
    ///
    /// # Panics
    /// With the request and the body, when the status is another.
    #[track_caller]
    #[expect(
        clippy::return_self_not_must_use,
        reason = "asserting the status is a use"
    )]
    pub fn expect(self, status: StatusCode) -> Self {
        assert_eq!(
            self.status,
            status,
            "{} answered {}",
            self.expectation.asked,
            self.text()
        );
        self
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none, or not of this type.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!(
                "{} answered {}, which is not the JSON expected ({error}): {}",
                self.expectation.asked,
                self.status,
                self.text()
            )
        })
    }

    /// The body as JSON of any shape.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn value(&self) -> serde_json::Value {
        self.json()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The last word of the problem's `type`: `not-found` of `urn:flixtube:problem:not-found`.
    ///
    /// # Panics
    /// When this answer is no problem.
    #[track_caller]
    pub fn problem_kind(&self) -> String {
        let kind = self.value()["type"].as_str().map(str::to_owned);
        kind.and_then(|kind| kind.rsplit(':').next().map(str::to_owned))
            .unwrap_or_else(|| panic!("{} is no problem: {}", self.status, self.text()))
    }
}

/// No whole answer came: nobody listens, the connection broke, or it took too long.
#[derive(Debug)]
pub struct NoAnswer {
    asked: String,
    reason: String,
}

impl Display for NoAnswer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} got no answer: {}", self.asked, self.reason)
    }
}

impl std::error::Error for NoAnswer {}

fn header(name: &str, value: &str) -> (HeaderName, HeaderValue) {
    (
        name.parse()
            .unwrap_or_else(|error| panic!("{name:?} is no header name: {error}")),
        value
            .parse()
            .unwrap_or_else(|error| panic!("{value:?} is no header value: {error}")),
    )
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
