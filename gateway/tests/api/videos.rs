//! Listing, showing, editing and deleting.

use axum::http::StatusCode;
use serde_json::json;

use crate::world::{BYTES, VIDEO, World, last};

#[tokio::test]
async fn a_video_is_shown_with_all_its_members_and_addresses() {
    let world = World::start().await;
    let video = world.client.get(&format!("/api/videos/{VIDEO}")).await;
    let expected = json!({
        "id": VIDEO,
        "title": "A walk",
        "description": "In the hills",
        "tags": ["outside"],
        "content_type": "video/mp4",
        "size_bytes": 10,
        "duration_ms": 2000,
        "width": 96,
        "height": 64,
        "views": 7,
        "uploaded_at": "2026-01-02T03:04:05.678Z",
        "stream_url": format!("/api/videos/{VIDEO}/stream"),
        "poster_url": format!("/api/videos/{VIDEO}/poster?v=0123456789abcdef"),
    });
    assert_eq!(video.value(), expected);
    assert_eq!(video.header("cache-control"), Some("no-store"));
    assert_eq!(video.header("x-content-type-options"), Some("nosniff"));

    let list = world.client.get("/api/videos").await.value();
    assert_eq!(
        list,
        json!({"videos": [expected], "next_cursor": "next", "incomplete": false})
    );
}

#[tokio::test]
async fn the_addresses_in_a_video_lead_to_its_bytes_and_its_poster() {
    let world = World::start().await;
    let video = world
        .client
        .get(&format!("/api/videos/{VIDEO}"))
        .await
        .value();
    for address in ["stream_url", "poster_url"] {
        let answer = world.client.get(video[address].as_str().unwrap()).await;
        assert_eq!(answer.expect(StatusCode::OK).text(), BYTES);
    }
}

#[tokio::test]
async fn the_catalogue_gets_the_known_parameters_as_they_were_written() {
    let world = World::start().await;
    let path = "/api/videos?q=a%26b+c&sort=title&limit=5&cursor=xyz&other=1";
    world.client.get(path).await.expect(StatusCode::OK);
    let target = last(&world.metadata).target;
    assert_eq!(target, "/videos?q=a%26b+c&sort=title&limit=5&cursor=xyz");
}

#[tokio::test]
async fn what_the_catalogue_refuses_is_refused_in_its_words() {
    let world = World::start().await;
    let answer = world.client.get("/api/videos?limit=0").await;
    let answer = answer.expect(StatusCode::BAD_REQUEST);
    assert_eq!(answer.value()["detail"], "`limit` is wrong.");
    let edit = world.client.patch(&format!("/api/videos/{VIDEO}"));
    let answer = edit.json(&json!({"title": ""})).await;
    let answer = answer.expect(StatusCode::BAD_REQUEST);
    assert_eq!(answer.value()["detail"], "`title` is blank.");
}

#[tokio::test]
async fn an_edit_answers_the_video_as_it_is_now() {
    let world = World::start().await;
    let edit = world.client.patch(&format!("/api/videos/{VIDEO}"));
    let answer = edit
        .json(&json!({"title": "Two walks", "views": 99, "other": 1}))
        .await;
    let video = answer.expect(StatusCode::OK).value();
    assert_eq!(video["title"], "Two walks");
    assert_eq!(video["views"], 7, "only what can be edited is passed on");
}

#[tokio::test]
async fn a_deletion_answers_nothing() {
    let world = World::start().await;
    let answer = world.client.delete(&format!("/api/videos/{VIDEO}")).await;
    assert!(answer.expect(StatusCode::NO_CONTENT).body.is_empty());
}
