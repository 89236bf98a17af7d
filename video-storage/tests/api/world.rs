//! A running service with its data folder, and the catalogue that it registers with.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::{Value, json};
use service_kit::client::ServiceUrl;
use service_kit::settings::{ServerSettings, loopback};
use test_support::{DataFolder, RawConnection, TestClient, TestRequest, eventually};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use video_storage::{Config, RunError, Service, StoreSettings, StoreUrl, UpkeepSettings};

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Long enough for a busy machine; a test that reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What the catalogue does when a video is registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Up,
    Down,
    Silent,
    Deleted,
    Refusing,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Catalogue {
    inner: Arc<Mutex<(Mood, BTreeMap<String, Value>)>>,
}

impl Catalogue {
    pub(crate) fn set(&self, mood: Mood) {
        self.inner.lock().unwrap().0 = mood;
    }

    pub(crate) fn video(&self, id: &str) -> Option<Value> {
        self.inner.lock().unwrap().1.get(id).cloned()
    }

    pub(crate) fn count(&self) -> usize {
        self.inner.lock().unwrap().1.len()
    }

    /// Loses a video, as a restored copy would have.
    pub(crate) fn lose(&self, id: &str) {
        self.inner.lock().unwrap().1.remove(id).unwrap();
    }

    pub(crate) async fn lists(&self, id: &str) -> Value {
        eventually(PATIENCE, || async { self.video(id) }).await
    }
}

async fn register(
    State(catalogue): State<Catalogue>,
    UrlPath(id): UrlPath<String>,
    Json(video): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let mood = catalogue.inner.lock().unwrap().0;
    let status = match mood {
        Mood::Up => {
            let videos = &mut catalogue.inner.lock().unwrap().1;
            videos.entry(id).or_insert_with(|| video.clone());
            StatusCode::CREATED
        }
        Mood::Down => StatusCode::SERVICE_UNAVAILABLE,
        Mood::Silent => std::future::pending().await,
        Mood::Deleted => StatusCode::GONE,
        Mood::Refusing => StatusCode::BAD_REQUEST,
    };
    (status, Json(video))
}

async fn walk(State(catalogue): State<Catalogue>) -> (StatusCode, Json<Value>) {
    let (mood, videos) = &*catalogue.inner.lock().unwrap();
    if *mood != Mood::Up {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(Value::Null));
    }
    let known = videos
        .keys()
        .map(|id| json!({ "id": id, "state": "present" }));
    let known: Vec<_> = known.collect();
    (
        StatusCode::OK,
        Json(json!({ "known": known, "next": null })),
    )
}

async fn look_up(State(catalogue): State<Catalogue>, Json(asked): Json<Value>) -> Json<Value> {
    let videos = &catalogue.inner.lock().unwrap().1;
    let state = |id: &Value| {
        let id = id.as_str().unwrap().to_owned();
        let is_present = videos.contains_key(&id);
        let state = if is_present { "present" } else { "unknown" };
        (id, json!(state))
    };
    let states = asked["ids"].as_array().unwrap().iter().map(state);
    let states: serde_json::Map<String, Value> = states.collect();
    Json(json!({ "states": states }))
}

/// The whole world of a test. Everything in it ends with it.
pub(crate) struct World {
    pub(crate) catalogue: Catalogue,
    folder: DataFolder,
    catalogue_at: SocketAddr,
    _background: JoinSet<()>,
    running: Option<Running>,
}

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    service: JoinHandle<Result<(), RunError>>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A world whose service has other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let catalogue = Catalogue::default();
        let router = Router::new()
            .route("/videos/{id}", put(register))
            .route("/states", get(walk).post(look_up))
            .with_state(catalogue.clone());
        let listener = tokio::net::TcpListener::bind(loopback(0)).await.unwrap();
        let catalogue_at = listener.local_addr().unwrap();
        let mut background = JoinSet::new();
        background.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let mut world = Self {
            catalogue,
            folder: DataFolder::new(),
            catalogue_at,
            _background: background,
            running: None,
        };
        world.start_with(change).await;
        world
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            listen: loopback(0),
            service_token: TOKEN.parse().unwrap(),
            store_url: StoreUrl::File(self.store()),
            store: StoreSettings::default(),
            metadata_url: ServiceUrl::at(self.catalogue_at),
            events: events::BusSource::Url(self.events_url()),
            max_video_bytes: 64 * 1024 * 1024,
            max_concurrent_uploads: 4,
            upkeep: UpkeepSettings::default(),
            server: ServerSettings {
                drain_grace: Duration::from_secs(5),
                ..ServerSettings::default()
            },
        }
    }

    pub(crate) fn events_url(&self) -> events::BusUrl {
        let path = self.folder.path().join("events.db");
        format!("embedded:{}", path.display()).parse().unwrap()
    }

    pub(crate) async fn start(&mut self) {
        self.start_with(|_| {}).await;
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the world waits for it in `stop`"
    )]
    async fn start_with(&mut self, change: impl FnOnce(&mut Config)) {
        let mut config = self.config();
        change(&mut config);
        let service = Service::bind(config).await.unwrap();
        let shutdown = CancellationToken::new();
        self.running = Some(Running {
            address: service.local_addr(),
            service: tokio::spawn(service.run(shutdown.clone())),
            shutdown,
        });
    }

    /// Stops the service in good order.
    pub(crate) async fn stop(&mut self) {
        let running = self.running.take().unwrap();
        running.shutdown.cancel();
        tokio::time::timeout(PATIENCE, running.service)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.as_ref().unwrap().address
    }

    pub(crate) fn client(&self) -> TestClient {
        TestClient::at(self.address()).with_bearer(TOKEN)
    }

    pub(crate) async fn raw(&self) -> RawConnection {
        RawConnection::open(self.address()).await
    }

    #[track_caller]
    pub(crate) fn upload(&self, title: &str, bytes: impl Into<Bytes>) -> TestRequest {
        self.client()
            .post(&format!("/videos?title={title}"))
            .body("video/mp4", bytes)
    }

    /// Has the store compared with the catalogue, and answers how that ended.
    pub(crate) async fn reconcile(&self, options: Value) -> Value {
        let asked = self.client().post("/reconciliations").json(&options).await;
        let asked = asked.expect(StatusCode::ACCEPTED).value();
        let path = format!("/reconciliations/{}", id_of(&asked));
        eventually(PATIENCE, || async {
            let run = self.client().get(&path).await.expect(StatusCode::OK);
            let run = run.value();
            ["done", "failed"]
                .contains(&run["state"].as_str()?)
                .then_some(run)
        })
        .await
    }

    /// Uploads and answers the video.
    pub(crate) async fn uploaded(&self, bytes: impl Into<Bytes>) -> Value {
        self.upload("A", bytes)
            .await
            .expect(StatusCode::CREATED)
            .value()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Every file in the folders of the store: all that belongs to videos.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        collect(&self.store(), &self.store(), &mut files);
        files.sort();
        files
    }

    pub(crate) async fn has_no_files(&self) {
        self.has_files(&[]).await;
    }

    pub(crate) async fn has_files(&self, expected: &[String]) {
        eventually(PATIENCE, || async {
            (self.files() == expected).then_some(())
        })
        .await;
    }

    /// How many descriptors of this process are open on a file of the store.
    pub(crate) fn open_handles(&self, file: &str) -> usize {
        let path = self.store().join(file);
        std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
            .filter(|target| *target == path)
            .count()
    }
}

/// The files that a video leaves when nothing is left to do for it.
pub(crate) fn files_of(id: &str) -> Vec<String> {
    vec![format!("records/{id}.json"), format!("videos/{id}")]
}

pub(crate) fn id_of(video: &Value) -> String {
    video["id"].as_str().unwrap().to_owned()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    use std::fmt::Write as _;
    sha2::Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
}

/// What a video is expected to look like in an answer, but for its id and time.
pub(crate) fn without_identity(video: &Value) -> Value {
    let mut video = video.clone();
    for member in ["id", "uploaded_at"] {
        assert!(video[member].is_string(), "{member}");
        video[member] = json!(null);
    }
    video
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if path.is_dir() {
            collect(root, &path, files);
        } else if name.contains('/') {
            files.push(name);
        }
    }
}
