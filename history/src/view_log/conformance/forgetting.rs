//! Laws 6 and 7: what a viewer forgets, and videos that are deleted.

use super::*;
use crate::entry::PageRequest;
use crate::implicit_session::{ByteSpan, StreamReport};
use crate::view_log::Forget;

async fn count_entries(log: &dyn ViewLog, viewer: Uuid) -> usize {
    let page = PageRequest {
        after: None,
        limit: 100,
    };
    log.entries(viewer, page).await.unwrap().entries.len()
}

fn entry_of(player: &Player) -> Forget {
    Forget::Entry {
        viewer: player.session.viewer,
        video: player.session.video,
    }
}

pub(in crate::view_log) async fn a_forgotten_entry_stays_away_until_something_newer_arrives(
    log: &dyn ViewLog,
) {
    let player = Player::new();
    record(log, player.beat(1, 0)).await;
    log.forget(entry_of(&player), moment(20_000)).await.unwrap();
    assert_eq!(player.entry(log).await, None);

    // Accepted before, delivered after: once more, for the first time, and of another session.
    for late in [
        player.beat(1, 0),
        player.beat(2, 10_000),
        player.again(100).beat(1, 5_000),
        player.beat(3, 20_000),
    ] {
        record(log, late).await;
        assert_eq!(player.entry(log).await, None);
    }
    record(log, player.beat(4, 20_001)).await;
    assert_eq!(player.entry(log).await.unwrap().position_ms, 20_001);
    assert_eq!(count_entries(log, player.session.viewer).await, 1);
}

pub(in crate::view_log) async fn a_beat_that_was_overtaken_brings_nothing_forgotten_back(
    log: &dyn ViewLog,
) {
    let player = Player::new();
    record(log, player.beat(5, 10_000)).await;
    log.forget(entry_of(&player), moment(20_000)).await.unwrap();
    // Sent after the deletion, but about a moment before that which was deleted.
    record(log, player.beat(3, 30_000)).await;
    assert_eq!(player.entry(log).await, None);
    record(log, player.beat(6, 31_000)).await;
    assert_eq!(player.entry(log).await.unwrap().position_ms, 31_000);
}

pub(in crate::view_log) async fn forgetting_everything_forgets_each_entry_of_that_viewer_only(
    log: &dyn ViewLog,
) {
    let viewer = Uuid::new_v4();
    let players: Vec<_> = (0..5)
        .map(|_| Player::of(viewer, Uuid::now_v7(), 0))
        .collect();
    let other = Player::of(Uuid::new_v4(), players[0].session.video, 0);
    for player in players.iter().chain([&other]) {
        record(log, player.beat(1, 0)).await;
    }
    log.forget(Forget::Viewer(viewer), moment(10_000))
        .await
        .unwrap();
    assert_eq!(count_entries(log, viewer).await, 0);
    for player in &players {
        record(log, player.beat(2, 10_000)).await;
        assert_eq!(player.entry(log).await, None);
    }
    assert!(other.entry(log).await.is_some());
    // A video that was never watched before is held to it as well.
    record(log, Player::of(viewer, Uuid::now_v7(), 0).beat(1, 9_000)).await;
    assert_eq!(count_entries(log, viewer).await, 0);

    record(log, players[3].beat(3, 10_001)).await;
    assert_eq!(count_entries(log, viewer).await, 1);
}

pub(in crate::view_log) async fn what_is_there_is_forgotten_even_if_it_was_dated_later(
    log: &dyn ViewLog,
) {
    let player = Player::new();
    let viewer = player.session.viewer;
    for scope in [entry_of(&player), Forget::Viewer(viewer)] {
        let seq = if matches!(scope, Forget::Entry { .. }) {
            1
        } else {
            2
        };
        record(log, player.beat(seq, seq * 10_000)).await;
        assert!(player.entry(log).await.is_some());
        log.forget(scope, moment(0)).await.unwrap();
        assert_eq!(player.entry(log).await, None);
        assert_eq!(count_entries(log, viewer).await, 0);
    }
    record(log, player.beat(3, 30_000)).await;
    assert_eq!(count_entries(log, viewer).await, 1);
}

pub(in crate::view_log) async fn forgetting_leaves_counted_views(log: &dyn ViewLog) {
    let player = Player::new();
    let view = record_all(log, player.a_view()).await[0];
    let viewer = player.session.viewer;
    for scope in [entry_of(&player), Forget::Viewer(viewer)] {
        log.forget(scope, moment(60_000)).await.unwrap();
    }
    let again = record(log, player.beat(4, 30_000)).await;
    assert!(!again.counted);
    assert_eq!(again.unpublished, Some(view));
    let next = record_all(log, player.again(70_000).a_view()).await;
    assert_eq!(next[0].number, 2);
}

pub(in crate::view_log) async fn forgetting_nothing_is_no_error(log: &dyn ViewLog) {
    let player = Player::new();
    for scope in [
        entry_of(&player),
        Forget::Viewer(player.session.viewer),
        Forget::Video(player.session.video),
    ] {
        log.forget(scope, moment(0)).await.unwrap();
        log.forget(scope, moment(0)).await.unwrap();
    }
}

pub(in crate::view_log) async fn after_forgetting_an_older_session_may_win(log: &dyn ViewLog) {
    let older = Player::new();
    let newer = older.again(1_000);
    record(log, newer.beat(1, 0)).await;
    log.forget(entry_of(&older), moment(60_000)).await.unwrap();
    record(log, older.beat(1, 61_000)).await;
    assert_eq!(older.entry(log).await.unwrap().session, older.session.id);
    record(log, newer.beat(2, 90_000)).await;
    assert_eq!(older.entry(log).await.unwrap().session, newer.session.id);
}

pub(in crate::view_log) async fn a_deleted_video_is_gone_for_good(log: &dyn ViewLog) {
    let player = Player::new();
    let video = player.session.video;
    record_all(log, player.a_view()).await;
    let streamed = |first_ms, last_ms| {
        Observation::Streamed(StreamReport {
            report: Uuid::new_v4(),
            video,
            client: "a plain player".to_owned(),
            span: ByteSpan::new(moment(first_ms), moment(last_ms), true, None),
        })
    };
    record(log, streamed(0, 60_000)).await;
    log.forget(Forget::Video(video), moment(100_000))
        .await
        .unwrap();

    assert_eq!(player.entry(log).await, None);
    assert_eq!(count_entries(log, player.session.viewer).await, 0);
    let late = [
        player.start(),
        player.beat(4, 30_000),
        player.beat(5, 200_000),
        player.again(300_000).beat(1, 0),
        streamed(0, 60_000),
        streamed(300_000, 360_000),
    ];
    for event in late {
        let recorded = record(log, event).await;
        assert_eq!(recorded.outcome, Outcome::VideoDeleted);
        assert_eq!(recorded.unpublished, None);
        assert_eq!(player.entry(log).await, None);
    }
    let unpublished = log.unpublished_views(moment(999_999), 1_000).await;
    assert!(!unpublished.unwrap().iter().any(|view| view.video == video));
}
