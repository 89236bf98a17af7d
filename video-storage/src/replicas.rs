//! What replicas do to each other in the store that they share, on every engine.
//!
//! A replica here is what a process has of its own: what it notes as running, and its lock of the
//! keys. All that two of them share is the store.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use service_kit::client::{ServiceClient, ServiceUrl};
use service_kit::context::ServiceContext;
use service_kit::guard::ServiceToken;
use service_kit::settings::loopback;
use test_support::engines::BlobServer;
use test_support::eventually;
use uuid::Uuid;

use crate::catalogue::Catalogue;
use crate::completion::Completion;
use crate::idempotency::KeyHash;
use crate::keys::{Claim, Keys};
use crate::lease::Lease;
use crate::measures::Measures;
use crate::media::Container;
use crate::record::{KeyDocument, UploadRecord, now};
use crate::records::{Fate, Records};
use crate::running::Running;
use crate::store::{FaultyStore, Object, Opened, Replaced, Store, StoreSettings, StoreUrl};
use crate::sweeper::Sweeper;

/// Long enough for a busy machine; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_mins(1);
/// Short, and still longer than a store on a busy machine takes for a renewal.
const LEASE: Duration = Duration::from_secs(3);

struct Replica {
    store: Store,
    records: Records,
    keys: Arc<Keys>,
    lease: Lease,
    sweeper: Sweeper,
}

impl Replica {
    /// One whose catalogue is nowhere.
    fn on(store: &Store) -> Self {
        let records = Records::new(store.clone());
        let keys = Arc::new(Keys::new(store.clone(), records.clone()));
        let lease = Lease::on(store, LEASE);
        let nowhere = ServiceClient::new(ServiceUrl::at(loopback(1)), &ServiceToken::random());
        let measures = Measures::new(&ServiceContext::new("test").metrics);
        let completion = Completion::new(
            store.clone(),
            records.clone(),
            Arc::clone(&keys),
            Catalogue::new(nowhere),
            measures,
        );
        Self {
            store: store.clone(),
            records: records.clone(),
            keys: Arc::clone(&keys),
            lease,
            sweeper: Sweeper {
                store: store.clone(),
                records,
                keys,
                lease,
                completion: Arc::new(completion),
                running: Running::default(),
            },
        }
    }

    async fn has(&self, object: &Object) -> bool {
        let found = self.store.find(object, None).await.unwrap();
        matches!(found, Opened::Found(_))
    }

    async fn put_bytes(&self, id: Uuid) {
        let bytes = Bytes::from_static(b"bytes");
        self.store.put(&Object::video(id), bytes).await.unwrap();
    }
}

fn record(id: Uuid, key: Option<&KeyHash>, uploaded_at: Timestamp) -> UploadRecord {
    UploadRecord {
        id,
        title: "A".to_owned(),
        container: Container::WebM,
        size_bytes: 5,
        sha256: "ab".repeat(32),
        duration_ms: None,
        picture_size: None,
        uploaded_at,
        store_tag: None,
        key: key.cloned(),
    }
}

fn a_key() -> KeyHash {
    KeyHash::of(Uuid::now_v7().to_string().as_bytes()).unwrap()
}

/// The laws of a store that is shared.
macro_rules! for_each_law {
    ($call:ident) => {
        $call! {
            an_upload_that_renews_its_intent_is_left_alone_for_as_long_as_it_takes
            an_upload_that_stood_still_is_taken_away_and_cannot_be_completed_any_more
            an_upload_that_was_completed_in_time_is_never_taken_away
            of_one_upload_either_the_completion_or_the_abandonment_succeeds
            of_many_uploads_with_one_key_exactly_one_gets_it
            of_many_uploads_that_take_over_an_expired_key_exactly_one_gets_it
            a_key_that_is_claimed_while_it_expires_is_not_lost
            a_key_that_stands_for_a_later_upload_is_not_taken_from_it
            what_somebody_else_has_changed_is_not_replaced
        }
    };
}

async fn an_upload_that_renews_its_intent_is_left_alone_for_as_long_as_it_takes(store: Store) {
    let (one, other) = (Replica::on(&store), Replica::on(&store));
    let intent = Lease::intent(Uuid::now_v7());
    let id = intent.id();
    one.lease.take(&store, &intent).await.unwrap();
    one.put_bytes(id).await;
    let begun_at = store.clock().await.unwrap();
    let several_leases = SignedDuration::try_from(LEASE * 3).unwrap();
    let swept = async {
        eventually(PATIENCE, || async {
            assert_eq!(other.sweeper.sweep().await.unwrap(), 0);
            let clock = store.clock().await.unwrap();
            (clock.duration_since(begun_at) > several_leases).then_some(())
        })
        .await;
    };
    tokio::select! {
        () = swept => {}
        never = one.lease.keep(&store, &intent) => match never {},
    }
    assert!(one.has(&Object::video(id)).await);
    assert!(one.records.commit(&record(id, None, now())).await.unwrap());
}

async fn an_upload_that_stood_still_is_taken_away_and_cannot_be_completed_any_more(store: Store) {
    let (one, other) = (Replica::on(&store), Replica::on(&store));
    let intent = Lease::intent(Uuid::now_v7());
    let id = intent.id();
    one.lease.take(&store, &intent).await.unwrap();
    one.put_bytes(id).await;
    eventually(PATIENCE, || async {
        let taken_away = other.sweeper.sweep().await.unwrap();
        (taken_away == 1).then_some(())
    })
    .await;
    assert!(!one.has(&Object::video(id)).await);

    // It goes on where it stood still.
    one.put_bytes(id).await;
    assert!(!one.records.commit(&record(id, None, now())).await.unwrap());
    assert!(one.records.read(id).await.unwrap().is_none());
    // What it wrote goes as well, also if it dies now.
    assert_eq!(other.sweeper.sweep().await.unwrap(), 0);
    assert!(!one.has(&Object::video(id)).await);
}

async fn an_upload_that_was_completed_in_time_is_never_taken_away(store: Store) {
    let (one, other) = (Replica::on(&store), Replica::on(&store));
    let intent = Lease::intent(Uuid::now_v7());
    let id = intent.id();
    one.lease.take(&store, &intent).await.unwrap();
    one.put_bytes(id).await;
    assert!(one.records.commit(&record(id, None, now())).await.unwrap());
    // Its process died before it told the catalogue. The intent grows old.
    let begun_at = store.clock().await.unwrap();
    let two_leases = SignedDuration::try_from(LEASE * 2).unwrap();
    eventually(PATIENCE, || async {
        assert_eq!(other.sweeper.sweep().await.unwrap(), 0);
        let clock = store.clock().await.unwrap();
        (clock.duration_since(begun_at) > two_leases).then_some(())
    })
    .await;
    assert!(other.records.read(id).await.unwrap().is_some());
    assert!(one.has(&Object::video(id)).await);
    // A request that the store has answered and that is sent again.
    assert!(one.records.commit(&record(id, None, now())).await.unwrap());
}

async fn of_one_upload_either_the_completion_or_the_abandonment_succeeds(store: Store) {
    let (one, other) = (Replica::on(&store), Replica::on(&store));
    for _ in 0..10 {
        let record = record(Uuid::now_v7(), None, now());
        let (completed, abandoned) = tokio::join!(
            one.records.commit(&record),
            other.records.abandon(record.id)
        );
        let (completed, abandoned) = (completed.unwrap(), abandoned.unwrap());
        assert_ne!(completed, abandoned);
        let fate = one.records.find(record.id).await.unwrap();
        assert_eq!(matches!(fate, Fate::Complete(_)), completed);
        assert_eq!(matches!(fate, Fate::Abandoned(_)), abandoned);
    }
}

/// Completes uploads with one key on as many replicas at once; the number of those that get it.
async fn claims(store: &Store, key: &KeyHash, uploads: usize) -> usize {
    let replicas: Vec<_> = (0..uploads).map(|_| Replica::on(store)).collect();
    let records: Vec<_> = (0..uploads)
        .map(|_| record(Uuid::now_v7(), Some(key), now()))
        .collect();
    for record in &records {
        assert!(replicas[0].records.commit(record).await.unwrap());
    }
    let claims = replicas
        .iter()
        .zip(&records)
        .map(|(replica, record)| replica.keys.claim(record));
    let claims = join_all(claims).await;
    let holder = replicas[0].keys.upload_of(key).await.unwrap().unwrap();
    let mut ours = 0;
    for (claim, record) in claims.into_iter().zip(&records) {
        match claim.unwrap() {
            Claim::Ours => {
                ours += 1;
                assert_eq!(record.id, holder.id);
            }
            Claim::Theirs(theirs) => assert_eq!(theirs.id, holder.id),
        }
    }
    ours
}

async fn of_many_uploads_with_one_key_exactly_one_gets_it(store: Store) {
    assert_eq!(claims(&store, &a_key(), 5).await, 1);
}

fn two_days_ago() -> Timestamp {
    now() - SignedDuration::from_hours(48)
}

async fn of_many_uploads_that_take_over_an_expired_key_exactly_one_gets_it(store: Store) {
    for _ in 0..3 {
        let key = a_key();
        let expired = KeyDocument::new(Uuid::now_v7(), two_days_ago());
        let object = Object::key(key.as_hex());
        store.put_json(&object, &expired).await.unwrap();
        assert_eq!(claims(&store, &key, 5).await, 1);
    }
}

async fn a_key_that_is_claimed_while_it_expires_is_not_lost(store: Store) {
    let (one, other) = (Replica::on(&store), Replica::on(&store));
    for _ in 0..5 {
        let key = a_key();
        let expired = KeyDocument::new(Uuid::now_v7(), two_days_ago());
        let object = Object::key(key.as_hex());
        store.put_json(&object, &expired).await.unwrap();
        let record = record(Uuid::now_v7(), Some(&key), now());
        assert!(one.records.commit(&record).await.unwrap());
        let (claim, removed) = tokio::join!(
            one.keys.claim(&record),
            other.keys.remove_expired(key.as_hex())
        );
        removed.unwrap();
        assert!(matches!(claim.unwrap(), Claim::Ours));
        let holder = other.keys.upload_of(&key).await.unwrap();
        assert_eq!(holder.unwrap().id, record.id);
    }
}

async fn a_key_that_stands_for_a_later_upload_is_not_taken_from_it(store: Store) {
    let replica = Replica::on(&store);
    let key = a_key();
    let earlier = record(Uuid::now_v7(), Some(&key), two_days_ago());
    let later = record(Uuid::now_v7(), Some(&key), now());
    for record in [&earlier, &later] {
        assert!(replica.records.commit(record).await.unwrap());
    }
    for record in [&later, &earlier] {
        let claim = replica.keys.claim(record).await.unwrap();
        assert!(matches!(claim, Claim::Ours));
    }
    replica.keys.release(&earlier).await.unwrap();
    let holder = replica.keys.upload_of(&key).await.unwrap();
    assert_eq!(holder.unwrap().id, later.id);
    replica.keys.release(&later).await.unwrap();
    assert!(!replica.has(&Object::key(key.as_hex())).await);
}

async fn what_somebody_else_has_changed_is_not_replaced(store: Store) {
    let object = Object::key(a_key().as_hex());
    store.put_json(&object, &1).await.unwrap();
    let (read, version) = store.get_version::<u32>(&object).await.unwrap().unwrap();
    assert_eq!(read, 1);
    let replaced = store.replace_json(&object, &version, &2).await.unwrap();
    assert_eq!(replaced, Replaced::Yes);
    let replaced = store.replace_json(&object, &version, &3).await.unwrap();
    assert_eq!(replaced, Replaced::Changed);
    assert_eq!(store.get_json::<u32>(&object).await.unwrap(), Some(2));
    store.remove(&object).await.unwrap();
    let replaced = store.replace_json(&object, &version, &4).await.unwrap();
    assert_eq!(replaced, Replaced::Changed);
}

mod in_memory {
    use super::*;

    macro_rules! obeys {
        ($($law:ident)+) => {
            $(
                #[tokio::test]
                async fn $law() {
                    super::$law(Store::on(Arc::new(FaultyStore::default())).await).await;
                }
            )+
        };
    }
    for_each_law!(obeys);
}

/// An empty store of the test's own.
async fn open(server: &BlobServer) -> Store {
    let variables = server.environment().iter();
    let variables = variables.map(|(name, value)| (*name, value.as_str()));
    let settings = StoreSettings::of_variables(variables).unwrap();
    let url: StoreUrl = server.store_url().parse().unwrap();
    Store::open(&url, &settings).await.unwrap()
}

macro_rules! server_obeys {
    ($($law:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $law() {
                let Some(server) = shared().await else { return };
                super::$law(super::open(server).await).await;
            }
        )+
    };
}

mod azure_blob_storage {
    use test_support::engines::azurite::shared;

    for_each_law!(server_obeys);
}

mod s3_server {
    use test_support::engines::s3::shared;

    for_each_law!(server_obeys);
}
