//! Conditional requests (RFC 9110 §13), evaluated in the order of §13.2.2.
//!
//! Pure: headers and validators in, one verdict out. The tag of a representation is always strong.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::header::{
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;

use crate::byte_range::Selection;

/// What identifies the state of a representation: its strong tag and its time of change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validators {
    tag: String,
    last_modified: SystemTime,
}

impl Validators {
    /// `opaque` is the tag without quotes. HTTP dates have whole seconds, so the time is cut to them.
    pub(crate) fn new(opaque: &str, modified: Timestamp) -> Self {
        let seconds = u64::try_from(modified.as_second()).unwrap_or(0);
        Self {
            tag: format!("\"{opaque}\""),
            last_modified: UNIX_EPOCH + Duration::from_secs(seconds),
        }
    }

    /// The value of `ETag`, quotes included.
    pub(crate) fn entity_tag(&self) -> &str {
        &self.tag
    }

    /// The value of `Last-Modified`.
    pub(crate) fn last_modified(&self) -> String {
        httpdate::fmt_http_date(self.last_modified)
    }
}

/// How to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Send the representation, or the part of it.
    Send(Selection),
    /// 304: the client has it already.
    NotModified,
    /// 412: the representation is not the one that the client means.
    PreconditionFailed,
}

/// Judges a GET or HEAD for a representation of `length` bytes. `Range` counts for GET only (§14.2).
pub(crate) fn judge(
    method: &Method,
    headers: &HeaderMap,
    validators: &Validators,
    length: u64,
) -> Verdict {
    if headers.contains_key(IF_MATCH) {
        if !lists(headers, &IF_MATCH, &validators.tag, Comparison::Strong) {
            return Verdict::PreconditionFailed;
        }
    } else if let Some(date) = date(headers, &IF_UNMODIFIED_SINCE)
        && validators.last_modified > date
    {
        return Verdict::PreconditionFailed;
    }

    if headers.contains_key(IF_NONE_MATCH) {
        if lists(headers, &IF_NONE_MATCH, &validators.tag, Comparison::Weak) {
            return Verdict::NotModified;
        }
    } else if let Some(date) = date(headers, &IF_MODIFIED_SINCE)
        && validators.last_modified <= date
    {
        return Verdict::NotModified;
    }

    Verdict::Send(match single(headers, &RANGE) {
        Some(range) if method == Method::GET && range_applies(headers, validators) => range
            .to_str()
            .map_or(Selection::Whole, |range| Selection::of(range, length)),
        _ => Selection::Whole,
    })
}

/// `If-Range`: a strong tag, or a date that is exactly the time of change (§13.1.5).
fn range_applies(headers: &HeaderMap, validators: &Validators) -> bool {
    if !headers.contains_key(IF_RANGE) {
        return true;
    }
    let Some(value) = single(headers, &IF_RANGE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    if value.contains('"') {
        return value == validators.tag;
    }
    httpdate::parse_http_date(value).is_ok_and(|date| date == validators.last_modified)
}

#[derive(Clone, Copy)]
enum Comparison {
    /// Weak tags are equal to nothing (§8.8.3.2).
    Strong,
    /// `W/` makes no difference.
    Weak,
}

/// Whether one of the header's lines names the tag, or is `*`. What is no tag matches nothing.
fn lists(headers: &HeaderMap, name: &HeaderName, tag: &str, comparison: Comparison) -> bool {
    headers.get_all(name).iter().any(|line| {
        line.to_str()
            .is_ok_and(|line| line.trim() == "*" || line_lists(line, tag, comparison))
    })
}

fn line_lists(mut rest: &str, tag: &str, comparison: Comparison) -> bool {
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (weak, candidate) = match rest.strip_prefix("W/") {
            Some(candidate) => (true, candidate),
            None => (false, rest),
        };
        // A comma may stand inside a tag, so the list is cut at quotes.
        let Some(end) = candidate
            .strip_prefix('"')
            .and_then(|inner| inner.find('"'))
            .map(|at| at + 2)
        else {
            return false;
        };
        let equal = &candidate[..end] == tag;
        if equal && (!weak || matches!(comparison, Comparison::Weak)) {
            return true;
        }
        rest = &candidate[end..];
        if !rest.trim_start().starts_with(',') {
            return false;
        }
    }
}

/// A date header that is not exactly one valid date is ignored (§13.1.3, §13.1.4).
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(single(headers, name)?.to_str().ok()?).ok()
}

/// The value of a header that may occur once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    let value = lines.next()?;
    lines.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "\"abc\"";
    /// The representation of these tests changed at this time, and a bit.
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn judged(method: &Method, lines: &[(&'static str, &str)]) -> Verdict {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let modified = Timestamp::from_millisecond(784_111_777_999).unwrap();
        judge(method, &headers, &Validators::new("abc", modified), 10)
    }

    fn whole() -> Verdict {
        Verdict::Send(Selection::Whole)
    }

    fn first_two() -> Verdict {
        Verdict::Send(Selection::of("bytes=0-1", 10))
    }

    #[test]
    fn validators_are_printed_as_http_wants_them() {
        let modified = Timestamp::from_millisecond(784_111_777_999).unwrap();
        let validators = Validators::new("abc", modified);
        assert_eq!(validators.entity_tag(), TAG);
        assert_eq!(validators.last_modified(), DATE);
    }

    #[test]
    fn each_precondition_alone() {
        use Verdict::{NotModified, PreconditionFailed};
        for (name, value, expected) in [
            ("if-match", TAG, whole()),
            ("if-match", "*", whole()),
            ("if-match", "\"x\", \"abc\"", whole()),
            ("if-match", "\"a,b\",\"abc\"", whole()),
            ("if-match", "\"x\"", PreconditionFailed),
            ("if-match", "W/\"abc\"", PreconditionFailed),
            ("if-match", "abc", PreconditionFailed),
            ("if-match", "", PreconditionFailed),
            ("if-unmodified-since", DATE, whole()),
            ("if-unmodified-since", LATER, whole()),
            ("if-unmodified-since", EARLIER, PreconditionFailed),
            ("if-unmodified-since", "yesterday", whole()),
            ("if-none-match", TAG, NotModified),
            ("if-none-match", "W/\"abc\"", NotModified),
            ("if-none-match", "*", NotModified),
            ("if-none-match", "\"x\" , W/\"abc\"", NotModified),
            ("if-none-match", ", ,\"abc\"", NotModified),
            ("if-none-match", "\"x\"", whole()),
            ("if-none-match", "abc", whole()),
            ("if-none-match", "\"abc", whole()),
            ("if-modified-since", DATE, NotModified),
            ("if-modified-since", LATER, NotModified),
            ("if-modified-since", EARLIER, whole()),
            (
                "if-modified-since",
                "Sunday, 06-Nov-94 08:49:37 GMT",
                NotModified,
            ),
            ("if-modified-since", "Sun Nov  6 08:49:37 1994", NotModified),
            ("if-modified-since", "garbage", whole()),
        ] {
            for method in [Method::GET, Method::HEAD] {
                assert_eq!(
                    judged(&method, &[(name, value)]),
                    expected,
                    "{method} {name}: {value}"
                );
            }
        }
    }

    #[test]
    fn a_tag_outranks_a_date() {
        assert_eq!(
            judged(
                &Method::GET,
                &[("if-match", TAG), ("if-unmodified-since", EARLIER)]
            ),
            whole()
        );
        assert_eq!(
            judged(
                &Method::GET,
                &[("if-none-match", "\"x\""), ("if-modified-since", LATER)]
            ),
            whole()
        );
    }

    #[test]
    fn a_failed_precondition_outranks_not_modified_and_that_outranks_the_range() {
        assert_eq!(
            judged(
                &Method::GET,
                &[("if-match", "\"x\""), ("if-none-match", TAG)]
            ),
            Verdict::PreconditionFailed
        );
        assert_eq!(
            judged(
                &Method::GET,
                &[("if-none-match", TAG), ("range", "bytes=99-")]
            ),
            Verdict::NotModified
        );
    }

    #[test]
    fn several_lines_of_tags_are_one_list() {
        assert_eq!(
            judged(
                &Method::GET,
                &[("if-none-match", "\"x\""), ("if-none-match", TAG)]
            ),
            Verdict::NotModified
        );
        assert_eq!(
            judged(&Method::GET, &[("if-match", "\"x\""), ("if-match", TAG)]),
            whole()
        );
    }

    #[test]
    fn a_range_counts_only_if_if_range_holds() {
        for (value, expected) in [
            (TAG, first_two()),
            (DATE, first_two()),
            ("W/\"abc\"", whole()),
            ("\"x\"", whole()),
            ("*", whole()),
            (EARLIER, whole()),
            (LATER, whole()),
            ("garbage", whole()),
        ] {
            assert_eq!(
                judged(&Method::GET, &[("range", "bytes=0-1"), ("if-range", value)]),
                expected,
                "{value}"
            );
        }
        assert_eq!(judged(&Method::GET, &[("if-range", TAG)]), whole());
    }

    #[test]
    fn a_range_that_is_sent_twice_or_with_head_is_ignored() {
        assert_eq!(judged(&Method::GET, &[("range", "bytes=0-1")]), first_two());
        assert_eq!(judged(&Method::HEAD, &[("range", "bytes=0-1")]), whole());
        assert_eq!(judged(&Method::HEAD, &[("range", "bytes=99-")]), whole());
        assert_eq!(
            judged(
                &Method::GET,
                &[("range", "bytes=0-1"), ("range", "bytes=0-1")]
            ),
            whole()
        );
        assert_eq!(
            judged(&Method::GET, &[("range", "bytes=10-")]),
            Verdict::Send(Selection::Unsatisfiable)
        );
    }
}
