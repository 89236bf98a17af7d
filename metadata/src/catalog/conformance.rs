//! The laws of [`Catalog`] as tests. Every implementation passes all of them, each on an empty
//! catalogue of its own:
//!
//! ```ignore
//! macro_rules! obeys { ($($law:ident)+) => { $(#[tokio::test] async fn $law() { … }) + } }
//! for_each_law!(obeys);
//! ```

use futures_util::future::join_all;
use jiff::Timestamp;
use uuid::Uuid;

use super::{Catalog, Change, Entry, Registration};
use crate::page::{Listing, Page, Sort};
use crate::search::SearchQuery;
use crate::video::{ContentHash, ContentType, Edit, Facts, NewVideo, Title, Tombstone, Video};

mod lists;
mod searches;
mod states;
mod transfers;

pub(crate) use lists::*;
pub(crate) use searches::*;
pub(crate) use states::*;
pub(crate) use transfers::*;

/// Calls a macro with the names of all laws.
macro_rules! for_each_law {
    ($call:ident) => {
        $call! {
            the_first_registration_wins_and_later_ones_are_told_what_is_there
            of_registrations_side_by_side_exactly_one_registers
            what_is_known_of_ids_leaves_out_the_unknown
            an_unknown_video_is_neither_amended_nor_deleted
            an_edit_changes_what_it_names_and_nothing_else
            edits_side_by_side_leave_text_and_search_in_agreement
            a_poster_replaces_the_one_before
            the_views_are_the_highest_number_in_whatever_order_they_come
            view_numbers_side_by_side_end_at_the_highest
            a_view_number_that_comes_before_its_video_is_kept_for_it
            a_view_number_beside_the_registration_is_not_lost
            a_view_number_for_a_deleted_video_is_dropped
            a_deleted_video_never_comes_back
            a_deletion_is_pending_until_it_is_confirmed
            of_deletions_side_by_side_exactly_one_deletes
            a_change_beside_a_deletion_does_not_undo_it
            a_tombstone_stays_when_everybody_has_learnt_of_it
            a_walk_over_all_ids_sees_each_state_once_in_order
            an_empty_catalogue_lists_nothing
            each_order_breaks_its_ties_by_the_id
            views_and_edits_move_a_video_to_its_new_place
            a_list_that_changes_between_pages_keeps_the_videos_that_stay
            a_search_finds_words_in_title_description_and_tags
            a_search_sees_every_change_at_once
            a_query_without_a_word_finds_nothing
            the_newest_thousand_matches_are_taken_and_then_sorted
            uploads_between_two_pages_do_not_shift_a_search
            uploads_of_the_same_millisecond_do_not_shift_a_search
            deletions_between_two_pages_do_not_shift_a_search
            a_search_with_a_rare_word_is_complete_and_gives_up_without_one
        }
    };
}
pub(crate) use for_each_law;

/// The id of the `n`th video.
pub(crate) fn id(n: u32) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(n))
}

/// A time so many milliseconds after an arbitrary one.
pub(crate) fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_767_225_600_000 + ms).unwrap()
}

/// The `n`th video, uploaded `n` milliseconds after the arbitrary time.
pub(crate) fn new_video(n: u32, title: &str) -> NewVideo {
    new_video_at(n, title, time(i64::from(n)))
}

/// The `n`th video with a time of its own.
pub(crate) fn new_video_at(n: u32, title: &str, uploaded_at: Timestamp) -> NewVideo {
    NewVideo {
        facts: Facts {
            id: id(n),
            content_type: ContentType::new("video/mp4".to_owned()).unwrap(),
            size_bytes: 1_000 + u64::from(n),
            etag: ContentHash::new(format!("{n:064x}")).unwrap(),
            duration_ms: Some(60_000),
            width: None,
            height: Some(1080),
            uploaded_at,
        },
        title: self::title(title),
    }
}

/// Registers the videos, many side by side.
pub(crate) async fn register_all(catalog: &dyn Catalog, videos: Vec<NewVideo>) {
    for chunk in videos.chunks(500) {
        let registrations = chunk.iter().map(|video| catalog.register(video.clone()));
        for registration in join_all(registrations).await {
            assert!(matches!(registration, Ok(Registration::Registered(_))));
        }
    }
}

async fn register(catalog: &dyn Catalog, n: u32, title: &str) -> Video {
    match catalog.register(new_video(n, title)).await.unwrap() {
        Registration::Registered(video) => video,
        other => panic!("not registered: {other:?}"),
    }
}

async fn delete(catalog: &dyn Catalog, n: u32) {
    let tombstone = Tombstone {
        video: id(n),
        deleted_at: time(0),
    };
    assert!(catalog.delete(tombstone).await.unwrap());
}

async fn find(catalog: &dyn Catalog, n: u32) -> Option<Video> {
    match catalog.look_up(&[id(n)]).await.unwrap().pop() {
        Some(Entry::Present(video)) => Some(video),
        Some(Entry::Deleted(_)) | None => None,
    }
}

fn title(title: &str) -> Title {
    Title::new(title.to_owned()).unwrap()
}

fn new_title(title: &str) -> Change {
    Change::Edit(Edit {
        title: Some(self::title(title)),
        ..Edit::default()
    })
}

/// A list, or a search where there is a query.
fn listing(query: Option<&str>, sort: Sort, limit: usize) -> Listing {
    Listing {
        matching: query.map(|query| SearchQuery::new(query).unwrap()),
        sort,
        limit,
        after: None,
    }
}

/// Reads a list to its end and returns the numbers of its videos.
pub(crate) async fn all_pages(catalog: &dyn Catalog, mut listing: Listing) -> Vec<u32> {
    let mut seen = Vec::new();
    loop {
        let page = catalog.list(&listing).await.unwrap();
        assert!(page.videos.len() <= listing.limit);
        assert!(page.next.is_none() || page.videos.len() == listing.limit);
        seen.extend(numbers(&page));
        match page.next {
            Some(next) => listing.after = Some(next),
            None => return seen,
        }
    }
}

async fn found(catalog: &dyn Catalog, query: &str) -> Vec<u32> {
    all_pages(catalog, listing(Some(query), Sort::Newest, 100)).await
}

fn numbers(page: &Page) -> Vec<u32> {
    let number =
        |video: &Video| u32::try_from(video.facts.id.as_u128() & u128::from(u32::MAX)).unwrap();
    page.videos.iter().map(number).collect()
}
