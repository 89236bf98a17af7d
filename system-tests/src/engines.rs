//! What a system under test keeps its data in.

use std::path::Path;

use futures_util::TryStreamExt as _;
use mongodb::bson::doc;
use serde::Deserialize;
use test_support::DataFolder;
use test_support::engines::BlobServer;
use test_support::engines::mongodb::MongoServer;
use test_support::engines::rabbitmq::RabbitServer;
use test_support::engines::{mongodb as mongo_engine, rabbitmq};

/// The engines of one system: databases, queues and a place for the bytes that no other test uses.
/// They outlive the system, so that another one can be started on them.
#[derive(Debug)]
pub struct Engines {
    kind: Kind,
    bytes: Bytes,
    /// What the services keep on their own disks: keys, spools, and all of it on embedded engines.
    folder: DataFolder,
}

#[derive(Debug)]
enum Kind {
    Embedded,
    Live(Box<Live>),
}

/// Where the bytes are.
#[derive(Debug)]
enum Bytes {
    Folder,
    Server {
        url: String,
        environment: Vec<(&'static str, String)>,
    },
}

/// The URLs of the servers.
#[derive(Debug)]
struct Live {
    catalog: String,
    view_log: String,
    broker: String,
}

/// What is read of a session's document: beats whose numbers follow each other are one run.
#[derive(Deserialize)]
struct Session {
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    first: Beat,
    last: Beat,
}

#[derive(Deserialize)]
struct Beat {
    seq: u64,
}

/// Makes each of these scenarios, functions of the [`Engines`], a test on the embedded engines and
/// one on the real servers. A scenario that is not listed is an unused function.
#[macro_export]
macro_rules! on_all_engines {
    ($($scenario:ident),+ $(,)?) => {
        $(
            mod $scenario {
                #[tokio::test(flavor = "multi_thread")]
                async fn on_embedded_engines() {
                    super::$scenario($crate::Engines::embedded()).await;
                }

                #[tokio::test(flavor = "multi_thread")]
                async fn on_live_engines() {
                    if let Some(engines) = $crate::Engines::live().await {
                        super::$scenario(engines).await;
                    }
                }
            }
        )+
    };
}

impl Engines {
    /// Everything in a fresh folder.
    #[must_use]
    pub fn embedded() -> Self {
        Self {
            kind: Kind::Embedded,
            bytes: Bytes::Folder,
            folder: DataFolder::new(),
        }
    }

    /// The servers that all tests of this program share, or `None` after having said that one of
    /// them cannot be had.
    pub async fn live() -> Option<Self> {
        let mongo = mongo_engine::shared().await?;
        let rabbit = rabbitmq::shared().await?;
        Some(Self::on(mongo, rabbit).await)
    }

    /// These servers.
    pub async fn on(mongo: &MongoServer, rabbit: &RabbitServer) -> Self {
        let live = Live {
            catalog: mongo.database_url(),
            view_log: mongo.database_url(),
            broker: rabbit.virtual_host().await,
        };
        Self {
            kind: Kind::Live(Box::new(live)),
            bytes: Bytes::Folder,
            folder: DataFolder::new(),
        }
    }

    /// The same with the bytes in a place of their own on this server.
    #[must_use]
    pub fn with_bytes_on(mut self, blobs: &BlobServer) -> Self {
        self.bytes = Bytes::Server {
            url: blobs.store_url(),
            environment: blobs.environment().to_vec(),
        };
        self
    }

    /// The folder of what the services keep on their own disks.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `CATALOG_URL`
    pub fn catalog_url(&self) -> String {
        match &self.kind {
            Kind::Embedded => self.below("sqlite:", "metadata.db"),
            Kind::Live(live) => live.catalog.clone(),
        }
    }

    /// `VIEW_LOG_URL`
    pub fn view_log_url(&self) -> String {
        match &self.kind {
            Kind::Embedded => self.below("sqlite:", "history.db"),
            Kind::Live(live) => live.view_log.clone(),
        }
    }

    /// `EVENTS_URL` of the process of this name: each has a spool of its own.
    pub fn events_url(&self, process: &str) -> String {
        match &self.kind {
            Kind::Embedded => self.below("embedded:", "events.db"),
            Kind::Live(live) => {
                let spool = self.below("?spool=", &format!("{process}-spool.db"));
                format!("{}{spool}", live.broker)
            }
        }
    }

    /// `STORE_URL`
    pub fn store_url(&self) -> String {
        match &self.bytes {
            Bytes::Folder => self.below("file:", "videos"),
            Bytes::Server { url, .. } => url.clone(),
        }
    }

    /// The variables by which `video-storage` reaches the store, and may.
    pub fn store_environment(&self) -> &[(&'static str, String)] {
        match &self.bytes {
            Bytes::Folder => &[],
            Bytes::Server { environment, .. } => environment,
        }
    }

    /// How many objects the store, if it is a folder, has in each of these folders, those included that it only
    /// stages.
    pub fn objects_in<const N: usize>(&self, folders: [&str; N]) -> [usize; N] {
        let store = self.folder.join("videos");
        folders.map(|folder| std::fs::read_dir(store.join(folder)).map_or(0, Iterator::count))
    }

    /// The broker, `None` on embedded engines.
    pub fn broker(&self) -> Option<&str> {
        match &self.kind {
            Kind::Embedded => None,
            Kind::Live(live) => Some(&live.broker),
        }
    }

    /// How many beats are in the view log, by its own documents or rows.
    pub async fn stored_beats(&self) -> u64 {
        match &self.kind {
            Kind::Embedded => {
                let log = rusqlite::Connection::open(self.folder.join("history.db")).unwrap();
                let count = log.query_row("SELECT count(*) FROM beats", [], |row| row.get(0));
                count.unwrap()
            }
            Kind::Live(live) => {
                let client = mongodb::Client::with_uri_str(&live.view_log).await.unwrap();
                let log = client.default_database().unwrap();
                let sessions = log.collection::<Session>("sessions").find(doc! {}).await;
                let sessions: Vec<Session> = sessions.unwrap().try_collect().await.unwrap();
                let beats = |run: &Run| run.last.seq - run.first.seq + 1;
                sessions
                    .iter()
                    .flat_map(|session| &session.runs)
                    .map(beats)
                    .sum()
            }
        }
    }

    /// A path in the folder, behind a scheme.
    pub(crate) fn below(&self, scheme: &str, name: &str) -> String {
        format!("{scheme}{}", self.folder.join(name).display())
    }
}
