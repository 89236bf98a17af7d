use std::fs;

use axum::http::StatusCode;
use test_support::media::{FASTSTART, SILENT};
use uuid::Uuid;

use crate::world::{Mood, World, files_of, id_of};

#[tokio::test]
async fn an_upload_that_was_not_listed_before_the_stop_is_listed_after_the_start() {
    let mut world = World::new().await;
    world.catalogue.set(Mood::Down);
    let id = id_of(&world.uploaded(FASTSTART.bytes).await);
    world.stop().await;
    assert_eq!(world.catalogue.count(), 0);
    world.catalogue.set(Mood::Up);
    world.start().await;
    world.catalogue.lists(&id).await;
    world.has_files(&files_of(&id)).await;
}

#[tokio::test]
async fn what_a_killed_process_was_writing_is_taken_away() {
    let mut world = World::new().await;
    let id = id_of(&world.uploaded(FASTSTART.bytes).await);
    world.stop().await;

    let (staged, whole) = (Uuid::now_v7(), Uuid::now_v7());
    let store = world.store();
    fs::create_dir_all(store.join("intents")).unwrap();
    for upload in [staged, whole] {
        let intent = format!(r#"{{"schema":1,"id":"{upload}","begun_at":"2026-01-01T00:00:00Z"}}"#);
        fs::write(store.join(format!("intents/{upload}.json")), intent).unwrap();
    }
    fs::write(store.join(format!("videos/{staged}#1")), "half of it").unwrap();
    fs::write(store.join(format!("videos/{whole}")), "all of it").unwrap();
    fs::write(store.join("records/x.json#2"), "{").unwrap();

    world.start().await;
    world.has_files(&files_of(&id)).await;
    assert_eq!(world.catalogue.count(), 1);
}

#[tokio::test]
async fn bytes_that_were_restored_from_a_copy_are_compared_and_served() {
    let world = World::new().await;
    let id = id_of(&world.uploaded(FASTSTART.bytes).await);
    let file = world.store().join("videos").join(&id);
    fs::remove_file(&file).unwrap();
    fs::write(&file, FASTSTART.bytes).unwrap();

    let path = format!("/videos/{id}");
    let client = world.client();
    let head = client.head(&path).await.expect(StatusCode::OK);
    assert_eq!(
        head.header("content-length"),
        Some(&*FASTSTART.bytes.len().to_string())
    );
    let part = client.get(&path).header("range", "bytes=10-19").await;
    assert_eq!(
        part.expect(StatusCode::PARTIAL_CONTENT).body,
        &FASTSTART.bytes[10..20]
    );

    let record = fs::read_to_string(world.store().join(format!("records/{id}.json"))).unwrap();
    let tag = serde_json::from_str::<serde_json::Value>(&record).unwrap()["store_tag"].clone();
    let size = format!("-{:x}\"", FASTSTART.bytes.len());
    assert!(tag.as_str().unwrap().ends_with(&size), "{tag}");
}

#[tokio::test]
async fn bytes_that_are_not_those_of_the_upload_are_never_served() {
    let world = World::new().await;
    let id = id_of(&world.uploaded(FASTSTART.bytes).await);
    let file = world.store().join("videos").join(&id);
    let mut same_length = FASTSTART.bytes.to_vec();
    *same_length.last_mut().unwrap() ^= 1;
    for other in [same_length, SILENT.bytes.to_vec()] {
        fs::write(&file, other).unwrap();
        for _ in 0..2 {
            let answer = world.client().get(&format!("/videos/{id}")).await;
            answer.expect(StatusCode::INTERNAL_SERVER_ERROR);
        }
    }
    fs::write(&file, FASTSTART.bytes).unwrap();
    let answer = world.client().get(&format!("/videos/{id}")).await;
    assert_eq!(answer.expect(StatusCode::OK).body, FASTSTART.bytes);
}

#[tokio::test]
async fn a_video_whose_bytes_were_removed_is_not_there() {
    let world = World::new().await;
    let id = id_of(&world.uploaded(FASTSTART.bytes).await);
    fs::remove_file(world.store().join("videos").join(&id)).unwrap();
    for method in ["GET", "HEAD"] {
        let request = world
            .client()
            .request(method.parse().unwrap(), &format!("/videos/{id}"));
        request.await.expect(StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn reads_wait_for_a_store_that_is_away() {
    let world = World::new().await;
    let id = id_of(&world.uploaded(FASTSTART.bytes).await);
    let away = world.store().with_file_name("away");
    fs::rename(world.store(), &away).unwrap();
    let down = world.client().get(&format!("/videos/{id}")).await;
    let down = down.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert!(down.header("retry-after").is_some());
    fs::rename(&away, world.store()).unwrap();
    let up = world.client().get(&format!("/videos/{id}")).await;
    assert_eq!(up.expect(StatusCode::OK).body, FASTSTART.bytes);
}

#[tokio::test]
async fn a_folder_that_another_process_serves_is_refused_in_a_sentence() {
    let world = World::new().await;
    let refused = video_storage::Service::bind(world.config())
        .await
        .unwrap_err();
    let reason = std::error::Error::source(&refused).unwrap().to_string();
    assert!(
        reason.contains("another video-storage is using the folder"),
        "{reason}"
    );
}
