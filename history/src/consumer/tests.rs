//! What becomes of an event while the view log or the bus is down.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use events::{
    DeadLetter, EventBus, PublishError, Queue, SubscribeError, Subscription, ViewCounted,
};
use jiff::SignedDuration;
use service_kit::context::ServiceContext;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::entry::{Entry, EntryPage, PageRequest};
use crate::view_log::sqlite::SqliteViewLog;
use crate::view_log::{CountedView, Recorded, Swept};

/// A bus that keeps what is published, unless it is down.
#[derive(Debug, Default)]
struct StubBus {
    down: AtomicBool,
    published: Mutex<Vec<ViewCounted>>,
}

#[async_trait]
impl EventBus for StubBus {
    async fn publish(&self, event: Envelope) -> Result<(), PublishError> {
        if self.down.load(Ordering::Relaxed) {
            return Err(PublishError::Full);
        }
        self.published.lock().unwrap().push(event.decode().unwrap());
        Ok(())
    }

    async fn subscribe(&self, _: Queue) -> Result<Box<dyn Subscription>, SubscribeError> {
        unreachable!("a handler does not subscribe")
    }

    async fn dead_letters(
        &self,
        _: Queue,
        _: usize,
    ) -> Result<Vec<DeadLetter>, events::bus::BusError> {
        unreachable!("a handler does not look at dead letters")
    }

    async fn replay(&self, _: Queue, _: Uuid) -> Result<bool, events::bus::BusError> {
        unreachable!("a handler does not replay")
    }

    async fn discard(&self, _: Queue, _: Uuid) -> Result<bool, events::bus::BusError> {
        unreachable!("a handler does not discard")
    }
}

/// A log whose writes fail while it is down.
struct StubLog {
    log: SqliteViewLog,
    down: AtomicBool,
}

impl StubLog {
    fn check(&self) -> Result<(), ViewLogError> {
        if self.down.load(Ordering::Relaxed) {
            return Err(ViewLogError::Unavailable("the disk is full".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl ViewLog for StubLog {
    async fn record(&self, event: Observation, at: Timestamp) -> Result<Recorded, ViewLogError> {
        self.check()?;
        self.log.record(event, at).await
    }

    async fn entry(&self, viewer: Uuid, video: Uuid) -> Result<Option<Entry>, ViewLogError> {
        self.log.entry(viewer, video).await
    }

    async fn entries(&self, viewer: Uuid, page: PageRequest) -> Result<EntryPage, ViewLogError> {
        self.log.entries(viewer, page).await
    }

    async fn forget(&self, scope: Forget, at: Timestamp) -> Result<(), ViewLogError> {
        self.check()?;
        self.log.forget(scope, at).await
    }

    async fn unpublished_views(
        &self,
        counted_before: Timestamp,
        limit: usize,
    ) -> Result<Vec<CountedView>, ViewLogError> {
        self.log.unpublished_views(counted_before, limit).await
    }

    async fn confirm_view(&self, session: Uuid) -> Result<(), ViewLogError> {
        self.check()?;
        self.log.confirm_view(session).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, ViewLogError> {
        self.log.sweep(now).await
    }
}

struct Stage {
    log: Arc<StubLog>,
    bus: Arc<StubBus>,
    context: ServiceContext,
    recorder: Recorder,
    _folder: TempDir,
}

impl Stage {
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        let log = Arc::new(StubLog {
            log: SqliteViewLog::open(&path).await.unwrap(),
            down: AtomicBool::new(false),
        });
        let bus = Arc::new(StubBus::default());
        let context = ServiceContext::new("history");
        let health = Health::of(&context);
        health.view_log_opened();
        health.bus_opened();
        let publisher = ViewPublisher::new(log.clone(), bus.clone(), health.clone());
        let metrics = HistoryMetrics::new(&context.metrics);
        let recorder = Recorder::new(log.clone(), publisher, health, metrics);
        Self {
            log,
            bus,
            context,
            recorder,
            _folder: folder,
        }
    }

    async fn handle(&self, event: &impl Event) -> Handled {
        self.recorder.handle(&Envelope::of(event)).await
    }

    fn published(&self) -> Vec<u64> {
        let published = self.bus.published.lock().unwrap();
        published.iter().map(|view| view.number).collect()
    }
}

/// Two beats, the second of which makes a view.
fn a_view() -> [WatchProgressed; 2] {
    let started_at = Timestamp::now() - SignedDuration::from_mins(5);
    let first = WatchProgressed {
        session: Uuid::new_v4(),
        video: Uuid::now_v7(),
        viewer: Uuid::new_v4(),
        started_at,
        seq: 1,
        position_ms: 0,
        state: events::PlaybackState::Playing,
        received_at: started_at,
        duration_ms: None,
    };
    let second = WatchProgressed {
        seq: 2,
        position_ms: 30_000,
        received_at: started_at + SignedDuration::from_secs(30),
        ..first.clone()
    };
    [first, second]
}

#[tokio::test]
async fn an_event_is_held_until_the_number_of_its_view_is_published() {
    let stage = Stage::set().await;
    let [first, decisive] = a_view();
    assert!(matches!(stage.handle(&first).await, Handled::Done));
    stage.bus.down.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        let handled = stage.handle(&decisive).await;
        assert!(matches!(handled, Handled::Unavailable(_)));
    }
    assert_eq!(stage.context.readiness.obstacles(), ["events"]);

    stage.bus.down.store(false, Ordering::Relaxed);
    for _ in 0..3 {
        assert!(matches!(stage.handle(&decisive).await, Handled::Done));
    }
    assert_eq!(stage.published(), [1]);
    assert!(stage.context.readiness.is_ready());
}

#[tokio::test]
async fn an_event_is_held_while_the_view_log_is_down() {
    let stage = Stage::set().await;
    let [first, decisive] = a_view();
    let deleted = VideoDeleted {
        video: Uuid::now_v7(),
        deleted_at: Timestamp::now(),
    };
    stage.log.down.store(true, Ordering::Relaxed);
    let handled = stage.handle(&first).await;
    assert!(matches!(handled, Handled::Unavailable(_)));
    let handled = stage.handle(&deleted).await;
    assert!(matches!(handled, Handled::Unavailable(_)));
    assert_eq!(stage.context.readiness.obstacles(), ["view-log"]);

    stage.log.down.store(false, Ordering::Relaxed);
    assert!(matches!(stage.handle(&first).await, Handled::Done));
    assert!(matches!(stage.handle(&decisive).await, Handled::Done));
    assert_eq!(stage.published(), [1]);
    assert!(stage.context.readiness.is_ready());
}

#[tokio::test]
async fn an_event_of_an_unknown_type_is_rejected() {
    let stage = Stage::set().await;
    let stranger = Envelope {
        event_type: "video.liked".to_owned(),
        ..Envelope::of(&a_view()[0])
    };
    let handled = stage.recorder.handle(&stranger).await;
    let Handled::Rejected(reason) = handled else {
        panic!("{handled:?}")
    };
    assert!(reason.contains("video.liked"));
}
