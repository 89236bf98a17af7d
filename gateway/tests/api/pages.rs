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

#[tokio::test]
async fn nothing_of_the_development_is_there_without_its_setting() {
    let world = World::start().await;
    for path in ["/development/live-reload.js", "/development/state"] {
        world.client.get(path).await.expect(StatusCode::NOT_FOUND);
    }
    let page = world.client.get("/").await;
    assert!(!page.text().contains("development"), "{}", page.text());
}

#[tokio::test]
async fn in_development_the_newest_page_comes_with_a_script_and_the_same_policy() {
    let strict = World::start().await;
    let strict = strict.client.get("/").await;
    let folder = test_support::DataFolder::new();
    let published = folder.path().to_owned();
    std::fs::create_dir_all(published.join("web")).unwrap();
    std::fs::create_dir_all(published.join("status")).unwrap();
    let html = "<!doctype html><head></head><p>newest";
    std::fs::write(published.join("web/index.html"), html).unwrap();
    let setting = published.clone();
    let world = World::with(|setup| setup.config.development_folder = Some(setting)).await;
    let page = world.client.get("/").await.expect(StatusCode::OK);
    assert!(page.text().contains("<p>newest"), "{}", page.text());
    assert!(
        page.text().contains("/development/live-reload.js"),
        "{}",
        page.text()
    );
    let policy = "content-security-policy";
    assert_eq!(page.header(policy), strict.header(policy));
    assert!(page.header("set-cookie").is_some());
    let script = world.client.get("/development/live-reload.js").await;
    let script = script.expect(StatusCode::OK);
    assert_eq!(
        script.header("content-type"),
        Some("text/javascript; charset=utf-8")
    );

    let state = world
        .client
        .get("/development/state")
        .await
        .expect(StatusCode::OK);
    let known = state.value()["state"].as_str().unwrap().to_owned();
    let report = r#"{"problems":[{"title":"broken","text":"x"}],"versions":{}}"#;
    std::fs::write(published.join("status/build.json"), report).unwrap();
    let next = world
        .client
        .get(&format!("/development/state?since={known}"))
        .await;
    assert_eq!(next.value()["problems"][0]["title"], "broken");
}
