//! Stores that are not there yet, or not where somebody thought.

use std::time::{Duration, Instant};

use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use service_kit::context::ServiceContext;
use service_kit::telemetry;
use test_support::engines::{azurite, s3};
use test_support::eventually;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::engines::{open, settings};
use crate::store::{Object, Store, StoreError, StoreSettings, StoreUrl};

const PATIENCE: Duration = Duration::from_mins(1);

fn s3_at(endpoint: &str) -> StoreSettings {
    StoreSettings::of_variables([
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "geheim-1"),
        ("AWS_SECRET_ACCESS_KEY", "geheim-2"),
    ])
    .unwrap()
}

#[tokio::test]
async fn a_store_that_never_answers_is_said_to_be_away_within_the_time_of_a_question() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let url: StoreUrl = "s3://bucket/prefix".parse().unwrap();
    let store = Store::open(&url, &s3_at(&endpoint)).await.unwrap();
    assert!(matches!(store.check().await, Err(StoreError::NotReached)));
    let begun = Instant::now();
    let error = store.reach(&url).await.unwrap_err();
    assert!(begun.elapsed() < PATIENCE);
    let text = telemetry::chain(&error);
    assert!(!text.contains("geheim"), "{text}");
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named() {
    for server in [azurite::shared().await, s3::shared().await] {
        let Some(server) = server else { continue };
        let scheme = server.store_url().split("://").next().unwrap().to_owned();
        let url: StoreUrl = format!("{scheme}://no-such-bucket").parse().unwrap();
        let store = Store::open(&url, &settings(server)).await.unwrap();
        let error = store.reach(&url).await.unwrap_err();
        assert!(matches!(error, StoreError::NoBucket { .. }), "{error:?}");
        assert!(error.to_string().contains("no-such-bucket"), "{error}");
    }
}

#[tokio::test]
async fn the_container_of_an_emulator_is_made() {
    let Some(server) = azurite::shared().await else {
        return;
    };
    let variables = [
        ("AZURE_STORAGE_USE_EMULATOR", "true"),
        ("AZURITE_BLOB_STORAGE_URL", server.endpoint()),
    ];
    let settings = StoreSettings::of_variables(variables).unwrap();
    let url = format!("azure://made-{}", uuid::Uuid::now_v7());
    let url: StoreUrl = url.parse().unwrap();
    // The second time it is there.
    for _ in 0..2 {
        let store = Store::open(&url, &settings).await.unwrap();
        store.check().await.unwrap();
    }
}

#[tokio::test]
async fn wrong_keys_are_an_outage_that_does_not_show_them() {
    let Some(server) = s3::shared().await else {
        return;
    };
    let url: StoreUrl = server.store_url().parse().unwrap();
    let store = Store::open(&url, &s3_at(server.endpoint())).await.unwrap();
    let error = store.reach(&url).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    let text = telemetry::chain(&error);
    assert!(!text.contains("geheim-2"), "{text}");
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_in_a_sentence() {
    for (url, variables, says) in [
        ("azure://videos", vec![], "AZURE_STORAGE_ACCOUNT_NAME"),
        (
            "azure://videos",
            vec![
                ("AZURE_STORAGE_USE_EMULATOR", "true"),
                ("AZURE_STORAGE_ENDPOINT", "http://x"),
            ],
            "AZURITE_BLOB_STORAGE_URL",
        ),
        (
            "s3://videos",
            vec![("AWS_ACCESS_KEY_ID", "x")],
            "AWS_SECRET_ACCESS_KEY",
        ),
    ] {
        let url: StoreUrl = url.parse().unwrap();
        let settings = StoreSettings::of_variables(variables).unwrap();
        let refused = Store::open(&url, &settings).await.unwrap_err().to_string();
        assert!(refused.contains(says), "{refused}");
    }
}

/// The gate follows the store by itself: closed, open, closed, open.
#[tokio::test]
async fn a_store_that_comes_late_goes_away_and_comes_back_is_followed() {
    let (azurite, s3) = tokio::join!(azurite::own(), s3::own());
    for server in [azurite, s3] {
        let Some(mut server) = server else { continue };
        server.kill().await;
        let url: StoreUrl = server.store_url().parse().unwrap();
        let store = Store::open(&url, &settings(&server)).await.unwrap();
        let context = ServiceContext::new("test");
        let gate = context.readiness.gate("store");
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (watched, of, until) = (store.clone(), url.clone(), shutdown.clone());
        let set = gate.clone();
        tasks.spawn(async move { watched.watch(&of, &set, until).await });
        let object = Object::record(uuid::Uuid::nil());
        assert!(store.put_json(&object, &1).await.is_err());
        assert!(!gate.is_open());

        for _ in 0..2 {
            server.start_again().await;
            eventually(PATIENCE, || async { gate.is_open().then_some(()) }).await;
            store.put_json(&object, &1).await.unwrap();
            server.kill().await;
            eventually(PATIENCE, || async { (!gate.is_open()).then_some(()) }).await;
            let down = store.get_json::<u32>(&object).await;
            assert!(matches!(down, Err(StoreError::Unavailable { .. })));
        }
        server.start_again().await;
        eventually(PATIENCE, || async { gate.is_open().then_some(()) }).await;
        assert_eq!(store.get_json::<u32>(&object).await.unwrap(), Some(1));
        shutdown.cancel();
        tasks.join_all().await;
    }
}

#[tokio::test]
async fn a_bucket_that_was_emptied_is_down_and_not_empty() {
    let Some(server) = s3::shared().await else {
        return;
    };
    let store = open(server).await;
    store
        .objects()
        .unwrap()
        .delete(&Path::from("store.json"))
        .await
        .unwrap();
    assert!(matches!(store.check().await, Err(StoreError::Missing)));
    let video = Object::video(uuid::Uuid::nil());
    let found = store.find(&video, None).await;
    assert!(matches!(found, Err(StoreError::Missing)));
}

#[tokio::test]
async fn a_program_that_copies_sees_the_objects_below_the_prefix() {
    let Some(server) = azurite::shared().await else {
        return;
    };
    let url: StoreUrl = server.store_url().parse().unwrap();
    let store = Store::open(&url, &settings(server)).await.unwrap();
    store.put_json(&Object::key("ab"), &1).await.unwrap();
    let objects = url.open_objects(&settings(server)).unwrap();
    let found = objects.get(&Path::from("keys/ab.json")).await.unwrap();
    assert_eq!(found.bytes().await.unwrap(), "1");
}
