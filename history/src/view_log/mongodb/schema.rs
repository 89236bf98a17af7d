//! The indexes that queries are answered by, and the versions of documents.

use mongodb::bson::{Document, doc};
use mongodb::options::{IndexOptions, WriteConcern};
use mongodb::{Database, IndexModel};

use super::connection::bounded;
use super::documents::{Documents, Stored};
use super::entries::EntryDocument;
use super::forgetting::{TombstoneDocument, ViewerDocument};
use super::implicit::ClientDocument;
use super::sessions::SessionDocument;
use super::store::Store;
use super::views::ViewDocument;
use crate::view_log::ViewLogError;

/// An index besides the one of `_id`.
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) collection: &'static str,
    /// Field names with their directions, in order.
    pub(super) keys: Document,
    /// Whether a law rests on it.
    pub(super) unique: bool,
    /// Only documents with these values are in it.
    pub(super) only: Option<Document>,
}

impl Index {
    fn of<D: Stored>(keys: Document) -> Self {
        Self {
            collection: D::COLLECTION,
            keys,
            unique: false,
            only: None,
        }
    }

    fn unique(self) -> Self {
        Self {
            unique: true,
            ..self
        }
    }

    fn only(self, values: Document) -> Self {
        Self {
            only: Some(values),
            ..self
        }
    }
}

/// All indexes. Equality first, then what is sorted by, then what is a range.
pub(super) fn indexes() -> Vec<Index> {
    vec![
        // Removing with the video; sweeping.
        Index::of::<SessionDocument>(doc! { "video": 1 }),
        Index::of::<SessionDocument>(doc! { "stored_at": 1 }),
        // A viewer's list, newest first; removing with the video.
        Index::of::<EntryDocument>(
            doc! { "_id.viewer": 1, "shown.last_watched_at": -1, "_id.video": 1 },
        ),
        Index::of::<EntryDocument>(doc! { "_id.video": 1 }),
        // Once per session; the largest number; the smallest spare one; what is unpublished.
        Index::of::<ViewDocument>(doc! { "session": 1 }).unique(),
        Index::of::<ViewDocument>(doc! { "_id.video": 1, "_id.number": 1 }),
        Index::of::<ViewDocument>(doc! { "state": 1, "_id.video": 1, "_id.number": 1 })
            .only(doc! { "state": "spare" }),
        Index::of::<ViewDocument>(doc! { "state": 1, "counted_at": 1 })
            .only(doc! { "state": "unpublished" }),
        // Removing with the video; sweeping.
        Index::of::<ClientDocument>(doc! { "_id.video": 1 }),
        Index::of::<ClientDocument>(doc! { "earliest_end": 1 }),
    ]
}

/// Makes the indexes that are missing and brings documents of earlier releases up to date. May be
/// repeated, and run by several replicas at once.
pub(super) async fn bring_up_to_date(
    database: &Database,
    store: &Store,
) -> Result<(), ViewLogError> {
    for index in indexes() {
        let mut options = IndexOptions::default();
        options.unique = index.unique.then_some(true);
        options.partial_filter_expression = index.only;
        let model = IndexModel::builder()
            .keys(index.keys)
            .options(options)
            .build();
        // As long as it takes: the index of a large collection takes minutes.
        database
            .collection::<Document>(index.collection)
            .create_index(model)
            .write_concern(WriteConcern::majority())
            .await?;
    }
    let Store {
        sessions,
        entries,
        views,
        clients,
        viewers,
        tombstones,
        client_turns: _,
        number_turns: _,
        #[cfg(test)]
            database: _,
    } = store;
    upgrade(database, sessions).await?;
    upgrade(database, entries).await?;
    upgrade(database, views).await?;
    upgrade(database, clients).await?;
    upgrade::<ViewerDocument>(database, viewers).await?;
    upgrade::<TombstoneDocument>(database, tombstones).await
}

/// Where it is remembered which version all documents of a collection have at least.
const VERSIONS: &str = "schema_versions";

pub(super) async fn upgrade<D: Stored>(
    database: &Database,
    documents: &Documents<D>,
) -> Result<(), ViewLogError> {
    let versions = database.collection::<Document>(VERSIONS);
    let key = doc! { "_id": D::COLLECTION };
    let found = bounded(documents.patience, async {
        versions.find_one(key.clone()).await
    })
    .await?;
    let found = found.and_then(|found| found.get_i32("version").ok());
    if found == Some(documents.version()) {
        return Ok(());
    }
    // The first start finds no version, and no document either. A later version than this
    // release's makes its first document refused here.
    let rewritten = documents.rewrite_old().await?;
    if rewritten > 0 {
        tracing::info!(
            collection = D::COLLECTION,
            rewritten,
            "brought documents up to date"
        );
    }
    let version = doc! { "$max": { "version": documents.version() } };
    bounded(documents.patience, async {
        versions.update_one(key, version).upsert(true).await
    })
    .await?;
    Ok(())
}
