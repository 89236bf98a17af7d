//! Laws 1 to 6: what becomes of one id.

use futures_util::future::join_all;
use uuid::Uuid;

use super::{delete, find, found, id, new_title, new_video, register, time, title};
use crate::catalog::{Catalog, Change, Entry, Registration, State};
use crate::page::Sort;
use crate::video::{Description, Edit, PosterVersion, Tags, Tombstone, Video};

pub(crate) async fn the_first_registration_wins_and_later_ones_are_told_what_is_there(
    catalog: &dyn Catalog,
) {
    let first = register(catalog, 1, "First").await;
    assert_eq!(first, new_video(1, "First").into_video(0));
    catalog.amend(id(1), new_title("Edited")).await.unwrap();

    let again = catalog.register(new_video(1, "Second")).await.unwrap();
    let mut there = first;
    there.text.title = title("Edited");
    assert_eq!(again, Registration::AlreadyThere(there.clone()));
    assert_eq!(find(catalog, 1).await, Some(there));
    assert!(found(catalog, "first").await.is_empty());
    assert!(found(catalog, "second").await.is_empty());
}

pub(crate) async fn of_registrations_side_by_side_exactly_one_registers(catalog: &dyn Catalog) {
    let titles: Vec<String> = (0..20).map(|n| format!("Title {n}")).collect();
    let registrations = join_all(
        titles
            .iter()
            .map(|title| catalog.register(new_video(1, title))),
    )
    .await;
    let there = find(catalog, 1).await.unwrap();
    let mut registered = 0;
    for registration in registrations {
        match registration.unwrap() {
            Registration::Registered(video) => {
                registered += 1;
                assert_eq!(video, there);
            }
            Registration::AlreadyThere(video) => assert_eq!(video, there),
            Registration::Deleted => panic!("nobody deleted it"),
        }
    }
    assert_eq!(registered, 1);
    assert_eq!(found(catalog, "title").await, [1]);
}

pub(crate) async fn what_is_known_of_ids_leaves_out_the_unknown(catalog: &dyn Catalog) {
    register(catalog, 1, "Stays").await;
    register(catalog, 2, "Goes").await;
    delete(catalog, 2).await;
    catalog.amend(id(3), Change::ViewNumber(7)).await.unwrap();

    let entries = catalog
        .look_up(&[id(1), id(2), id(3), id(4)])
        .await
        .unwrap();
    assert_eq!(entries.len(), 2);
    assert!(entries.contains(&Entry::Present(find(catalog, 1).await.unwrap())));
    assert!(entries.contains(&Entry::Deleted(Tombstone {
        video: id(2),
        deleted_at: time(0),
    })));
    assert!(catalog.look_up(&[]).await.unwrap().is_empty());
}

pub(crate) async fn an_unknown_video_is_neither_amended_nor_deleted(catalog: &dyn Catalog) {
    let poster = Change::Poster(PosterVersion::new("v1".to_owned()).unwrap());
    for change in [new_title("New"), poster, Change::ViewNumber(1)] {
        assert_eq!(catalog.amend(id(1), change).await.unwrap(), None);
    }
    let tombstone = Tombstone {
        video: id(1),
        deleted_at: time(0),
    };
    assert!(!catalog.delete(tombstone).await.unwrap());
    assert!(catalog.look_up(&[id(1)]).await.unwrap().is_empty());
    assert!(catalog.pending_deletions(10).await.unwrap().is_empty());
}

pub(crate) async fn an_edit_changes_what_it_names_and_nothing_else(catalog: &dyn Catalog) {
    let before = register(catalog, 1, "Title").await;
    let edit = Edit {
        title: None,
        description: Some(Description::new("Several\nlines".to_owned()).unwrap()),
        tags: Some(Tags::new(vec!["b".to_owned(), "ä".to_owned()]).unwrap()),
    };
    let after = Video {
        text: before.text.clone().edited(edit.clone()),
        ..before
    };
    let answer = catalog.amend(id(1), Change::Edit(edit)).await.unwrap();
    assert_eq!(answer, Some(after.clone()));
    assert_eq!(find(catalog, 1).await, Some(after.clone()));

    let nothing = Change::Edit(Edit::default());
    assert_eq!(catalog.amend(id(1), nothing).await.unwrap(), Some(after));
}

pub(crate) async fn edits_side_by_side_leave_text_and_search_in_agreement(catalog: &dyn Catalog) {
    register(catalog, 1, "Before").await;
    let titles: Vec<String> = ('a'..='t').map(|letter| format!("Title{letter}")).collect();
    let descriptions: Vec<String> = ('a'..='t').map(|letter| format!("Text{letter}")).collect();
    let description = |text: &String| {
        Change::Edit(Edit {
            description: Some(Description::new(text.clone()).unwrap()),
            ..Edit::default()
        })
    };
    let changes = titles
        .iter()
        .map(|title| new_title(title))
        .chain(descriptions.iter().map(description));
    for answer in join_all(changes.map(|change| catalog.amend(id(1), change))).await {
        assert!(answer.unwrap().is_some());
    }
    let text = find(catalog, 1).await.unwrap().text;
    assert_ne!(
        text.description.as_str(),
        "",
        "no edit undoes another's member"
    );
    for word in titles.iter().chain(&descriptions) {
        let is_there = text.title.as_str() == word || text.description.as_str() == word;
        assert_eq!(found(catalog, word).await == [1], is_there, "{word}");
    }
    assert!(found(catalog, "before").await.is_empty());
}

pub(crate) async fn a_poster_replaces_the_one_before(catalog: &dyn Catalog) {
    register(catalog, 1, "Title").await;
    for version in ["00ff", "11ee"] {
        let version = PosterVersion::new(version.to_owned()).unwrap();
        let change = Change::Poster(version.clone());
        let video = catalog.amend(id(1), change).await.unwrap().unwrap();
        assert_eq!(video.poster, Some(version));
        assert_eq!(find(catalog, 1).await, Some(video));
    }
}

pub(crate) async fn the_views_are_the_highest_number_in_whatever_order_they_come(
    catalog: &dyn Catalog,
) {
    register(catalog, 1, "Title").await;
    for (number, views) in [(1, 1), (3, 3), (2, 3), (3, 3), (4, 4)] {
        let change = Change::ViewNumber(number);
        let video = catalog.amend(id(1), change).await.unwrap().unwrap();
        assert_eq!(video.views, views);
    }
    assert_eq!(find(catalog, 1).await.unwrap().views, 4);
}

pub(crate) async fn view_numbers_side_by_side_end_at_the_highest(catalog: &dyn Catalog) {
    register(catalog, 1, "Title").await;
    // 37 and 100 have no common factor: every number from 0 to 99 comes once, well mixed.
    let numbers = (0..100).map(|n| n * 37 % 100);
    let changes = numbers.map(|number| catalog.amend(id(1), Change::ViewNumber(number)));
    for answer in join_all(changes).await {
        answer.unwrap();
    }
    assert_eq!(find(catalog, 1).await.unwrap().views, 99);
}

pub(crate) async fn a_view_number_that_comes_before_its_video_is_kept_for_it(
    catalog: &dyn Catalog,
) {
    for number in [5, 9, 7] {
        let change = Change::ViewNumber(number);
        assert_eq!(catalog.amend(id(1), change).await.unwrap(), None);
    }
    assert!(catalog.look_up(&[id(1)]).await.unwrap().is_empty());
    let page = catalog.list(&super::listing(None, Sort::Views, 10)).await;
    assert!(page.unwrap().videos.is_empty());

    assert_eq!(register(catalog, 1, "Title").await.views, 9);
    assert_eq!(find(catalog, 1).await.unwrap().views, 9);
}

pub(crate) async fn a_view_number_beside_the_registration_is_not_lost(catalog: &dyn Catalog) {
    for n in 0..20 {
        let (early, registered, late) = futures_util::join!(
            catalog.amend(id(n), Change::ViewNumber(2)),
            catalog.register(new_video(n, "Title")),
            catalog.amend(id(n), Change::ViewNumber(3)),
        );
        early.unwrap();
        assert!(matches!(registered.unwrap(), Registration::Registered(_)));
        late.unwrap();
        assert_eq!(find(catalog, n).await.unwrap().views, 3);
    }
}

pub(crate) async fn a_view_number_for_a_deleted_video_is_dropped(catalog: &dyn Catalog) {
    register(catalog, 1, "Title").await;
    delete(catalog, 1).await;
    let change = Change::ViewNumber(5);
    assert_eq!(catalog.amend(id(1), change).await.unwrap(), None);
    let entries = catalog.look_up(&[id(1)]).await.unwrap();
    assert!(matches!(entries[..], [Entry::Deleted(_)]));
}

pub(crate) async fn a_deleted_video_never_comes_back(catalog: &dyn Catalog) {
    register(catalog, 1, "Gone").await;
    delete(catalog, 1).await;
    catalog.confirm_deletion(id(1)).await.unwrap();

    let again = catalog.register(new_video(1, "Gone")).await.unwrap();
    assert_eq!(again, Registration::Deleted);
    assert_eq!(catalog.amend(id(1), new_title("Back")).await.unwrap(), None);
    let later = Tombstone {
        video: id(1),
        deleted_at: time(99),
    };
    assert!(!catalog.delete(later).await.unwrap());

    let first = Tombstone {
        video: id(1),
        deleted_at: time(0),
    };
    let entries = catalog.look_up(&[id(1)]).await.unwrap();
    assert_eq!(entries, [Entry::Deleted(first)]);
    assert!(catalog.pending_deletions(10).await.unwrap().is_empty());
    for word in ["gone", "back"] {
        assert!(found(catalog, word).await.is_empty());
    }
    for sort in [Sort::Newest, Sort::Title, Sort::Views] {
        let page = catalog.list(&super::listing(None, sort, 10)).await.unwrap();
        assert!(page.videos.is_empty());
    }
}

pub(crate) async fn a_deletion_is_pending_until_it_is_confirmed(catalog: &dyn Catalog) {
    let mut tombstones = Vec::new();
    for n in 1..=4 {
        register(catalog, n, "Title").await;
        let tombstone = Tombstone {
            video: id(n),
            deleted_at: time(100 - i64::from(n)),
        };
        assert!(catalog.delete(tombstone).await.unwrap());
        tombstones.insert(0, tombstone);
    }
    assert_eq!(catalog.pending_deletions(10).await.unwrap(), tombstones);
    assert_eq!(catalog.pending_deletions(2).await.unwrap(), tombstones[..2]);

    for _ in 0..2 {
        catalog.confirm_deletion(id(3)).await.unwrap();
    }
    catalog.confirm_deletion(id(77)).await.unwrap();
    tombstones.remove(1);
    assert_eq!(catalog.pending_deletions(10).await.unwrap(), tombstones);
    assert!(catalog.look_up(&[id(77)]).await.unwrap().is_empty());
}

pub(crate) async fn of_deletions_side_by_side_exactly_one_deletes(catalog: &dyn Catalog) {
    register(catalog, 1, "Title").await;
    let tombstones = (0..10).map(|n| Tombstone {
        video: id(1),
        deleted_at: time(n),
    });
    let deletions = tombstones.map(|tombstone| async move {
        let deleted = catalog.delete(tombstone).await.unwrap();
        deleted.then_some(tombstone)
    });
    let deleted: Vec<_> = join_all(deletions).await.into_iter().flatten().collect();
    assert_eq!(deleted.len(), 1);
    assert_eq!(catalog.pending_deletions(10).await.unwrap(), deleted);
}

pub(crate) async fn a_change_beside_a_deletion_does_not_undo_it(catalog: &dyn Catalog) {
    for n in 0..20 {
        register(catalog, n, "Title").await;
        let tombstone = Tombstone {
            video: id(n),
            deleted_at: time(0),
        };
        let (edited, viewed, deleted) = futures_util::join!(
            catalog.amend(id(n), new_title("Edited")),
            catalog.amend(id(n), Change::ViewNumber(3)),
            catalog.delete(tombstone),
        );
        edited.unwrap();
        viewed.unwrap();
        assert!(deleted.unwrap());
        let entries = catalog.look_up(&[id(n)]).await.unwrap();
        assert_eq!(entries, [Entry::Deleted(tombstone)]);
    }
    assert!(found(catalog, "title").await.is_empty());
    assert!(found(catalog, "edited").await.is_empty());
}

/// Nothing that was kept elsewhere, however old, brings a deleted video back.
pub(crate) async fn a_tombstone_stays_when_everybody_has_learnt_of_it(catalog: &dyn Catalog) {
    register(catalog, 1, "Title").await;
    delete(catalog, 1).await;
    catalog.confirm_deletion(id(1)).await.unwrap();
    assert!(catalog.pending_deletions(10).await.unwrap().is_empty());
    let again = catalog.register(new_video(1, "Title")).await.unwrap();
    assert_eq!(again, Registration::Deleted);
    let entries = catalog.look_up(&[id(1)]).await.unwrap();
    assert!(matches!(entries[..], [Entry::Deleted(_)]));
    let walk = catalog.states_after(Uuid::nil(), 10).await.unwrap();
    assert_eq!(walk.states, [(id(1), State::Deleted)]);
}

pub(crate) async fn a_walk_over_all_ids_sees_each_state_once_in_order(catalog: &dyn Catalog) {
    let empty = catalog.states_after(Uuid::nil(), 3).await.unwrap();
    assert_eq!((empty.states.len(), empty.next), (0, None));

    let mut expected = Vec::new();
    for n in [4, 1, 7, 3, 9, 2] {
        register(catalog, n, "Title").await;
    }
    for n in [3, 9] {
        delete(catalog, n).await;
    }
    // Of which only a view is known.
    for n in [5, 6, 8] {
        catalog.amend(id(n), Change::ViewNumber(1)).await.unwrap();
    }
    for n in [1, 2, 3, 4, 7, 9] {
        let is_deleted = [3, 9].contains(&n);
        let state = if is_deleted {
            State::Deleted
        } else {
            State::Present
        };
        expected.push((id(n), state));
    }
    for limit in [1, 2, 3, 4, 100] {
        let mut seen = Vec::new();
        let mut after = Some(Uuid::nil());
        while let Some(last) = after {
            let page = catalog.states_after(last, limit).await.unwrap();
            assert!(page.states.len() <= limit);
            seen.extend(page.states);
            after = page.next;
        }
        assert_eq!(seen, expected, "{limit}");
    }
}
