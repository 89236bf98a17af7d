use axum::http::StatusCode;
use test_support::media::{FASTSTART, POSTER_JPEG, POSTER_PNG, POSTER_WEBP};
use uuid::Uuid;

use crate::world::{World, id_of, sha256};

#[tokio::test]
async fn a_poster_is_served_as_it_was_sent_and_can_be_replaced() {
    let world = World::new().await;
    let path = format!(
        "/videos/{}/poster",
        id_of(&world.uploaded(FASTSTART.bytes).await)
    );
    let client = world.client();
    client.get(&path).await.expect(StatusCode::NOT_FOUND);
    for (bytes, content_type) in [
        (POSTER_JPEG, "image/jpeg"),
        (POSTER_PNG, "image/png"),
        (POSTER_WEBP, "image/webp"),
    ] {
        let put = client.put(&path).body(content_type, bytes).await;
        let put = put.expect(StatusCode::OK).value();
        let tag = sha256(bytes);
        assert_eq!(put, serde_json::json!({ "version": &tag[..16] }));

        let served = client.get(&path).await.expect(StatusCode::OK);
        assert_eq!(served.body, bytes);
        assert_eq!(served.header("content-type"), Some(content_type));
        let quoted = format!("\"{tag}\"");
        assert_eq!(served.header("etag"), Some(&*quoted));
        let again = client.get(&path).header("if-none-match", &quoted).await;
        again.expect(StatusCode::NOT_MODIFIED);
        let part = client.get(&path).header("range", "bytes=-3").await;
        let part = part.expect(StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.body, &bytes[bytes.len() - 3..]);
        let head = client.head(&path).await.expect(StatusCode::OK);
        assert_eq!(
            head.header("content-length"),
            Some(&*bytes.len().to_string())
        );
    }
}

#[tokio::test]
async fn what_is_no_poster_is_refused() {
    let world = World::new().await;
    let id = id_of(&world.uploaded(FASTSTART.bytes).await);
    let path = format!("/videos/{id}/poster");
    let files = world.files();
    let mut large = POSTER_PNG.to_vec();
    large.resize(1024 * 1024 + 1, 0);
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'/>";
    for (content_type, bytes, status) in [
        ("image/png", POSTER_JPEG.to_vec(), 415),
        ("image/svg+xml", svg.to_vec(), 415),
        ("image/png", svg.to_vec(), 415),
        ("application/octet-stream", POSTER_PNG.to_vec(), 415),
        ("image/png", Vec::new(), 415),
        ("image/png", large.clone(), 413),
    ] {
        let answer = world.client().put(&path).body(content_type, bytes).await;
        assert_eq!(answer.status.as_u16(), status, "{content_type}");
    }
    large.pop();
    let answer = world.client().put(&path).body("image/png", large).await;
    answer.expect(StatusCode::OK);
    assert_eq!(world.files().len(), files.len() + 1);
}

#[tokio::test]
async fn only_a_video_has_a_poster() {
    let world = World::new().await;
    for id in [Uuid::now_v7().to_string(), "nothing".to_owned()] {
        let path = format!("/videos/{id}/poster");
        let put = world
            .client()
            .put(&path)
            .body("image/png", POSTER_PNG)
            .await;
        put.expect(StatusCode::NOT_FOUND);
    }
    world.has_no_files().await;
}
