//! Publishes the reports when they are due.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use events::{Envelope, EventBus, VideoStreamed};
use futures_util::StreamExt as _;
use futures_util::stream;
use service_kit::telemetry;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::Playbacks;
use crate::clock;
use crate::meters::Meters;

/// How often the reporter looks for reports that are due.
const TICK: Duration = Duration::from_millis(500);

/// How many reports wait for a bus that takes none. Each is about 200 bytes.
const MAX_WAITING: usize = 20_000;

/// How many reports are on their way at once; the embedded bus makes one disk write of them.
const CONCURRENCY: usize = 32;

/// How long one report may take before the bus counts as down.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the last reports may take when the process stops.
const FLUSH_DEADLINE: Duration = Duration::from_secs(5);

/// How long a bus that failed is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// The task that publishes what was sent to plain players.
pub(crate) struct Reporter {
    playbacks: Arc<Playbacks>,
    bus: Arc<dyn EventBus>,
    meters: Meters,
    waiting: VecDeque<VideoStreamed>,
}

impl Reporter {
    /// A reporter of what is sent to these players.
    pub(crate) fn new(playbacks: Arc<Playbacks>, bus: Arc<dyn EventBus>, meters: Meters) -> Self {
        Self {
            playbacks,
            bus,
            meters,
            waiting: VecDeque::new(),
        }
    }

    /// Publishes until the token is cancelled, and then what is left. Cancel it once nothing is
    /// sent any more and before the bus closes.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut not_before = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                _ = tick.tick() => {}
            }
            let due = self.playbacks.take_due(clock::now());
            self.hold(due);
            if Instant::now() < not_before {
                continue;
            }
            // A bus that is slow must not hold up the end; what is on its way then goes out again.
            match shutdown.run_until_cancelled(self.publish_waiting()).await {
                Some(true) => {}
                Some(false) => not_before = Instant::now() + PAUSE,
                None => break,
            }
        }
        let rest = self.playbacks.take_all();
        self.hold(rest);
        // A flush that runs out of time loses what it had not published; so would a kill.
        let flushed = tokio::time::timeout(FLUSH_DEADLINE, self.publish_waiting()).await;
        if flushed != Ok(true) {
            self.meters
                .reports_dropped
                .inc_by(self.waiting.len() as u64);
            tracing::warn!(
                reports = self.waiting.len(),
                "the event bus did not take the last reports of plain players"
            );
        }
    }

    /// Adds reports to those that wait. When there are too many the oldest go: their sessions
    /// are the likeliest to have other reports already.
    fn hold(&mut self, reports: Vec<VideoStreamed>) {
        self.waiting.extend(reports);
        let excess = self.waiting.len().saturating_sub(MAX_WAITING);
        if excess > 0 {
            self.waiting.drain(..excess);
            self.meters.reports_dropped.inc_by(excess as u64);
        }
    }

    /// Publishes what waits, group by group, until one fails. A report leaves the queue only
    /// when the bus has taken it; it goes out again under the same id otherwise, which is
    /// harmless. Answers whether the queue is empty now.
    async fn publish_waiting(&mut self) -> bool {
        while !self.waiting.is_empty() {
            let group: Vec<VideoStreamed> =
                self.waiting.iter().take(CONCURRENCY).cloned().collect();
            let bus = self.bus.as_ref();
            let refused: Vec<VideoStreamed> = stream::iter(group)
                .map(|report| async move { publish(bus, &report).await.err().map(|()| report) })
                .buffered(CONCURRENCY)
                .filter_map(std::future::ready)
                .collect()
                .await;
            let taken = self.waiting.len().min(CONCURRENCY) - refused.len();
            self.meters.reports_published.inc_by(taken as u64);
            self.waiting.drain(..taken + refused.len());
            if !refused.is_empty() {
                for report in refused.into_iter().rev() {
                    self.waiting.push_front(report);
                }
                return false;
            }
        }
        true
    }
}

async fn publish(bus: &dyn EventBus, report: &VideoStreamed) -> Result<(), ()> {
    match tokio::time::timeout(PUBLISH_TIMEOUT, bus.publish(Envelope::of(report))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            tracing::warn!(
                error = telemetry::chain(&error),
                "a report of a plain player could not be published and waits"
            );
            Err(())
        }
        Err(_) => {
            tracing::warn!("the event bus does not answer; reports of plain players wait");
            Err(())
        }
    }
}
