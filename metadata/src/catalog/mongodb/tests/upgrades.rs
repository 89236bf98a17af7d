//! From one version of the documents to the next.

use mongodb::bson::Document;
use test_support::engines::mongodb::shared;

use super::*;
use crate::catalog::conformance::{all_pages, id, new_video, register_all, time};
use crate::page::Sort;
use crate::search::SearchQuery;

/// A release that has documents of version 2: sort keys of titles begin with an exclamation mark.
const NEXT: Schema = Schema(&[|document| {
    if let Ok(key) = document.get_str("title_key") {
        let key = format!("!{key}");
        document.insert("title_key", key);
    }
}]);

/// One with version 3: it counts the words, and relies on what version 2 did.
const ONE_AFTER: Schema = Schema(&[NEXT.0[0], |document| {
    if let Ok(words) = document.get_array("words") {
        let count = i64::try_from(words.len()).unwrap();
        document.insert("word_count", count);
    }
}]);

async fn fill(catalog: &MongoCatalog) -> Tombstone {
    register_all(
        catalog,
        (1..=450)
            .map(|n| new_video(n, &format!("Title {n:03}")))
            .collect(),
    )
    .await;
    catalog.amend(id(1), Change::ViewNumber(4)).await.unwrap();
    catalog.amend(id(900), Change::ViewNumber(5)).await.unwrap();
    let tombstone = Tombstone {
        video: id(2),
        deleted_at: time(0),
    };
    assert!(catalog.delete(tombstone).await.unwrap());
    tombstone
}

async fn documents(database: &Database, filter: Document) -> Vec<Document> {
    let videos = database.by_hand().await.collection::<Document>(COLLECTION);
    videos
        .find(filter)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap()
}

fn whole_list(query: Option<&str>, sort: Sort) -> Listing {
    Listing {
        matching: query.map(|query| SearchQuery::new(query).unwrap()),
        sort,
        limit: 100,
        after: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_release_brings_every_document_up_to_date_and_changes_nothing_else() {
    let Some(server) = shared().await else { return };
    let database = Database::on(server);
    let before = database.open_patiently().await;
    let tombstone = fill(&before).await;
    let ids: Vec<_> = (1..=450).map(id).collect();
    let known = before.look_up(&ids).await.unwrap();

    // Two replicas start at once.
    let (one, other) = tokio::join!(
        MongoCatalog::open_with(&database.url, NEXT),
        MongoCatalog::open_with(&database.url, NEXT),
    );
    other.unwrap();
    let after = one.unwrap();
    assert!(documents(&database, doc! { "schema": 1 }).await.is_empty());
    let upgraded = documents(&database, doc! { "schema": 2 }).await;
    assert_eq!(upgraded.len(), 451);
    for document in upgraded {
        let key = document.get_str("title_key");
        let state = document.get_str("state").unwrap();
        assert_eq!(
            key.is_ok_and(|key| key.starts_with("!title")),
            state == PRESENT
        );
    }

    let mut still_known = after.look_up(&ids).await.unwrap();
    assert_eq!(still_known.len(), known.len());
    still_known.retain(|entry| !known.contains(entry));
    assert_eq!(still_known, []);
    assert_eq!(after.pending_deletions(10).await.unwrap(), [tombstone]);
    match after.register(new_video(900, "Title 900")).await.unwrap() {
        Registration::Registered(video) => assert_eq!(video.views, 5),
        other => panic!("{other:?}"),
    }
    let listing = whole_list(Some("title"), Sort::Newest);
    assert_eq!(all_pages(&after, listing).await.len(), 450);
    database.close().await;
}

#[tokio::test]
async fn steps_follow_one_another_and_an_upgrade_that_was_cut_short_goes_on() {
    let Some(server) = shared().await else { return };
    let database = Database::on(server);
    let first = database.open_patiently().await;
    register_all(&first, vec![new_video(1, "One two"), new_video(2, "Three")]).await;
    // As if it had been cut short after the first document.
    let [one, _] = &documents(&database, doc! {}).await[..] else {
        panic!("there are two documents");
    };
    NEXT.replace(&first.videos, one).await.unwrap();

    MongoCatalog::open_with(&database.url, ONE_AFTER)
        .await
        .unwrap();
    let mut upgraded = documents(&database, doc! { "schema": 3 }).await;
    upgraded.sort_by_key(|document| document.get_i64("word_count").unwrap());
    let keys: Vec<_> = upgraded
        .iter()
        .map(|document| document.get_str("title_key").unwrap())
        .collect();
    assert_eq!(keys, ["!three", "!one two"]);
    database.close().await;
}

#[tokio::test]
async fn a_document_that_changes_while_it_is_brought_up_to_date_keeps_the_change() {
    let Some(server) = shared().await else { return };
    let database = Database::on(server);
    let before = database.open_patiently().await;
    register_all(&before, vec![new_video(1, "Title")]).await;
    let [read] = &documents(&database, doc! {}).await[..] else {
        panic!("there is one document");
    };
    before.amend(id(1), Change::ViewNumber(7)).await.unwrap();
    NEXT.replace(&before.videos, read).await.unwrap();
    assert_eq!(
        documents(&database, doc! { "schema": 1, "views": 7_i64 })
            .await
            .len(),
        1
    );

    MongoCatalog::open_with(&database.url, NEXT).await.unwrap();
    assert_eq!(
        documents(&database, doc! { "schema": 2, "views": 7_i64 })
            .await
            .len(),
        1
    );
    database.close().await;
}

#[tokio::test]
async fn beside_a_later_release_one_reads_everything_and_changes_only_its_own_documents() {
    let Some(server) = shared().await else { return };
    let database = Database::on(server);
    let earlier = database.open_patiently().await;
    register_all(&earlier, vec![new_video(1, "Title")]).await;
    let later = MongoCatalog::open_with(&database.url, NEXT).await.unwrap();
    // Registered by the earlier release, after the later one has brought all up to date.
    register_all(&earlier, vec![new_video(2, "Title")]).await;

    let ids = [id(1), id(2)];
    assert_eq!(earlier.look_up(&ids).await.unwrap().len(), 2);
    assert_eq!(later.look_up(&ids).await.unwrap().len(), 2);
    let change = Change::ViewNumber(3);
    let refused = earlier.amend(id(1), change.clone()).await;
    assert!(
        matches!(refused, Err(CatalogError::Unavailable { .. })),
        "{refused:?}"
    );
    for video in ids {
        let changed = later.amend(video, change.clone()).await.unwrap();
        assert_eq!(changed.unwrap().views, 3);
    }
    assert_eq!(documents(&database, doc! { "schema": 2 }).await.len(), 2);

    // A replica of the earlier release that starts now would understand less and less.
    let refused = MongoCatalog::open(&database.url).await.err();
    assert!(
        matches!(refused, Some(CatalogError::Broken { .. })),
        "{refused:?}"
    );
    database.close().await;
}
