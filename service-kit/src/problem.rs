//! Problem details for HTTP APIs (RFC 9457).
//!
//! Every 4xx and 5xx of every service is a [`Problem`]. Its `type` is a stable URN, for programs;
//! its `detail` is a sentence that says how to mend the request, for people.

use std::time::Duration;

use axum::Json;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// How long a caller should wait before it tries again when a dependency is down.
const RETRY_AFTER_UNAVAILABLE: Duration = Duration::from_secs(2);

/// An answer that says what went wrong and how to mend it.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    /// Boxed, because a problem is the error of many results and should be small.
    headers: Box<HeaderMap>,
}

/// A problem as it travels: what RFC 9457 §3.1 names.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ProblemBody {
    /// A URN that names the kind of problem; stable.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in words; the same for each occurrence.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// What is wrong with this request, and how to mend it.
    #[serde(default)]
    pub detail: String,
}

impl Problem {
    /// A problem of the type `urn:flixtube:problem:<kind>`.
    pub fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status,
            kind,
            title,
            detail: detail.into(),
            headers: Box::default(),
        }
    }

    /// 400: a parameter, a cursor or a body is wrong.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad-request",
            "The request is wrong",
            detail,
        )
    }

    /// 401: the caller has to show who it is. Carries `WWW-Authenticate` (RFC 9110 §15.5.2).
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Valid credentials are needed",
            detail,
        )
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 403: the caller may not do this, whoever it is.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "This is not allowed",
            detail,
        )
    }

    /// 404: nothing is there.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is nothing here",
            detail,
        )
    }

    /// 405: the resource exists, the method does not. The `Allow` header is the router's to set.
    pub fn method_not_allowed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "The method is not allowed here",
            detail,
        )
    }

    /// 408: the request did not arrive in time.
    pub fn request_timeout(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "request-timeout",
            "The request took too long",
            detail,
        )
    }

    /// 409: the request contradicts what is there.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "conflict",
            "The request conflicts with what is there",
            detail,
        )
    }

    /// 412: a precondition of the request does not hold (RFC 9110 §15.5.13).
    pub fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "precondition-failed",
            "A precondition does not hold",
            detail,
        )
    }

    /// 413: the content is larger than allowed.
    pub fn payload_too_large(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload-too-large",
            "The content is too large",
            detail,
        )
    }

    /// 415: the content is not of a kind that is taken here.
    pub fn unsupported_media_type(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "This kind of content is not taken here",
            detail,
        )
    }

    /// 416: no requested range lies within the content (RFC 9110 §15.5.17).
    pub fn range_not_satisfiable(length: u64) -> Self {
        let content_range = HeaderValue::from_str(&format!("bytes */{length}"))
            .expect("digits are legal in a header");
        Self::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "range-not-satisfiable",
            "The range lies outside of the content",
            format!("The content is {length} bytes long; ask for a range within it."),
        )
        .with_header(header::CONTENT_RANGE, content_range)
    }

    /// 421: this host name is not served here (RFC 9110 §15.5.20).
    pub fn misdirected(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::MISDIRECTED_REQUEST,
            "misdirected-request",
            "This host is not served here",
            detail,
        )
    }

    /// 429: too many requests; may be tried again after a while.
    pub fn too_many_requests(detail: impl Into<String>, retry_after: Duration) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-requests",
            "Too many requests",
            detail,
        )
        .retry_after(retry_after)
    }

    /// 500: a bug. What went wrong is in the log; the caller cannot mend it.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something went wrong here",
            "The request could not be answered because of a fault of the server; its log says more.",
        )
    }

    /// 503: a dependency is down; the same request may succeed later.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "A part of the system does not answer",
            detail,
        )
        .retry_after(RETRY_AFTER_UNAVAILABLE)
    }

    /// 507: there is no room for the content.
    pub fn insufficient_storage(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "insufficient-storage",
            "There is no room left",
            detail,
        )
    }

    /// Says when to try again, in whole seconds, one at least.
    #[must_use]
    pub fn retry_after(self, after: Duration) -> Self {
        let seconds = after.as_millis().div_ceil(1000).max(1);
        let value =
            HeaderValue::from_str(&seconds.to_string()).expect("digits are legal in a header");
        self.with_header(header::RETRY_AFTER, value)
    }

    /// Adds or replaces a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The status code of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The sentence that says what is wrong.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self {
            status,
            kind,
            title,
            detail,
            headers,
        } = self;
        let body = ProblemBody {
            kind: format!("urn:flixtube:problem:{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail,
        };
        let mut response = (status, *headers, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unauthorized_problem_names_the_scheme() {
        let response = Problem::unauthorized("Sign in.").into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
        assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
    }

    #[test]
    fn a_wait_of_part_of_a_second_is_rounded_up() {
        let problem = Problem::too_many_requests("Slow down.", Duration::from_millis(1200));
        assert_eq!(problem.into_response().headers()[header::RETRY_AFTER], "2");
    }

    #[test]
    fn a_range_outside_of_the_content_tells_its_length() {
        let response = Problem::range_not_satisfiable(42).into_response();
        assert_eq!(response.headers()[header::CONTENT_RANGE], "bytes */42");
    }
}
