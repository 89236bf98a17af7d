use axum::http::StatusCode;
use test_support::TestClient;

use super::Running;

#[tokio::test]
async fn nothing_is_answered_without_the_service_token_or_to_a_browser() {
    let service = Running::start().await;
    let wrong = service.client.clone().with_bearer("another token");
    wrong.get("/videos").await.expect(StatusCode::UNAUTHORIZED);
    for (header, value) in [
        ("origin", "http://localhost"),
        ("sec-fetch-site", "same-origin"),
    ] {
        let request = service.client.get("/videos").header(header, value);
        request.await.expect(StatusCode::FORBIDDEN);
    }
    service.stop().await;
}

#[tokio::test]
async fn an_unknown_route_is_404_and_a_wrong_method_405_with_those_that_are_right() {
    let service = Running::start().await;
    let client: &TestClient = &service.client;
    for path in ["/", "/video", "/videos/", "/api/videos"] {
        client.get(path).await.expect(StatusCode::NOT_FOUND);
    }
    let wrong = client.post("/videos").await;
    let allowed = wrong.expect(StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(allowed.header("allow"), Some("GET,HEAD"));
    let wrong = client.post("/videos/1").await;
    wrong.expect(StatusCode::METHOD_NOT_ALLOWED);
    service.stop().await;
}
