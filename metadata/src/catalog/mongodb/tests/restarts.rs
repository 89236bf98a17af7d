//! A server that goes away and comes back, and one that asks for a password.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use test_support::engines::mongodb::{own, own_with_password};
use test_support::eventually;

use super::*;
use crate::catalog::conformance::{id, new_video, register_all, time};

/// Longer than anything takes that a test waits for.
const DEADLINE: Duration = Duration::from_secs(30);

/// How soon a server that is down is known to be: a second, on a machine with something else to do.
const QUICKLY: Duration = Duration::from_millis(2_500);

fn is_unavailable<T>(outcome: &Result<T, CatalogError>) -> bool {
    matches!(outcome, Err(CatalogError::Unavailable { .. }))
}

#[tokio::test]
async fn without_a_server_opening_is_unavailable_at_once() {
    // A port that was free a moment ago, and that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap();
    drop(port);
    let url = format!("mongodb://{address}/films").parse().unwrap();
    let asked = Instant::now();
    assert!(is_unavailable(&MongoCatalog::open(&url).await));
    assert!(asked.elapsed() < QUICKLY, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_server_that_takes_connections_and_does_not_answer_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let url = format!("mongodb://{address}/films").parse().unwrap();
    let asked = Instant::now();
    assert!(is_unavailable(&MongoCatalog::open(&url).await));
    assert!(asked.elapsed() < 2 * QUICKLY, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn while_the_server_is_down_calls_fail_quickly_and_afterwards_nothing_is_lost() {
    let Some(mut server) = own().await else {
        return;
    };
    let database = Database::on(&server);
    let catalog = database.open().await;
    register_all(&catalog, (1..=3).map(|n| new_video(n, "Title")).collect()).await;
    catalog.amend(id(1), Change::ViewNumber(4)).await.unwrap();
    catalog.amend(id(9), Change::ViewNumber(5)).await.unwrap();
    let tombstone = Tombstone {
        video: id(2),
        deleted_at: time(0),
    };
    assert!(catalog.delete(tombstone).await.unwrap());
    let ids = [id(1), id(2), id(3)];
    let known = catalog.look_up(&ids).await.unwrap();

    server.kill();
    for _ in 0..3 {
        let asked = Instant::now();
        assert!(is_unavailable(&catalog.look_up(&ids).await));
        assert!(asked.elapsed() < QUICKLY, "{:?}", asked.elapsed());
    }
    let asked = Instant::now();
    assert!(is_unavailable(
        &catalog.register(new_video(4, "Title")).await
    ));
    assert!(asked.elapsed() < QUICKLY, "{:?}", asked.elapsed());

    server.start_again().await;
    let again = eventually(DEADLINE, || async { catalog.look_up(&ids).await.ok() }).await;
    assert_eq!(again, known);
    assert_eq!(catalog.pending_deletions(10).await.unwrap(), [tombstone]);
    match catalog.register(new_video(9, "Title")).await.unwrap() {
        Registration::Registered(video) => assert_eq!(video.views, 5),
        other => panic!("{other:?}"),
    }
    database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_the_server_was_killed_in_the_middle_of_writes_is_there() {
    let Some(mut server) = own().await else {
        return;
    };
    let database = Database::on(&server);
    let catalog = database.open().await;
    let mut registrations: FuturesUnordered<_> = (1..=2_000)
        .map(|n| {
            let catalog = &catalog;
            async move { (n, catalog.register(new_video(n, "Title")).await) }
        })
        .collect();
    let mut acknowledged = Vec::new();
    while let Some((n, outcome)) = registrations.next().await {
        match outcome {
            Ok(registration) => {
                assert!(matches!(registration, Registration::Registered(_)));
                acknowledged.push(n);
            }
            Err(error) => assert!(
                matches!(error, CatalogError::Unavailable { .. }),
                "{error:?}"
            ),
        }
        if acknowledged.len() == 300 {
            server.kill();
        }
    }
    assert!((300..2_000).contains(&acknowledged.len()));

    server.start_again().await;
    let ids: Vec<_> = acknowledged.iter().map(|n| id(*n)).collect();
    let found = eventually(DEADLINE, || async { catalog.look_up(&ids).await.ok() }).await;
    assert_eq!(found.len(), acknowledged.len());
    database.close().await;
}

#[tokio::test]
async fn who_does_not_know_the_password_is_told_so_and_may_try_again() {
    let Some(server) = own_with_password().await else {
        return;
    };
    let database = Database::on(&server);
    let catalog = database.open().await;
    register_all(&catalog, vec![new_video(1, "Title")]).await;

    let wrong = database.url.as_str().replace("p%40ss", "guessed");
    let refused = MongoCatalog::open(&wrong.parse().unwrap()).await;
    assert!(is_unavailable(&refused));
    let chain = service_kit::telemetry::chain(&refused.err().unwrap());
    assert!(chain.to_lowercase().contains("auth"), "{chain}");
    assert!(!chain.contains("guessed"), "{chain}");
    database.close().await;
}
