//! What this service counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use service_kit::context::Metrics;

use crate::reconciler::ReportBody;

/// How an upload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Taken, and new.
    Completed,
    /// Answered by an earlier upload with the same key.
    Repeated,
    /// Not what it must be: type, size, no picture.
    Refused,
    /// The client or its connection gave up.
    Broken,
    /// The store did.
    Failed,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

impl From<Outcome> for OutcomeLabel {
    fn from(outcome: Outcome) -> Self {
        let outcome = match outcome {
            Outcome::Completed => "completed",
            Outcome::Repeated => "repeated",
            Outcome::Refused => "refused",
            Outcome::Broken => "broken",
            Outcome::Failed => "failed",
        };
        Self { outcome }
    }
}

/// The counters. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Measures {
    /// Bytes of videos taken in.
    pub(crate) received: Counter,
    /// Bytes of videos and posters sent out.
    pub(crate) sent: Counter,
    /// Reads whose body is not at its end.
    pub(crate) open_reads: Gauge<i64>,
    /// Uploads that the catalogue does not know yet.
    pub(crate) pending: Gauge<i64>,
    uploads: Family<OutcomeLabel, Counter>,
    entries_without_bytes: Gauge<i64>,
    strays: Gauge<i64>,
    reconciled_at: Gauge<i64>,
}

impl Measures {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            received: metrics.counter("video_received_bytes", "Bytes of videos taken in"),
            sent: metrics.counter("video_sent_bytes", "Bytes of videos and posters sent out"),
            open_reads: metrics.gauge("video_open_reads", "Answers whose body is being sent"),
            pending: metrics.gauge(
                "video_pending_registrations",
                "Complete uploads that the catalogue does not know yet",
            ),
            uploads: metrics.counters("video_uploads", "Uploads by how they ended"),
            entries_without_bytes: metrics.gauge(
                "video_entries_without_bytes",
                "Videos of the catalogue whose bytes or record are gone, by the last complete run",
            ),
            strays: metrics.gauge(
                "video_strays",
                "What is in the store and belongs to nothing, by the last complete run",
            ),
            reconciled_at: metrics.gauge(
                "video_reconciled_timestamp_seconds",
                "When store and catalogue were last compared as a whole; 0 if never",
            ),
        }
    }

    pub(crate) fn upload_ended(&self, outcome: Outcome) {
        self.uploads.get_or_create(&outcome.into()).inc();
    }

    /// What the last complete run has found, of whatever replica.
    pub(crate) fn reconciled(&self, report: &ReportBody) {
        let gauge = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.entries_without_bytes
            .set(gauge(report.entries_without_bytes.count));
        self.strays.set(gauge(report.strays.count));
        self.reconciled_at.set(report.ended_at.as_second());
    }
}
