//! The viewer's cookie: who gets it, and what it says.

use axum::http::StatusCode;
use test_support::TestResponse;

use crate::world::{VIDEO, World, last};

fn viewer_cookie(answer: &TestResponse) -> Option<String> {
    answer
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|value| value.to_str().unwrap().to_owned())
        .find(|value| value.starts_with("viewer="))
}

fn watch_sessions() -> String {
    format!("/api/videos/{VIDEO}/watch-sessions")
}

#[tokio::test]
async fn pages_and_watch_sessions_set_the_cookie_for_400_days() {
    let world = World::start().await;
    for answer in [
        world.client.get("/").await,
        world.client.get("/history").await,
        world.client.post(&watch_sessions()).await,
    ] {
        let cookie = viewer_cookie(&answer).expect("a cookie is set");
        for attribute in [
            "; HttpOnly",
            "; SameSite=Lax",
            "; Path=/",
            "; Max-Age=34560000",
        ] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        assert!(!cookie.contains("Secure"), "{cookie}");
    }
}

#[tokio::test]
async fn nothing_else_sets_a_cookie() {
    let world = World::start().await;
    let stream = format!("/api/videos/{VIDEO}/stream");
    let poster = format!("/api/videos/{VIDEO}/poster");
    for path in [
        "/api/videos",
        "/api/history",
        "/api/me",
        "/api/none",
        "/none",
        stream.as_str(),
        poster.as_str(),
    ] {
        let answer = world.client.get(path).await;
        assert_eq!(answer.header("set-cookie"), None, "{path}");
        let answer = world.client.head(path).await;
        assert_eq!(answer.header("set-cookie"), None, "HEAD {path}");
    }
}

#[tokio::test]
async fn a_viewer_stays_the_same_and_the_cookie_is_renewed() {
    let world = World::start().await;
    let browser = world.browser();
    browser.get("/").await.expect(StatusCode::OK);
    let first = browser.cookie("viewer").unwrap();
    let again = browser.get("/").await;
    assert!(
        viewer_cookie(&again)
            .unwrap()
            .starts_with(&format!("viewer={first};"))
    );
    browser
        .post(&watch_sessions())
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(browser.cookie("viewer"), Some(first));
}

#[tokio::test]
async fn the_services_learn_the_viewer_from_a_cookie_that_holds_and_from_nothing_else() {
    let world = World::start().await;
    let browser = world.browser();
    browser
        .post(&watch_sessions())
        .await
        .expect(StatusCode::CREATED);
    let viewer = last(&world.video_streaming).headers["x-viewer"].clone();

    let stream = format!("/api/videos/{VIDEO}/stream");
    browser.get(&stream).await.expect(StatusCode::OK);
    assert_eq!(last(&world.video_streaming).headers["x-viewer"], viewer);

    let cookie = browser.cookie("viewer").unwrap();
    let forged = format!("viewer={}", cookie.replace('.', "0."));
    let requests = [
        world.client.get(&stream),
        world.client.get(&stream).header("cookie", &forged),
        world
            .client
            .get(&stream)
            .header("x-viewer", viewer.to_str().unwrap()),
    ];
    for request in requests {
        request.await.expect(StatusCode::OK);
        assert_eq!(last(&world.video_streaming).headers.get("x-viewer"), None);
    }
}

#[tokio::test]
async fn a_forged_cookie_is_replaced_by_a_new_viewer() {
    let world = World::start().await;
    let forged = "0".repeat(32);
    let request = world
        .client
        .get("/")
        .header("cookie", &format!("viewer={forged}.AAAA"));
    let cookie = viewer_cookie(&request.await).unwrap();
    assert!(!cookie.contains(&forged), "{cookie}");
}

#[tokio::test]
async fn over_tls_the_cookie_is_secure_when_a_trusted_proxy_says_so() {
    let world = World::with(|setup| {
        setup.config.public.trusted_proxies = "127.0.0.1".parse().unwrap();
    })
    .await;
    let request = world.client.get("/").header("x-forwarded-proto", "https");
    assert!(viewer_cookie(&request.await).unwrap().ends_with("; Secure"));
    let untrusting = World::start().await;
    let request = untrusting
        .client
        .get("/")
        .header("x-forwarded-proto", "https");
    assert!(!viewer_cookie(&request.await).unwrap().contains("Secure"));
}
