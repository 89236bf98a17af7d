//! The indexes of the collection. Each query names the one that serves it: several begin with the
//! same field, and the server would otherwise find out by trying which one is right, and go on
//! using what was right for another page.

use mongodb::bson::{Document, doc};
use mongodb::options::{Hint, IndexOptions};
use mongodb::{Collection, IndexModel};

use super::failure::Failure;

/// An index besides the one of `_id`.
pub(super) struct Index {
    pub(super) name: &'static str,
    /// What is compared for equality first, then what is sorted by, then what is a range.
    pub(super) keys: fn() -> Document,
    /// Only documents with these values are in it.
    pub(super) only: Option<fn() -> Document>,
}

/// The list by upload.
pub(super) const BY_UPLOAD: Index = Index {
    name: "by_upload",
    keys: || doc! { "state": 1, "uploaded_at": -1, "_id": -1 },
    only: None,
};

/// The list by title.
pub(super) const BY_TITLE: Index = Index {
    name: "by_title",
    keys: || doc! { "state": 1, "title_key": 1, "_id": 1 },
    only: None,
};

/// The list by views.
pub(super) const BY_VIEWS: Index = Index {
    name: "by_views",
    keys: || doc! { "state": 1, "views": -1, "_id": -1 },
    only: None,
};

/// Searches: within each term the newest videos come first. Only present videos have terms.
pub(super) const BY_TERM: Index = Index {
    name: "by_term",
    keys: || doc! { "terms": 1, "uploaded_at": -1, "_id": -1 },
    only: None,
};

/// Tombstones that are not confirmed: few, of many that stay for ever.
pub(super) const PENDING: Index = Index {
    name: "pending_deletions",
    keys: || doc! { "confirmed": 1, "deleted_at": 1, "_id": 1 },
    only: Some(|| doc! { "confirmed": false }),
};

/// Documents of an earlier or a later release.
pub(super) const BY_SCHEMA: Index = Index {
    name: "by_schema",
    keys: || doc! { "schema": 1, "_id": 1 },
    only: None,
};

/// The index that every collection has by itself.
pub(super) const BY_ID: Index = Index {
    name: "_id_",
    keys: || doc! { "_id": 1 },
    only: None,
};

/// All that are made.
pub(super) const ALL: [Index; 6] = [BY_UPLOAD, BY_TITLE, BY_VIEWS, BY_TERM, PENDING, BY_SCHEMA];

impl Index {
    /// What a query says to be served by it.
    pub(super) fn hint(&self) -> Hint {
        Hint::Name(self.name.to_owned())
    }
}

/// Makes the indexes that are missing. It does nothing where they are there, and several replicas
/// may do it at once; an index of the same name with other keys is an error.
pub(super) async fn create(videos: &Collection<Document>) -> Result<(), Failure> {
    let models = ALL.map(|index| {
        let options = IndexOptions::builder()
            .name(index.name.to_owned())
            .partial_filter_expression(index.only.map(|only| only()))
            .build();
        let keys = (index.keys)();
        IndexModel::builder().keys(keys).options(options).build()
    });
    // As long as it takes: over a million documents that are minutes, once.
    videos.create_indexes(models).await?;
    Ok(())
}
