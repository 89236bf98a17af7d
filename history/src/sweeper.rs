//! Removes sessions that are over, so that the log grows with what was watched and not with how
//! long it runs.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use service_kit::telemetry::chain;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::health::Health;
use crate::view_log::{Swept, ViewLog};

/// How often is swept. A sweep that finds nothing costs two reads of an index.
const ROUND: Duration = Duration::from_hours(1);

/// Sweeps at once and then every hour, until the service stops.
pub(crate) async fn run(log: Arc<dyn ViewLog>, health: Health, shutdown: CancellationToken) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = rounds.tick() => {}
        }
        // A sweep goes on for as long as there is something; stopping does not wait for it.
        let swept = tokio::select! {
            () = shutdown.cancelled() => return,
            swept = log.sweep(Timestamp::now()) => health.of_view_log(swept),
        };
        match swept {
            Ok(Swept {
                sessions,
                implicit_sessions,
            }) => tracing::debug!(sessions, implicit_sessions, "swept the view log"),
            Err(error) => tracing::warn!(error = chain(&error), "cannot sweep the view log"),
        }
    }
}
