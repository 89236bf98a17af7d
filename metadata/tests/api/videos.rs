use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Running, id, registration};

#[tokio::test]
async fn a_registered_video_is_found_as_it_was_registered() {
    let service = Running::start().await;
    let path = format!("/videos/{}", id(1));
    let registered = service
        .client
        .put(&path)
        .json(&registration(1, "A ä"))
        .await;
    let record = registered.expect(StatusCode::CREATED).value();
    assert_eq!(
        record,
        json!({
            "id": id(1),
            "title": "A ä",
            "description": "",
            "tags": [],
            "content_type": "video/mp4",
            "size_bytes": 1001,
            "etag": format!("{:064x}", 1),
            "duration_ms": 60_000,
            "width": 1920,
            "height": null,
            "views": 0,
            "uploaded_at": "2026-03-01T10:00:01.5Z",
            "poster": null,
        })
    );
    assert_eq!(service.get(&path).await, record);
    service.stop().await;
}

#[tokio::test]
async fn registering_again_answers_200_with_what_was_there_first() {
    let service = Running::start().await;
    let first = service.register(1, "First").await;
    let path = format!("/videos/{}", id(1));
    let again = service
        .client
        .put(&path)
        .json(&registration(1, "Second"))
        .await;
    assert_eq!(again.expect(StatusCode::OK).value(), first);
    assert_eq!(service.get(&path).await, first);
    service.stop().await;
}

#[tokio::test]
async fn a_registration_that_breaks_a_rule_names_the_member() {
    let service = Running::start().await;
    let path = format!("/videos/{}", id(1));
    for (member, bad) in [
        ("title", json!("")),
        ("title", json!("x".repeat(201))),
        ("title", json!(7)),
        ("content_type", json!("mp4")),
        ("size_bytes", json!(-1)),
        ("size_bytes", json!(1.5)),
        ("size_bytes", json!(u64::MAX)),
        ("duration_ms", json!(-1)),
        ("etag", json!("\"abc\"")),
        ("width", json!("wide")),
        ("uploaded_at", json!("yesterday")),
    ] {
        let mut body = registration(1, "Title");
        body[member] = bad;
        let refused = service.client.put(&path).json(&body).await;
        let problem = refused.expect(StatusCode::BAD_REQUEST).value();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(member), "{member}: {detail}");
    }
    service
        .client
        .get(&path)
        .await
        .expect(StatusCode::NOT_FOUND);
    service.stop().await;
}

#[tokio::test]
async fn a_body_that_is_no_json_or_too_large_is_refused() {
    let service = Running::start().await;
    service.register(1, "Title").await;
    let path = format!("/videos/{}", id(1));
    let edit = |media_type: &str, body: String| service.client.patch(&path).body(media_type, body);
    let cases = [
        (
            edit("application/json", "{".to_owned()),
            StatusCode::BAD_REQUEST,
        ),
        (
            edit("application/json", "[]".to_owned()),
            StatusCode::BAD_REQUEST,
        ),
        (
            edit("text/plain", "{}".to_owned()),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        (
            edit("application/json", format!("{{}}{}", " ".repeat(70_000))),
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    ];
    for (request, status) in cases {
        request.await.expect(status);
    }
    service.stop().await;
}

#[tokio::test]
async fn an_edit_changes_the_members_it_names_and_ignores_unknown_ones() {
    let service = Running::start().await;
    let before = service.register(1, "Before").await;
    let path = format!("/videos/{}", id(1));
    let edit = json!({
        "description": "Two\nlines",
        "tags": [" b ", "a", "b"],
        "views": 1_000,
        "unknown": {},
    });
    let edited = service.client.patch(&path).json(&edit).await;
    let mut expected = before;
    expected["description"] = json!("Two\nlines");
    expected["tags"] = json!(["b", "a"]);
    assert_eq!(edited.expect(StatusCode::OK).value(), expected);
    assert_eq!(service.get(&path).await, expected);

    let nothing = service.client.patch(&path).json(&json!({})).await;
    assert_eq!(nothing.expect(StatusCode::OK).value(), expected);
    service.stop().await;
}

#[tokio::test]
async fn an_edit_that_breaks_a_rule_changes_nothing_and_says_what_is_accepted() {
    let service = Running::start().await;
    let before = service.register(1, "Title").await;
    let path = format!("/videos/{}", id(1));
    let long: Vec<Value> = (0..21).map(|n| json!(n.to_string())).collect();
    for (edit, said) in [
        (json!({"title": " "}), "title must be 1 to 200 characters"),
        (
            json!({"title": "a\u{7}b"}),
            "title must be 1 to 200 characters",
        ),
        (json!({"title": null}), "title"),
        (
            json!({"description": "x".repeat(5_001)}),
            "description must be 0 to 5000",
        ),
        (json!({"tags": long}), "tags must be at most 20"),
        (json!({"tags": [""]}), "tags must be at most 20"),
        (json!({"tags": "a"}), "tags"),
        (
            json!({"title": "Good", "tags": ["x".repeat(51)]}),
            "tags must be",
        ),
    ] {
        let refused = service.client.patch(&path).json(&edit).await;
        let problem = refused.expect(StatusCode::BAD_REQUEST).value();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(said), "{detail}");
    }
    assert_eq!(service.get(&path).await, before);
    service.stop().await;
}

#[tokio::test]
async fn a_poster_is_shown_by_its_version() {
    let service = Running::start().await;
    service.register(1, "Title").await;
    let path = format!("/videos/{}", id(1));
    let poster = format!("{path}/poster");
    for version in ["0123456789abcdef", "fedcba9876543210"] {
        let put = service
            .client
            .put(&poster)
            .json(&json!({"version": version}));
        put.await.expect(StatusCode::NO_CONTENT);
        assert_eq!(service.get(&path).await["poster"], version);
    }
    for bad in ["", "a/b", "a?b", &"x".repeat(65)] {
        let put = service.client.put(&poster).json(&json!({"version": bad}));
        put.await.expect(StatusCode::BAD_REQUEST);
    }
    service.stop().await;
}

#[tokio::test]
async fn an_id_that_names_nothing_is_404_whatever_its_form() {
    let service = Running::start().await;
    let unknown = id(404).to_string();
    for id in [
        unknown.as_str(),
        "1",
        "%00",
        "%ff",
        "..%2f..",
        &"x".repeat(500),
    ] {
        let path = format!("/videos/{id}");
        let client = &service.client;
        client.get(&path).await.expect(StatusCode::NOT_FOUND);
        client.delete(&path).await.expect(StatusCode::NOT_FOUND);
        let edit = client.patch(&path).json(&json!({"title": "New"}));
        edit.await.expect(StatusCode::NOT_FOUND);
        let poster = client
            .put(&format!("{path}/poster"))
            .json(&json!({"version": "1"}));
        poster.await.expect(StatusCode::NOT_FOUND);
    }
    service.stop().await;
}

#[tokio::test]
async fn titles_are_answered_for_the_videos_that_are_there() {
    let service = Running::start().await;
    for n in 1..=3 {
        service.register(n, &format!("Title {n}")).await;
    }
    let gone = format!("/videos/{}", id(2));
    service
        .client
        .delete(&gone)
        .await
        .expect(StatusCode::NO_CONTENT);

    let ids = format!("{},{},{},{},nonsense", id(3), id(2), id(1), id(9));
    let answer = service.get(&format!("/titles?ids={ids}")).await;
    let mut expected = json!({"titles": {}});
    expected["titles"][id(1).to_string()] = json!("Title 1");
    expected["titles"][id(3).to_string()] = json!("Title 3");
    assert_eq!(answer, expected);

    let too_many = vec![id(1).to_string(); 101].join(",");
    for path in ["/titles".to_owned(), format!("/titles?ids={too_many}")] {
        service
            .client
            .get(&path)
            .await
            .expect(StatusCode::BAD_REQUEST);
    }
    service.stop().await;
}
