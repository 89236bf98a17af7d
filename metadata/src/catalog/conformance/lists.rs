//! Law 7: the orders and the pages of lists.

use super::{
    all_pages, delete, id, listing, new_title, new_video_at, numbers, register, register_all, time,
};
use crate::catalog::{Catalog, Change};
use crate::page::Sort;

pub(crate) async fn an_empty_catalogue_lists_nothing(catalog: &dyn Catalog) {
    for sort in [Sort::Newest, Sort::Title, Sort::Views] {
        for query in [None, Some("word")] {
            let page = catalog.list(&listing(query, sort, 10)).await.unwrap();
            assert!(page.videos.is_empty());
            assert_eq!(page.next, None);
            assert!(!page.incomplete);
        }
    }
}

pub(crate) async fn each_order_breaks_its_ties_by_the_id(catalog: &dyn Catalog) {
    let videos = [
        (1, "banana", 0),
        (2, "Äpfel", 0),
        (3, "BANANA", 5),
        (4, "apfel", 5),
        (5, "\u{301}", 0),
    ];
    let videos = videos.map(|(n, title, at)| new_video_at(n, title, time(at)));
    register_all(catalog, videos.to_vec()).await;
    for n in [2, 3] {
        let change = Change::ViewNumber(8);
        catalog.amend(id(n), change).await.unwrap();
    }
    for limit in 1..=6 {
        for (sort, expected) in [
            (Sort::Newest, [4, 3, 5, 2, 1]),
            (Sort::Title, [5, 2, 4, 1, 3]),
            (Sort::Views, [3, 2, 5, 4, 1]),
        ] {
            let seen = all_pages(catalog, listing(None, sort, limit)).await;
            assert_eq!(seen, expected, "{sort:?} by {limit}");
        }
    }
}

pub(crate) async fn views_and_edits_move_a_video_to_its_new_place(catalog: &dyn Catalog) {
    for n in 1..=3 {
        register(catalog, n, &format!("Title {n}")).await;
    }
    catalog.amend(id(1), Change::ViewNumber(2)).await.unwrap();
    catalog.amend(id(1), new_title("Zebra")).await.unwrap();
    for (sort, expected) in [
        (Sort::Newest, [3, 2, 1]),
        (Sort::Title, [2, 3, 1]),
        (Sort::Views, [1, 3, 2]),
    ] {
        assert_eq!(all_pages(catalog, listing(None, sort, 2)).await, expected);
    }
}

pub(crate) async fn a_list_that_changes_between_pages_keeps_the_videos_that_stay(
    catalog: &dyn Catalog,
) {
    for n in 10..20 {
        register(catalog, n, &format!("Title {n}")).await;
    }
    let mut lists = Vec::new();
    for sort in [Sort::Newest, Sort::Title, Sort::Views] {
        let mut rest = listing(None, sort, 4);
        let first = catalog.list(&rest).await.unwrap();
        rest.after.clone_from(&first.next);
        lists.push((rest, numbers(&first)));
    }
    for n in [10, 11, 18, 19] {
        delete(catalog, n).await;
    }
    for n in [1, 2, 98, 99] {
        register(catalog, n, &format!("Title {n:02}")).await;
    }
    for (rest, mut seen) in lists {
        let sort = rest.sort;
        seen.extend(all_pages(catalog, rest).await);
        seen.retain(|n| (12..18).contains(n));
        let mut expected: Vec<u32> = (12..18).collect();
        if sort != Sort::Title {
            expected.reverse();
        }
        assert_eq!(seen, expected, "{sort:?}");
    }
}
