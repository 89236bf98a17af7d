//! The whole system, each service in a process of its own, as it runs in containers.
//!
//! The programs are those beside the test's own: `cargo test --workspace` builds them.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::StatusCode;
use service_kit::settings::loopback;
use test_support::process::ChildProcess;
use test_support::{TestClient, eventually};
use tokio::process::Command;

use crate::balancer::Balancer;
use crate::{Engines, SOON, TOKEN};

/// The services, in the order of their start: who is called before who calls.
pub const SERVICES: [&str; 5] = [
    "metadata",
    "history",
    "video-storage",
    "video-streaming",
    "gateway",
];

/// How soon an upload of a killed replica counts as dead.
const UPLOAD_LEASE: Duration = Duration::from_secs(3);

/// A running system of five or more processes.
#[derive(Debug)]
pub struct Processes {
    replicas: BTreeMap<&'static str, Vec<Replica>>,
    /// Before the services that have several replicas.
    balancers: BTreeMap<&'static str, Balancer>,
    /// Declared last, so that it is removed when nothing uses it any more.
    engines: Engines,
}

/// One process of a service.
#[derive(Debug)]
struct Replica {
    /// Where it answers, the same after each restart.
    public: SocketAddr,
    admin: SocketAddr,
    running: Option<ChildProcess>,
}

impl Processes {
    /// Starts everything, one process of each service.
    pub async fn start(engines: Engines) -> Self {
        Self::start_all(Self::nothing_yet(engines)).await
    }

    /// Starts everything, with this many processes of these services.
    pub async fn start_replicated(engines: Engines, replicas: &[(&'static str, usize)]) -> Self {
        let count = |service| {
            let wanted = replicas.iter().find(|(name, _)| *name == service);
            wanted.map_or(1, |(_, count)| *count)
        };
        Self::start_all(Self::of(engines, count)).await
    }

    /// A system of which nothing runs yet.
    pub fn nothing_yet(engines: Engines) -> Self {
        Self::of(engines, |_| 1)
    }

    fn of(engines: Engines, count: impl Fn(&'static str) -> usize) -> Self {
        // All are held until all are known, so that no two get the same port.
        let mut held = Vec::new();
        let mut free_port = || {
            let port = TcpListener::bind(loopback(0)).unwrap();
            let address = port.local_addr().unwrap();
            held.push(port);
            address
        };
        let mut replica = || Replica {
            public: free_port(),
            admin: free_port(),
            running: None,
        };
        let replicas: BTreeMap<_, Vec<_>> = SERVICES
            .into_iter()
            .map(|service| (service, (0..count(service)).map(|_| replica()).collect()))
            .collect();
        let balancers = replicas.iter().filter_map(|(service, replicas)| {
            let addresses = replicas.iter().map(|replica| replica.public).collect();
            (replicas.len() > 1).then(|| (*service, Balancer::before(addresses)))
        });
        Self {
            balancers: balancers.collect(),
            replicas,
            engines,
        }
    }

    async fn start_all(mut self) -> Self {
        for service in SERVICES {
            for replica in 0..self.replicas[service].len() {
                self.launch_replica(service, replica);
            }
        }
        for service in SERVICES {
            self.is_ready(service).await;
        }
        self
    }

    /// Starts a service and does not wait for it.
    pub fn launch(&mut self, service: &'static str) {
        self.launch_replica(service, 0);
    }

    /// Starts a replica of a service, counted from 0, and does not wait for it.
    pub fn launch_replica(&mut self, service: &'static str, replica: usize) {
        let process = ChildProcess::start(self.command(service, replica));
        self.replica_mut(service, replica).running = Some(process);
    }

    /// Waits until all replicas of a service say that they are ready.
    pub async fn is_ready(&self, service: &'static str) {
        for replica in &self.replicas[service] {
            eventually(SOON, || async {
                obstacles(replica.admin).await?.is_empty().then_some(())
            })
            .await;
        }
    }

    /// Waits until a service says that it is not ready, and that this gate is the reason.
    pub async fn waits_for(&self, service: &'static str, gate: &str) {
        let admin = self.replicas[service][0].admin;
        eventually(SOON, || async {
            obstacles(admin).await?.contains(gate).then_some(())
        })
        .await;
    }

    /// Kills a service (SIGKILL).
    pub async fn kill(&mut self, service: &'static str) {
        self.kill_replica(service, 0).await;
    }

    /// Kills a replica of a service (SIGKILL).
    pub async fn kill_replica(&mut self, service: &'static str, replica: usize) {
        if let Some(mut process) = self.replica_mut(service, replica).running.take() {
            process.kill9().await;
        }
    }

    /// What it runs on.
    pub fn engines(&self) -> &Engines {
        &self.engines
    }

    /// Where the public is answered.
    pub fn gateway(&self) -> SocketAddr {
        self.address("gateway")
    }

    /// Where operators are answered by a service.
    pub fn admin(&self, service: &'static str) -> SocketAddr {
        self.replicas[service][0].admin
    }

    /// A client of the gateway, such as curl.
    pub fn plain(&self) -> TestClient {
        TestClient::at(self.gateway())
    }

    /// A browser-like client of the gateway: it keeps cookies.
    pub fn browser(&self) -> TestClient {
        self.plain().with_cookies()
    }

    /// A client of a service without the token.
    pub fn stranger(&self, service: &'static str) -> TestClient {
        TestClient::at(self.address(service))
    }

    /// A client of a replica of a service, with the token.
    pub fn inner(&self, service: &'static str, replica: usize) -> TestClient {
        TestClient::at(self.replicas[service][replica].public).with_bearer(TOKEN)
    }

    /// A client of the admin listener of a service.
    pub fn operator(&self, service: &'static str) -> TestClient {
        TestClient::at(self.admin(service))
    }

    /// The sum of a counter over the replicas of a service.
    pub async fn counted(&self, service: &'static str, counter: &str) -> u64 {
        self.counted_by_replica(service, counter).await.iter().sum()
    }

    /// A counter of each replica of a service.
    pub async fn counted_by_replica(&self, service: &'static str, counter: &str) -> Vec<u64> {
        let mut sums = Vec::new();
        for replica in &self.replicas[service] {
            let metrics = TestClient::at(replica.admin).get("/metrics").await.text();
            let lines = metrics.lines().filter(|line| {
                let rest = line.strip_prefix(counter);
                rest.is_some_and(|rest| rest.starts_with('{'))
            });
            let count = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
            sums.push(lines.map(count).sum());
        }
        sums
    }

    /// Where a service is called by the others.
    fn address(&self, service: &'static str) -> SocketAddr {
        let balancer = self.balancers.get(service).map(Balancer::address);
        balancer.unwrap_or_else(|| self.replicas[service][0].public)
    }

    fn replica_mut(&mut self, service: &'static str, replica: usize) -> &mut Replica {
        &mut self.replicas.get_mut(service).unwrap()[replica]
    }

    fn command(&self, service: &'static str, replica: usize) -> Command {
        let Replica { public, admin, .. } = self.replicas[service][replica];
        let engines = &self.engines;
        let url = |of: &'static str| format!("http://{}", self.address(of));
        let events_url = || engines.events_url(&format!("{service}-{replica}"));
        let mut command = Command::new(program(service));
        command
            .env("LISTEN", public.to_string())
            .env("ADMIN_LISTEN", admin.to_string())
            .env("SERVICE_TOKEN", TOKEN)
            .env("DRAIN_GRACE_SECONDS", "2");
        // Only the settings that the service needs.
        match service {
            "metadata" => command
                .env("CATALOG_URL", engines.catalog_url())
                .env("EVENTS_URL", events_url()),
            "history" => command
                .env("VIEW_LOG_URL", engines.view_log_url())
                .env("EVENTS_URL", events_url()),
            "video-storage" => command
                .env("STORE_URL", engines.store_url())
                .envs(engines.store_environment().iter().cloned())
                .env("UPLOAD_LEASE_SECONDS", UPLOAD_LEASE.as_secs().to_string())
                .env("METADATA_URL", url("metadata"))
                .env("EVENTS_URL", events_url()),
            "video-streaming" => command
                .env("METADATA_URL", url("metadata"))
                .env("VIDEO_STORAGE_URL", url("video-storage"))
                .env("EVENTS_URL", events_url())
                .env("SESSION_KEY_FILE", engines.below("", "session.key"))
                .env("CLIENT_HASH_KEY_FILE", engines.below("", "client-hash.key")),
            _ => command
                .env("METADATA_URL", url("metadata"))
                .env("VIDEO_STREAMING_URL", url("video-streaming"))
                .env("VIDEO_STORAGE_URL", url("video-storage"))
                .env("HISTORY_URL", url("history"))
                .env("VIEWER_KEY_FILE", engines.below("", "viewer.key")),
        };
        command
    }
}

/// What keeps a service from being ready by its own words: nothing when it is ready, `None` when it
/// does not answer.
async fn obstacles(admin: SocketAddr) -> Option<String> {
    let answer = TestClient::at(admin).get("/readyz").attempt().await.ok()?;
    match answer.status {
        StatusCode::OK => Some(String::new()),
        _ => Some(answer.value()["detail"].as_str()?.to_owned()),
    }
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
