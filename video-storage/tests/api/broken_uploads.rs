use axum::http::StatusCode;
use test_support::media::{FASTSTART, mp4_of};
use test_support::{RawConnection, eventually};

use crate::world::{PATIENCE, TOKEN, World, files_of};

/// Begins an upload and sends some of its body.
async fn begun(world: &World, framing: &str, body: &[u8]) -> RawConnection {
    let mut raw = world.raw().await;
    raw.write(format!(
        "POST /videos?title=A HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: video/mp4\r\n{framing}\r\n\r\n"
    ))
    .await;
    raw.write(body).await;
    eventually(PATIENCE, || async {
        let staged = world.files().iter().any(|file| file.starts_with("videos/"));
        staged.then_some(())
    })
    .await;
    raw
}

#[tokio::test]
async fn a_reset_in_the_middle_leaves_nothing() {
    let world = World::new().await;
    let bytes = mp4_of(3_000_000);
    let raw = begun(&world, "content-length: 3000000", &bytes[..2_000_000]).await;
    raw.reset();
    world.has_no_files().await;
    assert_eq!(world.catalogue.count(), 0);
}

#[tokio::test]
async fn a_half_closed_connection_in_the_middle_leaves_nothing() {
    let world = World::new().await;
    let bytes = mp4_of(3_000_000);
    let mut raw = begun(&world, "content-length: 3000000", &bytes[..2_000_000]).await;
    raw.finish_writing().await;
    world.has_no_files().await;
    assert_eq!(world.catalogue.count(), 0);
}

/// The file is whole when the connection breaks; only the end of the body is missing.
#[tokio::test]
async fn a_chunked_body_without_its_last_chunk_is_no_upload() {
    let world = World::new().await;
    let mut chunk = format!("{:x}\r\n", FASTSTART.bytes.len()).into_bytes();
    chunk.extend_from_slice(FASTSTART.bytes);
    chunk.extend_from_slice(b"\r\n");
    for reset in [false, true] {
        let mut raw = begun(&world, "transfer-encoding: chunked", &chunk).await;
        if reset {
            raw.reset();
        } else {
            raw.finish_writing().await;
        }
        world.has_no_files().await;
    }
    assert_eq!(world.catalogue.count(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_after_the_last_byte_has_uploaded_its_video() {
    let world = World::new().await;
    let body = FASTSTART.bytes;
    let framing = format!("content-length: {}", body.len());
    let mut raw = begun(&world, &framing, &body[..body.len() - 1]).await;
    raw.write(&body[body.len() - 1..]).await;
    // The intent goes or the record comes when the service has seen the end.
    eventually(PATIENCE, || async {
        let files = world.files();
        files
            .iter()
            .any(|file| file.starts_with("records/"))
            .then_some(())
    })
    .await;
    raw.reset();
    eventually(PATIENCE, || async {
        (world.catalogue.count() == 1).then_some(())
    })
    .await;
    eventually(PATIENCE, || async {
        (world.files().len() == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_is_running_when_the_service_stops_leaves_nothing() {
    let mut world = World::with(|config| {
        config.server.drain_grace = std::time::Duration::from_millis(300);
    })
    .await;
    let bytes = mp4_of(3_000_000);
    let raw = begun(&world, "content-length: 3000000", &bytes[..2_000_000]).await;
    world.stop().await;
    drop(raw);
    world.start().await;
    world.has_no_files().await;
    let video = world.uploaded(FASTSTART.bytes).await;
    world
        .has_files(&files_of(video["id"].as_str().unwrap()))
        .await;
}

#[tokio::test]
async fn an_upload_is_refused_while_the_store_is_away_and_taken_when_it_is_back() {
    let world = World::new().await;
    let away = world.store().with_file_name("away");
    std::fs::rename(world.store(), &away).unwrap();
    let refused = world.upload("A", FASTSTART.bytes).await;
    let refused = refused.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.header("retry-after").is_some());
    assert!(
        !world.store().exists(),
        "nothing is written below the mount point"
    );
    std::fs::rename(&away, world.store()).unwrap();
    world
        .upload("A", FASTSTART.bytes)
        .await
        .expect(StatusCode::CREATED);
}
