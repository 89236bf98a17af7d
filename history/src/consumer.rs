//! Takes events in: stores each, publishes the number of the view that it made, and only then
//! lets it be acknowledged.

use std::sync::Arc;

use async_trait::async_trait;
use events::{
    DecodeError, Envelope, Event, Handled, Handler, VideoDeleted, VideoStreamed, VideoViewed,
    WatchProgressed,
};
use jiff::Timestamp;
use service_kit::telemetry::chain;

use crate::health::Health;
use crate::implicit_session::{ByteSpan, StreamReport};
use crate::metrics::HistoryMetrics;
use crate::view_log::{Forget, Observation, ViewLog, ViewLogError};
use crate::view_publisher::{PublishViewError, ViewPublisher};
use crate::watch_session::{Beat, PlaybackState, WatchSession};

/// How many events are handled at once. The laws of the view log make their order irrelevant, and
/// side by side they share the log's flushes to disk.
pub(crate) const CONCURRENCY: usize = 16;

/// The handler of the queue `history`.
pub(crate) struct Recorder {
    log: Arc<dyn ViewLog>,
    publisher: ViewPublisher,
    health: Health,
    metrics: HistoryMetrics,
}

/// What an event asks for.
enum Order {
    Record {
        observation: Observation,
        /// When that happened which the event tells of.
        told_of: Timestamp,
    },
    Forget {
        scope: Forget,
        at: Timestamp,
    },
}

/// Why an event can never be taken in.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    /// Its type is not one of those that this queue is for.
    #[error("events of the type {0} are not known here")]
    UnknownType(String),
    /// It cannot be decoded, or only by a later release.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It has the number that stands for the start.
    #[error("a beat's sequence number must be 1 or more")]
    NoSequence,
}

impl Recorder {
    pub(crate) fn new(
        log: Arc<dyn ViewLog>,
        publisher: ViewPublisher,
        health: Health,
        metrics: HistoryMetrics,
    ) -> Self {
        Self {
            log,
            publisher,
            health,
            metrics,
        }
    }

    async fn record(&self, observation: Observation, told_of: Timestamp) -> Handled {
        let at = Timestamp::now();
        let recorded = self.log.record(observation, at).await;
        let recorded = match self.health.of_view_log(recorded) {
            Ok(recorded) => recorded,
            Err(error) => return failed(error),
        };
        self.metrics.recorded(&recorded, told_of, at);
        if let Some(view) = recorded.unpublished
            && let Err(error) = self.publisher.publish(view).await
        {
            // The event comes again, and finds the view again.
            return match error {
                PublishViewError::Confirm(error) => failed(error),
                error @ PublishViewError::Publish(_) => Handled::Unavailable(Box::new(error)),
            };
        }
        Handled::Done
    }

    async fn forget(&self, scope: Forget, at: Timestamp) -> Handled {
        let forgotten = self.log.forget(scope, at).await;
        match self.health.of_view_log(forgotten) {
            Ok(()) => Handled::Done,
            Err(error) => failed(error),
        }
    }
}

#[async_trait]
impl Handler for Recorder {
    async fn handle(&self, envelope: &Envelope) -> Handled {
        match read(envelope) {
            Ok(Order::Record {
                observation,
                told_of,
            }) => self.record(observation, told_of).await,
            Ok(Order::Forget { scope, at }) => self.forget(scope, at).await,
            // Also for an event of a newer version: guessing could count wrongly and waiting
            // would hold up the queue. It stays a dead letter until it is replayed to a release
            // that knows it; nothing in the laws minds that it comes late.
            Err(unreadable) => Handled::Rejected(chain(&unreadable)),
        }
    }
}

fn failed(error: ViewLogError) -> Handled {
    match error {
        ViewLogError::Unavailable(_) => Handled::Unavailable(Box::new(error)),
        ViewLogError::Broken(_) => Handled::Failed(Box::new(error)),
    }
}

fn read(envelope: &Envelope) -> Result<Order, Unreadable> {
    match envelope.event_type.as_str() {
        VideoViewed::TYPE => Ok(started(&envelope.decode()?)),
        WatchProgressed::TYPE => progressed(&envelope.decode()?),
        VideoStreamed::TYPE => Ok(streamed(envelope.decode()?)),
        VideoDeleted::TYPE => Ok(deleted(&envelope.decode()?)),
        other => Err(Unreadable::UnknownType(other.to_owned())),
    }
}

fn started(event: &VideoViewed) -> Order {
    let VideoViewed {
        session,
        video,
        viewer,
        started_at,
        duration_ms,
    } = *event;
    let started_at = in_milliseconds(started_at);
    Order::Record {
        observation: Observation::Started {
            session: WatchSession {
                id: session,
                viewer,
                video,
                started_at,
            },
            duration_ms,
        },
        told_of: started_at,
    }
}

fn progressed(event: &WatchProgressed) -> Result<Order, Unreadable> {
    let WatchProgressed {
        session,
        video,
        viewer,
        started_at,
        seq,
        position_ms,
        state,
        received_at,
        duration_ms,
    } = *event;
    if seq == 0 {
        return Err(Unreadable::NoSequence);
    }
    let received_at = in_milliseconds(received_at);
    Ok(Order::Record {
        observation: Observation::Beat {
            session: WatchSession {
                id: session,
                viewer,
                video,
                started_at: in_milliseconds(started_at),
            },
            beat: Beat {
                seq,
                position_ms,
                state: match state {
                    events::PlaybackState::Playing => PlaybackState::Playing,
                    events::PlaybackState::Paused => PlaybackState::Paused,
                    events::PlaybackState::Ended => PlaybackState::Ended,
                },
                received_at,
            },
            duration_ms,
        },
        told_of: received_at,
    })
}

fn streamed(event: VideoStreamed) -> Order {
    let VideoStreamed {
        report,
        video,
        client,
        first_byte_at,
        last_byte_at,
        covers_start,
        duration_ms,
    } = event;
    let span = ByteSpan::new(
        in_milliseconds(first_byte_at),
        in_milliseconds(last_byte_at),
        covers_start,
        duration_ms,
    );
    Order::Record {
        told_of: span.last_byte_at(),
        observation: Observation::Streamed(StreamReport {
            report,
            video,
            client,
            span,
        }),
    }
}

fn deleted(event: &VideoDeleted) -> Order {
    let VideoDeleted { video, deleted_at } = *event;
    Order::Forget {
        scope: Forget::Video(video),
        at: in_milliseconds(deleted_at),
    }
}

/// The view log keeps milliseconds; a finer time would compare differently before and after.
fn in_milliseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

#[cfg(test)]
mod tests;
