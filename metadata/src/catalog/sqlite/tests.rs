//! The embedded catalogue obeys the laws, keeps what it took across restarts, and pages through
//! anything.

use proptest::prelude::*;
use rusqlite::Connection;
use test_support::DataFolder;

use super::*;
use crate::catalog::conformance::{
    self, all_pages, for_each_law, for_each_transfer_law, id, new_video, new_video_at,
    register_all, time,
};

async fn open(folder: &DataFolder) -> SqliteCatalog {
    SqliteCatalog::open(&folder.join("metadata.db"))
        .await
        .unwrap()
}

macro_rules! sqlite_obeys {
    ($($law:ident)+) => {
        $(
            #[tokio::test]
            async fn $law() {
                let folder = DataFolder::new();
                conformance::$law(&open(&folder).await).await;
            }
        )+
    };
}
for_each_law!(sqlite_obeys);

macro_rules! sqlite_moves {
    ($($law:ident)+) => {
        $(
            #[tokio::test]
            async fn $law() {
                let (folder, other) = (DataFolder::new(), DataFolder::new());
                conformance::$law(&open(&folder).await, &open(&other).await).await;
            }
        )+
    };
}
for_each_transfer_law!(sqlite_moves);

#[tokio::test]
async fn everything_is_still_there_after_a_restart() {
    let folder = DataFolder::new();
    let before = open(&folder).await;
    register_all(&before, (1..=3).map(|n| new_video(n, "Title")).collect()).await;
    before.amend(id(1), Change::ViewNumber(4)).await.unwrap();
    before.amend(id(9), Change::ViewNumber(5)).await.unwrap();
    let tombstone = Tombstone {
        video: id(2),
        deleted_at: time(0),
    };
    assert!(before.delete(tombstone).await.unwrap());
    let ids = [id(1), id(2), id(3)];
    let known = before.look_up(&ids).await.unwrap();
    drop(before);

    let after = open(&folder).await;
    assert_eq!(after.look_up(&ids).await.unwrap(), known);
    assert_eq!(after.pending_deletions(10).await.unwrap(), [tombstone]);
    match after.register(new_video(9, "Title")).await.unwrap() {
        Registration::Registered(video) => assert_eq!(video.views, 5),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn deleting_a_video_leaves_none_of_its_terms() {
    let folder = DataFolder::new();
    let catalog = open(&folder).await;
    register_all(&catalog, vec![new_video(1, "Several different words")]).await;
    let edit = Edit {
        title: Some(crate::video::Title::stored("Other words".to_owned())),
        ..Edit::default()
    };
    catalog.amend(id(1), Change::Edit(edit)).await.unwrap();
    let tombstone = Tombstone {
        video: id(1),
        deleted_at: time(0),
    };
    assert!(catalog.delete(tombstone).await.unwrap());
    let file = Connection::open(folder.join("metadata.db")).unwrap();
    let count = |table: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        file.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count("terms"), 0);
    assert_eq!(count("videos"), 0);
    assert_eq!(count("tombstones"), 1);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_broken_and_not_just_unavailable() {
    let folder = DataFolder::new();
    let path = folder.join("metadata.db");
    std::fs::write(&path, [b'x'; 4096]).unwrap();
    let error = SqliteCatalog::open(&path).await.err();
    assert!(
        matches!(error, Some(CatalogError::Broken { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_file_that_another_process_holds_is_unavailable() {
    let folder = DataFolder::new();
    drop(open(&folder).await);
    let path = folder.join("metadata.db");
    let holder = Connection::open(&path).unwrap();
    holder
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;")
        .unwrap();
    let error = SqliteCatalog::open(&path).await.err();
    assert!(
        matches!(error, Some(CatalogError::Unavailable { .. })),
        "{error:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_pages_of_a_list_are_the_whole_list_in_order(
        // Few different values, so that there are many ties.
        videos in proptest::collection::vec(("[aAäb]{1,2}", 0_i64..4, 0_u64..4), 0..40),
        limit in 1_usize..12,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = DataFolder::new();
            let catalog = open(&folder).await;
            let mut all = Vec::new();
            for (n, (title, at, views)) in (1_u32..).zip(&videos) {
                register_all(&catalog, vec![new_video_at(n, title, time(*at))]).await;
                let video = catalog.amend(id(n), Change::ViewNumber(*views)).await.unwrap();
                all.push((n, video.unwrap()));
            }
            for sort in [Sort::Newest, Sort::Title, Sort::Views] {
                for query in [None, Some("a")] {
                    let listing = Listing {
                        matching: query.map(|query| SearchQuery::new(query).unwrap()),
                        sort,
                        limit,
                        after: None,
                    };
                    let mut expected: Vec<_> = all
                        .iter()
                        .filter(|(_, video)| {
                            let title = crate::search::fold(video.text.title.as_str());
                            query.is_none_or(|query| title.starts_with(query))
                        })
                        .map(|(n, video)| (Place::of(video, sort), *n))
                        .collect();
                    expected.sort();
                    let expected: Vec<u32> = expected.into_iter().map(|(_, n)| n).collect();
                    assert_eq!(all_pages(&catalog, listing).await, expected);
                }
            }
        });
    }
}
