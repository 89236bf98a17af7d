use axum::http::StatusCode;
use events::{Queue, VideoDeleted};
use serde_json::json;
use test_support::{DataFolder, eventually};
use uuid::Uuid;

use super::{DEADLINE, Running, id, registration, titles};

#[tokio::test]
async fn a_deleted_video_is_gone_from_every_answer_and_never_comes_back() {
    let service = Running::start().await;
    service.register(1, "Gone").await;
    service.register(2, "Stays").await;
    let path = format!("/videos/{}", id(1));
    let client = &service.client;
    client.delete(&path).await.expect(StatusCode::NO_CONTENT);

    client.get(&path).await.expect(StatusCode::NOT_FOUND);
    client.delete(&path).await.expect(StatusCode::NOT_FOUND);
    let edit = client.patch(&path).json(&json!({"title": "Back"}));
    edit.await.expect(StatusCode::NOT_FOUND);
    assert_eq!(titles(&service.get("/videos").await), ["Stays"]);
    assert_eq!(titles(&service.get("/videos?q=gone").await), [""; 0]);

    let again = client.put(&path).json(&registration(1, "Gone")).await;
    let again = again.expect(StatusCode::GONE);
    assert_eq!(again.problem_kind(), "gone");
    client.get(&path).await.expect(StatusCode::NOT_FOUND);
    service.stop().await;
}

#[tokio::test]
async fn a_deletion_is_told_to_history_and_video_storage() {
    let service = Running::start().await;
    service.register(1, "Gone").await;
    let path = format!("/videos/{}", id(1));
    let deleted = service.client.delete(&path).await;
    deleted.expect(StatusCode::NO_CONTENT);
    for queue in [Queue::HISTORY, Queue::VIDEO_STORAGE] {
        assert_eq!(next_deletion(&service, queue).await, id(1));
    }
    service.stop().await;
}

#[tokio::test]
async fn a_deletion_is_done_without_the_bus_and_told_once_the_bus_is_there() {
    let folder = DataFolder::new();
    // Where the bus should have its folder is a file.
    std::fs::write(folder.join("bus"), "").unwrap();
    let service = Running::start_on(folder).await;
    service.register(1, "Gone").await;
    assert_eq!(service.context.readiness.obstacles(), ["events"]);
    let path = format!("/videos/{}", id(1));
    let deleted = service.client.delete(&path).await;
    deleted.expect(StatusCode::NO_CONTENT);
    service
        .client
        .get(&path)
        .await
        .expect(StatusCode::NOT_FOUND);

    std::fs::remove_file(service.folder.join("bus")).unwrap();
    let is_ready = || async { service.context.readiness.is_ready().then_some(()) };
    eventually(DEADLINE, is_ready).await;
    assert_eq!(next_deletion(&service, Queue::HISTORY).await, id(1));
    service.stop().await;
}

/// Which deletion the consumer of this queue learns of next.
async fn next_deletion(service: &Running, queue: Queue) -> Uuid {
    let bus = service.bus().await;
    let mut subscription = bus.subscribe(queue).await.unwrap();
    let next = tokio::time::timeout(DEADLINE, subscription.next());
    let delivery = next.await.unwrap().unwrap();
    let event: VideoDeleted = delivery.envelope.decode().unwrap();
    delivery.ack().await.unwrap();
    event.video
}
