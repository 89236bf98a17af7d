//! The laws of the store on every engine, on real servers.

use test_support::engines::{BlobServer, azurite, s3};

use crate::store::conformance::{self, for_each_law};
use crate::store::{Store, StoreSettings, StoreUrl};

/// How a store on this server is reached.
pub(super) fn settings(server: &BlobServer) -> StoreSettings {
    let variables = server.environment().iter();
    let variables = variables.map(|(name, value)| (*name, value.as_str()));
    StoreSettings::of_variables(variables).unwrap()
}

/// An empty store of the test's own.
pub(super) async fn open(server: &BlobServer) -> Store {
    let url: StoreUrl = server.store_url().parse().unwrap();
    let store = Store::open(&url, &settings(server)).await.unwrap();
    store.check().await.unwrap();
    store
}

/// Two stores in one bucket.
async fn prefixes_separate(server: &BlobServer) {
    let (one, other) = (open(server).await, open(server).await);
    let intent = super::Object::intent(uuid::Uuid::nil());
    one.put_json(&intent, &1).await.unwrap();
    assert!(other.intents().await.unwrap().is_empty());
    assert_eq!(other.get_json::<u32>(&intent).await.unwrap(), None);
    assert_eq!(one.intents().await.unwrap(), [uuid::Uuid::nil()]);
}

mod file {
    use super::*;

    macro_rules! obeys {
        ($($law:ident)+) => {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $law() {
                    let (_folder, store) = crate::store::tests::opened().await;
                    conformance::$law(&store).await;
                }
            )+
        };
    }
    for_each_law!(obeys);
}

macro_rules! server_obeys {
    ($($law:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $law() {
                let Some(server) = shared().await else { return };
                conformance::$law(&open(server).await).await;
            }
        )+

        #[tokio::test]
        async fn prefixes_separate() {
            let Some(server) = shared().await else { return };
            super::prefixes_separate(server).await;
        }
    };
}

mod azure_blob_storage {
    use super::azurite::shared;
    use super::{conformance, for_each_law, open};

    for_each_law!(server_obeys);
}

mod s3_server {
    use super::s3::shared;
    use super::{conformance, for_each_law, open};

    for_each_law!(server_obeys);
}
