use axum::http::StatusCode;
use serde_json::Value;
use test_support::TestResponse;
use test_support::media::{FASTSTART, SILENT, mp4_of};

use crate::world::{Mood, World, files_of, id_of};

async fn upload(world: &World, key: &str, bytes: impl Into<bytes::Bytes>) -> TestResponse {
    world
        .upload("A", bytes)
        .header("idempotency-key", key)
        .await
}

fn video(answer: TestResponse) -> Value {
    answer.expect(StatusCode::CREATED).value()
}

#[tokio::test]
async fn the_same_key_gets_the_same_video_again_without_a_second_upload() {
    let mut world = World::new().await;
    let first = video(upload(&world, "key-1", FASTSTART.bytes).await);
    let answer = upload(&world, "key-1", SILENT.bytes).await;
    assert_eq!(
        answer.header("location"),
        Some(&*format!("/videos/{}", id_of(&first)))
    );
    assert_eq!(video(answer), first);
    assert_eq!(world.catalogue.count(), 1);

    world.stop().await;
    world.start().await;
    assert_eq!(video(upload(&world, "key-1", FASTSTART.bytes).await), first);
    let other = video(upload(&world, "key-2", FASTSTART.bytes).await);
    assert_ne!(other["id"], first["id"]);
}

#[tokio::test]
async fn a_key_that_is_no_key_is_refused() {
    let world = World::new().await;
    for key in ["", "two words", &"x".repeat(256)] {
        upload(&world, key, FASTSTART.bytes)
            .await
            .expect(StatusCode::BAD_REQUEST);
    }
    world.has_no_files().await;
}

#[tokio::test]
async fn of_two_uploads_at_once_with_one_key_one_remains() {
    let world = World::new().await;
    let bytes = mp4_of(2_000_000);
    let (one, other) = tokio::join!(
        upload(&world, "key", bytes.clone()),
        upload(&world, "key", bytes.clone())
    );
    let (one, other) = (video(one), video(other));
    assert_eq!(one, other);
    let id = id_of(&one);
    assert_eq!(world.catalogue.count(), 1);
    let key = world
        .files()
        .into_iter()
        .find(|file| file.starts_with("keys/"))
        .unwrap();
    let mut files = files_of(&id);
    files.insert(0, key);
    world.has_files(&files).await;
}

#[tokio::test]
async fn a_key_whose_upload_was_refused_can_be_used_again() {
    let world = World::new().await;
    upload(&world, "key", &b"no video at all"[..])
        .await
        .expect(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    video(upload(&world, "key", FASTSTART.bytes).await);
}

#[tokio::test]
async fn an_upload_whose_answer_was_lost_while_the_catalogue_was_down_is_found_by_its_key() {
    let mut world = World::new().await;
    world.catalogue.set(Mood::Down);
    let first = video(upload(&world, "key", FASTSTART.bytes).await);
    // Killed before the key was written, which comes after the record.
    world.stop().await;
    for key in std::fs::read_dir(world.store().join("keys")).unwrap() {
        std::fs::remove_file(key.unwrap().path()).unwrap();
    }
    world.start().await;
    assert_eq!(video(upload(&world, "key", FASTSTART.bytes).await), first);
    world.catalogue.set(Mood::Up);
    world.catalogue.lists(&id_of(&first)).await;
    assert_eq!(world.catalogue.count(), 1);
}
