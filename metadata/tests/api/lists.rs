use axum::http::StatusCode;
use serde_json::json;

use super::{Running, id, titles};

#[tokio::test]
async fn lists_come_in_pages_by_each_order() {
    let service = Running::start().await;
    for (n, title) in [(1, "banana"), (2, "Äpfel"), (3, "cherry")] {
        service.register(n, title).await;
    }
    for (order, expected) in [
        ("", ["cherry", "Äpfel", "banana"]),
        ("&sort=newest", ["cherry", "Äpfel", "banana"]),
        ("&sort=title", ["Äpfel", "banana", "cherry"]),
        ("&sort=views", ["cherry", "Äpfel", "banana"]),
    ] {
        let first = service.get(&format!("/videos?limit=2{order}")).await;
        assert_eq!(titles(&first), expected[..2]);
        assert_eq!(first["incomplete"], false);
        let cursor = first["next_cursor"].as_str().unwrap();
        let last = service
            .get(&format!("/videos?limit=2{order}&cursor={cursor}"))
            .await;
        assert_eq!(titles(&last), expected[2..]);
        assert_eq!(last["next_cursor"], json!(null));
    }
    service.stop().await;
}

#[tokio::test]
async fn a_page_has_24_videos_unless_it_is_told_otherwise() {
    let service = Running::start().await;
    for n in 0..25 {
        service.register(n, "Title").await;
    }
    let page = service.get("/videos").await;
    assert_eq!(titles(&page).len(), 24);
    assert!(page["next_cursor"].is_string());
    let page = service.get("/videos?limit=100").await;
    assert_eq!(titles(&page).len(), 25);
    assert!(page["next_cursor"].is_null());
    service.stop().await;
}

#[tokio::test]
async fn a_search_finds_beginnings_of_words_without_case_and_accents() {
    let service = Running::start().await;
    service.register(1, "Die Große Straße").await;
    service.register(2, "Große Brücke").await;
    let edit = json!({"description": "An der Elbe", "tags": ["Dresden"]});
    let path = format!("/videos/{}", id(1));
    service
        .client
        .patch(&path)
        .json(&edit)
        .await
        .expect(StatusCode::OK);
    for (query, expected) in [
        ("grosse", &["Große Brücke", "Die Große Straße"][..]),
        ("GRO+STRASSE", &["Die Große Straße"]),
        ("dres%20elbe", &["Die Große Straße"]),
        ("%21%3F", &[]),
        ("nothing", &[]),
        ("+%20", &["Große Brücke", "Die Große Straße"]),
    ] {
        let page = service.get(&format!("/videos?q={query}")).await;
        assert_eq!(titles(&page), expected, "{query}");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_wrong_parameter_is_refused_with_what_is_accepted() {
    let service = Running::start().await;
    for (parameters, said) in [
        ("limit=0", "limit must be an integer from 1 to 100"),
        ("limit=101", "limit must be an integer from 1 to 100"),
        ("limit=ten", "limit must be an integer from 1 to 100"),
        ("limit=", "limit must be an integer from 1 to 100"),
        ("limit=1&limit=2", "limit"),
        ("sort=oldest", "sort must be newest, title or views"),
        ("sort=", "sort must be newest, title or views"),
        ("q=a&q=b", "q"),
        (
            &format!("q={}", "%C3%A4".repeat(201)),
            "q must be at most 200 characters",
        ),
        ("cursor=", "cursor must be"),
        ("cursor=abc", "cursor must be"),
        ("cursor=%00", "cursor must be"),
    ] {
        let refused = service.client.get(&format!("/videos?{parameters}")).await;
        let problem = refused.expect(StatusCode::BAD_REQUEST).value();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(said), "{detail}");
    }
    let fits = format!("/videos?q={}&unknown=1&unknown=2", "%C3%A4".repeat(200));
    assert_eq!(titles(&service.get(&fits).await).len(), 0);
    service.stop().await;
}

#[tokio::test]
async fn a_cursor_is_refused_for_another_list_than_its_own() {
    let service = Running::start().await;
    for n in 0..3 {
        service.register(n, "Title").await;
    }
    let first = service.get("/videos?limit=1&q=title&sort=title").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    for other in [
        "q=title",
        "q=titl&sort=title",
        "sort=title",
        "q=title&sort=views",
    ] {
        let path = format!("/videos?{other}&cursor={cursor}");
        let refused = service.client.get(&path).await;
        refused.expect(StatusCode::BAD_REQUEST);
    }
    let own = format!("/videos?limit=2&q=title&sort=title&cursor={cursor}");
    assert_eq!(titles(&service.get(&own).await).len(), 2);
    service.stop().await;
}
