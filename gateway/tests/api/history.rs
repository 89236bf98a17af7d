//! One's own history.

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use crate::world::{UNKNOWN, VIDEO, World, count, last};

#[tokio::test]
async fn entries_have_titles_and_deleted_videos_are_left_out() {
    let world = World::start().await;
    let browser = world.browser();
    browser.get("/").await.expect(StatusCode::OK);
    let history = browser.get("/api/history?limit=2&cursor=a%26b").await;
    assert_eq!(
        history.expect(StatusCode::OK).value(),
        json!({
            "entries": [{
                "video_id": VIDEO,
                "title": "A walk",
                "position_ms": 1500,
                "watched_ms": 1600,
                "finished": false,
                "last_watched_at": "2026-01-03T03:04:05.678Z",
            }],
            "next_cursor": "next",
        })
    );
    let asked = last(&world.history).target;
    assert!(asked.ends_with("/entries?limit=2&cursor=a%26b"), "{asked}");
    let titles = last(&world.metadata).target;
    assert_eq!(titles, format!("/titles?ids={VIDEO}%2C{UNKNOWN}"));
}

#[tokio::test]
async fn an_empty_page_asks_for_no_titles() {
    let world = World::with(|setup| {
        let page = json!({"entries": [], "next_cursor": null});
        let entries = get(async move || Json(page));
        setup.history = Some(Router::new().route("/viewers/{viewer}/entries", entries));
    })
    .await;
    let browser = world.browser();
    browser.get("/").await.expect(StatusCode::OK);
    let history = browser.get("/api/history").await.value();
    assert_eq!(history, json!({"entries": [], "next_cursor": null}));
    assert_eq!(count(&world.metadata), 0);
}

#[tokio::test]
async fn who_has_no_cookie_has_no_history_and_cannot_ask_wrongly_either() {
    let world = World::start().await;
    let history = world.client.get("/api/history?limit=100").await;
    let history = history.expect(StatusCode::OK).value();
    assert_eq!(history, json!({"entries": [], "next_cursor": null}));
    for path in [
        "/api/history?limit=0",
        "/api/history?limit=101",
        "/api/history?limit=x",
        "/api/history?limit=",
        "/api/history?cursor=x",
    ] {
        let answer = world.client.get(path).await;
        answer.expect(StatusCode::BAD_REQUEST);
    }
    for path in ["/api/history".to_owned(), format!("/api/history/{VIDEO}")] {
        let answer = world.client.delete(&path).await;
        answer.expect(StatusCode::NO_CONTENT);
    }
    assert_eq!(count(&world.history), 0);
}

#[tokio::test]
async fn a_viewer_deletes_one_entry_or_all() {
    let world = World::start().await;
    let browser = world.browser();
    browser.get("/").await.expect(StatusCode::OK);
    let one = browser.delete(&format!("/api/history/{VIDEO}")).await;
    one.expect(StatusCode::NO_CONTENT);
    let asked = last(&world.history);
    assert_eq!(asked.method, "DELETE");
    assert!(
        asked.target.ends_with(&format!("/entries/{VIDEO}")),
        "{}",
        asked.target
    );
    browser
        .delete("/api/history")
        .await
        .expect(StatusCode::NO_CONTENT);
    assert!(last(&world.history).target.ends_with("/entries"));
}

#[tokio::test]
async fn without_history_or_the_catalogue_the_page_says_what_is_missing() {
    for (history_down, missing) in [(true, "history"), (false, "catalogue")] {
        let world = World::with(|setup| {
            if history_down {
                setup.history = None;
            } else {
                setup.metadata = None;
            }
        })
        .await;
        let browser = world.browser();
        browser.get("/").await.expect(StatusCode::OK);
        let answer = browser.get("/api/history").await;
        let answer = answer.expect(StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.text().contains(missing), "{}", answer.text());
    }
}
