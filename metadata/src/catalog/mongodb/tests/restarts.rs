//! A server that goes away and comes back, and one that asks for a password.

use std::cell::Cell;
use std::future::ready;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use test_support::engines::mongodb::{own, own_with_password};
use test_support::eventually;

use super::*;
use crate::catalog::conformance::{id, new_video, register_all, time};

/// Longer than anything takes that a test waits for.
const DEADLINE: Duration = Duration::from_secs(30);

/// A server that is there must be found in this also on a busy machine, and one that is down is
/// given up after it. A service gives it a second.
const LOOKED_FOR: Duration = Duration::from_secs(3);

/// Left to itself the driver would wait ten seconds for a silent server and thirty for one that is
/// down; a busy machine may take what is in between.
const QUICKLY: Duration = Duration::from_secs(8);

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
    assert!(asked.elapsed() < QUICKLY, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn while_the_server_is_down_calls_fail_quickly_and_afterwards_nothing_is_lost() {
    let Some(mut server) = own().await else {
        return;
    };
    let database = Database::with_patience(&server, LOOKED_FOR);
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
    let database = Database::with_patience(&server, LOOKED_FOR);
    let catalog = database.open().await;
    let is_killed = Cell::new(false);
    // As many at once as there are connections: more would only wait, and on a busy machine too
    // long. Those under way when the server is killed are the last.
    let mut registrations = stream::iter(1..)
        .take_while(|_| ready(!is_killed.get()))
        .map(|n| {
            let catalog = &catalog;
            async move { (n, catalog.register(new_video(n, "Title")).await) }
        })
        .buffer_unordered(32);
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
        if acknowledged.len() == 300 && !is_killed.replace(true) {
            server.kill();
        }
    }

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
    let database = Database::with_patience(&server, LOOKED_FOR);
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
