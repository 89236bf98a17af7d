//! The service on real blob servers: the same contract, and what happens when they are killed.

use std::time::Duration;

use axum::http::StatusCode;
use futures_util::TryStreamExt as _;
use object_store::ObjectStore as _;
use service_kit::context::ServiceContext;
use test_support::engines::{BlobServer, azurite, s3};
use test_support::media::{FASTSTART, mp4_of};
use test_support::{Ending, TestClient, eventually};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use video_storage::{Config, Service, StoreSettings, StoreUrl};

use crate::byte_contract::{Video, answers_by_the_table, answers_random_ranges, slow_reader};
use crate::world::{TOKEN, World, id_of};

/// A killed server has to come back, and to be found.
const PATIENCE: Duration = Duration::from_mins(2);

/// Names the store of a configuration.
pub(crate) fn uses(config: &mut Config, server: &BlobServer, url: &str) {
    let variables = server.environment().iter();
    let variables = variables.map(|(name, value)| (*name, value.as_str()));
    config.store = StoreSettings::of_variables(variables).unwrap();
    config.store_url = url.parse().unwrap();
}

/// A world whose bytes are in a place of its own on this server, and that place.
pub(crate) async fn world_on(server: &BlobServer) -> (World, String) {
    let url = server.store_url();
    let world = World::with(|config| uses(config, server, &url)).await;
    (world, url)
}

/// The names of all objects but the marker and what belongs to the service itself.
async fn objects(server: &BlobServer, url: &str) -> Vec<String> {
    let variables = server.environment().iter();
    let variables = variables.map(|(name, value)| (*name, value.as_str()));
    let settings = StoreSettings::of_variables(variables).unwrap();
    let url: StoreUrl = url.parse().unwrap();
    let objects = url.open_objects(&settings).unwrap();
    let listed: Vec<_> = objects.list(None).try_collect().await.unwrap();
    let names = listed.into_iter().map(|meta| meta.location.to_string());
    let mut names: Vec<_> = names.filter(|name| name.contains('/')).collect();
    names.sort();
    names
}

async fn has_objects(server: &BlobServer, url: &str, expected: &[String]) {
    eventually(PATIENCE, || async {
        (objects(server, url).await == expected).then_some(())
    })
    .await;
}

fn files_of(id: &str) -> Vec<String> {
    vec![format!("records/{id}.json"), format!("videos/{id}")]
}

macro_rules! on_each_server {
    ($($test:ident)+) => {
        mod azure_blob_storage {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let Some(server) = super::azurite::shared().await else { return };
                    super::$test(server).await;
                }
            )+
        }
        mod s3_server {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let Some(server) = super::s3::shared().await else { return };
                    super::$test(server).await;
                }
            )+
        }
    };
}

on_each_server! {
    every_case_of_the_table_has_its_status_headers_and_bytes
    a_video_of_many_parts_is_served_as_it_was_uploaded
    a_broken_upload_leaves_nothing
}

async fn every_case_of_the_table_has_its_status_headers_and_bytes(server: &BlobServer) {
    let (world, _) = world_on(server).await;
    answers_by_the_table(&Video::of(world).await).await;
}

async fn a_video_of_many_parts_is_served_as_it_was_uploaded(server: &BlobServer) {
    let (world, url) = world_on(server).await;
    let bytes = mp4_of(12_345_678);
    let id = id_of(&world.uploaded(bytes.clone()).await);
    let answered = world.client().get(&format!("/videos/{id}")).await;
    assert!(answered.expect(StatusCode::OK).body == bytes);
    has_objects(server, &url, &files_of(&id)).await;
}

async fn a_broken_upload_leaves_nothing(server: &BlobServer) {
    let (world, url) = world_on(server).await;
    let bytes = mp4_of(12_000_000);
    let mut raw = world.raw().await;
    raw.write(upload_head(bytes.len())).await;
    raw.write(&bytes[..8_000_000]).await;
    raw.reset();
    has_objects(server, &url, &[]).await;
    assert_eq!(world.catalogue.count(), 0);
}

fn upload_head(length: usize) -> String {
    format!(
        "POST /videos?title=A HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: video/mp4\r\ncontent-length: {length}\r\n\r\n"
    )
}

#[test]
fn random_ranges_are_the_bytes_of_the_file_on_a_blob_server() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for engine in ["Azurite", "S3"] {
        let video = runtime.block_on(async {
            let server = match engine {
                "Azurite" => azurite::shared().await,
                _ => s3::shared().await,
            };
            let (world, _) = world_on(server?).await;
            Some(Video::of(world).await)
        });
        let Some(video) = video else { continue };
        answers_random_ranges(&runtime, &video, 40);
        runtime.block_on(async { drop(video) });
    }
}

macro_rules! on_each_server_of_ones_own {
    ($($test:ident)+) => {
        mod own_azure_blob_storage {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let Some(server) = super::azurite::own().await else { return };
                    super::$test(server).await;
                }
            )+
        }
        mod own_s3_server {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let Some(server) = super::s3::own().await else { return };
                    super::$test(server).await;
                }
            )+
        }
    };
}

on_each_server_of_ones_own! {
    a_server_that_stays_away_in_mid_stream_aborts_the_connection_and_is_found_again
    a_server_that_comes_back_in_mid_stream_is_read_on
    a_server_that_is_killed_in_mid_upload_leaves_nothing
    the_service_starts_before_its_store_and_becomes_ready_by_itself
}

const LONG: usize = 40_000_000;

async fn a_server_that_stays_away_in_mid_stream_aborts_the_connection_and_is_found_again(
    mut server: BlobServer,
) {
    let (world, _) = world_on(&server).await;
    let bytes = mp4_of(LONG);
    let id = id_of(&world.uploaded(bytes.clone()).await);
    let path = format!("/videos/{id}");
    let mut reader = slow_reader(&world, &path).await;
    let mut taken = reader.read_exactly(1_000).await;
    server.kill().await;
    let (rest, ending) = reader.read_to_end().await;
    taken.extend_from_slice(&rest);
    assert!(matches!(ending, Ending::Closed | Ending::Reset));
    assert!(taken.len() < LONG, "nothing was missing");
    assert!(taken == bytes[..taken.len()]);

    let down = world.client().get(&path).await;
    let down = down.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert!(down.header("retry-after").is_some());
    let down = world.upload("A", FASTSTART.bytes).await;
    let down = down.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert!(down.header("retry-after").is_some());

    server.start_again().await;
    let answered = eventually(PATIENCE, || async {
        let answered = world.client().get(&path).await;
        (answered.status == StatusCode::OK).then_some(answered)
    })
    .await;
    assert!(answered.body == bytes);
}

async fn a_server_that_comes_back_in_mid_stream_is_read_on(mut server: BlobServer) {
    let (world, _) = world_on(&server).await;
    let bytes = mp4_of(LONG);
    let id = id_of(&world.uploaded(bytes.clone()).await);
    let mut reader = slow_reader(&world, &format!("/videos/{id}")).await;
    let mut taken = reader.read_exactly(1_000).await;
    // The reader takes nothing meanwhile, so that it does not wait for the server in vain.
    server.kill().await;
    server.start_again().await;
    taken.extend_from_slice(&reader.read_exactly(LONG - 1_000).await);
    assert!(taken == bytes);
}

async fn a_server_that_is_killed_in_mid_upload_leaves_nothing(mut server: BlobServer) {
    let (world, url) = world_on(&server).await;
    let bytes = mp4_of(LONG);
    let mut raw = world.raw().await;
    raw.write(upload_head(bytes.len())).await;
    raw.write(&bytes[..12_000_000]).await;
    // The upload is under way.
    eventually(PATIENCE, || async {
        let names = objects(&server, &url).await;
        names
            .iter()
            .any(|name| name.starts_with("intents/"))
            .then_some(())
    })
    .await;
    server.kill().await;
    // The rest may be cut off: the answer is what counts.
    let _ = raw.try_write(&bytes[12_000_000..]).await;
    let head = raw.read_head().await;
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    assert_eq!(world.catalogue.count(), 0);
    server.start_again().await;
    // The service that runs on takes away what is its own as soon as it can.
    has_objects(&server, &url, &[]).await;
    assert_eq!(world.catalogue.count(), 0);
    let id = eventually(PATIENCE, || async {
        let answer = world.upload("A", bytes.clone()).await;
        (answer.status == StatusCode::CREATED).then(|| id_of(&answer.value()))
    })
    .await;
    has_objects(&server, &url, &files_of(&id)).await;
}

async fn the_service_starts_before_its_store_and_becomes_ready_by_itself(mut server: BlobServer) {
    // For its catalogue and its bus.
    let mut world = World::new().await;
    let mut config = world.config();
    world.stop().await;
    uses(&mut config, &server, &server.store_url());
    server.kill().await;
    let service = Service::bind(config).await.unwrap();
    let context: ServiceContext = service.context().clone();
    let client = TestClient::at(service.local_addr()).with_bearer(TOKEN);
    let shutdown = CancellationToken::new();
    let mut running = JoinSet::new();
    running.spawn(service.run(shutdown.clone()));

    let upload = || {
        client
            .post("/videos?title=A")
            .body("video/mp4", FASTSTART.bytes)
    };
    let refused = upload().await.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.header("retry-after").is_some());
    let id = uuid::Uuid::now_v7();
    let refused = client.get(&format!("/videos/{id}")).await;
    refused.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert!(!context.readiness.is_ready());

    server.start_again().await;
    eventually(PATIENCE, || async {
        context.readiness.is_ready().then_some(())
    })
    .await;
    upload().await.expect(StatusCode::CREATED);
    shutdown.cancel();
    running.join_next().await.unwrap().unwrap().unwrap();
}
