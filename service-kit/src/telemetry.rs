//! Structured logs, and what is measured of each request.

use std::io::{self, IsTerminal as _};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use tracing::Instrument as _;
use tracing_subscriber::EnvFilter;

use crate::context::Metrics;
use crate::settings::{LogFormat, ProcessSettings};
use crate::trace_context::TraceContext;

/// Says why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("LOG_FILTER is not understood; `info` or `info,hyper=debug` would be")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Something else in the process logs already.
    #[error("logging was begun twice")]
    Begun(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Begins to log to standard error.
pub fn init(settings: &ProcessSettings) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&settings.log_filter)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match settings.log_format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    }
    .map_err(TelemetryError::Begun)
}

/// An error and all that caused it, in one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// What is measured of requests: rate, errors, duration, and how many are running.
#[derive(Clone, Debug)]
pub(crate) struct RequestMetrics {
    service: &'static str,
    requests: Family<Answered, Counter>,
    seconds_to_head: Family<Routed, Histogram>,
    running: Gauge<i64>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Answered {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Routed {
    method: String,
    route: String,
}

impl RequestMetrics {
    pub(crate) fn new(service: &'static str, metrics: &Metrics) -> Self {
        Self {
            service,
            requests: metrics.counters("http_requests", "Requests answered"),
            seconds_to_head: metrics.histograms(
                "http_request_seconds",
                "Seconds from a request's head to its answer's head",
            ),
            running: metrics.gauge(
                "http_requests_running",
                "Requests whose answer has not begun",
            ),
        }
    }
}

/// One span and one set of numbers per request. The route is a label, the path is not: paths are
/// without number and may tell on people.
pub(crate) async fn observe(
    State(metrics): State<RequestMetrics>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let context = TraceContext::from_headers(request.headers());
    let method = known_method(request.method().as_str()).to_owned();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let span = tracing::info_span!(
        "request",
        service = metrics.service,
        trace_id = context.trace_id(),
        method,
        route
    );

    metrics.running.inc();
    let running = Running(metrics.running.clone());
    let response = context
        .scope(next.run(request))
        .instrument(span.clone())
        .await;
    drop(running);

    let status = response.status();
    let elapsed = started.elapsed();
    span.in_scope(|| {
        tracing::debug!(
            status = status.as_u16(),
            milliseconds = elapsed.as_secs_f64() * 1000.0,
            "answered"
        );
    });
    metrics
        .seconds_to_head
        .get_or_create(&Routed {
            method: method.clone(),
            route: route.clone(),
        })
        .observe(elapsed.as_secs_f64());
    metrics
        .requests
        .get_or_create(&Answered {
            method,
            route,
            status: status.as_u16(),
        })
        .inc();
    response
}

/// Counts a request as running until it is dropped, however it ends.
struct Running(Gauge<i64>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A caller can invent methods; a label must not grow with them.
fn known_method(method: &str) -> &str {
    match method {
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" => method,
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_names_every_cause_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot open the store")]
        struct Outer(#[source] io::Error);
        let error = Outer(io::Error::other("the disk is gone"));
        assert_eq!(chain(&error), "cannot open the store: the disk is gone");
    }
}
