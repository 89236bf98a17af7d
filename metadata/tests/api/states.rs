use axum::http::StatusCode;
use serde_json::json;

use super::{Running, id};

async fn three_videos() -> Running {
    let service = Running::start().await;
    for n in 1..=3 {
        service.register(n, "Title").await;
    }
    let gone = service.client.delete(&format!("/videos/{}", id(2))).await;
    gone.expect(StatusCode::NO_CONTENT);
    service
}

#[tokio::test]
async fn ids_are_present_deleted_or_unknown() {
    let service = three_videos().await;
    let ids = json!({ "ids": [id(1), id(2), id(9), id(1)] });
    let answer = service.client.post("/states").json(&ids).await;
    let mut expected = serde_json::Map::new();
    for (n, state) in [(1, "present"), (2, "deleted"), (9, "unknown")] {
        expected.insert(id(n).to_string(), json!(state));
    }
    assert_eq!(
        answer.expect(StatusCode::OK).value()["states"],
        json!(expected)
    );
    service.stop().await;
}

#[tokio::test]
async fn all_that_is_known_is_walked_in_the_order_of_the_ids() {
    let service = three_videos().await;
    let first = service.get("/states?limit=2").await;
    let known = json!([
        { "id": id(1), "state": "present" },
        { "id": id(2), "state": "deleted" },
    ]);
    assert_eq!(first, json!({ "known": known, "next": id(2) }));
    let rest = service
        .get(&format!("/states?limit=2&after={}", id(2)))
        .await;
    let known = json!([{ "id": id(3), "state": "present" }]);
    assert_eq!(rest, json!({ "known": known, "next": null }));
    service.stop().await;
}

#[tokio::test]
async fn states_are_told_to_services_only_and_of_what_is_an_id() {
    let service = Running::start().await;
    let stranger = service.client.clone().with_bearer("another token");
    stranger
        .get("/states")
        .await
        .expect(StatusCode::UNAUTHORIZED);
    let asked = stranger.post("/states").json(&json!({ "ids": [id(1)] }));
    asked.await.expect(StatusCode::UNAUTHORIZED);

    let too_many: Vec<_> = (0..501).map(id).collect();
    for ids in [json!([]), json!(too_many), json!(["nonsense"]), json!(null)] {
        let asked = service.client.post("/states").json(&json!({ "ids": ids }));
        asked.await.expect(StatusCode::BAD_REQUEST);
    }
    for bad in ["limit=0", "limit=501", "limit=x", "after=x"] {
        let asked = service.client.get(&format!("/states?{bad}")).await;
        asked.expect(StatusCode::BAD_REQUEST);
    }
    service.stop().await;
}
