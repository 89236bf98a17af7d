//! What the service counts for its operators, beside what every service measures.

use prometheus_client::metrics::counter::Counter;
use service_kit::context::Metrics;

/// The service's own counters.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    /// Videos that were registered for the first time.
    pub(crate) registrations: Counter,
    /// Videos that were deleted.
    pub(crate) deletions: Counter,
    /// Pages of searches that stopped at a limit.
    pub(crate) incomplete_searches: Counter,
}

impl Counts {
    /// Registers the counters.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            registrations: metrics.counter("videos_registered", "Videos registered"),
            deletions: metrics.counter("videos_deleted", "Videos deleted"),
            incomplete_searches: metrics.counter(
                "searches_incomplete",
                "Pages of searches that stopped at a limit",
            ),
        }
    }
}
