//! The laws and what MongoDB adds to them, against a real server.

mod commands;
mod interruption;
mod interruptions;
mod overtaking;
mod replicas;
mod versions;

pub(super) use interruption::Interruption;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;
use test_support::engines;
use uuid::Uuid;

use super::MongoViewLog;
use super::connection::OPERATION_TIMEOUT;
use crate::config::MongoUrl;
use crate::view_log::{Observation, ViewLog, ViewLogError, conformance};
use crate::watch_session::{Beat, PlaybackState, WatchSession};

/// What a command may take where the test is not about that: a busy machine may let it wait.
const PATIENCE: Duration = Duration::from_mins(1);

/// A log in a database of its own, or nothing where no server can be had.
struct OpenedLog {
    log: MongoViewLog,
}

impl OpenedLog {
    fn log(&self) -> &dyn ViewLog {
        &self.log
    }
}

async fn open() -> Option<OpenedLog> {
    open_watched(None).await
}

async fn open_watched(commands: Option<EventHandler<CommandEvent>>) -> Option<OpenedLog> {
    let url = new_database().await?;
    let log = MongoViewLog::open_within(&url, commands, PATIENCE).await;
    Some(OpenedLog { log: log.unwrap() })
}

/// Another replica, on a database that a test has already.
async fn open_at(url: &MongoUrl) -> MongoViewLog {
    MongoViewLog::open_within(url, None, PATIENCE)
        .await
        .unwrap()
}

/// A database whose server is looked for as long as it takes: the laws say nothing of time.
async fn new_database() -> Option<MongoUrl> {
    let url = engines::mongodb::shared().await?.database_url();
    let separator = if url.contains('?') { '&' } else { '?' };
    let milliseconds = PATIENCE.as_millis();
    let url = format!(
        "{url}{separator}serverSelectionTimeoutMS={milliseconds}&connectTimeoutMS={milliseconds}"
    );
    Some(url.parse().unwrap())
}

conformance::laws!(open);

mod moving;

#[tokio::test]
async fn a_server_that_never_answers_is_unavailable_within_the_time_of_a_command() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("mongodb://{}", silent.local_addr().unwrap());
    let begun = Instant::now();
    let refused = MongoViewLog::open(&url.parse().unwrap()).await.err();
    assert!(
        matches!(refused, Some(ViewLogError::Unavailable(_))),
        "{refused:?}"
    );
    let passed = begun.elapsed();
    // Left to itself the driver would wait for ten; a busy machine may take what is in between.
    assert!(passed < 4 * OPERATION_TIMEOUT, "{passed:?}");
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).unwrap()
}

fn session(viewer: Uuid, video: Uuid, started_ms: i64) -> WatchSession {
    WatchSession {
        id: Uuid::new_v4(),
        viewer,
        video,
        started_at: at(started_ms),
    }
}

/// A beat at this position, received as long after the session's start.
fn beat(session: WatchSession, seq: u64, position_ms: u64) -> Observation {
    let played = jiff::SignedDuration::from_millis(position_ms.cast_signed());
    Observation::Beat {
        session,
        beat: Beat {
            seq,
            position_ms,
            state: PlaybackState::Playing,
            received_at: session.started_at + played,
        },
        duration_ms: None,
    }
}
