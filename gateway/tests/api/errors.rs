//! Every error is problem+json with the right status; the client checks the form of each.

use axum::Router;
use axum::http::{Method, StatusCode};
use axum::routing::any;
use serde_json::json;
use service_kit::problem::Problem;

use crate::world::{UNKNOWN, VIDEO, World};

#[tokio::test]
async fn an_unknown_route_is_a_404_for_every_method() {
    let world = World::start().await;
    for path in [
        "/api",
        "/api/",
        "/api/none",
        "/api/videos/",
        "/none",
        "/assets/none.js",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let answer = world.client.request(method, path).await;
            let answer = answer.expect(StatusCode::NOT_FOUND);
            assert_eq!(answer.problem_kind(), "not-found", "{path}");
        }
    }
}

#[tokio::test]
async fn an_unknown_route_is_a_404_also_where_there_is_an_owner() {
    let world = World::owned().await;
    let answer = world.client.post("/api/none").await;
    answer.expect(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_wrong_method_is_a_405_that_names_the_right_ones() {
    let world = World::owned().await;
    for (method, path, allowed) in [
        (Method::PUT, "/api/videos", vec!["GET", "POST"]),
        (
            Method::POST,
            "/api/videos/x",
            vec!["GET", "PATCH", "DELETE"],
        ),
        (Method::POST, "/api/videos/x/poster", vec!["GET", "PUT"]),
        (Method::POST, "/api/videos/x/stream", vec!["GET", "HEAD"]),
        (Method::GET, "/api/watch-sessions/beats", vec!["POST"]),
        (Method::GET, "/api/history/x", vec!["DELETE"]),
        (Method::GET, "/api/sign-in", vec!["POST"]),
        (Method::DELETE, "/", vec!["GET"]),
    ] {
        let answer = world.client.request(method, path).await;
        let answer = answer.expect(StatusCode::METHOD_NOT_ALLOWED);
        let allow = answer.header("allow").unwrap();
        for method in allowed {
            assert!(
                allow.split(',').any(|one| one.trim() == method),
                "{path}: {allow}"
            );
        }
    }
}

#[tokio::test]
async fn an_id_that_names_nothing_is_a_404_whatever_its_form() {
    let world = World::start().await;
    let ids = [
        UNKNOWN,
        "1",
        "%00",
        "%ff",
        "..%2f..",
        "a%20b",
        &VIDEO.to_uppercase(),
    ];
    for id in ids {
        for (method, suffix) in [
            (Method::GET, ""),
            (Method::DELETE, ""),
            (Method::GET, "/poster"),
            (Method::GET, "/stream"),
            (Method::POST, "/watch-sessions"),
        ] {
            let path = format!("/api/videos/{id}{suffix}");
            let answer = world.client.request(method, &path).await;
            answer.expect(StatusCode::NOT_FOUND);
        }
        let path = format!("/api/videos/{id}");
        let edit = world.client.patch(&path).json(&json!({"title": "x"})).await;
        edit.expect(StatusCode::NOT_FOUND);
        let put = world
            .client
            .put(&format!("{path}/poster"))
            .body("image/png", "x")
            .await;
        put.expect(StatusCode::NOT_FOUND);
    }
    let answer = world.client.delete("/api/history/1").await;
    answer.expect(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_a_400_and_another_media_type_a_415() {
    let world = World::start().await;
    let video = format!("/api/videos/{VIDEO}");
    for (method, path) in [
        (Method::PATCH, video.as_str()),
        (Method::POST, "/api/watch-sessions/beats"),
        (Method::POST, "/api/sign-in"),
    ] {
        for body in ["", "{", "[]", "null", "\"x\"", "{} {}"] {
            let request = world.client.request(method.clone(), path);
            let answer = request.body("application/json", body).await;
            answer.expect(StatusCode::BAD_REQUEST);
        }
        let request = world.client.request(method.clone(), path);
        let answer = request.body("text/plain", "{}").await;
        answer.expect(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let request = world.client.request(method.clone(), path);
        let large = format!("{{\"x\": \"{}\"}}", "x".repeat(70_000));
        let answer = request.body("application/json", large).await;
        answer.expect(StatusCode::PAYLOAD_TOO_LARGE);
    }
}

#[tokio::test]
async fn a_repeated_parameter_is_a_400() {
    let world = World::start().await;
    let stream = format!("/api/videos/{VIDEO}/stream?session=a&session=b");
    for path in [
        "/api/videos?limit=1&limit=2",
        "/api/videos?q=a&q=b",
        "/api/history?limit=1&limit=2",
        stream.as_str(),
    ] {
        let answer = world.client.get(path).await;
        answer.expect(StatusCode::BAD_REQUEST);
    }
    let upload = world
        .client
        .post("/api/videos?title=a&title=b")
        .body("video/mp4", "x");
    upload.await.expect(StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_service_that_is_down_is_a_503_that_says_which_part_is_missing() {
    let world = World::with(|setup| {
        setup.metadata = None;
        setup.video_storage = None;
        setup.video_streaming = None;
        setup.history = None;
    })
    .await;
    let browser = world.browser();
    browser.get("/").await.expect(StatusCode::OK);
    let video = format!("/api/videos/{VIDEO}");
    for (request, missing) in [
        (browser.get("/api/videos"), "catalogue"),
        (browser.get(&video), "catalogue"),
        (browser.delete(&video), "catalogue"),
        (
            browser.patch(&video).json(&json!({"title": "x"})),
            "catalogue",
        ),
        (
            browser
                .put(&format!("{video}/poster"))
                .body("image/png", "x"),
            "catalogue",
        ),
        (browser.get(&format!("{video}/poster")), "catalogue"),
        (
            browser.post("/api/videos?title=x").body("video/mp4", "x"),
            "store",
        ),
        (browser.get(&format!("{video}/stream")), "Playing"),
        (browser.post(&format!("{video}/watch-sessions")), "Playing"),
        (
            browser.post("/api/watch-sessions/beats").json(&json!({})),
            "Playing",
        ),
        (browser.get("/api/history"), "history"),
        (browser.delete("/api/history"), "history"),
    ] {
        let answer = request.await.expect(StatusCode::SERVICE_UNAVAILABLE);
        let detail = answer.value()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(missing), "{detail}");
    }
}

#[tokio::test]
async fn a_service_that_fails_or_does_not_know_the_gateway_is_a_500_without_details() {
    for problem in [
        Problem::internal(),
        Problem::unauthorized("The service token is wrong."),
        Problem::forbidden("Not for browsers."),
    ] {
        let failing = || Some(Router::new().fallback(any(problem.clone())));
        let world = World::with(|setup| {
            setup.metadata = failing();
            setup.video_storage = failing();
            setup.video_streaming = failing();
        })
        .await;
        let video = format!("/api/videos/{VIDEO}");
        for request in [
            world.client.get("/api/videos"),
            world.client.get(&video),
            world
                .client
                .post("/api/videos?title=x")
                .body("video/mp4", "x"),
            world.client.get(&format!("{video}/stream")),
            world.client.post(&format!("{video}/watch-sessions")),
        ] {
            let answer = request.await.expect(StatusCode::INTERNAL_SERVER_ERROR);
            assert!(!answer.text().contains("token"), "{}", answer.text());
        }
    }
}

#[tokio::test]
async fn a_service_that_says_how_long_to_wait_is_quoted() {
    let busy =
        Problem::unavailable("The bus is full.").retry_after(std::time::Duration::from_secs(7));
    let world = World::with(|setup| {
        setup.video_streaming = Some(Router::new().fallback(any(busy)));
    })
    .await;
    let beats = world
        .client
        .post("/api/watch-sessions/beats")
        .json(&json!({}))
        .await;
    let beats = beats.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(beats.header("retry-after"), Some("7"));
    let stream = world
        .client
        .get(&format!("/api/videos/{VIDEO}/stream"))
        .await;
    let stream = stream.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(stream.header("retry-after"), Some("7"));
}
