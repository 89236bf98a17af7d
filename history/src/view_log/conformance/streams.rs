//! Law 5: implicit sessions.

use super::*;
use crate::implicit_session::{ByteSpan, StreamReport};

const MINUTE: i64 = 60_000;

/// A plain player of one video.
struct PlainPlayer {
    video: Uuid,
    client: String,
}

impl PlainPlayer {
    fn new() -> Self {
        Self {
            video: Uuid::now_v7(),
            client: Uuid::new_v4().simple().to_string(),
        }
    }

    fn sent(&self, first_ms: i64, last_ms: i64) -> Observation {
        self.report(first_ms, last_ms, true)
    }

    fn sent_later_part(&self, first_ms: i64, last_ms: i64) -> Observation {
        self.report(first_ms, last_ms, false)
    }

    fn report(&self, first_ms: i64, last_ms: i64, covers_start: bool) -> Observation {
        Observation::Streamed(StreamReport {
            report: Uuid::new_v4(),
            video: self.video,
            client: self.client.clone(),
            span: ByteSpan::new(moment(first_ms), moment(last_ms), covers_start, None),
        })
    }
}

pub(in crate::view_log) async fn reports_in_any_order_join_into_the_same_sessions(
    log: &dyn ViewLog,
) {
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
        let player = PlainPlayer::new();
        let reports = [
            player.sent(0, 1_000),
            player.sent_later_part(20 * MINUTE, 21 * MINUTE),
            player.sent_later_part(50 * MINUTE, 51 * MINUTE),
            // Exactly half an hour after the others: a session of its own.
            player.sent(81 * MINUTE, 82 * MINUTE),
        ];
        let counted = record_all(log, order.map(|index| reports[index].clone())).await;
        let numbers: Vec<_> = counted.iter().map(|view| view.number).collect();
        assert_eq!(numbers, [1, 2], "in the order {order:?}");
    }
}

pub(in crate::view_log) async fn a_session_without_the_start_of_the_video_is_no_view(
    log: &dyn ViewLog,
) {
    let player = PlainPlayer::new();
    let later = player.sent_later_part(10_000, 40 * MINUTE);
    assert_eq!(record_all(log, [later]).await, []);
    assert_eq!(record_all(log, [player.sent(0, 100)]).await.len(), 1);
}

pub(in crate::view_log) async fn a_report_that_is_delivered_again_changes_nothing(
    log: &dyn ViewLog,
) {
    let player = PlainPlayer::new();
    let beginning = player.sent(0, 5_000);
    let rest = player.sent_later_part(5_000, MINUTE);
    assert_eq!(outcome(log, beginning.clone()).await, Outcome::Stored);
    let view = record(log, rest.clone()).await.unpublished;
    assert!(view.is_some());
    for again in [beginning, rest] {
        let recorded = record(log, again).await;
        assert_eq!(recorded.outcome, Outcome::Duplicate);
        assert!(!recorded.counted);
        assert_eq!(recorded.unpublished, view);
    }
}

pub(in crate::view_log) async fn reports_of_other_clients_and_videos_do_not_join(
    log: &dyn ViewLog,
) {
    let player = PlainPlayer::new();
    let other_client = PlainPlayer {
        video: player.video,
        ..PlainPlayer::new()
    };
    let other_video = PlainPlayer {
        client: player.client.clone(),
        ..PlainPlayer::new()
    };
    record(log, player.sent(0, 20_000)).await;
    for other in [other_client, other_video] {
        let later = other.sent_later_part(25_000, MINUTE);
        assert_eq!(record_all(log, [later]).await, []);
    }
}

pub(in crate::view_log) async fn a_number_given_back_is_taken_by_the_next_view(log: &dyn ViewLog) {
    let player = PlainPlayer::new();
    let early = record_all(log, [player.sent(0, MINUTE)]).await;
    let late = record_all(log, [player.sent(50 * MINUTE, 60 * MINUTE)]).await;
    assert_eq!((early[0].number, late[0].number), (1, 2));

    // A long answer that was reported at its end shows that the two are one.
    let between = player.sent_later_part(2 * MINUTE, 49 * MINUTE);
    let recorded = record(log, between).await;
    assert!(!recorded.counted);
    assert_eq!(recorded.unpublished, Some(early[0]));
    for gone in [late[0].session, early[0].session] {
        log.confirm_view(gone).await.unwrap();
    }

    let watched = Player::of(Uuid::new_v4(), player.video, 0);
    let next = record_all(log, watched.a_view()).await;
    assert_eq!(next[0].number, 2);
    let after_next = record_all(log, watched.again(1).a_view()).await;
    assert_eq!(after_next[0].number, 3);
}
