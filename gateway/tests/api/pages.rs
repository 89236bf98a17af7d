//! The web pages.

use axum::http::StatusCode;

use crate::world::{VIDEO, World};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

#[tokio::test]
async fn every_address_of_the_app_answers_the_page() {
    let world = World::start().await;
    let watch = format!("/watch/{VIDEO}");
    for path in [
        "/",
        "/?q=x",
        watch.as_str(),
        "/upload",
        "/history",
        "/sign-in",
    ] {
        let page = world.client.get(path).await.expect(StatusCode::OK);
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert!(
            page.text().starts_with("<!doctype html>"),
            "{}",
            page.text()
        );
        let head = world.client.head(path).await.expect(StatusCode::OK);
        assert!(head.body.is_empty());
    }
}

#[tokio::test]
async fn the_page_may_load_nothing_from_elsewhere_and_be_framed_by_nobody() {
    let world = World::start().await;
    let page = world.client.get("/").await;
    let policy = page.header("content-security-policy").unwrap();
    for directive in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    ] {
        assert!(policy.split("; ").any(|one| one == directive), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cache-control", "private, no-cache"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    assert!(page.header("permissions-policy").is_some());
}

#[tokio::test]
async fn videos_may_come_from_the_blob_store_if_it_serves_them_itself_and_nothing_else_may() {
    let world = World::with(|setup| {
        let origin = "https://account.blob.core.windows.net".parse().unwrap();
        setup.config.public.media_origin = Some(origin);
    })
    .await;
    let page = world.client.get("/").await;
    let policy = page.header("content-security-policy").unwrap();
    let media = "media-src 'self' blob: https://account.blob.core.windows.net";
    let named = policy.split("; ").filter(|one| one.contains("https:"));
    assert_eq!(named.collect::<Vec<_>>(), [media]);
}

#[tokio::test]
async fn an_unknown_address_is_a_404_page_for_a_browser_and_a_problem_for_a_program() {
    let world = World::start().await;
    let page = world.client.get("/nowhere").header("accept", BROWSER).await;
    let page = page.expect(StatusCode::NOT_FOUND);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let api = world
        .client
        .get("/api/nowhere")
        .header("accept", BROWSER)
        .await;
    let api = api.expect(StatusCode::NOT_FOUND);
    assert_eq!(api.problem_kind(), "not-found");
    for accept in ["*/*", "application/json"] {
        let problem = world.client.get("/nowhere").header("accept", accept).await;
        let problem = problem.expect(StatusCode::NOT_FOUND);
        assert_eq!(problem.problem_kind(), "not-found");
    }
}

#[tokio::test]
async fn the_page_has_one_address_and_nothing_outside_of_the_front_end_is_reached() {
    let world = World::start().await;
    for path in [
        "/index.html",
        "/assets/",
        "/assets",
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "//",
    ] {
        let answer = world.client.get(path).await;
        answer.expect(StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn the_assets_that_the_page_names_are_there_for_ever_and_without_a_cookie() {
    let world = World::start().await;
    let page = world.client.get("/").await.text();
    // Without a built front end the page names none.
    let named = page
        .split('"')
        .filter(|text| text.starts_with("/assets/"))
        .map(str::to_owned);
    for path in named {
        let asset = world.client.get(&path).await.expect(StatusCode::OK);
        let cached = asset.header("cache-control");
        assert_eq!(
            cached,
            Some("public, max-age=31536000, immutable"),
            "{path}"
        );
        assert_eq!(asset.header("set-cookie"), None, "{path}");
        let etag = asset.header("etag").unwrap();
        let again = world.client.get(&path).header("if-none-match", etag).await;
        again.expect(StatusCode::NOT_MODIFIED);
        let write = world.client.post(&path).await;
        write.expect(StatusCode::METHOD_NOT_ALLOWED);
    }
}
