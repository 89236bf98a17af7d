//! Law 8: the log stays bounded, and sweeping changes no answer.

use super::*;
use crate::implicit_session::{ByteSpan, StreamReport};
use crate::view_log::{Forget, SESSION_RETENTION, STREAM_RETENTION};

const DAY: i64 = 24 * 3_600_000;

/// Sweeps when everything of the player is surely past its time.
async fn sweep_after(log: &dyn ViewLog, player: &Player) {
    let past = SESSION_RETENTION + SignedDuration::from_hours(48);
    log.sweep(player.session.started_at + past).await.unwrap();
}

pub(in crate::view_log) async fn a_swept_session_changes_no_answer(log: &dyn ViewLog) {
    let player = Player::new();
    let mut events = player.a_view();
    events.push(player.start());
    record_all(log, events.clone()).await;
    let before = player.entry(log).await;
    sweep_after(log, &player).await;
    assert_eq!(player.entry(log).await, before);
    for event in events {
        assert_eq!(outcome(log, event).await, Outcome::TooLate);
        assert_eq!(player.entry(log).await, before);
    }
}

pub(in crate::view_log) async fn a_new_beat_of_a_swept_session_goes_on_from_the_entry(
    log: &dyn ViewLog,
) {
    let player = Player::new();
    record_all(log, [player.beat(1, 0), player.beat(2, 20_000)]).await;
    sweep_after(log, &player).await;
    // From a spool that was cut off for days: new, then known, then new again.
    let counted = record_all(
        log,
        [
            player.beat(4, 35_000),
            player.beat(2, 20_000),
            player.beat(3, 25_000),
        ],
    )
    .await;
    assert_eq!(counted.len(), 1);
    let entry = player.entry(log).await.unwrap();
    assert_eq!(entry.watched_ms, 35_000);
    assert_eq!(entry.position_ms, 35_000);
}

pub(in crate::view_log) async fn a_swept_session_is_not_counted_again(log: &dyn ViewLog) {
    let player = Player::new();
    let view = record_all(log, player.a_view()).await[0];
    let newer = player.again(DAY);
    record(log, newer.beat(1, 0)).await;
    sweep_after(log, &newer).await;
    // Its entry has gone to another session, so nothing but the view remembers it.
    assert_eq!(record_all(log, player.a_view()).await, []);
    let recorded = record(log, player.beat(4, 30_000)).await;
    assert_eq!(recorded.unpublished, Some(view));
    let entry = player.entry(log).await.unwrap();
    assert_eq!(entry.session, newer.session.id);
}

pub(in crate::view_log) async fn a_session_that_still_lives_is_not_swept(log: &dyn ViewLog) {
    let player = Player::new();
    record(log, player.beat(1, 0)).await;
    let stored_late = player.session.started_at + SignedDuration::from_hours(7 * 24);
    // A backlog of a week: received long ago, stored now.
    log.record(player.beat(3, 20_000), stored_late)
        .await
        .unwrap();
    log.sweep(stored_late + SESSION_RETENTION).await.unwrap();
    let middle = log.record(player.beat(2, 10_000), stored_late).await;
    assert_eq!(middle.unwrap().outcome, Outcome::Stored);
    assert_eq!(player.entry(log).await.unwrap().watched_ms, 20_000);
}

pub(in crate::view_log) async fn a_report_older_than_what_is_kept_is_too_late(log: &dyn ViewLog) {
    let ended = moment(0);
    let began = ended - SignedDuration::from_mins(1);
    let report = Observation::Streamed(StreamReport {
        report: Uuid::new_v4(),
        video: Uuid::now_v7(),
        client: "a plain player".to_owned(),
        span: ByteSpan::new(began, ended, true, None),
    });
    let first = log.record(report.clone(), ended).await.unwrap();
    assert!(first.counted);

    let last_day = ended + STREAM_RETENTION;
    log.sweep(last_day).await.unwrap();
    let again = log.record(report.clone(), last_day).await.unwrap();
    assert_eq!(again.outcome, Outcome::Duplicate);

    let after = last_day + SignedDuration::from_millis(1);
    log.sweep(after).await.unwrap();
    let swept = log.record(report, after).await.unwrap();
    assert_eq!(swept.outcome, Outcome::TooLate);
    assert!(!swept.counted);
}

/// However late an event comes: out of a queue, a spool, or a copy of one that was put back.
pub(in crate::view_log) async fn what_was_forgotten_or_deleted_outlives_every_sweep(
    log: &dyn ViewLog,
) {
    let [of_one, of_all, of_deleted] = [Player::new(), Player::new(), Player::new()];
    for (player, scope) in [
        (
            &of_one,
            Forget::Entry {
                viewer: of_one.session.viewer,
                video: of_one.session.video,
            },
        ),
        (&of_all, Forget::Viewer(of_all.session.viewer)),
        (&of_deleted, Forget::Video(of_deleted.session.video)),
    ] {
        record(log, player.beat(1, 0)).await;
        log.forget(scope, moment(20_000)).await.unwrap();
    }
    let years_later = moment(0) + SignedDuration::from_hours(10 * 365 * 24);
    log.sweep(years_later).await.unwrap();
    for player in [&of_one, &of_all, &of_deleted] {
        // Accepted before the deletion: taken in then, not taken in yet, and of another session.
        for accepted_before in [
            player.beat(1, 0),
            player.beat(2, 20_000),
            player.again(100).beat(1, 5_000),
        ] {
            let recorded = log.record(accepted_before, years_later).await.unwrap();
            let is_deleted = recorded.outcome == Outcome::VideoDeleted;
            assert_eq!(is_deleted, player.session.video == of_deleted.session.video);
            assert_eq!(player.entry(log).await, None);
        }
    }
    let after = of_deleted.beat(9, 90_000);
    let recorded = log.record(after, years_later).await.unwrap();
    assert_eq!(recorded.outcome, Outcome::VideoDeleted);
}
