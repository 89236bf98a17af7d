//! A running service with its neighbours.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use events::bus::BusError;
use events::{
    BusSource, BusUrl, DeadLetter, Envelope, Event, EventBus, PublishError, Queue, SubscribeError,
    Subscription,
};
use service_kit::client::ServiceUrl;
use service_kit::guard::ServiceToken;
use service_kit::secret::{Secret, SecretSource};
use service_kit::settings::ServerSettings;
use test_support::{DataFolder, TestClient};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use video_streaming::{Config, RunError, Service};

use super::stand_ins::{Metadata, StandIn, Storage};

/// Long enough for a busy machine, and no more than the contract allows for events.
pub(crate) const SOON: Duration = Duration::from_secs(30);

const SERVICE_TOKEN: &str = "a-token-of-the-tests-of-32-characters";
const VIDEO: Uuid = Uuid::from_u128(0x0197_5e3d_1111_7aaa_8bbb_0123_4567_89ab);

/// The service, with all that it needs, for one test.
pub(crate) struct House {
    pub(crate) metadata: StandIn<Metadata>,
    pub(crate) storage: StandIn<Storage>,
    pub(crate) bus: Arc<FlakyBus>,
    pub(crate) client: TestClient,
    pub(crate) address: SocketAddr,
    /// The one video that is there.
    pub(crate) video: Uuid,
    config: Config,
    shutdown: CancellationToken,
    running: JoinSet<Result<(), RunError>>,
    _folder: DataFolder,
}

impl House {
    /// Starts it with one video of 61 seconds.
    pub(crate) async fn new() -> Self {
        let folder = DataFolder::new();
        let metadata = Metadata::start().await;
        let storage = Storage::start().await;
        metadata
            .state
            .videos
            .lock()
            .expect("the videos")
            .insert(VIDEO.to_string(), Some(61_000));
        let url = BusUrl::Embedded(folder.join("events.db"));
        let bus = Arc::new(FlakyBus {
            bus: events::open(&url).await.expect("the bus"),
            refuses: AtomicBool::new(false),
            refused: AtomicUsize::new(0),
            published: Mutex::default(),
        });
        let config = Config {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            service_token: token(),
            metadata_url: ServiceUrl::at(metadata.address),
            video_storage_url: ServiceUrl::at(storage.address),
            events: BusSource::Open(Arc::clone(&bus) as _),
            session_key: SecretSource::Known(Secret::random()),
            client_hash_key: SecretSource::Known(Secret::random()),
            server: ServerSettings::default(),
        };
        let shutdown = CancellationToken::new();
        let mut running = JoinSet::new();
        let address = start(&config, &shutdown, &mut running).await;
        Self {
            client: client(address),
            metadata,
            storage,
            bus,
            address,
            video: VIDEO,
            config,
            shutdown,
            running,
            _folder: folder,
        }
    }

    /// Starts another replica, and answers a client of it.
    pub(crate) async fn replica(&mut self) -> TestClient {
        client(start(&self.config, &self.shutdown, &mut self.running).await)
    }

    /// The same, with settings of its own.
    pub(crate) async fn replica_with(&mut self, change: impl FnOnce(&mut Config)) -> TestClient {
        let mut config = self.config.clone();
        change(&mut config);
        client(start(&config, &self.shutdown, &mut self.running).await)
    }

    /// Where the video's bytes are.
    pub(crate) fn stream(&self) -> String {
        format!("/videos/{}/stream", self.video)
    }

    /// Where its watch sessions are opened.
    pub(crate) fn watch_sessions(&self) -> String {
        format!("/videos/{}/watch-sessions", self.video)
    }

    /// A GET of the stream as it goes over the wire.
    pub(crate) fn raw_get(&self) -> String {
        let (path, address) = (self.stream(), self.address);
        let token = SERVICE_TOKEN;
        format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n")
    }

    /// The queue behind the bus.
    pub(crate) async fn subscribe(&self, queue: Queue) -> Box<dyn Subscription> {
        self.bus.subscribe(queue).await.expect("the queue")
    }

    /// The events of this type that were published until now, in their order.
    pub(crate) fn published<E: Event>(&self) -> Vec<E> {
        let published = self.bus.published.lock().expect("the events");
        published
            .iter()
            .filter(|envelope| envelope.event_type == E::TYPE)
            .map(|envelope| envelope.decode().expect("the event"))
            .collect()
    }

    /// The types of all events that were published until now, in their order.
    pub(crate) fn published_types(&self) -> Vec<String> {
        let published = self.bus.published.lock().expect("the events");
        published
            .iter()
            .map(|envelope| envelope.event_type.clone())
            .collect()
    }

    /// Stops the service and waits for its end.
    pub(crate) async fn stop(&mut self) {
        self.shutdown.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended.expect("no panic").expect("a good end");
        }
    }
}

fn token() -> ServiceToken {
    SERVICE_TOKEN.parse().expect("a service token")
}

/// A client with the service token.
fn client(address: SocketAddr) -> TestClient {
    TestClient::at(address).with_bearer(SERVICE_TOKEN)
}

async fn start(
    config: &Config,
    shutdown: &CancellationToken,
    running: &mut JoinSet<Result<(), RunError>>,
) -> SocketAddr {
    let service = Service::bind(config.clone()).await.expect("binding");
    assert!(service.context().readiness.is_ready());
    let address = service.local_addr();
    running.spawn(service.run(shutdown.clone()));
    address
}

/// The embedded bus, when it likes to; it tells what it took.
#[derive(Debug)]
pub(crate) struct FlakyBus {
    bus: Arc<dyn EventBus>,
    refuses: AtomicBool,
    refused: AtomicUsize,
    published: Mutex<Vec<Envelope>>,
}

impl FlakyBus {
    pub(crate) fn refuses(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    /// How often it refused.
    pub(crate) fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl EventBus for FlakyBus {
    async fn publish(&self, event: Envelope) -> Result<(), PublishError> {
        if self.refuses.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(PublishError::Full);
        }
        self.bus.publish(event.clone()).await?;
        self.published.lock().expect("the events").push(event);
        Ok(())
    }

    async fn subscribe(&self, queue: Queue) -> Result<Box<dyn Subscription>, SubscribeError> {
        self.bus.subscribe(queue).await
    }

    async fn dead_letters(&self, queue: Queue, limit: usize) -> Result<Vec<DeadLetter>, BusError> {
        self.bus.dead_letters(queue, limit).await
    }

    async fn replay(&self, queue: Queue, event: Uuid) -> Result<bool, BusError> {
        self.bus.replay(queue, event).await
    }

    async fn discard(&self, queue: Queue, event: Uuid) -> Result<bool, BusError> {
        self.bus.discard(queue, event).await
    }
}
