//! What the service counts and measures.

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use service_kit::context::Metrics;

use crate::view_log::{Outcome, Recorded};

/// The service's own metrics.
#[derive(Clone, Debug)]
pub(crate) struct HistoryMetrics {
    stored: Counter,
    duplicates: Counter,
    dropped: Counter,
    views: Counter,
    lag: Histogram,
}

impl HistoryMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            stored: metrics.counter("history_events_stored", "Events that were new"),
            duplicates: metrics.counter(
                "history_events_duplicate",
                "Events that had been stored before",
            ),
            dropped: metrics.counter(
                "history_events_dropped",
                "Events of deleted videos, swept or full sessions",
            ),
            views: metrics.counter("history_views_counted", "Views that count"),
            lag: metrics.histogram(
                "history_event_lag_seconds",
                "From taking a beat or sending a last byte to storing it",
            ),
        }
    }

    /// Counts what became of an event that tells of this moment.
    pub(crate) fn recorded(&self, recorded: &Recorded, told_of: Timestamp, at: Timestamp) {
        let counter = match recorded.outcome {
            Outcome::Stored => {
                self.lag.observe(at.duration_since(told_of).as_secs_f64());
                &self.stored
            }
            Outcome::Duplicate => &self.duplicates,
            Outcome::TooLate | Outcome::SessionFull | Outcome::VideoDeleted => &self.dropped,
        };
        counter.inc();
        if recorded.counted {
            self.views.inc();
        }
    }
}
