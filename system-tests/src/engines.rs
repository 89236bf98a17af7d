//! What a system under test keeps its data in.

use std::path::Path;

use test_support::DataFolder;
use test_support::engines::mongodb::MongoServer;
use test_support::engines::rabbitmq::RabbitServer;
use test_support::engines::{mongodb, rabbitmq};

/// The engines of one system: databases, queues and a place for the bytes that no other test uses.
/// They outlive the system, so that another one can be started on them.
#[derive(Debug)]
pub struct Engines {
    kind: Kind,
    /// What the services keep on their own disks: keys, spools, and all of it on embedded engines.
    folder: DataFolder,
}

#[derive(Debug)]
enum Kind {
    Embedded,
    Live(Box<Live>),
}

/// The URLs of the servers.
#[derive(Debug)]
struct Live {
    catalog: String,
    view_log: String,
    broker: String,
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
            folder: DataFolder::new(),
        }
    }

    /// The servers that all tests of this program share, or `None` after having said that one of
    /// them cannot be had.
    pub async fn live() -> Option<Self> {
        let mongo = mongodb::shared().await?;
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
            folder: DataFolder::new(),
        }
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
        self.below("file:", "videos")
    }

    /// How many objects the blob store has in each of these folders, those included that it only
    /// stages.
    pub fn objects_in<const N: usize>(&self, folders: [&str; N]) -> [usize; N] {
        let store = self.folder.join("videos");
        folders.map(|folder| std::fs::read_dir(store.join(folder)).map_or(0, Iterator::count))
    }

    /// A path in the folder, behind a scheme.
    pub(crate) fn below(&self, scheme: &str, name: &str) -> String {
        format!("{scheme}{}", self.folder.join(name).display())
    }
}
