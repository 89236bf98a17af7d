//! The service on MongoDB: its HTTP interface, and what becomes of it when the server goes away.
//!
//! The whole HTTP contract is tested with the embedded engine in `tests/api`; it is the same code.
//! Here stands every call once, so that every command is recorded that the service sends.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use clap::Parser as _;
use events::{Envelope, VideoDeleted, ViewCounted};
use serde_json::{Value, json};
use test_support::engines::mongodb::{MongoServer, own, shared};
use test_support::{DataFolder, TestClient, eventually};
use tokio::task::JoinHandle;

use super::*;
use crate::Command;
use crate::catalog::conformance::id;
use crate::catalog::mongodb::tests::commands::CommandLog;

const DEADLINE: Duration = Duration::from_secs(30);

const TOKEN: &str = "a-token-that-only-these-tests-know";

struct Running {
    client: TestClient,
    context: ServiceContext,
    config: Config,
    log: CommandLog,
    shutdown: CancellationToken,
    run: JoinHandle<Result<(), RunError>>,
    _folder: DataFolder,
}

impl Running {
    async fn start_on(server: &MongoServer) -> Self {
        let folder = DataFolder::new();
        let mut config = Command::parse_from([
            "metadata",
            "--listen=127.0.0.1:0",
            "--service-token",
            TOKEN,
            "--catalog-url",
            &server.database_url(),
            "--events-url",
            &format!("embedded:{}", folder.join("events.db").display()),
            "--drain-delay-seconds=0",
            "--drain-grace-seconds=5",
        ])
        .config;
        let log = CommandLog::default();
        match &mut config.catalog_url {
            CatalogUrl::Mongodb(url) => url.commands = Some(log.listener()),
            CatalogUrl::Sqlite(_) => unreachable!("the server's URL is none of SQLite's"),
        }
        let service = Service::bind(config.clone()).await.unwrap();
        let shutdown = CancellationToken::new();
        Self {
            client: TestClient::at(service.local_addr()).with_bearer(TOKEN),
            context: service.context().clone(),
            config,
            log,
            run: {
                #[expect(clippy::disallowed_methods, reason = "`stop` waits for it")]
                tokio::spawn(service.run(shutdown.clone()))
            },
            shutdown,
            _folder: folder,
        }
    }

    async fn get(&self, path: &str) -> Value {
        self.client.get(path).await.expect(StatusCode::OK).json()
    }

    async fn put(&self, n: u32, title: &str) -> test_support::TestResponse {
        let video = json!({
            "title": title,
            "content_type": "video/mp4",
            "size_bytes": 1_000 + n,
            "etag": format!("{n:064x}"),
            "duration_ms": 60_000,
            "width": 1920,
            "height": null,
            "uploaded_at": format!("2026-03-01T10:00:{n:02}.5Z"),
        });
        self.client.put(&path_of(n)).json(&video).await
    }

    async fn is_eventually_ready(&self, ready: bool) {
        let is_so = || async { (self.context.readiness.is_ready() == ready).then_some(()) };
        eventually(DEADLINE, is_so).await;
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.run.await.unwrap().unwrap();
        let CatalogUrl::Mongodb(url) = &self.config.catalog_url else {
            unreachable!("it was started on MongoDB")
        };
        let client = mongodb::Client::with_uri_str(url.as_str()).await.unwrap();
        let database = client.database(url.database());
        self.log.check(&database).await;
        database.drop().await.unwrap();
    }
}

fn path_of(n: u32) -> String {
    format!("/videos/{}", id(n))
}

fn titles(list: &Value) -> Vec<&str> {
    let videos = list["videos"].as_array().unwrap().iter();
    videos
        .map(|video| video["title"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn every_call_of_the_interface_is_answered_and_served_by_an_index() {
    let Some(server) = shared().await else { return };
    let service = Running::start_on(server).await;
    let bus = service.config.events.open().await.unwrap();
    for n in 1..=5 {
        let registered = service.put(n, &format!("Film {n}")).await;
        registered.expect(StatusCode::CREATED);
    }
    service.put(1, "Other").await.expect(StatusCode::OK);
    let edit =
        json!({"title": "Mandelbrot", "description": "donaudampfschifffahrt", "tags": ["a"]});
    let edited = service.client.patch(&path_of(2)).json(&edit).await;
    edited.expect(StatusCode::OK);
    let poster = service.client.put(&format!("{}/poster", path_of(2)));
    poster
        .json(&json!({"version": "00ff"}))
        .await
        .expect(StatusCode::NO_CONTENT);
    for (video, number) in [(3, 2), (3, 1), (9, 4)] {
        let counted = ViewCounted {
            session: id(video * 100),
            video: id(video),
            number,
        };
        bus.publish(Envelope::of(&counted)).await.unwrap();
    }
    eventually(DEADLINE, || async {
        (service.get(&path_of(3)).await["views"] == 2).then_some(())
    })
    .await;

    for (query, expected) in [
        (
            "",
            ["Film 5", "Film 4", "Film 3", "Mandelbrot", "Film 1"].as_slice(),
        ),
        (
            "sort=title&",
            &["Film 1", "Film 3", "Film 4", "Film 5", "Mandelbrot"],
        ),
        (
            "sort=views&",
            &["Film 3", "Film 5", "Film 4", "Mandelbrot", "Film 1"],
        ),
        ("q=film&", &["Film 5", "Film 4", "Film 3", "Film 1"]),
        ("q=film+4&sort=title&", &["Film 4"]),
        ("q=donaudampfschiff+a&", &["Mandelbrot"]),
        ("q=donaudampfschiffe&", &[]),
    ] {
        let mut seen: Vec<String> = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = service
                .get(&format!("/videos?{query}limit=2{cursor}"))
                .await;
            seen.extend(titles(&page).into_iter().map(str::to_owned));
            assert_eq!(page["incomplete"], false);
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, expected, "{query}");
    }
    let asked = format!("/titles?ids={},{}", id(2), id(77));
    assert_eq!(
        service.get(&asked).await["titles"][id(2).to_string()],
        "Mandelbrot"
    );

    let client = &service.client;
    client
        .delete(&path_of(5))
        .await
        .expect(StatusCode::NO_CONTENT);
    client.get(&path_of(5)).await.expect(StatusCode::NOT_FOUND);
    client
        .delete(&path_of(5))
        .await
        .expect(StatusCode::NOT_FOUND);
    service.put(5, "Back").await.expect(StatusCode::GONE);
    let mut subscription = bus.subscribe(Queue::HISTORY).await.unwrap();
    let delivery = tokio::time::timeout(DEADLINE, subscription.next()).await;
    let event: VideoDeleted = delivery.unwrap().unwrap().envelope.decode().unwrap();
    assert_eq!(event.video, id(5));

    let registered = service.put(9, "Awaited").await;
    let registered: Value = registered.expect(StatusCode::CREATED).json();
    assert_eq!(registered["views"], 4);
    let names = service.log.names();
    for name in [
        "find",
        "aggregate",
        "insert",
        "update",
        "findAndModify",
        "createIndexes",
    ] {
        assert!(names.iter().any(|sent| sent == name), "{name} was recorded");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_server_that_goes_away_is_503_soon_and_readiness_follows_it_both_ways() {
    let Some(mut server) = own().await else {
        return;
    };
    let service = Running::start_on(&server).await;
    service.put(1, "Title").await.expect(StatusCode::CREATED);
    service.is_eventually_ready(true).await;

    server.kill();
    let asked = Instant::now();
    let refused = service.client.get("/videos").await;
    refused.expect(StatusCode::SERVICE_UNAVAILABLE);
    // The driver by itself would look for the server for thirty seconds.
    assert!(asked.elapsed() < DEADLINE / 3, "{:?}", asked.elapsed());
    let refused = service.client.delete(&path_of(1)).await;
    refused.expect(StatusCode::SERVICE_UNAVAILABLE);
    service.is_eventually_ready(false).await;
    assert_eq!(service.context.readiness.obstacles(), ["catalogue"]);
    // The consumer holds what it cannot write.
    let bus = service.config.events.open().await.unwrap();
    let counted = ViewCounted {
        session: id(100),
        video: id(1),
        number: 1,
    };
    bus.publish(Envelope::of(&counted)).await.unwrap();

    server.start_again().await;
    service.is_eventually_ready(true).await;
    eventually(DEADLINE, || async {
        (service.get(&path_of(1)).await["views"] == 1).then_some(())
    })
    .await;
    service.stop().await;
}

#[tokio::test]
async fn a_server_that_comes_late_is_waited_for_while_requests_are_answered_503() {
    let Some(mut server) = own().await else {
        return;
    };
    server.kill();
    let service = Running::start_on(&server).await;
    let refused = service.client.get("/videos").await;
    refused.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert!(service.context.readiness.obstacles().contains(&"catalogue"));

    server.start_again().await;
    service.is_eventually_ready(true).await;
    service.put(1, "Title").await.expect(StatusCode::CREATED);
    service.stop().await;
}
