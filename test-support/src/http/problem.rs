//! The contract that every answer has to keep, whatever was asked.

use std::panic::Location;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{
    ALLOW, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE,
};
use serde_json::Value;

/// What was asked, and where in the test.
#[derive(Clone, Debug)]
pub(super) struct Expectation {
    pub(super) asked: String,
    pub(super) caller: &'static Location<'static>,
    /// False for HEAD: the headers describe a body that is not sent.
    pub(super) has_body: bool,
    /// A browser that prefers HTML gets a page in place of problem+json.
    pub(super) html_accepted: bool,
}

/// Checks the headers that a status demands.
pub(super) fn check_head(expected: &Expectation, status: StatusCode, headers: &HeaderMap) {
    for (with, needed) in demands() {
        assert!(
            status != with || headers.contains_key(&needed),
            "{}: {} answered {status} without {needed}: {headers:?}",
            expected.caller,
            expected.asked,
        );
    }
    if !is_error(status) || is_page(expected, headers) {
        return;
    }
    let media_type = text(headers, &CONTENT_TYPE);
    assert_eq!(
        media_type, "application/problem+json",
        "{}: {} answered {status}, which must be problem+json",
        expected.caller, expected.asked,
    );
}

/// Checks that the body of an error is a problem of the same status.
pub(super) fn check_body(
    expected: &Expectation,
    status: StatusCode,
    headers: &HeaderMap,
    body: &Bytes,
) {
    if !is_error(status) || !expected.has_body || is_page(expected, headers) {
        return;
    }
    let complain = |what: &str| -> ! {
        panic!(
            "{}: {} answered {status}; {what}: {}",
            expected.caller,
            expected.asked,
            String::from_utf8_lossy(body)
        )
    };
    let Ok(problem) = serde_json::from_slice::<Value>(body) else {
        complain("the problem is not JSON");
    };
    for member in ["type", "title", "detail"] {
        if problem[member].as_str().is_none_or(str::is_empty) {
            complain(&format!("the problem has no {member}"));
        }
    }
    if problem["status"].as_u64() != Some(u64::from(status.as_u16())) {
        complain("the problem's status is another");
    }
}

fn demands() -> [(StatusCode, HeaderName); 6] {
    [
        (StatusCode::PARTIAL_CONTENT, CONTENT_RANGE),
        (StatusCode::UNAUTHORIZED, WWW_AUTHENTICATE),
        (StatusCode::METHOD_NOT_ALLOWED, ALLOW),
        (StatusCode::RANGE_NOT_SATISFIABLE, CONTENT_RANGE),
        (StatusCode::TOO_MANY_REQUESTS, RETRY_AFTER),
        (StatusCode::SERVICE_UNAVAILABLE, RETRY_AFTER),
    ]
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

fn is_page(expected: &Expectation, headers: &HeaderMap) -> bool {
    expected.html_accepted && text(headers, &CONTENT_TYPE).starts_with("text/html")
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
