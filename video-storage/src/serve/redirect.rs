//! Sending a reader to the store itself, so that the bytes do not pass through this service.
//!
//! Only where somebody has decided so (`STORE_REDIRECT_SECONDS`), and only for callers that can
//! handle it and say so. What the store then answers is not by the byte contract: the tag is the
//! store's own, and a blob that is replaced between the redirect and the read is not noticed. So
//! whatever names a tag or a time, and what stores judge differently, is answered here.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, LOCATION, RANGE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;

use crate::byte_range::Selection;
use crate::store::Link;

/// By this, with the value `allowed`, a caller says that it passes a redirect on.
const REDIRECT: HeaderName = HeaderName::from_static("x-redirect");

const CONDITIONS: [HeaderName; 5] = [
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
    IF_RANGE,
];

/// How long links are good, if readers are redirected at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Redirects(pub(crate) Option<Duration>);

impl Redirects {
    /// How long the link is to be good, if this request is one to redirect.
    pub(super) fn applies(
        self,
        method: &Method,
        headers: &HeaderMap,
        length: u64,
    ) -> Option<Duration> {
        let is_allowed = headers.get(REDIRECT).is_some_and(|said| said == "allowed");
        let is_conditional = CONDITIONS.iter().any(|name| headers.contains_key(name));
        let is_plain = is_allowed && method == Method::GET && !is_conditional;
        let good_for = self.0.filter(|_| is_plain)?;
        let mut ranges = headers.get_all(RANGE).iter();
        match (ranges.next(), ranges.next()) {
            (None, _) => Some(good_for),
            (Some(range), None) => is_first_last(range, length).then_some(good_for),
            (Some(_), Some(_)) => None,
        }
    }
}

/// Whether every store understands this range as we do: `bytes=` and one satisfiable range with a
/// first byte.
fn is_first_last(range: &HeaderValue, length: u64) -> bool {
    let Ok(range) = range.to_str() else {
        return false;
    };
    let Some(first_last) = range.strip_prefix("bytes=") else {
        return false;
    };
    // More digits than fit a length are for us to judge.
    let fits = first_last.split('-').all(|number| number.len() < 19);
    fits && !first_last.starts_with('-')
        && matches!(Selection::of(range, length), Selection::Part(_))
}

/// The answer. The next one has another link, so this one is not kept.
pub(super) fn to(link: &Link) -> Option<Response> {
    let location = HeaderValue::from_str(link.as_str()).ok()?;
    let answer = Response::builder()
        .status(StatusCode::TEMPORARY_REDIRECT)
        .header(LOCATION, location)
        .header(CACHE_CONTROL, "private, no-store")
        .header(CONTENT_LENGTH, 0);
    answer.body(Body::empty()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON: Redirects = Redirects(Some(Duration::from_mins(5)));

    fn is_redirected(
        redirects: Redirects,
        method: &Method,
        headers: &[(&'static str, &'static str)],
    ) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        let headers: HeaderMap = headers.collect();
        redirects.applies(method, &headers, 1_000).is_some()
    }

    #[test]
    fn whole_and_first_last_reads_are_redirected_where_it_is_on_and_allowed() {
        let allowed = ("x-redirect", "allowed");
        for headers in [
            &[allowed][..],
            &[allowed, ("range", "bytes=0-")],
            &[allowed, ("range", "bytes=0-0")],
            &[allowed, ("range", "bytes=999-5000")],
        ] {
            assert!(is_redirected(ON, &Method::GET, headers), "{headers:?}");
            assert!(!is_redirected(ON, &Method::HEAD, headers), "{headers:?}");
            let off = Redirects(None);
            assert!(!is_redirected(off, &Method::GET, headers), "{headers:?}");
        }
        assert!(!is_redirected(ON, &Method::GET, &[]));
        assert!(!is_redirected(ON, &Method::GET, &[("x-redirect", "no")]));
    }

    #[test]
    fn everything_else_is_answered_here() {
        let allowed = ("x-redirect", "allowed");
        for header in [
            ("range", "bytes=-5"),
            ("range", "bytes=1000-"),
            ("range", "bytes=5-3"),
            ("range", "bytes=0-1,5-6"),
            ("range", "bytes=x"),
            ("range", "chapters=1-2"),
            ("range", "bytes=0-99999999999999999999"),
            ("if-match", "\"x\""),
            ("if-none-match", "\"x\""),
            ("if-modified-since", "x"),
            ("if-unmodified-since", "x"),
            ("if-range", "\"x\""),
        ] {
            assert!(
                !is_redirected(ON, &Method::GET, &[allowed, header]),
                "{header:?}"
            );
        }
    }
}
