//! Law 4: counted views.

use futures_util::future::join_all;

use super::*;

pub(in crate::view_log) async fn a_session_becomes_one_view_when_its_watched_time_reaches_thirty_seconds(
    log: &dyn ViewLog,
) {
    let player = Player::new();
    let mut beats = player.a_view();
    let decisive = beats.pop().unwrap();
    assert_eq!(record_all(log, beats.clone()).await, []);
    let recorded = record(log, decisive.clone()).await;
    let view = CountedView {
        video: player.session.video,
        number: 1,
        session: player.session.id,
    };
    assert!(recorded.counted);
    assert_eq!(recorded.unpublished, Some(view));
    // Nothing of this session counts again.
    assert_eq!(record_all(log, beats).await, []);
    assert_eq!(
        record_all(log, [decisive, player.beat(5, 90_000)]).await,
        []
    );
}

pub(in crate::view_log) async fn half_of_a_short_video_is_a_view(log: &dyn ViewLog) {
    let player = Player::new().lasting(8_001);
    assert_eq!(
        record_all(log, [player.beat(1, 0), player.beat(2, 4_000)]).await,
        []
    );
    assert_eq!(record_all(log, [player.beat(3, 4_001)]).await.len(), 1);
}

pub(in crate::view_log) async fn a_duration_that_is_learned_late_can_make_a_view(
    log: &dyn ViewLog,
) {
    let player = Player::new();
    assert_eq!(
        record_all(log, [player.beat(1, 0), player.beat(2, 5_000)]).await,
        []
    );
    let started = player.lasting(10_000).start();
    assert_eq!(record_all(log, [started]).await.len(), 1);
    let entry = player.entry(log).await.unwrap();
    assert_eq!(entry.duration_ms, Some(10_000));
}

pub(in crate::view_log) async fn a_view_keeps_its_number_until_it_is_confirmed(log: &dyn ViewLog) {
    let player = Player::new();
    let view = record_all(log, player.a_view()).await[0];
    let other = player.again(500);
    assert_eq!(record_all(log, other.a_view()).await[0].number, 2);
    // Any event of the session finds it: the same once more, a new one, the start.
    for event in [player.beat(1, 0), player.beat(9, 31_000), player.start()] {
        let recorded = record(log, event).await;
        assert!(!recorded.counted);
        assert_eq!(recorded.unpublished, Some(view));
    }
    log.confirm_view(player.session.id).await.unwrap();
    log.confirm_view(player.session.id).await.unwrap();
    assert_eq!(record(log, player.beat(1, 0)).await.unpublished, None);
    let other_view = record(log, other.beat(1, 0)).await.unpublished;
    assert_eq!(other_view.map(|view| view.number), Some(2));
}

pub(in crate::view_log) async fn a_beat_that_arrives_late_never_takes_a_view_back(
    log: &dyn ViewLog,
) {
    let player = Player::new();
    let counted = record_all(
        log,
        [
            player.beat_received(1, 0, moment(0)),
            player.beat_received(3, 40_000, moment(40_000)),
        ],
    )
    .await;
    assert_eq!(counted.len(), 1);
    // The beat between them says that the viewer paused at once and then sought forward.
    let pause = player.beat_in(PlaybackState::Paused, 2, 1_000, moment(1_000));
    let recorded = record(log, pause).await;
    assert_eq!(recorded.unpublished, Some(counted[0]));
    assert_eq!(player.entry(log).await.unwrap().watched_ms, 1_000);
}

pub(in crate::view_log) async fn sessions_that_are_recorded_side_by_side_get_the_numbers_from_one_on(
    log: &dyn ViewLog,
) {
    let video = Uuid::now_v7();
    let players: Vec<_> = (0..20)
        .map(|_| Player::of(Uuid::new_v4(), video, 0))
        .collect();
    // Every event of every session twice, all at once.
    let events = players
        .iter()
        .flat_map(Player::a_view)
        .flat_map(|event| [event.clone(), event]);
    let recorded = join_all(events.map(|event| record(log, event))).await;
    let mut numbers: Vec<_> = recorded
        .iter()
        .filter(|recorded| recorded.counted)
        .map(|recorded| recorded.unpublished.unwrap().number)
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<u64>>());
}

pub(in crate::view_log) async fn only_unconfirmed_views_counted_before_the_moment_are_unpublished(
    log: &dyn ViewLog,
) {
    let player = Player::new();
    let view = record_all(log, player.a_view()).await[0];
    let counted_ms = 30_000;
    let unpublished = async |before_ms| {
        let views = log.unpublished_views(moment(before_ms), 1_000).await;
        views.unwrap().contains(&view)
    };
    assert!(!unpublished(counted_ms).await);
    assert!(unpublished(counted_ms + 1).await);
    log.confirm_view(view.session).await.unwrap();
    assert!(!unpublished(counted_ms + 1).await);
}
