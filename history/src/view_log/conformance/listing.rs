//! The list of a viewer's entries.

use super::*;
use crate::entry::{EntryPage, ListPosition, PageRequest};

async fn page(
    log: &dyn ViewLog,
    viewer: Uuid,
    after: Option<ListPosition>,
    limit: usize,
) -> EntryPage {
    log.entries(viewer, PageRequest { after, limit })
        .await
        .unwrap()
}

/// The videos of all pages, one after the other.
async fn walk(log: &dyn ViewLog, viewer: Uuid, limit: usize) -> Vec<Uuid> {
    let mut videos = Vec::new();
    let mut after = None;
    loop {
        let EntryPage { entries, next } = page(log, viewer, after, limit).await;
        assert!(entries.len() <= limit);
        assert!(next.is_none() || entries.len() == limit);
        videos.extend(entries.into_iter().map(|entry| entry.video));
        if next.is_none() {
            return videos;
        }
        after = next;
    }
}

/// One entry per given time, in milliseconds; the answer is the videos, in the same order.
async fn watched_at(log: &dyn ViewLog, viewer: Uuid, times: &[i64]) -> Vec<Uuid> {
    let mut videos = Vec::new();
    for time in times {
        let player = Player::of(viewer, Uuid::now_v7(), 0);
        record(log, player.beat_received(1, 0, moment(*time))).await;
        videos.push(player.session.video);
    }
    videos
}

pub(in crate::view_log) async fn the_list_is_newest_first_and_pages_meet_without_overlap(
    log: &dyn ViewLog,
) {
    let viewer = Uuid::new_v4();
    let times: Vec<i64> = (0..25).map(|index| index * 1_000).collect();
    let mut newest_first = watched_at(log, viewer, &times).await;
    newest_first.reverse();
    watched_at(log, Uuid::new_v4(), &[500, 1_500]).await;
    for limit in [1, 7, 24, 25, 26, 100] {
        assert_eq!(walk(log, viewer, limit).await, newest_first);
    }
    let first = page(log, viewer, None, 5).await;
    assert_eq!(
        first.next,
        Some(ListPosition {
            last_watched_at: first.entries[4].last_watched_at,
            video: first.entries[4].video,
        })
    );
    assert_eq!(walk(log, Uuid::new_v4(), 5).await, Vec::<Uuid>::new());
}

pub(in crate::view_log) async fn entries_of_the_same_millisecond_are_each_listed_once(
    log: &dyn ViewLog,
) {
    let viewer = Uuid::new_v4();
    let newest = watched_at(log, viewer, &[5_000]).await;
    let mut together = watched_at(log, viewer, &[4_000; 10]).await;
    let oldest = watched_at(log, viewer, &[3_000]).await;
    together.sort_unstable();
    let expected = [newest, together, oldest].concat();
    for limit in [1, 2, 3, 11] {
        assert_eq!(walk(log, viewer, limit).await, expected);
    }
}

pub(in crate::view_log) async fn an_entry_that_moves_up_between_pages_hides_no_other(
    log: &dyn ViewLog,
) {
    let viewer = Uuid::new_v4();
    let videos = watched_at(log, viewer, &[1_000, 2_000, 3_000, 4_000]).await;
    let first = page(log, viewer, None, 2).await;
    let again = Player::of(viewer, videos[2], 10_000);
    record(log, again.beat(1, 0)).await;
    let second = page(log, viewer, first.next, 2).await;
    let listed: Vec<_> = second.entries.iter().map(|entry| entry.video).collect();
    assert_eq!(listed, [videos[1], videos[0]]);
}
