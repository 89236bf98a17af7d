//! The catalogue in MongoDB obeys the laws, on a real server, and every command that it sends is
//! served by an index.

use mongodb::Client;
use test_support::engines::mongodb::{MongoServer, shared};

use self::commands::CommandLog;
use super::*;
use crate::catalog::conformance::{self, for_each_law, for_each_transfer_law};

pub(crate) mod commands;
mod restarts;
mod upgrades;

/// A database of the test's own, and what is sent to it.
struct Database {
    url: MongoUrl,
    log: CommandLog,
}

/// For what says nothing of time: on a busy machine hundreds of calls at once wait for one another.
const PATIENCE: Duration = Duration::from_mins(2);

impl Database {
    fn on(server: &MongoServer) -> Self {
        Self::with_patience(server, PATIENCE)
    }

    /// With how long a server is looked for, and a connection to it may take to be made.
    fn with_patience(server: &MongoServer, patience: Duration) -> Self {
        let log = CommandLog::default();
        let url = server.database_url();
        let separator = if url.contains('?') { '&' } else { '?' };
        let patience = patience.as_millis();
        let url = format!(
            "{url}{separator}serverSelectionTimeoutMS={patience}&connectTimeoutMS={patience}"
        );
        let mut url: MongoUrl = url.parse().unwrap();
        url.commands = Some(log.listener());
        Self { url, log }
    }

    async fn open(&self) -> MongoCatalog {
        MongoCatalog::open(&self.url).await.unwrap()
    }

    async fn open_patiently(&self) -> MongoCatalog {
        MongoCatalog {
            patience: PATIENCE,
            ..self.open().await
        }
    }

    /// Without the service: what it sends is not recorded.
    async fn by_hand(&self) -> mongodb::Database {
        let client = Client::with_uri_str(self.url.as_str()).await.unwrap();
        client.database(self.url.database())
    }

    /// Ends a test that has passed; the database of one that has failed can be looked at.
    async fn close(self) {
        let database = self.by_hand().await;
        self.log.check(&database).await;
        database.drop().await.unwrap();
    }
}

macro_rules! mongodb_obeys {
    ($($law:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $law() {
                let Some(server) = shared().await else { return };
                let database = Database::on(server);
                conformance::$law(&database.open_patiently().await).await;
                database.close().await;
            }
        )+
    };
}
for_each_law!(mongodb_obeys);

macro_rules! mongodb_moves {
    ($($law:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $law() {
                let Some(server) = shared().await else { return };
                let (database, other) = (Database::on(server), Database::on(server));
                let (from, to) = (database.open_patiently().await, other.open_patiently().await);
                conformance::$law(&from, &to).await;
                database.close().await;
                other.close().await;
            }
        )+
    };
}
for_each_transfer_law!(mongodb_moves);

macro_rules! the_engines_exchange {
    ($($law:ident)+) => {
        mod from_sqlite {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $law() {
                    let Some(server) = shared().await else { return };
                    let database = Database::on(server);
                    let folder = test_support::DataFolder::new();
                    let path = folder.join("metadata.db");
                    let from = crate::catalog::SqliteCatalog::open(&path).await.unwrap();
                    conformance::$law(&from, &database.open_patiently().await).await;
                    database.close().await;
                }
            )+
        }
        mod to_sqlite {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $law() {
                    let Some(server) = shared().await else { return };
                    let database = Database::on(server);
                    let folder = test_support::DataFolder::new();
                    let path = folder.join("metadata.db");
                    let to = crate::catalog::SqliteCatalog::open(&path).await.unwrap();
                    conformance::$law(&database.open_patiently().await, &to).await;
                    database.close().await;
                }
            )+
        }
    };
}
for_each_transfer_law!(the_engines_exchange);
