//! Law 8: what searches find, and where they stop.

use super::{
    all_pages, delete, find, found, id, listing, new_title, new_video, new_video_at, numbers,
    register, register_all, time,
};
use crate::catalog::{Catalog, Change};
use crate::page::Sort;
use crate::search::{CANDIDATES_EXAMINED, MATCHES_TAKEN};
use crate::video::{Description, Edit, Tags};

pub(crate) async fn a_search_finds_words_in_title_description_and_tags(catalog: &dyn Catalog) {
    register(catalog, 1, "Die Große Straße").await;
    register(catalog, 2, "Große Brücke").await;
    let edit = Edit {
        title: None,
        description: Some(Description::new("An der Elbe, im Frühling".to_owned()).unwrap()),
        tags: Some(Tags::new(vec!["Dresden-Neustadt".to_owned()]).unwrap()),
    };
    catalog.amend(id(1), Change::Edit(edit)).await.unwrap();
    for (query, expected) in [
        ("GROSSE", &[2, 1][..]),
        ("gro", &[2, 1]),
        ("strasse elbe", &[1]),
        ("neu dres fruhling", &[1]),
        ("brucke", &[2]),
        ("brucke elbe", &[]),
        ("roße", &[]),
        ("grosses", &[]),
    ] {
        assert_eq!(found(catalog, query).await, expected, "{query}");
    }
}

pub(crate) async fn a_search_sees_every_change_at_once(catalog: &dyn Catalog) {
    register(catalog, 1, "Red kite").await;
    register(catalog, 2, "Red fox").await;
    assert_eq!(found(catalog, "red").await, [2, 1]);

    catalog.amend(id(2), new_title("Redstart")).await.unwrap();
    assert_eq!(found(catalog, "red").await, [2, 1]);
    assert_eq!(found(catalog, "redst").await, [2]);
    assert!(found(catalog, "fox").await.is_empty());

    delete(catalog, 1).await;
    assert_eq!(found(catalog, "red").await, [2]);
    assert!(found(catalog, "kite").await.is_empty());
}

pub(crate) async fn a_query_without_a_word_finds_nothing(catalog: &dyn Catalog) {
    register(catalog, 1, "What?!").await;
    let page = catalog.list(&listing(Some("?!"), Sort::Newest, 10)).await;
    let page = page.unwrap();
    assert!(page.videos.is_empty());
    assert_eq!(page.next, None);
    assert!(!page.incomplete);
}

pub(crate) async fn the_newest_thousand_matches_are_taken_and_then_sorted(catalog: &dyn Catalog) {
    let taken = u32::try_from(MATCHES_TAKEN).unwrap();
    // The later the upload, the later the title and the fewer the views.
    let videos = (1..=taken).map(|n| new_video(n, &format!("Clip {n:04}")));
    register_all(catalog, videos.collect()).await;
    for n in [3, 5] {
        let change = Change::ViewNumber(u64::from(10 - n));
        catalog.amend(id(n), change).await.unwrap();
    }
    let by_title = listing(Some("clip"), Sort::Title, 100);
    let page = catalog.list(&by_title).await.unwrap();
    assert!(!page.incomplete, "exactly as many as are taken are all");
    assert_eq!(
        all_pages(catalog, by_title.clone()).await,
        numbers_of(1..=taken)
    );

    register_all(
        catalog,
        (1..=3)
            .map(|n| new_video(taken + n, &format!("Clip {}", taken + n)))
            .collect(),
    )
    .await;
    let by_views = listing(Some("clip"), Sort::Views, 100);
    let newest = listing(Some("clip"), Sort::Newest, 100);
    for request in [&by_title, &by_views, &newest] {
        let mut request = request.clone();
        while let Some(next) = {
            let page = catalog.list(&request).await.unwrap();
            assert!(page.incomplete, "every page says so");
            page.next
        } {
            request.after = Some(next);
        }
    }
    assert_eq!(
        all_pages(catalog, by_title).await,
        numbers_of(4..=taken + 3)
    );
    let newest_first = numbers_of((4..=taken + 3).rev());
    assert_eq!(all_pages(catalog, newest).await, newest_first);
    // The third video has the most views, but three newer matches have taken its place.
    let mut most_viewed_first = newest_first;
    most_viewed_first.retain(|n| *n != 5);
    most_viewed_first.insert(0, 5);
    assert_eq!(all_pages(catalog, by_views).await, most_viewed_first);
}

pub(crate) async fn uploads_between_two_pages_do_not_shift_a_search(catalog: &dyn Catalog) {
    let taken = u32::try_from(MATCHES_TAKEN).unwrap();
    let clip = |n: u32| new_video(n, &format!("Clip {n:04}"));
    register_all(catalog, (1..=taken).map(clip).collect()).await;
    let mut rests = Vec::new();
    for sort in [Sort::Newest, Sort::Title, Sort::Views] {
        let mut rest = listing(Some("clip"), sort, 100);
        let first = catalog.list(&rest).await.unwrap();
        rest.after.clone_from(&first.next);
        rests.push((rest, numbers(&first)));
    }
    register_all(catalog, (taken + 1..=taken + 9).map(clip).collect()).await;
    for (rest, mut seen) in rests {
        let sort = rest.sort;
        seen.extend(all_pages(catalog, rest).await);
        let mut expected = numbers_of(1..=taken);
        if sort != Sort::Title {
            expected.reverse();
        }
        assert_eq!(seen, expected, "{sort:?}");
    }
}

pub(crate) async fn uploads_of_the_same_millisecond_do_not_shift_a_search(catalog: &dyn Catalog) {
    let taken = u32::try_from(MATCHES_TAKEN).unwrap();
    let clip = |n: u32| new_video_at(n, "Clip", time(0));
    register_all(catalog, (1..=taken).map(clip).collect()).await;
    let mut rest = listing(Some("clip"), Sort::Title, 100);
    let first = catalog.list(&rest).await.unwrap();
    rest.after.clone_from(&first.next);
    register_all(catalog, (taken + 1..=taken + 9).map(clip).collect()).await;
    let mut seen = numbers(&first);
    seen.extend(all_pages(catalog, rest).await);
    assert_eq!(seen, numbers_of(1..=taken));
}

pub(crate) async fn deletions_between_two_pages_do_not_shift_a_search(catalog: &dyn Catalog) {
    for (first_number, sort) in [(100, Sort::Newest), (200, Sort::Title), (300, Sort::Views)] {
        let clips = first_number..first_number + 10;
        let word = sort.name();
        for n in clips.clone() {
            register(catalog, n, &format!("{word} {n}")).await;
        }
        let mut rest = listing(Some(word), sort, 4);
        let first = catalog.list(&rest).await.unwrap();
        rest.after.clone_from(&first.next);
        // The newest match, the last of the first page, and one that is still to come.
        let seen = numbers(&first);
        let coming = clips
            .clone()
            .find(|n| !seen.contains(n) && *n != first_number + 9);
        let mut deleted = vec![first_number + 9, seen[3], coming.unwrap()];
        deleted.sort_unstable();
        deleted.dedup();
        for n in &deleted {
            delete(catalog, *n).await;
        }
        let mut expected: Vec<u32> = clips.collect();
        if sort != Sort::Title {
            expected.reverse();
        }
        expected.retain(|n| !seen.contains(n) && !deleted.contains(n));
        assert_eq!(all_pages(catalog, rest).await, expected, "{sort:?}");
    }
}

pub(crate) async fn a_search_with_a_rare_word_is_complete_and_gives_up_without_one(
    catalog: &dyn Catalog,
) {
    let examined = u32::try_from(CANDIDATES_EXAMINED).unwrap();
    register(catalog, 0, "Donaudampfschiffkapitän mit Bart").await;
    let others = (1..=examined).map(|n| new_video(n, "Donaudampfschifffahrt"));
    register_all(catalog, others.collect()).await;
    assert!(find(catalog, examined).await.is_some());

    // All of them share the longest term of the long word; only the oldest one has the word.
    let page = |query| {
        let request = listing(Some(query), Sort::Newest, 10);
        async move { catalog.list(&request).await.unwrap() }
    };
    let gave_up = page("donaudampfschiffkapitan").await;
    assert!(gave_up.videos.is_empty());
    assert!(gave_up.incomplete);

    let complete = page("donaudampfschiffkapitan bart").await;
    assert_eq!(numbers(&complete), [0]);
    assert!(!complete.incomplete);

    delete(catalog, 1).await;
    let within_the_limit = page("donaudampfschiffkapitan").await;
    assert_eq!(numbers(&within_the_limit), [0]);
    assert!(!within_the_limit.incomplete);
}

fn numbers_of(range: impl Iterator<Item = u32>) -> Vec<u32> {
    range.collect()
}
