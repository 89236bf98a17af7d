//! A running service, and players whose events reach it over the bus.

use std::sync::Arc;
use std::time::Duration;

use events::{
    BusSource, BusUrl, Envelope, Event, EventBus, PlaybackState, Queue, Subscription, VideoViewed,
    ViewCounted, WatchProgressed,
};
use history::config::ViewLogUrl;
use history::{Config, Service};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use service_kit::context::ServiceContext;
use service_kit::settings::{ServerSettings, loopback};
use test_support::{DataFolder, TestClient, eventually};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const TOKEN: &str = "a token that is only known to tests";

/// Events reach the history within five seconds; a machine that is busy with tests gets more.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct TestHistory {
    pub(crate) client: TestClient,
    pub(crate) bus: Arc<dyn EventBus>,
    pub(crate) context: ServiceContext,
    shutdown: CancellationToken,
    running: JoinSet<()>,
    folder: DataFolder,
}

fn bus_url(folder: &DataFolder) -> BusUrl {
    BusUrl::Embedded(folder.join("events.db"))
}

/// Opens the bus of a service that does not run.
pub(crate) async fn open_bus(folder: &DataFolder) -> Arc<dyn EventBus> {
    events::open(&bus_url(folder)).await.unwrap()
}

impl TestHistory {
    pub(crate) async fn start() -> Self {
        Self::start_in(DataFolder::new()).await
    }

    pub(crate) async fn start_in(folder: DataFolder) -> Self {
        let view_log_url = ViewLogUrl::Sqlite(folder.join("history.db"));
        let bus = open_bus(&folder).await;
        let events = BusSource::Url(bus_url(&folder));
        Self::start_with(folder, view_log_url, events, bus).await
    }

    /// Starts on these engines; what is in the folder is left to its owner.
    pub(crate) async fn start_on(
        folder: DataFolder,
        view_log_url: ViewLogUrl,
        bus: Arc<dyn EventBus>,
    ) -> Self {
        let events = BusSource::Open(Arc::clone(&bus));
        Self::start_with(folder, view_log_url, events, bus).await
    }

    async fn start_with(
        folder: DataFolder,
        view_log_url: ViewLogUrl,
        events: BusSource,
        bus: Arc<dyn EventBus>,
    ) -> Self {
        let config = Config {
            listen: loopback(0),
            service_token: TOKEN.replace(' ', "-").parse().unwrap(),
            view_log_url,
            events,
            server: ServerSettings::default(),
        };
        let service = Service::bind(config).await.unwrap();
        let client = TestClient::at(service.local_addr()).with_bearer(&TOKEN.replace(' ', "-"));
        let context = service.context().clone();
        let shutdown = CancellationToken::new();
        let mut running = JoinSet::new();
        let stop = shutdown.clone();
        running.spawn(async move { service.run(stop).await.unwrap() });
        Self {
            client,
            bus,
            context,
            shutdown,
            running,
            folder,
        }
    }

    /// Stops as a signal does, and leaves the data.
    pub(crate) async fn stop(mut self) -> DataFolder {
        self.shutdown.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap();
        }
        self.folder
    }

    /// Ends in the middle of whatever it does, and leaves the data.
    pub(crate) async fn cut_off(mut self) -> DataFolder {
        self.running.shutdown().await;
        self.folder
    }

    pub(crate) async fn publish(&self, event: &impl Event) {
        publish(&*self.bus, event).await;
    }

    pub(crate) async fn entries(&self, viewer: Uuid) -> Vec<Value> {
        let path = format!("/viewers/{viewer}/entries?limit=100");
        let list = self.client.get(&path).await.value();
        list["entries"].as_array().unwrap().clone()
    }

    pub(crate) async fn resume_position_ms(&self, viewer: Uuid, video: Uuid) -> u64 {
        let path = format!("/viewers/{viewer}/positions/{video}");
        let position = self.client.get(&path).await.value();
        position["resume_position_ms"].as_u64().unwrap()
    }

    /// The viewer's entries once they are as expected.
    pub(crate) async fn entries_when(
        &self,
        viewer: Uuid,
        as_expected: impl Fn(&[Value]) -> bool,
    ) -> Vec<Value> {
        eventually(SOON, || async {
            let entries = self.entries(viewer).await;
            as_expected(&entries).then_some(entries)
        })
        .await
    }

    /// Waits until the events that were published before have been handled: beats of another
    /// viewer are listed that came after them.
    ///
    /// Sixteen events are handled side by side, so it takes more beats than that: each worker
    /// that could still be busy with an earlier one has had the time of two.
    pub(crate) async fn settle(&self) {
        let viewer = Uuid::new_v4();
        for _ in 0..32 {
            let player = Player::of(viewer, Uuid::now_v7());
            self.publish(&player.beat(1, 0)).await;
        }
        self.entries_when(viewer, |entries| entries.len() == 32)
            .await;
    }

    pub(crate) async fn counted_views(&self) -> CountedViews {
        let subscription = self.bus.subscribe(Queue::METADATA).await.unwrap();
        CountedViews(subscription)
    }
}

pub(crate) async fn publish(bus: &dyn EventBus, event: &impl Event) {
    bus.publish(Envelope::of(event)).await.unwrap();
}

/// What the catalogue would hear.
pub(crate) struct CountedViews(Box<dyn Subscription>);

impl CountedViews {
    pub(crate) async fn next(&mut self) -> ViewCounted {
        self.next_within(SOON).await
    }

    pub(crate) async fn next_within(&mut self, deadline: Duration) -> ViewCounted {
        let delivery = tokio::time::timeout(deadline, self.0.next())
            .await
            .expect("a view is counted in time")
            .unwrap();
        let event = delivery.envelope.decode().unwrap();
        delivery.ack().await.unwrap();
        event
    }

    /// The number of this session's view. What is heard of others meanwhile may be repetitions:
    /// a number is published again when two beats find it unpublished at the same time.
    pub(crate) async fn number_of(&mut self, session: Uuid) -> u64 {
        loop {
            let view = self.next().await;
            if view.session == session {
                return view.number;
            }
        }
    }

    /// The numbers of the next so many sessions, in the order of the numbers. A number that is
    /// published again must be the same.
    pub(crate) async fn numbers(&mut self, sessions: usize) -> Vec<u64> {
        let mut known = std::collections::BTreeMap::new();
        while known.len() < sessions {
            let ViewCounted {
                session, number, ..
            } = self.next().await;
            assert_eq!(*known.entry(session).or_insert(number), number);
        }
        let mut numbers: Vec<_> = known.into_values().collect();
        numbers.sort_unstable();
        numbers
    }
}

/// One session of a player.
#[derive(Clone, Copy)]
pub(crate) struct Player {
    pub(crate) session: Uuid,
    pub(crate) viewer: Uuid,
    pub(crate) video: Uuid,
    pub(crate) started_at: Timestamp,
    pub(crate) duration_ms: Option<u64>,
}

impl Player {
    pub(crate) fn new() -> Self {
        Self::of(Uuid::new_v4(), Uuid::now_v7())
    }

    /// A session that started an hour ago.
    pub(crate) fn of(viewer: Uuid, video: Uuid) -> Self {
        Self {
            session: Uuid::new_v4(),
            viewer,
            video,
            started_at: Timestamp::now() - SignedDuration::from_hours(1),
            duration_ms: Some(600_000),
        }
    }

    pub(crate) fn start(&self) -> VideoViewed {
        VideoViewed {
            session: self.session,
            video: self.video,
            viewer: self.viewer,
            started_at: self.started_at,
            duration_ms: self.duration_ms,
        }
    }

    /// A beat at this position, received as long after the start.
    pub(crate) fn beat(&self, seq: u64, position_ms: u64) -> WatchProgressed {
        let received_at = self.started_at + SignedDuration::from_millis(position_ms.cast_signed());
        self.beat_received(seq, position_ms, received_at)
    }

    pub(crate) fn beat_received(
        &self,
        seq: u64,
        position_ms: u64,
        received_at: Timestamp,
    ) -> WatchProgressed {
        WatchProgressed {
            session: self.session,
            video: self.video,
            viewer: self.viewer,
            started_at: self.started_at,
            seq,
            position_ms,
            state: PlaybackState::Playing,
            received_at,
            duration_ms: self.duration_ms,
        }
    }

    /// Forty seconds in beats of ten: a view.
    pub(crate) fn a_view(&self) -> Vec<WatchProgressed> {
        (0..5)
            .map(|tens| self.beat(tens + 1, tens * 10_000))
            .collect()
    }
}
