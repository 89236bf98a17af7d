//! The HTTP contract of the service, over a real port, with the real embedded event bus.

#![expect(
    clippy::unwrap_used,
    reason = "a test that meets what it does not expect panics"
)]

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use clap::Parser as _;
use events::EventBus;
use metadata::{Command, Config, RunError, Service};
use serde_json::{Value, json};
use service_kit::context::ServiceContext;
use test_support::{DataFolder, TestClient};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

mod deleting;
mod guard;
mod lists;
mod restarts;
mod states;
mod videos;
mod views;

/// Longer than anything takes that a test waits for.
const DEADLINE: Duration = Duration::from_secs(30);

const TOKEN: &str = "a-token-that-only-these-tests-know";

/// A running service and its data.
struct Running {
    client: TestClient,
    context: ServiceContext,
    folder: DataFolder,
    shutdown: CancellationToken,
    run: JoinHandle<Result<(), RunError>>,
}

impl Running {
    async fn start() -> Self {
        Self::start_on(DataFolder::new()).await
    }

    async fn start_on(folder: DataFolder) -> Self {
        let service = Service::bind(config(&folder)).await.unwrap();
        let client = TestClient::at(service.local_addr()).with_bearer(TOKEN);
        let context = service.context().clone();
        let shutdown = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "`stop` waits for it")]
        let run = tokio::spawn(service.run(shutdown.clone()));
        Self {
            client,
            context,
            folder,
            shutdown,
            run,
        }
    }

    /// Stops as a process does that is told to.
    async fn stop(self) -> DataFolder {
        self.shutdown.cancel();
        self.run.await.unwrap().unwrap();
        self.folder
    }

    async fn bus(&self) -> Arc<dyn EventBus> {
        config(&self.folder).events.open().await.unwrap()
    }

    async fn register(&self, n: u32, title: &str) -> Value {
        let path = format!("/videos/{}", id(n));
        let answer = self.client.put(&path).json(&registration(n, title)).await;
        answer.expect(StatusCode::CREATED).json()
    }

    async fn get(&self, path: &str) -> Value {
        self.client.get(path).await.expect(StatusCode::OK).json()
    }
}

fn config(folder: &DataFolder) -> Config {
    let url = |scheme: &str, name: &str| format!("{scheme}:{}", folder.join(name).display());
    Command::parse_from([
        "metadata",
        "--listen=127.0.0.1:0",
        "--service-token",
        TOKEN,
        "--catalog-url",
        &url("sqlite", "metadata.db"),
        "--events-url",
        &url("embedded", "bus/events.db"),
        "--drain-delay-seconds=0",
        "--drain-grace-seconds=5",
    ])
    .config
}

fn id(n: u32) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(n))
}

/// What `video-storage` would tell of the `n`th video: the higher, the later.
fn registration(n: u32, title: &str) -> Value {
    json!({
        "title": title,
        "content_type": "video/mp4",
        "size_bytes": 1_000 + n,
        "etag": format!("{n:064x}"),
        "duration_ms": 60_000,
        "width": 1920,
        "height": null,
        "uploaded_at": format!("2026-03-01T10:{:02}:{:02}.5Z", n / 60, n % 60),
    })
}

fn titles(list: &Value) -> Vec<&str> {
    let videos = list["videos"].as_array().unwrap();
    videos
        .iter()
        .map(|video| video["title"].as_str().unwrap())
        .collect()
}
