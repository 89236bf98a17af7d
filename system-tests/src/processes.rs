//! The whole system for tests, each service in a process of its own, as it runs in containers.
//!
//! The programs are those beside the test's own: `cargo test --workspace` builds them.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use http::StatusCode;
use service_kit::settings::loopback;
use test_support::process::ChildProcess;
use test_support::{DataFolder, TestClient, eventually};
use tokio::process::Command;

use crate::SOON;

const TOKEN: &str = "the-token-of-the-services-in-a-test";

/// The services, in the order of their start: who is called before who calls.
pub const SERVICES: [&str; 5] = [
    "metadata",
    "history",
    "video-storage",
    "video-streaming",
    "gateway",
];

/// A running system of five processes.
pub struct Processes {
    data: DataFolder,
    places: BTreeMap<&'static str, Place>,
    running: BTreeMap<&'static str, ChildProcess>,
}

/// Where a service answers, the same after each restart.
#[derive(Clone, Copy)]
struct Place {
    public: SocketAddr,
    admin: SocketAddr,
}

impl Processes {
    /// Starts everything on embedded engines in a fresh folder.
    pub async fn start() -> Self {
        let mut processes = Self::nothing_yet();
        for service in SERVICES {
            processes.launch(service);
        }
        for service in SERVICES {
            processes.is_ready(service).await;
        }
        processes
    }

    /// A system of which nothing runs yet.
    pub fn nothing_yet() -> Self {
        // All are held until all are known, so that no two get the same port.
        let held: Vec<_> = SERVICES
            .iter()
            .map(|_| (free_port(), free_port()))
            .collect();
        let place = |(public, admin): &(TcpListener, TcpListener)| Place {
            public: public.local_addr().unwrap(),
            admin: admin.local_addr().unwrap(),
        };
        Self {
            data: DataFolder::new(),
            places: SERVICES.into_iter().zip(held.iter().map(place)).collect(),
            running: BTreeMap::new(),
        }
    }

    /// Starts one service and does not wait for it.
    pub fn launch(&mut self, service: &'static str) {
        let place = self.places[service];
        let process = ChildProcess::start(self.command(service, place));
        self.running.insert(service, process);
    }

    /// Starts another replica of a service, and answers where it listens.
    pub async fn replica(&mut self, service: &'static str) -> (SocketAddr, ChildProcess) {
        let (public, admin) = (free_port(), free_port());
        let place = Place {
            public: public.local_addr().unwrap(),
            admin: admin.local_addr().unwrap(),
        };
        drop((public, admin));
        let process = ChildProcess::start(self.command(service, place));
        ready(place.admin).await;
        (place.public, process)
    }

    /// Waits until a service says that it is ready.
    pub async fn is_ready(&self, service: &'static str) {
        ready(self.places[service].admin).await;
    }

    /// Kills a service (SIGKILL).
    pub async fn kill(&mut self, service: &'static str) {
        if let Some(mut process) = self.running.remove(service) {
            process.kill9().await;
        }
    }

    /// A client of the gateway, such as curl.
    pub fn plain(&self) -> TestClient {
        TestClient::at(self.places["gateway"].public)
    }

    /// A browser-like client of the gateway: it keeps cookies.
    pub fn browser(&self) -> TestClient {
        self.plain().with_cookies()
    }

    /// A client of an inner service, with the token.
    pub fn inner(&self, address: SocketAddr) -> TestClient {
        TestClient::at(address).with_bearer(TOKEN)
    }

    /// A client of the admin listener of a service.
    pub fn operator(&self, service: &'static str) -> TestClient {
        TestClient::at(self.places[service].admin)
    }

    fn command(&self, service: &'static str, place: Place) -> Command {
        let url = |of: &str| format!("http://{}", self.places[of].public);
        let below = |scheme: &str, name: &str| {
            let path = self.data.join(name);
            format!("{scheme}{}", path.display())
        };
        let mut command = Command::new(program(service));
        command
            .env("LISTEN", place.public.to_string())
            .env("ADMIN_LISTEN", place.admin.to_string())
            .env("SERVICE_TOKEN", TOKEN)
            .env("DRAIN_GRACE_SECONDS", "2");
        // Only the settings that the service needs; another one is a mistake that it refuses.
        match service {
            "metadata" => command
                .env("CATALOG_URL", below("sqlite:", "metadata.db"))
                .env("EVENTS_URL", below("embedded:", "events.db")),
            "history" => command
                .env("VIEW_LOG_URL", below("sqlite:", "history.db"))
                .env("EVENTS_URL", below("embedded:", "events.db")),
            "video-storage" => command
                .env("STORE_URL", below("file:", "videos"))
                .env("METADATA_URL", url("metadata"))
                .env("EVENTS_URL", below("embedded:", "events.db")),
            "video-streaming" => command
                .env("METADATA_URL", url("metadata"))
                .env("VIDEO_STORAGE_URL", url("video-storage"))
                .env("EVENTS_URL", below("embedded:", "events.db"))
                .env("SESSION_KEY_FILE", below("", "session.key"))
                .env("CLIENT_HASH_KEY_FILE", below("", "client-hash.key")),
            _ => command
                .env("METADATA_URL", url("metadata"))
                .env("VIDEO_STREAMING_URL", url("video-streaming"))
                .env("VIDEO_STORAGE_URL", url("video-storage"))
                .env("HISTORY_URL", url("history"))
                .env("VIEWER_KEY_FILE", below("", "viewer.key")),
        };
        command
    }
}

fn free_port() -> TcpListener {
    TcpListener::bind(loopback(0)).unwrap()
}

async fn ready(admin: SocketAddr) {
    let client = TestClient::at(admin);
    let answers = || async {
        let answer = client.get("/readyz").attempt().await.ok()?;
        (answer.status == StatusCode::OK).then_some(())
    };
    eventually(SOON, answers).await;
}

/// The program of a service: two folders above the test's own, `target/debug/deps/system-…`.
fn program(service: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join(service);
    assert!(
        program.exists(),
        "{} is not built: cargo build --workspace",
        program.display()
    );
    program
}
