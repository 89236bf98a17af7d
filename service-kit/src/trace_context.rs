//! W3C Trace Context (`traceparent`, <https://www.w3.org/TR/trace-context/>), version 00.
//!
//! A trace begins at the first service that a request meets and crosses HTTP calls and events, so
//! that one number finds what all services logged about it.

use std::fmt;
use std::future::Future;

use axum::http::{HeaderMap, HeaderValue};
use tracing::Instrument as _;

use crate::secret::random_bytes;

/// The header's name.
pub const TRACEPARENT: &str = "traceparent";

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// One step of a trace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    sampled: bool,
}

impl TraceContext {
    /// The first step of a new trace.
    pub fn begin() -> Self {
        Self {
            // Zero is not a valid id, and a trace of the bits that are left is still unique.
            trace_id: u128::from_ne_bytes(random_bytes()) | 1,
            span_id: new_span(),
            sampled: true,
        }
    }

    /// The step that the caller is in, if it told a valid one.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let version = lower_hex(parts.next()?, 2)?;
        let trace_id = u128::from_str_radix(lower_hex(parts.next()?, 32)?, 16).ok()?;
        let span_id = u64::from_str_radix(lower_hex(parts.next()?, 16)?, 16).ok()?;
        let flags = u8::from_str_radix(lower_hex(parts.next()?, 2)?, 16).ok()?;
        let more = parts.next().is_some();
        // §2.2.2: version ff is forbidden, and version 00 has nothing behind the flags.
        if version == "ff" || (version == "00" && more) || trace_id == 0 || span_id == 0 {
            return None;
        }
        Some(Self {
            trace_id,
            span_id,
            sampled: flags & 1 == 1,
        })
    }

    /// The next step of the trace that these headers belong to, or of a new one.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        headers
            .get(TRACEPARENT)
            .and_then(|value| value.to_str().ok())
            .and_then(Self::parse)
            .map_or_else(Self::begin, Self::next)
    }

    /// The next step of the same trace.
    #[must_use]
    pub fn next(self) -> Self {
        Self {
            span_id: new_span(),
            ..self
        }
    }

    /// The step that the running task is in, if it is in one.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|context| *context).ok()
    }

    /// Runs a future within this step.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, future)
    }

    /// Takes the step and the log span that the running task is in along into another task.
    pub fn carried<F: Future>(future: F) -> impl Future<Output = F::Output> {
        let current = Self::current();
        let future = future.in_current_span();
        async move {
            match current {
                Some(step) => step.scope(future).await,
                None => future.await,
            }
        }
    }

    /// The trace's id as 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// The step as a header's value.
    pub fn header_value(&self) -> HeaderValue {
        HeaderValue::from_str(&self.to_string()).expect("digits and dashes are legal in a header")
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.sampled);
        write!(
            f,
            "00-{:032x}-{:016x}-{flags:02x}",
            self.trace_id, self.span_id
        )
    }
}

fn new_span() -> u64 {
    u64::from_ne_bytes(random_bytes()) | 1
}

fn lower_hex(text: &str, length: usize) -> Option<&str> {
    let digits = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    (text.len() == length && digits).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn the_example_of_the_standard_survives_a_round_trip() {
        assert_eq!(TraceContext::parse(EXAMPLE).unwrap().to_string(), EXAMPLE);
    }

    #[test]
    fn the_next_step_keeps_the_trace() {
        let first = TraceContext::parse(EXAMPLE).unwrap();
        let next = first.next();
        assert_eq!(next.trace_id(), first.trace_id());
        assert_ne!(next.span_id, first.span_id);
    }

    #[test]
    fn what_is_not_valid_begins_a_new_trace() {
        for bad in [
            "",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_later_version_may_say_more() {
        let later = "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what";
        assert_eq!(TraceContext::parse(later).unwrap().to_string(), EXAMPLE);
    }
}
