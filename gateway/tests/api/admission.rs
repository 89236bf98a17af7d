//! Hosts, origins, proxies and the rate limit.

use axum::http::StatusCode;
use test_support::RawConnection;

use crate::world::{OWNER_TOKEN, VIDEO, World};

#[tokio::test]
async fn a_foreign_host_is_misdirected_wherever_it_asks() {
    let world = World::start().await;
    for path in ["/", "/api/videos", "/api/none", "/none"] {
        let answer = world.client.get(path).header("host", "evil.example").await;
        let answer = answer.expect(StatusCode::MISDIRECTED_REQUEST);
        assert_eq!(answer.problem_kind(), "misdirected-request");
        assert_eq!(answer.header("set-cookie"), None);
    }
}

#[tokio::test]
async fn a_listed_host_is_answered() {
    let world = World::with(|setup| {
        setup.config.public.public_hosts = "videos.example.org".parse().unwrap();
    })
    .await;
    for host in [
        "videos.example.org",
        "Videos.Example.Org:8443",
        "localhost",
        "[::1]:4000",
    ] {
        let answer = world.client.get("/api/videos").header("host", host).await;
        answer.expect(StatusCode::OK);
    }
}

#[tokio::test]
async fn a_missing_or_repeated_host_is_a_bad_request() {
    let world = World::start().await;
    for head in [
        "GET /api/videos HTTP/1.0\r\n\r\n",
        "GET /api/videos HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        "GET /api/videos HTTP/1.1\r\nHost: user@localhost\r\n\r\n",
        "GET http://evil.example/api/videos HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let mut connection = RawConnection::open(world.address).await;
        connection.write(head).await;
        let answer = connection.read_head().await;
        assert!(answer.contains(" 400 "), "{head}{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
}

#[tokio::test]
async fn a_browsers_write_from_another_site_is_forbidden_even_with_the_right_token() {
    let world = World::owned().await;
    let path = format!("/api/videos/{VIDEO}");
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let request = world.client.delete(&path).header(name, value);
        let answer = request
            .header("authorization", &format!("Bearer {OWNER_TOKEN}"))
            .await;
        let answer = answer.expect(StatusCode::FORBIDDEN);
        assert_eq!(answer.problem_kind(), "forbidden");
        // Reading is left to the browser's own rules.
        let read = world.client.get(&path).header(name, value).await;
        read.expect(StatusCode::OK);
    }
    for path in ["/api/sign-in", "/api/watch-sessions/beats", "/api/none"] {
        let request = world
            .client
            .post(path)
            .header("sec-fetch-site", "cross-site");
        request.await.expect(StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn a_write_from_this_sites_own_pages_is_taken() {
    let world = World::start().await;
    let path = format!("/api/videos/{VIDEO}");
    let own = format!("http://{}", world.address);
    for (name, value) in [
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "none"),
        ("origin", own.as_str()),
    ] {
        let answer = world.client.delete(&path).header(name, value).await;
        answer.expect(StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn the_origin_of_a_page_over_tls_is_known_from_a_trusted_proxy_only() {
    let behind_proxy = World::with(|setup| {
        setup.config.public.public_hosts = "videos.example.org".parse().unwrap();
        setup.config.public.trusted_proxies = "127.0.0.0/8".parse().unwrap();
    })
    .await;
    let exposed = World::with(|setup| {
        setup.config.public.public_hosts = "videos.example.org".parse().unwrap();
    })
    .await;
    for (world, status) in [
        (&behind_proxy, StatusCode::NO_CONTENT),
        (&exposed, StatusCode::FORBIDDEN),
    ] {
        let request = world
            .client
            .delete(&format!("/api/videos/{VIDEO}"))
            .header("host", "videos.example.org")
            .header("origin", "https://videos.example.org")
            .header("x-forwarded-proto", "https");
        request.await.expect(status);
    }
}

#[tokio::test]
async fn the_rate_limit_counts_each_client_and_not_their_proxy() {
    let world = World::with(|setup| {
        setup.config.public.rate_limit_per_minute = 3;
        setup.config.public.trusted_proxies = "127.0.0.1".parse().unwrap();
    })
    .await;
    let ask = async |address: &str| {
        let request = world.client.get("/api/me");
        request.header("x-forwarded-for", address).await
    };
    for _ in 0..3 {
        ask("203.0.113.1").await.expect(StatusCode::OK);
    }
    let refusal = ask("203.0.113.1")
        .await
        .expect(StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = refusal.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    ask("203.0.113.2").await.expect(StatusCode::OK);
}

#[tokio::test]
async fn without_a_rate_limit_nobody_is_told_to_wait() {
    let world = World::start().await;
    for _ in 0..200 {
        world.client.get("/api/me").await.expect(StatusCode::OK);
    }
}
