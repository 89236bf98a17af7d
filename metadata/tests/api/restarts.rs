use axum::http::StatusCode;
use events::{Queue, VideoDeleted};
use metadata::Service;
use rusqlite::Connection;
use test_support::{DataFolder, eventually};

use super::{DEADLINE, Running, config, id};

#[tokio::test]
async fn everything_is_there_after_a_restart_and_cursors_go_on_working() {
    let service = Running::start().await;
    for n in 0..4 {
        service.register(n, &format!("Title {n}")).await;
    }
    let first = service.get("/videos?limit=2&q=title").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = format!("/videos?q=title&cursor={cursor}");
    let before = service.get(&rest).await;
    let folder = service.stop().await;

    let service = Running::start_on(folder).await;
    assert_eq!(service.get(&rest).await, before);
    service.stop().await;
}

#[tokio::test]
async fn a_deletion_that_was_not_published_before_the_end_is_published_after_the_restart() {
    let service = Running::start().await;
    service.register(1, "Gone").await;
    let path = format!("/videos/{}", id(1));
    let deleted = service.client.delete(&path).await;
    deleted.expect(StatusCode::NO_CONTENT);
    let folder = service.stop().await;

    // As if the process had died between the tombstone and the event.
    std::fs::remove_dir_all(folder.join("bus")).unwrap();
    let file = Connection::open(folder.join("metadata.db")).unwrap();
    let reset = file.execute("UPDATE tombstones SET confirmed = 0", []);
    assert_eq!(reset.unwrap(), 1);
    drop(file);

    let service = Running::start_on(folder).await;
    let bus = service.bus().await;
    let mut subscription = bus.subscribe(Queue::VIDEO_STORAGE).await.unwrap();
    let next = tokio::time::timeout(DEADLINE, subscription.next()).await;
    let event: VideoDeleted = next.unwrap().unwrap().envelope.decode().unwrap();
    assert_eq!(event.video, id(1));
    service.stop().await;
}

#[tokio::test]
async fn a_locked_store_is_waited_for_while_requests_are_answered_503() {
    let service = Running::start().await;
    service.register(1, "Title").await;
    let folder = service.stop().await;
    let holder = Connection::open(folder.join("metadata.db")).unwrap();
    holder
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;")
        .unwrap();

    let service = Running::start_on(folder).await;
    let refused = service.client.get("/videos").await;
    refused.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert!(service.context.readiness.obstacles().contains(&"catalogue"));

    drop(holder);
    let is_ready = || async { service.context.readiness.is_ready().then_some(()) };
    eventually(DEADLINE, is_ready).await;
    service.get(&format!("/videos/{}", id(1))).await;
    service.stop().await;
}

#[tokio::test]
async fn a_file_that_is_no_catalogue_is_refused_at_the_start_with_the_setting() {
    let folder = DataFolder::new();
    std::fs::write(folder.join("metadata.db"), [b'x'; 4096]).unwrap();
    let error = Service::bind(config(&folder)).await.err().unwrap();
    assert!(error.to_string().contains("CATALOG_URL"), "{error}");
}
