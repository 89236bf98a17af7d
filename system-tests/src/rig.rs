//! The whole system in one process.
//!
//! What the all-in-one binary hides (the inner services and their token) is open here, so that a
//! test can ask the gateway, `video-streaming` and `video-storage` the same question.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser as _;
use events::BusSource;
use http::StatusCode;
use serde_json::Value;
use service_kit::client::ServiceUrl;
use service_kit::context::ServiceContext;
use service_kit::guard::ServiceToken;
use service_kit::secret::{Secret, SecretSource};
use service_kit::settings::{ServerSettings, loopback};
use test_support::media::VideoFile;
use test_support::{TestClient, eventually};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{Engines, SOON, TOKEN};

/// Keys that outlive a restart of the system within a test.
const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A running system.
pub struct Rig {
    /// Where the public is answered.
    pub gateway: SocketAddr,
    /// Where `video-streaming` listens.
    pub video_streaming: SocketAddr,
    /// Where `video-storage` listens.
    pub video_storage: SocketAddr,
    /// Where `metadata` listens.
    pub metadata: SocketAddr,
    /// Where `history` listens.
    pub history: SocketAddr,
    contexts: Vec<ServiceContext>,
    stops: Vec<(&'static str, CancellationToken)>,
    services: JoinSet<&'static str>,
    /// Declared last, so that it is removed when nothing uses it any more.
    engines: Engines,
}

impl Rig {
    /// Starts everything.
    pub async fn start(engines: Engines) -> Self {
        let token: ServiceToken = TOKEN.parse().unwrap();
        let bus = events::open(&engines.events_url("rig").parse().unwrap()).await;
        let events = BusSource::Open(bus.unwrap());
        let server = ServerSettings {
            drain_grace: Duration::from_secs(2),
            ..ServerSettings::default()
        };
        let key = || SecretSource::Known(KEY.parse::<Secret>().unwrap());

        let metadata = metadata::Service::bind(metadata::Config {
            listen: loopback(0),
            service_token: token.clone(),
            catalog_url: engines.catalog_url().parse().unwrap(),
            events: events.clone(),
            server: server.clone(),
        });
        let metadata = metadata.await.unwrap();
        let history = history::Service::bind(history::Config {
            listen: loopback(0),
            service_token: token.clone(),
            view_log_url: engines.view_log_url().parse().unwrap(),
            events: events.clone(),
            server: server.clone(),
        });
        let history = history.await.unwrap();
        let video_storage = video_storage::Service::bind(video_storage::Config {
            listen: loopback(0),
            service_token: token.clone(),
            store_url: engines.store_url().parse().unwrap(),
            store: video_storage::StoreSettings::default(),
            metadata_url: ServiceUrl::at(metadata.local_addr()),
            events: events.clone(),
            max_video_bytes: 64 * 1024 * 1024,
            max_concurrent_uploads: 16,
            upkeep: video_storage::UpkeepSettings::default(),
            server: server.clone(),
        });
        let video_storage = video_storage.await.unwrap();
        let video_streaming = video_streaming::Service::bind(video_streaming::Config {
            listen: loopback(0),
            service_token: token.clone(),
            metadata_url: ServiceUrl::at(metadata.local_addr()),
            video_storage_url: ServiceUrl::at(video_storage.local_addr()),
            events,
            session_key: key(),
            client_hash_key: key(),
            server: server.clone(),
        });
        let video_streaming = video_streaming.await.unwrap();
        let gateway = gateway::Service::bind(gateway::Config {
            listen: loopback(0),
            service_token: token,
            metadata_url: ServiceUrl::at(metadata.local_addr()),
            video_streaming_url: ServiceUrl::at(video_streaming.local_addr()),
            video_storage_url: ServiceUrl::at(video_storage.local_addr()),
            history_url: ServiceUrl::at(history.local_addr()),
            viewer_key: key(),
            development_folder: None,
            public: Public::parse_from(["test"]).settings,
            max_video_bytes: 64 * 1024 * 1024,
            server,
        });
        let gateway = gateway.await.unwrap();

        let mut rig = Self {
            gateway: gateway.local_addr(),
            video_streaming: video_streaming.local_addr(),
            video_storage: video_storage.local_addr(),
            metadata: metadata.local_addr(),
            history: history.local_addr(),
            contexts: vec![
                gateway.context().clone(),
                video_streaming.context().clone(),
                video_storage.context().clone(),
                metadata.context().clone(),
                history.context().clone(),
            ],
            stops: Vec::new(),
            services: JoinSet::new(),
            engines,
        };
        rig.spawn("gateway", |stop| gateway.run(stop));
        rig.spawn("video-streaming", |stop| video_streaming.run(stop));
        rig.spawn("video-storage", |stop| video_storage.run(stop));
        rig.spawn("metadata", |stop| metadata.run(stop));
        rig.spawn("history", |stop| history.run(stop));
        rig.is_ready().await;
        rig
    }

    fn spawn<F, E>(&mut self, name: &'static str, run: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::error::Error + Send + Sync + 'static,
    {
        let stop = CancellationToken::new();
        let running = run(stop.clone());
        self.stops.push((name, stop));
        self.services.spawn(async move {
            if let Err(error) = running.await {
                panic!("{name} ended: {}", service_kit::telemetry::chain(&error));
            }
            name
        });
    }

    async fn is_ready(&self) {
        let ready = || async {
            let all = self
                .contexts
                .iter()
                .all(|context| context.readiness.is_ready());
            all.then_some(())
        };
        eventually(SOON, ready).await;
    }

    /// Stops one service in good order and waits for its end.
    pub async fn stop(&mut self, name: &'static str) {
        for (stopped, stop) in &self.stops {
            if *stopped == name {
                stop.cancel();
            }
        }
        let ended = tokio::time::timeout(SOON, self.services.join_next()).await;
        assert_eq!(ended.unwrap().unwrap().unwrap(), name);
    }

    /// Stops everything in good order, and gives the engines for the next start.
    pub async fn stop_all(mut self) -> Engines {
        for (_, stop) in &self.stops {
            stop.cancel();
        }
        while let Some(ended) = self.services.join_next().await {
            ended.unwrap();
        }
        self.engines
    }

    /// What it runs on.
    pub fn engines(&self) -> &Engines {
        &self.engines
    }

    /// A browser-like client of the gateway: it keeps cookies.
    pub fn browser(&self) -> TestClient {
        TestClient::at(self.gateway).with_cookies()
    }

    /// A plain client of the gateway, such as curl.
    pub fn plain(&self) -> TestClient {
        TestClient::at(self.gateway)
    }

    /// A client of an inner service, with the token.
    pub fn inner(&self, address: SocketAddr) -> TestClient {
        TestClient::at(address).with_bearer(TOKEN)
    }

    /// Uploads a video through the gateway and answers what the gateway says of it.
    pub async fn upload(&self, title: &str, video: &VideoFile) -> Value {
        self.upload_bytes(title, video.content_type, video.bytes.to_vec())
            .await
    }

    /// Uploads these bytes through the gateway and answers what the gateway says of them.
    pub async fn upload_bytes(&self, title: &str, content_type: &str, bytes: Vec<u8>) -> Value {
        let path = format!("/api/videos?title={}", title.replace(' ', "%20"));
        let answer = self.plain().post(&path).body(content_type, bytes).await;
        answer.expect(StatusCode::CREATED).value()
    }
}

/// The gateway's public settings as they are without any setting.
#[derive(clap::Parser)]
struct Public {
    #[command(flatten)]
    settings: gateway::PublicSettings,
}
