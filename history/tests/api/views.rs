//! Views are counted once, and the catalogue hears their numbers.

use events::VideoStreamed;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::service::{Player, TestHistory};

#[tokio::test]
async fn the_catalogue_hears_of_each_view_with_its_number() {
    let history = TestHistory::start().await;
    let mut counted = history.counted_views().await;
    let video = Uuid::now_v7();
    for number in 1..=3 {
        let player = Player::of(Uuid::new_v4(), video);
        for beat in player.a_view() {
            history.publish(&beat).await;
        }
        assert_eq!(counted.number_of(player.session).await, number);
    }
    history.stop().await;
}

#[tokio::test]
async fn sessions_side_by_side_with_duplicates_get_the_numbers_without_a_gap() {
    const SESSIONS: usize = 40;
    let history = TestHistory::start().await;
    let mut counted = history.counted_views().await;
    let video = Uuid::now_v7();
    let beats: Vec<_> = (0..SESSIONS)
        .flat_map(|_| Player::of(Uuid::new_v4(), video).a_view())
        .collect();
    // Each beat twice, in an order that mixes all sessions: 7,919 shares no factor with the length.
    let publishing = (0..2 * beats.len()).map(|index| {
        let beat = &beats[index * 7_919 % beats.len()];
        history.publish(beat)
    });
    futures_util::future::join_all(publishing).await;
    let expected: Vec<u64> = (1..=SESSIONS as u64).collect();
    assert_eq!(counted.numbers(SESSIONS).await, expected);

    // The next one shows that none was taken in between.
    history.settle().await;
    let next = Player::of(Uuid::new_v4(), video);
    for beat in next.a_view() {
        history.publish(&beat).await;
    }
    let number = counted.number_of(next.session).await;
    assert_eq!(number, SESSIONS as u64 + 1);
    history.stop().await;
}

#[tokio::test]
async fn a_plain_player_makes_one_view_and_no_entry() {
    let history = TestHistory::start().await;
    let mut counted = history.counted_views().await;
    let video = Uuid::now_v7();
    let began = Timestamp::now() - SignedDuration::from_hours(2);
    let at = |seconds| began + SignedDuration::from_secs(seconds);
    let report = |first, last, covers_start| VideoStreamed {
        report: Uuid::new_v4(),
        video,
        client: "5f4dcc3b".to_owned(),
        first_byte_at: at(first),
        last_byte_at: at(last),
        covers_start,
        duration_ms: Some(3_600_000),
    };
    let reports = [
        report(0, 2, true),
        report(1, 20, false),
        report(1_000, 1_400, false),
    ];
    for report in reports.iter().chain(&reports) {
        history.publish(report).await;
    }
    let view = counted.next().await;
    assert_eq!((view.video, view.number), (video, 1));

    history.settle().await;
    let watched = Player::of(Uuid::new_v4(), video);
    for beat in watched.a_view() {
        history.publish(&beat).await;
    }
    assert_eq!(counted.number_of(watched.session).await, 2);
    history.stop().await;
}
