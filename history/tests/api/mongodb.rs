//! The service on MongoDB: several replicas, a server that goes away and comes back, and one that
//! comes after the service.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use history::config::ViewLogUrl;
use test_support::engines::mongodb::{self, MongoServer};
use test_support::{DataFolder, eventually};
use uuid::Uuid;

use crate::service::{Player, SOON, TestHistory, open_bus};

/// A server that was down may be looked for up to half a minute, on a busy machine.
const BACK: Duration = Duration::from_mins(1);

/// A server that is down is given up after a second and a half. Left to itself the driver would wait
/// for thirty; a busy machine may take what is in between.
const GIVEN_UP: Duration = Duration::from_secs(10);

fn database(server: &MongoServer) -> ViewLogUrl {
    server.database_url().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_share_the_events_and_number_the_views_from_one_on() {
    const SESSIONS: usize = 60;
    let Some(server) = mongodb::shared().await else {
        return;
    };
    let folder = DataFolder::new();
    let url = database(server);
    let bus = open_bus(&folder).await;
    let one = TestHistory::start_on(DataFolder::new(), url.clone(), bus.clone()).await;
    let two = TestHistory::start_on(folder, url, bus).await;
    let mut counted = one.counted_views().await;

    let video = Uuid::now_v7();
    let players: Vec<_> = (0..SESSIONS)
        .map(|_| Player::of(Uuid::new_v4(), video))
        .collect();
    // Everything twice: a replica may take what the other one has.
    let beats: Vec<_> = players.iter().flat_map(Player::a_view).collect();
    let publishing = beats.iter().chain(&beats).map(|beat| one.publish(beat));
    futures_util::future::join_all(publishing).await;

    let numbers = counted.numbers(SESSIONS).await;
    assert_eq!(numbers, (1..=SESSIONS as u64).collect::<Vec<_>>());
    for player in &players {
        for replica in [&one, &two] {
            replica
                .entries_when(player.viewer, |entries| {
                    entries
                        .first()
                        .is_some_and(|entry| entry["watched_ms"] == 40_000)
                })
                .await;
        }
    }
    two.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_while_events_are_consumed_loses_and_doubles_nothing() {
    const SESSIONS: usize = 100;
    let Some(mut server) = mongodb::own().await else {
        return;
    };
    let folder = DataFolder::new();
    let bus = open_bus(&folder).await;
    let history = TestHistory::start_on(folder, database(&server), bus).await;
    let mut counted = history.counted_views().await;
    let video = Uuid::now_v7();
    let players: Vec<_> = (0..SESSIONS)
        .map(|_| Player::of(Uuid::new_v4(), video))
        .collect();
    let beats: Vec<_> = players.iter().flat_map(Player::a_view).collect();
    let publishing = beats.iter().map(|beat| history.publish(beat));
    futures_util::future::join_all(publishing).await;

    let mut known = std::collections::BTreeMap::new();
    for _ in 0..3 {
        let view = counted.next().await;
        known.insert(view.session, view.number);
        server.kill();
        let asked = Instant::now();
        let path = format!("/viewers/{}/entries", players[0].viewer);
        let refused = history.client.get(&path).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(asked.elapsed() < GIVEN_UP, "{:?}", asked.elapsed());
        assert_eq!(history.context.readiness.obstacles(), ["view-log"]);
        server.start_again().await;
        eventually(BACK, || async {
            history
                .context
                .readiness
                .obstacles()
                .is_empty()
                .then_some(())
        })
        .await;
    }
    while known.len() < SESSIONS {
        let view = counted.next_within(BACK).await;
        let number = *known.entry(view.session).or_insert(view.number);
        assert_eq!(number, view.number);
    }
    let mut numbers: Vec<_> = known.into_values().collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=SESSIONS as u64).collect::<Vec<_>>());
    for player in &players {
        let entries = history
            .entries_when(player.viewer, |entries| {
                entries
                    .first()
                    .is_some_and(|entry| entry["watched_ms"] == 40_000)
            })
            .await;
        assert_eq!(entries.len(), 1);
    }
    // Waiting for the server was no failure of any event.
    let dead = history.bus.dead_letters(events::Queue::HISTORY, 10).await;
    assert!(dead.unwrap().is_empty());
    history.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_starts_before_its_server_and_becomes_ready_when_it_comes() {
    let Some(mut server) = mongodb::own().await else {
        return;
    };
    server.kill();
    let folder = DataFolder::new();
    let bus = open_bus(&folder).await;
    let history = TestHistory::start_on(folder, database(&server), bus).await;
    let player = Player::new();
    history.publish(&player.beat(1, 50_000)).await;
    let path = format!("/viewers/{}/entries", player.viewer);
    let refused = history.client.get(&path).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(history.context.readiness.obstacles(), ["view-log"]);

    server.start_again().await;
    eventually(BACK, || async {
        history
            .context
            .readiness
            .obstacles()
            .is_empty()
            .then_some(())
    })
    .await;
    history
        .entries_when(player.viewer, |entries| entries.len() == 1)
        .await;
    history.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_asks_for_a_password_is_used_with_that_of_the_url() {
    let Some(server) = mongodb::own_with_password().await else {
        return;
    };
    let folder = DataFolder::new();
    let bus = open_bus(&folder).await;
    let history = TestHistory::start_on(folder, database(&server), bus).await;
    let player = Player::new();
    history.publish(&player.beat(1, 50_000)).await;
    eventually(SOON, || async {
        (history
            .resume_position_ms(player.viewer, player.video)
            .await
            == 50_000)
            .then_some(())
    })
    .await;
    history.stop().await;
}
