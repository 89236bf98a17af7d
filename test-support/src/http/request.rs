use std::future::IntoFuture;
use std::panic::Location;
use std::pin::Pin;
use std::sync::PoisonError;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Body;
use hyper::header::{ACCEPT, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request};
use serde::Serialize;
use tokio::time::timeout;

use super::response::{NoAnswer, OpenResponse, TestResponse, with_sources};
use super::{BoxError, RequestBody, TestClient, header, problem};

/// A request in the making. Awaiting it sends it and reads the whole answer.
#[must_use = "a request is sent when it is awaited"]
pub struct TestRequest {
    client: TestClient,
    caller: &'static Location<'static>,
    parts: Parts,
    body: RequestBody,
}

impl TestRequest {
    #[track_caller]
    pub(super) fn new(client: TestClient, method: Method, path: &str) -> Self {
        let target = format!("{}{path}", client.base);
        let mut parts = Request::new(()).into_parts().0;
        parts.uri = target
            .parse()
            .unwrap_or_else(|error| panic!("{target} is no address: {error}"));
        parts.method = method;
        Self {
            client,
            caller: Location::caller(),
            parts,
            body: Empty::new().map_err(|never| match never {}).boxed_unsync(),
        }
    }

    pub(super) fn headers(mut self, headers: HeaderMap) -> Self {
        self.parts.headers = headers;
        self
    }

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
        let no_answer = |reason: String| NoAnswer::new(&asked, reason);
        let method = self.parts.method.clone();
        let html_accepted = self
            .parts
            .headers
            .get(ACCEPT)
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
        Ok(OpenResponse::new(
            response,
            expectation,
            self.client.patience,
        ))
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
