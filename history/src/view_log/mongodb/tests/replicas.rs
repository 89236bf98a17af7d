//! Several replicas on one database.

use futures_util::future::{join_all, try_join_all};
use rand::seq::SliceRandom as _;
use uuid::Uuid;

use super::super::MongoViewLog;
use super::{at, beat, new_database, open, open_at, session};
use crate::entry::PageRequest;
use crate::implicit_session::{ByteSpan, StreamReport};
use crate::view_log::sqlite::SqliteViewLog;
use crate::view_log::{Forget, Observation, ViewLog};
use crate::watch_session::WatchSession;

const MINUTE: i64 = 60_000;

/// Three replicas, each with connections of its own.
async fn replicas() -> Option<Vec<MongoViewLog>> {
    let url = new_database().await?;
    Some(join_all((0..3).map(|_| open_at(&url))).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_together_make_the_indexes_once() {
    let Some(replicas) = replicas().await else {
        return;
    };
    let collection = replicas[0].store.database.collection::<()>("views");
    let names = collection.list_index_names().await.unwrap();
    assert_eq!(names.len(), 5, "{names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_that_replicas_count_at_the_same_time_get_the_numbers_from_one_on() {
    let Some(replicas) = replicas().await else {
        return;
    };
    let video = Uuid::now_v7();
    let sessions: Vec<_> = (0..30).map(|_| session(Uuid::new_v4(), video, 0)).collect();
    let mut deliveries = Vec::new();
    for session in &sessions {
        for log in &replicas {
            deliveries.extend((1..=4).map(|seq| (log, beat(*session, seq, (seq - 1) * 10_000))));
        }
    }
    deliveries.shuffle(&mut rand::rng());
    let recorded = deliveries
        .into_iter()
        .map(|(log, event)| log.record(event, at(0)));
    let recorded = try_join_all(recorded).await.unwrap();
    let counted = recorded.iter().filter(|recorded| recorded.counted).count();
    assert_eq!(counted, 30);
    let views = replicas[0].unpublished_views(at(1), 100).await.unwrap();
    let mut numbers: Vec<_> = views.iter().map(|view| view.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=30).collect::<Vec<u64>>());
}

/// Sessions of some viewers that watch some videos side by side, with holes and seeks.
fn any_events(sessions: &[WatchSession]) -> Vec<Observation> {
    let mut events = Vec::new();
    for (index, session) in sessions.iter().enumerate() {
        let step = 3_000 + 500 * index as u64;
        for seq in (1..=9).filter(|seq| !(seq + index as u64).is_multiple_of(5)) {
            events.push(beat(*session, seq, seq * step));
        }
        events.push(Observation::Started {
            session: *session,
            duration_ms: Some(60_000 + index as u64),
        });
    }
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_get_everything_twice_in_any_order_say_what_sqlite_says() {
    let Some(replicas) = replicas().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let reference = SqliteViewLog::open(&folder.path().join("history.db")).await;
    let reference = reference.unwrap();

    let videos: Vec<_> = (0..3).map(|_| Uuid::now_v7()).collect();
    let viewers: Vec<_> = (0..4).map(|_| Uuid::new_v4()).collect();
    let mut sessions = Vec::new();
    for viewer in &viewers {
        for video in &videos {
            sessions.extend([0, 500, 500].map(|started_ms| session(*viewer, *video, started_ms)));
        }
    }
    let events = any_events(&sessions);
    for event in &events {
        reference.record(event.clone(), at(0)).await.unwrap();
    }
    let mut deliveries: Vec<_> = events.iter().chain(&events).cloned().collect();
    deliveries.shuffle(&mut rand::rng());
    let recorded = deliveries
        .into_iter()
        .enumerate()
        .map(|(index, event)| replicas[index % replicas.len()].record(event, at(0)));
    try_join_all(recorded).await.unwrap();

    let page = PageRequest {
        after: None,
        limit: 100,
    };
    for viewer in viewers {
        let expected = reference.entries(viewer, page).await.unwrap();
        assert_eq!(replicas[1].entries(viewer, page).await.unwrap(), expected);
    }
    let counted = async |log: &dyn ViewLog| {
        let views = log.unpublished_views(at(1), 1_000).await.unwrap();
        let mut sessions: Vec<_> = views.iter().map(|view| view.session).collect();
        sessions.sort_unstable();
        let mut numbers: Vec<_> = views.iter().map(|view| (view.video, view.number)).collect();
        numbers.sort_unstable();
        (sessions, numbers)
    };
    assert_eq!(counted(&replicas[0]).await, counted(&reference).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_that_replicas_join_at_the_same_time_leave_no_view_too_many_and_no_hole() {
    let Some(replicas) = replicas().await else {
        return;
    };
    let video = Uuid::now_v7();
    let mut deliveries = Vec::new();
    for client in 0..10 {
        // Three that are views by themselves, and two that make them one.
        for (first, last) in [(0, 5), (50, 55), (100, 105), (6, 49), (56, 99)] {
            let report = Observation::Streamed(StreamReport {
                report: Uuid::new_v4(),
                video,
                client: format!("client {client}"),
                span: ByteSpan::new(at(first * MINUTE), at(last * MINUTE), true, None),
            });
            deliveries.extend(replicas.iter().map(|log| (log, report.clone())));
        }
    }
    deliveries.shuffle(&mut rand::rng());
    let recorded = deliveries
        .into_iter()
        .map(|(log, event)| log.record(event, at(0)));
    try_join_all(recorded).await.unwrap();
    // Numbers that were given back are taken before new ones.
    let before = replicas[0].unpublished_views(at(1), 100).await.unwrap();
    assert_eq!(before.len(), 10, "{before:?}");
    for _ in 0..20 {
        let session = session(Uuid::new_v4(), video, 0);
        for (seq, position_ms) in [(1, 0), (2, 30_000)] {
            let recorded = replicas[1].record(beat(session, seq, position_ms), at(0));
            recorded.await.unwrap();
        }
    }
    let after = replicas[0].unpublished_views(at(1), 100).await.unwrap();
    let mut numbers: Vec<_> = after.iter().map(|view| view.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=30).collect::<Vec<u64>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_video_that_is_deleted_while_its_events_are_recorded_leaves_nothing() {
    let Some(replicas) = replicas().await else {
        return;
    };
    for _ in 0..5 {
        let video = Uuid::now_v7();
        let viewer = Uuid::new_v4();
        let watched = session(viewer, video, 0);
        let recorded = (1..=6).flat_map(|seq| {
            let event = beat(watched, seq, seq * 10_000);
            replicas[..2]
                .iter()
                .map(move |log| log.record(event.clone(), at(0)))
        });
        let deleted = replicas[2].forget(Forget::Video(video), at(0));
        let (recorded, deleted) = tokio::join!(join_all(recorded), deleted);
        deleted.unwrap();
        for recorded in recorded {
            recorded.unwrap();
        }
        assert_eq!(replicas[0].entry(viewer, video).await.unwrap(), None);
    }
    assert_eq!(replicas[0].store.count_of_all().await, [0, 0, 0, 0, 0, 5]);
}

#[tokio::test]
async fn a_long_history_is_forgotten_whole_in_many_steps() {
    let Some(opened) = open().await else { return };
    let viewer = Uuid::new_v4();
    let mut own = None;
    for part in 0..13 {
        let records = (0..20).map(|index| {
            let watched = session(viewer, Uuid::now_v7(), part * 20 + index);
            own = Some(watched.video);
            opened.log().record(beat(watched, 1, 5), at(0))
        });
        try_join_all(records).await.unwrap();
    }
    // One that was forgotten by itself, by a clock that runs ahead: that stays.
    let video = own.unwrap();
    let entry = Forget::Entry { viewer, video };
    opened.log().forget(entry, at(900_000)).await.unwrap();
    let forget = opened.log().forget(Forget::Viewer(viewer), at(9_999));
    forget.await.unwrap();
    assert_eq!(opened.log.store.count_of_all().await[1], 1);
    let early = Observation::Started {
        session: session(viewer, video, 0),
        duration_ms: None,
    };
    opened.log().record(early, at(0)).await.unwrap();
    let late = beat(session(viewer, video, 0), 1, 800_000);
    opened.log().record(late, at(0)).await.unwrap();
    assert_eq!(opened.log().entry(viewer, video).await.unwrap(), None);
}
