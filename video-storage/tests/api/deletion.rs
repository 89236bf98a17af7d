use axum::http::StatusCode;
use events::{Envelope, VideoDeleted};
use test_support::media::{FASTSTART, POSTER_PNG, mp4_of};
use test_support::{RawConnection, eventually};
use uuid::Uuid;

use crate::world::{PATIENCE, TOKEN, World, files_of, id_of};

async fn delete(world: &World, id: &str) {
    let bus = events::open(&world.events_url()).await.unwrap();
    let deleted = VideoDeleted {
        video: Uuid::try_parse(id).unwrap(),
        deleted_at: jiff::Timestamp::now(),
    };
    bus.publish(Envelope::of(&deleted)).await.unwrap();
}

#[tokio::test]
async fn a_deleted_video_goes_with_all_that_belongs_to_it() {
    let world = World::new().await;
    let kept = id_of(&world.uploaded(FASTSTART.bytes).await);
    let upload = world
        .upload("A", FASTSTART.bytes)
        .header("idempotency-key", "key");
    let gone = id_of(&upload.await.expect(StatusCode::CREATED).value());
    let poster = world.client().put(&format!("/videos/{gone}/poster"));
    let poster = poster.body("image/png", POSTER_PNG);
    poster.await.expect(StatusCode::OK);
    // It is in the cache when it goes.
    world
        .client()
        .head(&format!("/videos/{gone}"))
        .await
        .expect(StatusCode::OK);

    delete(&world, &gone).await;
    world.has_files(&files_of(&kept)).await;
    for path in [format!("/videos/{gone}"), format!("/videos/{gone}/poster")] {
        world
            .client()
            .get(&path)
            .await
            .expect(StatusCode::NOT_FOUND);
    }
    let again = world
        .upload("A", FASTSTART.bytes)
        .header("idempotency-key", "key");
    let again = id_of(&again.await.expect(StatusCode::CREATED).value());
    assert_ne!(again, gone);
}

#[tokio::test]
async fn deleting_what_is_gone_or_never_was_changes_nothing() {
    let world = World::new().await;
    let kept = id_of(&world.uploaded(FASTSTART.bytes).await);
    let gone = id_of(&world.uploaded(FASTSTART.bytes).await);
    delete(&world, &Uuid::now_v7().to_string()).await;
    delete(&world, &gone).await;
    delete(&world, &gone).await;
    world.has_files(&files_of(&kept)).await;
}

#[tokio::test]
async fn a_deletion_waits_for_a_store_that_is_away() {
    let world = World::new().await;
    let id = id_of(&world.uploaded(FASTSTART.bytes).await);
    let away = world.store().with_file_name("away");
    std::fs::rename(world.store(), &away).unwrap();
    delete(&world, &id).await;
    let down = world
        .client()
        .get(&format!("/videos/{}", Uuid::now_v7()))
        .await;
    down.expect(StatusCode::SERVICE_UNAVAILABLE);
    std::fs::rename(&away, world.store()).unwrap();
    world.has_no_files().await;
}

#[tokio::test]
async fn a_reader_that_has_begun_reads_to_the_end() {
    let world = World::new().await;
    let bytes = mp4_of(20_000_000);
    let id = id_of(&world.uploaded(bytes.clone()).await);
    let mut reader = RawConnection::open_with_small_window(world.address()).await;
    let head =
        format!("GET /videos/{id} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    reader.write(head).await;
    assert!(reader.read_head().await.starts_with("HTTP/1.1 200"));
    delete(&world, &id).await;
    world.has_no_files().await;
    eventually(PATIENCE, || async {
        let gone = world.client().get(&format!("/videos/{id}")).await;
        (gone.status == StatusCode::NOT_FOUND).then_some(())
    })
    .await;
    assert!(reader.read_exactly(bytes.len()).await == bytes);
}
