//! Who may write, and signing in.

use axum::http::StatusCode;
use gateway::{BindError, Service};
use serde_json::json;

use crate::world::{OWNER_TOKEN, VIDEO, World, config, count};

#[tokio::test]
async fn without_a_token_everybody_on_this_machine_may_write() {
    let world = World::start().await;
    let me = world.client.get("/api/me").await.value();
    assert_eq!(me["may_write"], true);
    assert_eq!(me["sign_in"], false);
    assert_eq!(me["signed_in"], false);
    assert_eq!(me["max_video_bytes"], 1024 * 1024);
    let path = format!("/api/videos/{VIDEO}");
    world
        .client
        .delete(&path)
        .await
        .expect(StatusCode::NO_CONTENT);
    let form = json!({"token": OWNER_TOKEN});
    let sign_in = world.client.post("/api/sign-in").json(&form).await;
    sign_in.expect(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn with_a_token_every_write_needs_it() {
    let world = World::owned().await;
    let video = format!("/api/videos/{VIDEO}");
    let poster = format!("{video}/poster");
    let requests = || {
        [
            world
                .client
                .post("/api/videos?title=x")
                .body("video/mp4", "bytes"),
            world.client.patch(&video).json(&json!({"title": "x"})),
            world.client.put(&poster).body("image/png", "bytes"),
            world.client.delete(&video),
        ]
    };
    for request in requests() {
        let answer = request.await.expect(StatusCode::UNAUTHORIZED);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    for request in requests() {
        let answer = request
            .header("authorization", "Bearer something-else")
            .await;
        answer.expect(StatusCode::UNAUTHORIZED);
    }
    let asked = count(&world.metadata) + count(&world.video_storage);
    assert_eq!(asked, 0, "nothing is asked for somebody who may not write");
    let bearer = format!("Bearer {OWNER_TOKEN}");
    for request in requests() {
        let answer = request.header("authorization", &bearer).await;
        assert!(answer.status.is_success(), "{}", answer.status);
    }
}

#[tokio::test]
async fn playing_and_ones_own_history_need_no_token() {
    let world = World::owned().await;
    let browser = world.browser();
    let sessions = format!("/api/videos/{VIDEO}/watch-sessions");
    browser.post(&sessions).await.expect(StatusCode::CREATED);
    let beat = json!({"session": "signed", "seq": 1, "position_ms": 0, "state": "playing"});
    let beats = browser.post("/api/watch-sessions/beats").json(&beat).await;
    beats.expect(StatusCode::NO_CONTENT);
    let own = format!("/api/history/{VIDEO}");
    browser.delete(&own).await.expect(StatusCode::NO_CONTENT);
    browser
        .delete("/api/history")
        .await
        .expect(StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn the_owner_signs_in_writes_and_signs_out() {
    let world = World::owned().await;
    let browser = world.browser();
    let video = format!("/api/videos/{VIDEO}");
    let form = json!({"token": OWNER_TOKEN});
    let welcome = browser.post("/api/sign-in").json(&form).await;
    let welcome = welcome.expect(StatusCode::NO_CONTENT);
    let cookie = welcome.header("set-cookie").unwrap().to_owned();
    for attribute in [
        "owner=",
        "; HttpOnly",
        "; SameSite=Strict",
        "; Path=/",
        "; Max-Age=2592000",
    ] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(
        !cookie.contains("Secure") && !cookie.contains(OWNER_TOKEN),
        "{cookie}"
    );

    let me = browser.get("/api/me").await.value();
    assert_eq!(
        (&me["may_write"], &me["signed_in"]),
        (&json!(true), &json!(true))
    );
    browser.delete(&video).await.expect(StatusCode::NO_CONTENT);

    browser
        .post("/api/sign-out")
        .await
        .expect(StatusCode::NO_CONTENT);
    let me = browser.get("/api/me").await.value();
    assert_eq!(
        (&me["may_write"], &me["sign_in"]),
        (&json!(false), &json!(true))
    );
    browser
        .delete(&video)
        .await
        .expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_forged_owner_cookie_gives_no_right() {
    let world = World::owned().await;
    let request = world.client.delete(&format!("/api/videos/{VIDEO}"));
    let answer = request.header("cookie", "owner=9999999999.AAAA").await;
    answer.expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn guessing_the_token_ends_after_ten_failures() {
    let world = World::owned().await;
    let guess = async |token: &str| {
        let form = json!({ "token": token });
        world.client.post("/api/sign-in").json(&form).await
    };
    for _ in 0..10 {
        guess("wrong").await.expect(StatusCode::UNAUTHORIZED);
    }
    guess(OWNER_TOKEN)
        .await
        .expect(StatusCode::TOO_MANY_REQUESTS);
    // The token itself still opens the door.
    let request = world.client.delete(&format!("/api/videos/{VIDEO}"));
    let answer = request
        .header("authorization", &format!("Bearer {OWNER_TOKEN}"))
        .await;
    answer.expect(StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_sign_in_without_a_token_in_it_is_a_bad_request() {
    let world = World::owned().await;
    for body in [json!({}), json!({"token": 1}), json!([]), json!("token")] {
        let answer = world.client.post("/api/sign-in").json(&body).await;
        answer.expect(StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn a_gateway_that_others_can_reach_does_not_start_without_an_owner() {
    let mut open = config();
    open.listen = "0.0.0.0:0".parse().unwrap();
    let refusal = Service::bind(open.clone()).await.unwrap_err();
    assert!(matches!(refusal, BindError::Settings(_)), "{refusal}");
    assert!(refusal.to_string().contains("OWNER_TOKEN"), "{refusal}");
    let mut owned = open.clone();
    owned.public.owner_token = Some(OWNER_TOKEN.parse().unwrap());
    assert!(Service::bind(owned).await.is_ok());
    open.public.allow_anonymous_writes = true;
    assert!(Service::bind(open).await.is_ok());
}
