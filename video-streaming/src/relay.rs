//! Passes a video's bytes on from `video-storage`, as they come.
//!
//! `video-storage` judges ranges and preconditions (RFC 9110 §13, §14); this room changes nothing
//! of its answers. Status, [`PASSED_HEADERS`] and the pieces of the body go through one by one:
//! nothing is gathered, a slow reader slows the store down, and a reader that hangs up ends the
//! read at the store. A body that breaks off there breaks off here ([`RelayedBody`]).

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, Incoming};
use service_kit::client::{CallError, ServiceClient};
use uuid::Uuid;

use crate::meters::Meters;

mod body;

use body::RelayedBody;
pub(crate) use body::Stream;

/// What of a request concerns the bytes, and goes on to the store.
const PASSED_REQUEST_HEADERS: [HeaderName; 6] = [
    header::RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
];

/// What of an answer is the client's. Everything else is between the two services.
const PASSED_HEADERS: [HeaderName; 10] = [
    header::ACCEPT_RANGES,
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::LOCATION,
    header::RETRY_AFTER,
];

/// By this, with the value `allowed`, the store is told that it may answer with a redirect to where
/// the bytes lie.
const REDIRECT: HeaderName = HeaderName::from_static("x-redirect");

/// How long the store may take until its answer begins.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the bytes come from.
#[derive(Clone)]
pub(crate) struct Relay {
    storage: ServiceClient,
    meters: Meters,
}

/// An answer of the store that can be passed on.
pub(crate) struct StoredBytes {
    status: StatusCode,
    headers: HeaderMap,
    /// The length of the body; `None` where the answer has none or does not say.
    length: Option<u64>,
    body: Incoming,
}

/// Why there is no answer to pass on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RelayError {
    /// The store cannot be reached, or says that it is unavailable.
    #[error("video-storage is unavailable")]
    Unavailable {
        /// What went wrong, unless it said so itself.
        source: Option<Box<CallError>>,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The store does not have the video, although the catalogue has it: it is being deleted, or
    /// its bytes were lost.
    #[error("video-storage has no bytes of the video")]
    Missing,
    /// The store gave an answer that the contract between the two does not have.
    #[error("video-storage gave an answer that makes no sense, with status {0}")]
    Unexpected(StatusCode),
    /// The call failed in a way that is nobody's outage.
    #[error("video-storage could not be asked")]
    Failed(#[source] Box<CallError>),
}

impl Relay {
    /// Passes on what this client answers.
    pub(crate) fn new(storage: ServiceClient, meters: Meters) -> Self {
        Self { storage, meters }
    }

    /// Asks the store for the bytes, with what the client said about ranges and preconditions. A
    /// client that may be redirected goes to the bytes itself, and nobody here sees what it gets.
    pub(crate) async fn open(
        &self,
        video: Uuid,
        method: Method,
        headers: &HeaderMap,
        may_redirect: bool,
    ) -> Result<StoredBytes, RelayError> {
        let head_only = method == Method::HEAD;
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = format!("/videos/{video}")
            .parse()
            .expect("an id makes a valid path");
        pass(headers, request.headers_mut(), &PASSED_REQUEST_HEADERS);
        if may_redirect {
            let allowed = HeaderValue::from_static("allowed");
            request.headers_mut().insert(REDIRECT, allowed);
        }
        let response = self
            .storage
            .forward(request, Some(HEAD_TIMEOUT))
            .await
            .map_err(|error| {
                if error.is_unavailable() {
                    RelayError::Unavailable {
                        source: Some(Box::new(error)),
                        retry_after: None,
                    }
                } else {
                    RelayError::Failed(Box::new(error))
                }
            })?;
        judge(response, head_only, may_redirect)
    }

    /// The answer to the client. `stream` is told of everything that is sent.
    pub(crate) fn answer(&self, bytes: StoredBytes, stream: Stream) -> Response {
        let StoredBytes {
            status,
            headers,
            length,
            body,
        } = bytes;
        let body = if status == StatusCode::NOT_MODIFIED {
            Body::new(NoContent)
        } else {
            Body::new(RelayedBody::new(body, length, stream, &self.meters))
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

impl StoredBytes {
    /// Whether these are bytes of the video, all or some.
    pub(crate) fn is_content(&self) -> bool {
        matches!(self.status, StatusCode::OK | StatusCode::PARTIAL_CONTENT)
    }

    /// Whether byte 0 of the video is the first of them.
    pub(crate) fn covers_start(&self) -> bool {
        match self.status {
            StatusCode::OK => true,
            StatusCode::PARTIAL_CONTENT => self
                .headers
                .get(header::CONTENT_RANGE)
                .is_some_and(|range| range.as_bytes().starts_with(b"bytes 0-")),
            _ => false,
        }
    }
}

/// Decides whether an answer of the store is one for the client.
fn judge(
    response: hyper::Response<Incoming>,
    head_only: bool,
    may_redirect: bool,
) -> Result<StoredBytes, RelayError> {
    let (parts, body) = response.into_parts();
    let status = parts.status;
    let length = content_length(&parts.headers);
    match status {
        // Without a length nobody could tell a body that broke off from a whole one.
        StatusCode::OK | StatusCode::PARTIAL_CONTENT if length.is_none() => {
            return Err(RelayError::Unexpected(status));
        }
        StatusCode::OK
        | StatusCode::PARTIAL_CONTENT
        | StatusCode::NOT_MODIFIED
        | StatusCode::PRECONDITION_FAILED
        | StatusCode::RANGE_NOT_SATISFIABLE => {}
        StatusCode::TEMPORARY_REDIRECT
            if may_redirect && parts.headers.contains_key(header::LOCATION) => {}
        StatusCode::NOT_FOUND => return Err(RelayError::Missing),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            return Err(RelayError::Unavailable {
                source: None,
                retry_after: retry_after(&parts.headers),
            });
        }
        // 401 and 403 are about the service token: never the client's fault.
        _ => return Err(RelayError::Unexpected(status)),
    }
    let mut headers = HeaderMap::new();
    pass(&parts.headers, &mut headers, &PASSED_HEADERS);
    Ok(StoredBytes {
        status,
        headers,
        length: if head_only { None } else { length },
        body,
    })
}

fn pass(from: &HeaderMap, to: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        for value in from.get_all(name) {
            to.append(name.clone(), value.clone());
        }
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

/// The seconds of `Retry-After`; the store sends no dates.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?;
    value.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// The body of a 304. It has no bytes, and does not say so: a known length of 0 would become
/// `Content-Length: 0`, which in a 304 would be the length of the video (RFC 9110 §8.6).
struct NoContent;

impl hyper::body::Body for NoContent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }
}
