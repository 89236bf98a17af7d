//! Documents of earlier and of later releases.

use mongodb::Database;
use mongodb::bson::{Document, doc};
use serde::{Deserialize, Serialize};

use super::super::connection;
use super::super::documents::{Documents, Stored, Upgrade};
use super::super::schema;
use super::{PATIENCE, new_database};
use crate::view_log::ViewLogError;

/// A kind of document in its third version: the first had seconds, the second no title.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Sample {
    #[serde(rename = "_id")]
    id: i32,
    watched_ms: i64,
    title: String,
}

impl Stored for Sample {
    const COLLECTION: &'static str = "samples";
    const UPGRADES: &'static [Upgrade] = &[in_milliseconds, with_title];
}

fn in_milliseconds(document: &mut Document) {
    let seconds = document.remove("watched_s").unwrap().as_i64().unwrap();
    document.insert("watched_ms", seconds * 1_000);
}

fn with_title(document: &mut Document) {
    document.insert("title", "untitled");
}

async fn database_with(documents: &[Document]) -> Option<Database> {
    let database = connection::connect(&new_database().await?, None, PATIENCE)
        .await
        .unwrap();
    let collection = database.collection::<Document>("samples");
    collection.insert_many(documents).await.unwrap();
    Some(database)
}

fn of_each_version() -> [Document; 3] {
    [
        doc! { "_id": 1, "schema": 1, "watched_s": 7_i64 },
        doc! { "_id": 2, "schema": 2, "watched_ms": 8_i64 },
        doc! { "_id": 3, "schema": 3, "watched_ms": 9_i64, "title": "kept" },
    ]
}

fn sample(id: i32, watched_ms: i64, title: &str) -> Sample {
    Sample {
        id,
        watched_ms,
        title: title.to_owned(),
    }
}

async fn stored(database: &Database) -> Vec<Document> {
    let mut documents = Vec::new();
    for id in 1..=3 {
        let collection = database.collection::<Document>("samples");
        documents.extend(collection.find_one(doc! { "_id": id }).await.unwrap());
    }
    documents
}

#[tokio::test]
async fn documents_of_earlier_versions_are_read_as_todays() {
    let Some(database) = database_with(&of_each_version()).await else {
        return;
    };
    let samples = Documents::<Sample>::of(&database, PATIENCE);
    let expected = [
        sample(1, 7_000, "untitled"),
        sample(2, 8, "untitled"),
        sample(3, 9, "kept"),
    ];
    for sample in expected {
        assert_eq!(samples.get(sample.id).await.unwrap(), Some(sample));
    }
}

#[tokio::test]
async fn the_start_rewrites_documents_of_earlier_versions_once() {
    let Some(database) = database_with(&of_each_version()).await else {
        return;
    };
    let samples = Documents::<Sample>::of(&database, PATIENCE);
    assert_eq!(samples.version(), 3);
    schema::upgrade(&database, &samples).await.unwrap();
    let rewritten = stored(&database).await;
    assert!(
        rewritten
            .iter()
            .all(|document| document.get_i32("schema").unwrap() == 3
                && document.contains_key("title")
                && !document.contains_key("watched_s"))
    );
    assert_eq!(samples.rewrite_old().await.unwrap(), 0);
    schema::upgrade(&database, &samples).await.unwrap();
}

#[tokio::test]
async fn a_document_of_a_later_version_is_refused_and_left_as_it_is() {
    let Some(database) = database_with(&of_each_version()).await else {
        return;
    };
    // The release before: it knows the first step only.
    let earlier = Documents::<Sample>::with_upgrades(&database, &Sample::UPGRADES[..1], PATIENCE);
    let refused = schema::upgrade(&database, &earlier).await.unwrap_err();
    assert!(matches!(refused, ViewLogError::Broken(_)), "{refused:?}");
    assert!(earlier.get(3).await.is_err());
    let kept = stored(&database).await;
    assert_eq!(kept[2], of_each_version()[2]);
}
