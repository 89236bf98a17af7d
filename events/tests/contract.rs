//! The wire contract: what was recorded once must decode for ever, and consumers survive what they
//! do not know.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use events::{
    BusUrl, ConsumeError, DecodeError, Envelope, Event, EventBus, Handled, Handler, PlaybackState,
    Queue, VideoDeleted, VideoStreamed, VideoViewed, ViewCounted, WatchProgressed, consume,
};
use test_support::eventually;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn recorded<E: Event>() -> E {
    let path = fixtures().join(format!("{}.v1.json", E::TYPE));
    let envelope: Envelope = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    envelope.decode().unwrap()
}

#[test]
fn every_recorded_event_decodes() {
    assert_eq!(recorded::<VideoViewed>().duration_ms, Some(75_000));
    assert_eq!(recorded::<WatchProgressed>().state, PlaybackState::Paused);
    assert!(recorded::<VideoStreamed>().covers_start);
    assert_eq!(recorded::<ViewCounted>().number, 17);
    assert_eq!(
        recorded::<VideoDeleted>().deleted_at.as_millisecond() % 1000,
        999
    );
}

#[test]
fn every_routed_event_is_recorded() {
    for (event_type, queues) in events::routing::ROUTES {
        assert!(!queues.is_empty(), "{event_type} goes nowhere");
        let path = fixtures().join(format!("{event_type}.v1.json"));
        assert!(path.exists(), "{event_type} is not recorded");
    }
}

#[test]
fn members_that_this_release_does_not_know_are_ignored() {
    let mut envelope = Envelope::of(&recorded::<ViewCounted>());
    envelope.data["country"] = "unknown".into();
    assert_eq!(envelope.decode::<ViewCounted>().unwrap(), recorded());
}

#[test]
fn an_event_of_a_newer_version_is_not_guessed_at() {
    let mut envelope = Envelope::of(&recorded::<ViewCounted>());
    envelope.version = 2;
    let error = envelope.decode::<ViewCounted>().unwrap_err();
    assert!(matches!(error, DecodeError::NewerVersion { found: 2, .. }));
}

/// Answers as it is told to, and counts how often it was asked.
struct Scripted {
    asked: AtomicU32,
    answer: fn(u32) -> Handled,
}

#[async_trait]
impl Handler for Scripted {
    async fn handle(&self, _: &Envelope) -> Handled {
        let before = self.asked.fetch_add(1, Ordering::SeqCst);
        (self.answer)(before)
    }
}

/// One event and a handler that is consuming it; dropped, it stops.
struct Consuming {
    bus: Arc<dyn EventBus>,
    handler: Arc<Scripted>,
    _tasks: JoinSet<Result<(), ConsumeError>>,
    _folder: tempfile::TempDir,
}

async fn consumed_by(answer: fn(u32) -> Handled) -> Consuming {
    let folder = tempfile::tempdir().unwrap();
    let url = BusUrl::Embedded(folder.path().join("events.db"));
    let bus = events::open(&url).await.unwrap();
    let handler = Arc::new(Scripted {
        asked: AtomicU32::new(0),
        answer,
    });
    let event = ViewCounted {
        session: Uuid::now_v7(),
        video: Uuid::now_v7(),
        number: 1,
    };
    bus.publish(Envelope::of(&event)).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(consume(
        Arc::clone(&bus),
        Queue::METADATA,
        handler.clone(),
        2,
        CancellationToken::new(),
    ));
    Consuming {
        bus,
        handler,
        _tasks: tasks,
        _folder: folder,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_whose_store_is_down_is_asked_again_without_counting_tries() {
    // More often than the tries of an event that fails by itself.
    let consuming = consumed_by(|asked| {
        if asked < 4 {
            Handled::Unavailable("the store is down".into())
        } else {
            Handled::Done
        }
    })
    .await;
    let asked = || async { (consuming.handler.asked.load(Ordering::SeqCst) == 5).then_some(()) };
    eventually(Duration::from_secs(20), asked).await;
    assert!(
        consuming
            .bus
            .dead_letters(Queue::METADATA, 1)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_can_never_work_is_a_dead_letter_at_once() {
    let consuming = consumed_by(|_| Handled::Rejected("unreadable".to_owned())).await;
    let dead = || async {
        consuming
            .bus
            .dead_letters(Queue::METADATA, 1)
            .await
            .unwrap()
            .pop()
    };
    let letter = eventually(Duration::from_secs(20), dead).await;
    assert_eq!(letter.reason, "unreadable");
    assert_eq!(consuming.handler.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_panics_has_failed_and_is_asked_again() {
    let consuming = consumed_by(|asked| {
        assert!(asked > 0, "the first time it panics");
        Handled::Done
    })
    .await;
    let asked = || async { (consuming.handler.asked.load(Ordering::SeqCst) == 2).then_some(()) };
    eventually(Duration::from_secs(20), asked).await;
}
