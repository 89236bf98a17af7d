//! A gateway in front of services that do what a test tells them.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method};
use axum::middleware::{self, Next};
use axum::response::Response;
use gateway::{Config, PublicSettings, Service};
use service_kit::client::ServiceUrl;
use service_kit::context::ServiceContext;
use service_kit::guard::{ServiceToken, service_token};
use service_kit::secret::{Secret, SecretSource};
use service_kit::server::{HttpServer, ServerSettings};
use test_support::TestClient;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::stand_ins;

/// The one video that the stand-ins know.
pub(crate) const VIDEO: &str = "0192f0c1-2345-7abc-8def-0123456789ab";
/// A video that nobody knows.
pub(crate) const UNKNOWN: &str = "0192f0c1-2345-7abc-8def-ba9876543210";
pub(crate) const BYTES: &str = "0123456789";
pub(crate) const OWNER_TOKEN: &str = "an-owners-token-of-more-than-32-bytes";

/// What a service was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
}

type Asks = Arc<Mutex<Vec<Asked>>>;

/// How the bodies that came to the store ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Uploads(Arc<Mutex<UploadsSeen>>);

#[derive(Debug, Default)]
pub(crate) struct UploadsSeen {
    pub(crate) received: usize,
    pub(crate) whole: usize,
    pub(crate) broken: usize,
}

impl Uploads {
    pub(crate) fn note(&self, change: impl FnOnce(&mut UploadsSeen)) {
        change(&mut self.0.lock().unwrap());
    }

    pub(crate) fn received(&self) -> usize {
        self.0.lock().unwrap().received
    }

    pub(crate) fn whole(&self) -> usize {
        self.0.lock().unwrap().whole
    }

    pub(crate) fn broken(&self) -> usize {
        self.0.lock().unwrap().broken
    }
}

/// What a test may change before the gateway starts. A service that is `None` is down.
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) metadata: Option<Router>,
    pub(crate) video_storage: Option<Router>,
    pub(crate) video_streaming: Option<Router>,
    pub(crate) history: Option<Router>,
}

pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) client: TestClient,
    pub(crate) uploads: Uploads,
    pub(crate) shutdown: CancellationToken,
    pub(crate) metadata: Asks,
    pub(crate) video_storage: Asks,
    pub(crate) video_streaming: Asks,
    pub(crate) history: Asks,
    _tasks: JoinSet<()>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// With an owner, as on an address that others can reach.
    pub(crate) async fn owned() -> Self {
        Self::with(|setup| setup.config.public.owner_token = Some(OWNER_TOKEN.parse().unwrap()))
            .await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let uploads = Uploads::default();
        let mut setup = Setup {
            config: config(),
            metadata: Some(stand_ins::metadata()),
            video_storage: Some(stand_ins::video_storage(&uploads)),
            video_streaming: Some(stand_ins::video_streaming()),
            history: Some(stand_ins::history()),
        };
        change(&mut setup);
        let Setup {
            mut config,
            metadata,
            video_storage,
            video_streaming,
            history,
        } = setup;
        let mut tasks = JoinSet::new();
        let token = config.service_token.clone();
        let mut stand_in = async |router: Option<Router>| {
            let asks = Asks::default();
            let address = "127.0.0.1:0".parse().unwrap();
            let settings = ServerSettings::default();
            let server = HttpServer::bind(address, &settings).await.unwrap();
            let url = ServiceUrl::at(server.local_addr());
            if let Some(router) = router {
                let router = router.layer(middleware::from_fn_with_state(asks.clone(), note));
                let router = service_token(router, token.clone());
                tasks.spawn(async move {
                    let context = ServiceContext::new("stand-in");
                    let stop = CancellationToken::new();
                    server.run(router, &context, stop).await.unwrap();
                });
            }
            (url, asks)
        };
        let (metadata_url, metadata) = stand_in(metadata).await;
        let (video_storage_url, video_storage) = stand_in(video_storage).await;
        let (video_streaming_url, video_streaming) = stand_in(video_streaming).await;
        let (history_url, history) = stand_in(history).await;
        config.metadata_url = metadata_url;
        config.video_storage_url = video_storage_url;
        config.video_streaming_url = video_streaming_url;
        config.history_url = history_url;

        let service = Service::bind(config).await.unwrap();
        let address = service.local_addr();
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        tasks.spawn(async move { service.run(stop).await.unwrap() });
        Self {
            address,
            client: TestClient::at(address),
            uploads,
            shutdown,
            metadata,
            video_storage,
            video_streaming,
            history,
            _tasks: tasks,
        }
    }

    /// The same gateway for a browser that keeps cookies.
    pub(crate) fn browser(&self) -> TestClient {
        TestClient::at(self.address).with_cookies()
    }
}

/// The last request that a service got.
pub(crate) fn last(asks: &Asks) -> Asked {
    asks.lock().unwrap().last().cloned().expect("it was asked")
}

pub(crate) fn count(asks: &Asks) -> usize {
    asks.lock().unwrap().len()
}

pub(crate) fn config() -> Config {
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        service_token: ServiceToken::random(),
        metadata_url: nowhere(),
        video_streaming_url: nowhere(),
        video_storage_url: nowhere(),
        history_url: nowhere(),
        viewer_key: SecretSource::Known(Secret::random()),
        public: PublicSettings::default(),
        development_folder: None,
        max_video_bytes: 1024 * 1024,
        server: ServerSettings {
            drain_grace: Duration::from_secs(1),
            ..ServerSettings::default()
        },
    }
}

fn nowhere() -> ServiceUrl {
    ServiceUrl::from_str("http://127.0.0.1:1").unwrap()
}

async fn note(State(asks): State<Asks>, request: Request, next: Next) -> Response {
    asks.lock().unwrap().push(Asked {
        method: request.method().clone(),
        target: request.uri().to_string(),
        headers: request.headers().clone(),
    });
    next.run(request).await
}
