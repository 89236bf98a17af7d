//! The laws of [`ViewLogTransfer`], for one log and for a pair of them.

use super::*;
use crate::entry::PageRequest;
use crate::implicit_session::{ByteSpan, StreamReport};
use crate::view_log::Forget;
use crate::view_log::transfer::{Kept, Part, ViewLogTransfer};

/// Both ports of one store.
pub(in crate::view_log) trait Store: ViewLog + ViewLogTransfer {}
impl<T: ViewLog + ViewLogTransfer> Store for T {}

/// Makes one test of each law for the pair of stores that `$open` opens.
macro_rules! transfer_laws {
    ($open:path: $($law:ident)*) => {
        $(
            #[tokio::test]
            async fn $law() {
                let Some((from, to)) = $open().await else { return };
                crate::view_log::conformance::$law(from.store(), to.store()).await;
            }
        )*
    };
    ($open:path) => {
        crate::view_log::conformance::transfer_laws! { $open:
            the_pages_of_each_part_hold_everything_once_in_order_and_are_bounded
            what_was_put_is_exported_as_it_was_put
            putting_again_or_in_part_before_changes_nothing
            what_is_put_replaces_what_was_there
            life_goes_on_where_a_log_was_put_as_where_it_came_from
            marks_and_deletions_that_are_put_later_remove_what_they_cover
        }
    };
}
pub(in crate::view_log) use transfer_laws;

const MINUTE: i64 = 60_000;

/// Whatever a log can hold, with the players that made it.
struct Filled {
    /// Has a view, with a hole in its beats.
    viewed: Player,
    /// Has begun only.
    started: Player,
    /// Has an entry and was forgotten before it.
    resumed: Player,
    /// All entries of this viewer are forgotten.
    forgetful: Player,
    /// Its video is deleted.
    deleted: Player,
    plain: StreamReport,
}

fn report(video: Uuid, client: &str, first_ms: i64, last_ms: i64) -> StreamReport {
    StreamReport {
        report: Uuid::new_v4(),
        video,
        client: client.to_owned(),
        span: ByteSpan::new(moment(first_ms), moment(last_ms), true, Some(90_000)),
    }
}

async fn fill(log: &dyn Store) -> Filled {
    let viewed = Player::new().lasting(600_000);
    record(log, viewed.start()).await;
    record_all(log, viewed.a_view()).await;
    for seq in [7, 9, 10, 6] {
        record(log, viewed.beat(seq, seq * 10_000)).await;
    }
    let started = viewed.again(50_000);
    record(log, started.start()).await;
    let resumed = Player::new();
    record_all(log, resumed.a_view()).await;
    let scope = Forget::Entry {
        viewer: resumed.session.viewer,
        video: resumed.session.video,
    };
    log.forget(scope, moment(40_000)).await.unwrap();
    record(log, resumed.beat(6, 50_000)).await;
    let untouched = Player::of(Uuid::new_v4(), viewed.session.video, 3);
    record_all(log, untouched.a_view()).await;
    let scope = Forget::Entry {
        viewer: untouched.session.viewer,
        video: untouched.session.video,
    };
    log.forget(scope, moment(99_000)).await.unwrap();
    let forgetful = Player::of(Uuid::new_v4(), viewed.session.video, 5);
    let published = record_all(log, forgetful.a_view()).await;
    log.confirm_view(published[0].session).await.unwrap();
    log.forget(Forget::Viewer(forgetful.session.viewer), moment(60_000))
        .await
        .unwrap();
    let deleted = Player::new();
    record_all(log, deleted.a_view()).await;
    log.forget(Forget::Video(deleted.session.video), moment(70_000))
        .await
        .unwrap();
    // Two views of a client, which a third report joins: one number is given back.
    let video = Uuid::now_v7();
    for (first, last) in [(0, 5), (50, 55), (27, 28)] {
        let sent = report(video, "0a", first * MINUTE, last * MINUTE);
        record(log, Observation::Streamed(sent)).await;
    }
    let plain = report(video, "0b", 100 * MINUTE, 104 * MINUTE);
    for sent in [report(video, "0b", 0, MINUTE), plain.clone()] {
        record(log, Observation::Streamed(sent)).await;
    }
    Filled {
        viewed,
        started,
        resumed,
        forgetful,
        deleted,
        plain,
    }
}

async fn export(log: &dyn Store, limit: usize) -> Vec<Kept> {
    let mut all = Vec::new();
    for part in Part::ALL {
        let mut after = None;
        loop {
            let page = log.export(part, after.clone(), limit).await.unwrap();
            assert!(page.items.len() <= limit, "a page is bounded");
            let mut last = after;
            for (key, item) in page.items {
                assert_eq!(key, item.key());
                assert!(last.is_none_or(|last| key > last), "in order, once");
                last = Some(key);
                all.push(item);
            }
            let Some(next) = page.next else { break };
            assert!(last.is_none_or(|last| next >= last));
            after = Some(next);
        }
    }
    all
}

async fn is_the_same(log: &dyn Store, expected: &[Kept]) {
    let found = export(log, 100).await;
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
}

pub(in crate::view_log) async fn the_pages_of_each_part_hold_everything_once_in_order_and_are_bounded(
    from: &dyn Store,
    _to: &dyn Store,
) {
    assert!(export(from, 2).await.is_empty());
    fill(from).await;
    let all = export(from, 100).await;
    for limit in 1..=4 {
        assert_eq!(export(from, limit).await, all);
    }
    let count = |of: fn(&Kept) -> bool| all.iter().filter(|kept| of(kept)).count();
    // Viewed, only begun, resumed, untouched, forgetful; those of the deleted video are gone.
    assert_eq!(count(|kept| matches!(kept, Kept::Session(_))), 5);
    assert_eq!(count(|kept| matches!(kept, Kept::Client(_))), 2);
    // Viewed, resumed after it was forgotten, and one that is forgotten and nothing else.
    assert_eq!(count(|kept| matches!(kept, Kept::Entry(_))), 3);
    let is_view = |kept: &Kept| matches!(kept, Kept::View(view) if view.counted.is_some());
    assert_eq!(count(is_view), 4 + 3);
    let is_spare = |kept: &Kept| matches!(kept, Kept::View(view) if view.counted.is_none());
    assert!(count(is_spare) <= 1);
    assert_eq!(count(|kept| matches!(kept, Kept::Viewer { .. })), 1);
    assert_eq!(count(|kept| matches!(kept, Kept::DeletedVideo { .. })), 1);
    let sessions = from.estimate(Part::Sessions).await.unwrap();
    assert_eq!(sessions, 5);
}

pub(in crate::view_log) async fn what_was_put_is_exported_as_it_was_put(
    from: &dyn Store,
    to: &dyn Store,
) {
    fill(from).await;
    let all = export(from, 100).await;
    to.put(all.clone()).await.unwrap();
    is_the_same(to, &all).await;
}

pub(in crate::view_log) async fn putting_again_or_in_part_before_changes_nothing(
    from: &dyn Store,
    to: &dyn Store,
) {
    fill(from).await;
    let all = export(from, 100).await;
    to.put(all[..all.len() / 2].to_vec()).await.unwrap();
    for _ in 0..2 {
        to.put(all.clone()).await.unwrap();
        is_the_same(to, &all).await;
    }
    to.put(Vec::new()).await.unwrap();
    is_the_same(to, &all).await;
}

pub(in crate::view_log) async fn what_is_put_replaces_what_was_there(
    from: &dyn Store,
    to: &dyn Store,
) {
    let filled = fill(from).await;
    to.put(export(from, 100).await).await.unwrap();
    // Everything that was copied changes, also a number that goes to another session.
    record(from, filled.viewed.beat(8, 80_000)).await;
    record(from, filled.resumed.beat(7, 55_000)).await;
    record(from, filled.started.beat(1, 0)).await;
    let sent = report(filled.plain.video, "0c", 0, 5 * MINUTE);
    record(from, Observation::Streamed(sent)).await;
    let joining = report(filled.plain.video, "0b", 20 * MINUTE, 80 * MINUTE);
    record(from, Observation::Streamed(joining)).await;
    let all = export(from, 100).await;
    to.put(all.clone()).await.unwrap();
    is_the_same(to, &all).await;
}

pub(in crate::view_log) async fn life_goes_on_where_a_log_was_put_as_where_it_came_from(
    from: &dyn Store,
    to: &dyn Store,
) {
    let filled = fill(from).await;
    to.put(export(from, 100).await).await.unwrap();
    let Filled {
        viewed,
        started,
        resumed,
        forgetful,
        deleted,
        plain,
    } = filled;
    let events = [
        // Known: the first, within a run, the last, and the start.
        viewed.beat(1, 0),
        viewed.beat(2, 999_000),
        viewed.beat(10, 5),
        viewed.start(),
        // New: in the hole, and after the last.
        viewed.beat(5, 45_000),
        viewed.beat(8, 80_000),
        viewed.beat(11, 119_000),
        started.beat(1, 1_000),
        resumed.beat(5, 40_000),
        resumed.beat(7, 61_000),
        forgetful.beat(5, 40_000),
        forgetful.beat(6, 60_000),
        deleted.beat(1, 0),
        Observation::Streamed(plain.clone()),
        Observation::Streamed(report(plain.video, "0b", 20 * MINUTE, 80 * MINUTE)),
        Observation::Streamed(report(plain.video, "0d", 0, 5 * MINUTE)),
    ];
    for event in events {
        let (there, here) = (
            record(from, event.clone()).await,
            record(to, event.clone()).await,
        );
        assert_eq!(here, there, "{event:?}");
    }
    is_the_same(to, &export(from, 100).await).await;
    for player in [viewed, started, resumed, forgetful] {
        assert_eq!(player.entry(to).await, player.entry(from).await);
        let page = PageRequest {
            after: None,
            limit: 100,
        };
        let listed = to.entries(player.session.viewer, page).await.unwrap();
        assert_eq!(
            listed,
            from.entries(player.session.viewer, page).await.unwrap()
        );
    }
    let unpublished = to.unpublished_views(moment(i64::from(i32::MAX)), 100).await;
    let expected = from
        .unpublished_views(moment(i64::from(i32::MAX)), 100)
        .await;
    let sorted = |views: Result<Vec<CountedView>, _>| {
        let mut views = views.unwrap();
        views.sort();
        views
    };
    assert_eq!(sorted(unpublished), sorted(expected));
}

pub(in crate::view_log) async fn marks_and_deletions_that_are_put_later_remove_what_they_cover(
    from: &dyn Store,
    to: &dyn Store,
) {
    let filled = fill(from).await;
    to.put(export(from, 100).await).await.unwrap();
    let viewer = filled.viewed.session.viewer;
    from.forget(Forget::Viewer(viewer), moment(200_000))
        .await
        .unwrap();
    let video = filled.plain.video;
    from.forget(Forget::Video(video), moment(0)).await.unwrap();
    // Only what forgets is put: nothing tells that the rest is gone.
    let marks = export(from, 100)
        .await
        .into_iter()
        .filter(|kept| matches!(kept, Kept::Viewer { .. } | Kept::DeletedVideo { .. }));
    to.put(marks.collect()).await.unwrap();
    is_the_same(to, &export(from, 100).await).await;
    assert_eq!(filled.viewed.entry(to).await, None);
    let again = Observation::Streamed(filled.plain);
    assert_eq!(outcome(to, again).await, Outcome::VideoDeleted);
}
