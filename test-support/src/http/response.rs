use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Response, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::problem::{Expectation, check_body};

/// An answer whose body has not been read. Dropping it hangs up.
#[derive(Debug)]
pub struct OpenResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    response: Response<Incoming>,
    expectation: Expectation,
    patience: Duration,
}

impl OpenResponse {
    pub(super) fn new(
        response: Response<Incoming>,
        expectation: Expectation,
        patience: Duration,
    ) -> Self {
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            response,
            expectation,
            patience,
        }
    }

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
    /// When it does not arrive whole, and as [`TestClient`](super::TestClient) says for errors.
    pub async fn read(self) -> TestResponse {
        let caller = self.expectation.caller;
        self.attempt_read()
            .await
            .unwrap_or_else(|error| panic!("{caller}: {error}"))
    }

    /// Reads the rest of a body that may break off.
    ///
    /// # Panics
    /// As [`TestClient`](super::TestClient) says for answers that break the contract.
    pub async fn attempt_read(self) -> Result<TestResponse, NoAnswer> {
        let Self {
            status,
            headers,
            response,
            expectation,
            patience,
        } = self;
        let no_answer = |reason| NoAnswer::new(&expectation.asked, reason);
        let body = timeout(patience, response.into_body().collect())
            .await
            .map_err(|_| no_answer("the body did not end in time".to_owned()))?
            .map_err(|error| no_answer(with_sources(&error)))?
            .to_bytes();
        check_body(&expectation, status, &headers, &body);
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
    expectation: Expectation,
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

impl NoAnswer {
    pub(super) fn new(asked: &str, reason: String) -> Self {
        Self {
            asked: asked.to_owned(),
            reason,
        }
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} got no answer: {}", self.asked, self.reason)
    }
}

impl Error for NoAnswer {}

pub(super) fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
