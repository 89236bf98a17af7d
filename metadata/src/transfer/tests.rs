//! Copying between two files, more than a page long.

use test_support::DataFolder;
use uuid::Uuid;

use super::{Catalogue, Sample, Standing, TransferError, compare_page, copy_page};
use crate::catalog::Change;
use crate::catalog::conformance::{id, new_video, register_all, time};
use crate::config::CatalogUrl;
use crate::page::{Listing, Sort};
use crate::search::SearchQuery;
use crate::video::Tombstone;

/// More than two pages of ids.
const MANY: u32 = 1_234;

async fn open(folder: &DataFolder, name: &str) -> Catalogue {
    let url = CatalogUrl::Sqlite(folder.join(name));
    Catalogue::open(&url).await.unwrap()
}

async fn filled(folder: &DataFolder) -> Catalogue {
    let catalogue = open(folder, "source.db").await;
    let videos = (1..=MANY).map(|n| new_video(n, "Film"));
    register_all(&*catalogue.catalog, videos.collect()).await;
    catalogue
}

async fn copy(source: &Catalogue, target: &Catalogue) -> (u64, u64) {
    let (mut read, mut written, mut after) = (0, 0, None);
    loop {
        let page = copy_page(source, target, after).await.unwrap();
        read += page.read;
        written += page.written;
        after = page.next;
        if after.is_none() {
            return (read, written);
        }
    }
}

/// Equal, different, missing, foreign, and whether the forms are the same.
async fn compare(source: &Catalogue, target: &Catalogue) -> (u64, usize, usize, usize, bool) {
    let (mut equal, mut different, mut missing, mut foreign) = (0, 0, 0, 0);
    let (mut forms, mut after) = ((Vec::new(), Vec::new()), None);
    loop {
        let page = compare_page(source, target, after).await.unwrap();
        equal += page.equal;
        different += page.different.len();
        missing += page.missing.len();
        foreign += page.foreign.len();
        forms.0.extend(page.source_form);
        forms.1.extend(page.target_form);
        after = page.next;
        if after.is_none() {
            return (equal, different, missing, foreign, forms.0 == forms.1);
        }
    }
}

#[tokio::test]
async fn a_copy_of_many_pages_is_equal_and_the_next_one_writes_only_what_has_changed() {
    let folder = DataFolder::new();
    let source = filled(&folder).await;
    let target = open(&folder, "target.db").await;
    assert!(target.is_empty().await.unwrap());
    // Interrupted after the first page, and begun again.
    copy_page(&source, &target, None).await.unwrap();
    let many = u64::from(MANY);
    assert_eq!(copy(&source, &target).await, (many, many - 500));
    assert_eq!(compare(&source, &target).await, (many, 0, 0, 0, true));
    source
        .catalog
        .amend(id(700), Change::ViewNumber(1))
        .await
        .unwrap();
    assert_eq!(compare(&source, &target).await, (many - 1, 1, 0, 0, false));
    assert_eq!(copy(&source, &target).await, (many, 1));
    assert_eq!(compare(&source, &target).await, (many, 0, 0, 0, true));
}

#[tokio::test]
async fn what_the_source_never_had_is_foreign() {
    let folder = DataFolder::new();
    let source = filled(&folder).await;
    let target = open(&folder, "target.db").await;
    register_all(&*target.catalog, vec![new_video(MANY + 9, "Other")]).await;
    let number = Change::ViewNumber(2);
    target.catalog.amend(id(MANY + 10), number).await.unwrap();
    let (_, _, missing, foreign, _) = compare(&source, &target).await;
    assert_eq!((missing, foreign), (MANY as usize, 1));
}

#[tokio::test]
async fn a_deletion_since_is_told_and_taken_over() {
    let folder = DataFolder::new();
    let source = filled(&folder).await;
    let target = open(&folder, "target.db").await;
    copy(&source, &target).await;
    let tombstone = Tombstone {
        video: id(3),
        deleted_at: time(7),
    };
    assert!(source.catalog.delete(tombstone).await.unwrap());
    let page = compare_page(&source, &target, None).await.unwrap();
    assert_eq!(page.deleted_since, [id(3)]);
    target.take_deletions(&source, &[id(3)]).await.unwrap();
    let unknown = Uuid::from_u128(1);
    let standing = target.standing(&[unknown, id(3), id(4)]).await.unwrap();
    let expected = [Standing::Unknown, Standing::Deleted, Standing::Listed];
    assert_eq!(standing, expected);
    target.raise_views(&[(id(4), 7)]).await.unwrap();
    let page = compare_page(&source, &target, None).await.unwrap();
    assert_eq!(page.different, [id(4)]);
}

#[tokio::test]
async fn a_source_that_is_not_there_is_not_made() {
    let folder = DataFolder::new();
    let url = CatalogUrl::Sqlite(folder.join("none.db"));
    let refused = Catalogue::open_existing(&url).await.err();
    assert!(matches!(refused, Some(TransferError::NoCatalogue { .. })));
    assert!(!folder.join("none.db").exists());
}

fn sample(n: u32, title: &str) -> Sample {
    Sample {
        id: id(n),
        uploaded_at: time(n.into()),
        title: title.to_owned(),
        description: "over the forest".to_owned(),
        tags: vec!["bird".to_owned()],
        views: 7,
    }
}

#[tokio::test]
async fn a_filled_catalogue_lists_and_finds_its_videos_and_is_filled_again_without_a_change() {
    let folder = DataFolder::new();
    let catalogue = open(&folder, "filled.db").await;
    let samples: Vec<Sample> = (1..=20).map(|n| sample(n, "Red kite")).collect();
    for _ in 0..2 {
        catalogue.fill(samples.clone()).await.unwrap();
        assert_eq!(catalogue.estimate().await.unwrap(), 20);
    }
    let listing = Listing {
        matching: Some(SearchQuery::new("kite bird forest").unwrap()),
        sort: Sort::Newest,
        limit: 3,
        after: None,
    };
    let page = catalogue.catalog.list(&listing).await.unwrap();
    let found: Vec<_> = page.videos.iter().map(|video| video.facts.id).collect();
    assert_eq!(found, [id(20), id(19), id(18)]);
    assert_eq!(page.videos[0].views, 7);
}

#[tokio::test]
async fn what_is_no_video_is_refused_and_nothing_is_filled_in() {
    let folder = DataFolder::new();
    let catalogue = open(&folder, "filled.db").await;
    let samples = vec![sample(1, "Red kite"), sample(2, "")];
    let refusal = catalogue.fill(samples).await.unwrap_err();
    assert!(matches!(refusal, TransferError::Unfit { id: unfit, .. } if unfit == id(2)));
    assert!(catalogue.is_empty().await.unwrap());
}
