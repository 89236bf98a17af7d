//! Handing on what another service answered: its status, the headers that mean something to a
//! client, and its body as it comes.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{
    self, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    LAST_MODIFIED, RANGE, RETRY_AFTER, USER_AGENT, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

/// Which bytes of which version a client asks for.
const REQUEST_HEADERS: [HeaderName; 7] = [
    RANGE,
    IF_RANGE,
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
    USER_AGENT,
];

const RESPONSE_HEADERS: [HeaderName; 10] = [
    ACCEPT_RANGES,
    CACHE_CONTROL,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    ETAG,
    LAST_MODIFIED,
    RETRY_AFTER,
    WWW_AUTHENTICATE,
    header::VARY,
];

const COLLECTED_BYTES: usize = 64 * 1024;
const COLLECTING: Duration = Duration::from_secs(10);

/// Bytes that somebody uploaded must not be able to act as a page of this site.
const USER_BYTES_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

/// The headers of a client's request that a byte read takes along.
pub(crate) fn request_headers(from: &HeaderMap) -> HeaderMap {
    selected(from, &REQUEST_HEADERS)
}

fn selected(from: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let mut to = HeaderMap::new();
    for name in names {
        for value in from.get_all(name) {
            to.append(name, value.clone());
        }
    }
    to
}

/// An answer with stored bytes, streamed. When the service breaks off, so does this body, and the
/// client sees an aborted connection, never a short body that looks complete.
pub(crate) fn stored_bytes(answer: Response<Incoming>) -> Response<Body> {
    let (parts, body) = answer.into_parts();
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = parts.status;
    *response.headers_mut() = selected(&parts.headers, &RESPONSE_HEADERS);
    // To the bytes in the blob store. No other address of the inner services is anybody's business.
    if parts.status == StatusCode::TEMPORARY_REDIRECT
        && let Some(location) = parts.headers.get(header::LOCATION)
    {
        response
            .headers_mut()
            .insert(header::LOCATION, location.clone());
    }
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, USER_BYTES_POLICY);
    response
}

/// A small answer, collected.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// Why an answer could not be collected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectError {
    #[error("it did not arrive in time")]
    TooSlow,
    #[error("it broke off or is too large")]
    BrokenOff(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("it is not the JSON that it should be")]
    Malformed(#[source] serde_json::Error),
}

impl Answer {
    /// Collects an answer that is known to be small.
    pub(crate) async fn collect(answer: Response<Incoming>) -> Result<Self, CollectError> {
        let (parts, body) = answer.into_parts();
        let collecting = Limited::new(body, COLLECTED_BYTES).collect();
        let body = tokio::time::timeout(COLLECTING, collecting)
            .await
            .map_err(|_| CollectError::TooSlow)?
            .map_err(CollectError::BrokenOff)?
            .to_bytes();
        Ok(Self {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, CollectError> {
        serde_json::from_slice(&self.body).map_err(CollectError::Malformed)
    }

    /// The answer as it is.
    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = selected(&self.headers, &RESPONSE_HEADERS);
        response
    }
}
