//! Laws 1 to 3: sessions and the entry that they make.

use futures_util::future::join_all;

use super::*;
use crate::watch_session::MOST_BEATS;

pub(in crate::view_log) async fn the_first_body_of_a_sequence_number_stays(log: &dyn ViewLog) {
    let player = Player::new();
    assert_eq!(outcome(log, player.beat(1, 0)).await, Outcome::Stored);
    assert_eq!(outcome(log, player.beat(2, 10_000)).await, Outcome::Stored);
    let before = player.entry(log).await;
    for other in [player.beat(2, 20_000), player.beat(1, 5_000)] {
        assert_eq!(outcome(log, other).await, Outcome::Duplicate);
    }
    assert_eq!(player.entry(log).await, before);
}

pub(in crate::view_log) async fn beats_in_any_order_give_the_same_entry(log: &dyn ViewLog) {
    let orders = [
        [0, 1, 2, 3, 4],
        [4, 3, 2, 1, 0],
        [2, 4, 0, 3, 1],
        [3, 0, 4, 1, 2],
    ];
    for order in orders {
        let player = Player::new();
        // Ten seconds played, a pause of twenty, a seek to a minute, five seconds played.
        let beats = [
            player.beat_received(1, 0, moment(0)),
            player.beat_in(PlaybackState::Paused, 2, 10_000, moment(10_000)),
            player.beat_in(PlaybackState::Paused, 4, 60_000, moment(30_000)),
            player.beat_received(5, 60_000, moment(30_500)),
            player.beat_received(7, 65_000, moment(35_500)),
        ];
        for index in order {
            record(log, beats[index].clone()).await;
            record(log, beats[index].clone()).await;
        }
        let entry = player.entry(log).await.unwrap();
        assert_eq!(entry.watched_ms, 15_000);
        assert_eq!(entry.position_ms, 65_000);
        assert_eq!(entry.last_watched_at, moment(35_500));
    }
}

pub(in crate::view_log) async fn the_session_that_started_last_and_sent_a_beat_wins(
    log: &dyn ViewLog,
) {
    let older = Player::new();
    let newer = older.again(1_000);
    let newest_without_a_beat = older.again(2_000);
    record(log, newest_without_a_beat.start()).await;
    record(log, newer.beat(1, 7_000)).await;
    // The older tab goes on playing, and its beats are received later.
    record(log, older.beat_received(1, 40_000, moment(40_000))).await;
    record(log, older.beat_received(2, 50_000, moment(50_000))).await;

    let entry = newer.entry(log).await.unwrap();
    assert_eq!(entry.session, newer.session.id);
    assert_eq!(entry.position_ms, 7_000);
    assert_eq!(entry.watched_ms, 0);
}

pub(in crate::view_log) async fn of_sessions_that_started_together_the_larger_id_wins(
    log: &dyn ViewLog,
) {
    let one = Player::new();
    let other = one.again(0);
    let larger = one.session.id.max(other.session.id);
    for order in [[one, other], [other, one]] {
        for player in order {
            record(log, player.beat(1, 10_000)).await;
        }
        assert_eq!(one.entry(log).await.unwrap().session, larger);
    }
}

pub(in crate::view_log) async fn a_session_that_only_started_makes_no_entry(log: &dyn ViewLog) {
    let player = Player::new();
    assert_eq!(outcome(log, player.start()).await, Outcome::Stored);
    assert_eq!(outcome(log, player.start()).await, Outcome::Duplicate);
    assert_eq!(player.entry(log).await, None);
    record(log, player.beat(1, 0)).await;
    assert!(player.entry(log).await.is_some());
}

pub(in crate::view_log) async fn the_latest_beat_that_knows_a_duration_tells_it(log: &dyn ViewLog) {
    let player = Player::new();
    let beats = [
        player.lasting(90_000).beat(1, 0),
        player.lasting(100_000).beat(3, 2_000),
        player.lasting(95_000).beat(2, 1_000),
        player.beat(4, 3_000),
        player.lasting(80_000).start(),
    ];
    join_all(beats.map(|beat| record(log, beat))).await;
    let entry = player.entry(log).await.unwrap();
    assert_eq!(entry.duration_ms, Some(100_000));
    assert_eq!(entry.position_ms, 3_000);
}

pub(in crate::view_log) async fn a_full_session_moves_its_entry_and_adds_no_watched_time(
    log: &dyn ViewLog,
) {
    let player = Player::new();
    let received = |seq: u64| moment(seq.cast_signed());
    let beats: Vec<_> = (1..=MOST_BEATS)
        .map(|seq| player.beat_received(seq, seq, received(seq)))
        .collect();
    for some in beats.chunks(1_000) {
        join_all(some.iter().map(|beat| record(log, beat.clone()))).await;
    }
    let full = player.entry(log).await.unwrap();
    assert_eq!(full.watched_ms, MOST_BEATS - 1);

    let beyond = player.beat_received(MOST_BEATS + 1, 70_000, received(80_000));
    for _ in 0..2 {
        assert_eq!(outcome(log, beyond.clone()).await, Outcome::SessionFull);
        let moved = player.entry(log).await.unwrap();
        assert_eq!(moved.position_ms, 70_000);
        assert_eq!(moved.watched_ms, full.watched_ms);
    }
}
