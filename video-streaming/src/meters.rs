//! What this service counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use service_kit::context::Metrics;

/// The meters of the service; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Meters {
    bytes_sent: Counter,
    streams_open: Gauge,
    /// Lookups answered from memory, because the answer was fresh.
    pub(crate) lookups_fresh: Counter,
    /// Lookups answered by the catalogue.
    pub(crate) lookups_refreshed: Counter,
    /// Lookups answered from memory, because the catalogue was down.
    pub(crate) lookups_stale: Counter,
    /// Lookups that found nothing.
    pub(crate) lookups_missed: Counter,
    /// Beats that were published.
    pub(crate) beats_accepted: Counter,
    /// Beats that were wrong, not ours, or could not be published.
    pub(crate) beats_refused: Counter,
    /// Reports of plain players that were published.
    pub(crate) reports_published: Counter,
    /// Reports of plain players that were lost, because the event bus took none for too long or
    /// there were too many players.
    pub(crate) reports_dropped: Counter,
}

impl Meters {
    /// Registers the meters.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            bytes_sent: metrics.counter("stream_bytes_sent", "Bytes of videos handed to clients"),
            streams_open: metrics.gauge("streams_open", "Videos being sent at the moment"),
            lookups_fresh: metrics.counter("lookups_fresh", "Lookups answered from fresh memory"),
            lookups_refreshed: metrics
                .counter("lookups_refreshed", "Lookups answered by the catalogue"),
            lookups_stale: metrics.counter(
                "lookups_stale",
                "Lookups answered from memory while the catalogue was down",
            ),
            lookups_missed: metrics.counter("lookups_missed", "Lookups that found no video"),
            beats_accepted: metrics.counter("beats_accepted", "Beats that were published"),
            beats_refused: metrics.counter("beats_refused", "Beats that were not published"),
            reports_published: metrics.counter(
                "stream_reports_published",
                "Reports of plain players that were published",
            ),
            reports_dropped: metrics.counter(
                "stream_reports_dropped",
                "Reports of plain players that were lost",
            ),
        }
    }

    /// A video begins to be sent.
    pub(crate) fn open_stream(&self) -> OpenStream {
        self.streams_open.inc();
        OpenStream {
            bytes_sent: self.bytes_sent.clone(),
            streams_open: self.streams_open.clone(),
        }
    }
}

/// A video that is being sent, until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenStream {
    bytes_sent: Counter,
    streams_open: Gauge,
}

impl OpenStream {
    /// Counts bytes that were sent.
    pub(crate) fn sent(&self, bytes: u64) {
        self.bytes_sent.inc_by(bytes);
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.streams_open.dec();
    }
}
