//! The versions of the documents, and the way from each to the next.
//!
//! Every document tells in `schema` which version it has. A release that changes what documents
//! look like adds a [`Step`] and never changes an old one. When it opens a database it brings all
//! earlier documents up to date, one by one and each with a guard, so that it may be interrupted,
//! and run by several replicas and beside ones of the release before, which go on working:
//!
//! - What a step writes must still be readable by the release before; a field is taken away one
//!   release after the last one that reads it.
//! - A release writes only documents of its own version. One that it finds to be earlier (written
//!   since by a replica of the release before) it brings up to date first; one that is later it
//!   leaves alone, and the call is unavailable here until this replica is replaced as well.
//! - A release does not open a database that a later one has used.

use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::{Document, doc};

use super::connection::COMMAND;
use super::failure::Failure;
use super::indexes::BY_SCHEMA;

/// Makes a document of one version one of the next. Neither `_id`, `schema`, `revision` nor
/// `state` is its business.
pub(super) type Step = fn(&mut Document);

/// How many documents are read at once to be brought up to date.
const BATCH: i64 = 200;

/// The steps to the version of this release.
#[derive(Clone, Copy)]
pub(super) struct Schema(pub(super) &'static [Step]);

impl Schema {
    /// The one of this release.
    pub(super) const CURRENT: Self = Self(&[]);

    /// The version that is written: there are as many steps before it, and the first is 1.
    pub(super) fn version(self) -> i32 {
        i32::try_from(self.0.len()).expect("there are few steps") + 1
    }

    /// Brings a document up to date in memory. A later one stays as it is.
    pub(super) fn upgrade(self, document: &mut Document) -> Result<(), Failure> {
        let found = version_of(document)?;
        let known = usize::try_from(found - 1).map_err(|_| Failure::Impossible("schema"))?;
        for step in self.0.iter().skip(known) {
            step(document);
        }
        document.insert("schema", found.max(self.version()));
        Ok(())
    }

    /// Brings the document that was read up to date in the collection, unless somebody has changed
    /// it since: then it is to be read again.
    pub(super) async fn replace(
        self,
        videos: &Collection<Document>,
        document: &Document,
    ) -> Result<(), Failure> {
        let mut upgraded = document.clone();
        self.upgrade(&mut upgraded)?;
        let revision = revision_of(document)?;
        upgraded.insert("revision", revision + 1);
        let unchanged = doc! {
            "_id": document.get("_id"),
            "schema": version_of(document)?,
            "state": document.get("state"),
            "revision": revision,
        };
        videos.replace_one(unchanged, upgraded).await?;
        Ok(())
    }

    /// Brings all documents of the collection up to date, and says how many there were.
    pub(super) async fn upgrade_all(self, videos: &Collection<Document>) -> Result<u64, Failure> {
        let known = self.version();
        let later = videos
            .find_one(doc! { "schema": { "$gt": known } })
            .hint(BY_SCHEMA.hint())
            .projection(doc! { "_id": 1 })
            .max_time(COMMAND)
            .await?;
        if later.is_some() {
            return Err(Failure::NewerDatabase { known });
        }
        let mut upgraded = 0;
        loop {
            let batch: Vec<Document> = videos
                .find(doc! { "schema": { "$lt": known } })
                .sort(doc! { "schema": 1, "_id": 1 })
                .limit(BATCH)
                .hint(BY_SCHEMA.hint())
                .max_time(COMMAND)
                .await?
                .try_collect()
                .await?;
            if batch.is_empty() {
                return Ok(upgraded);
            }
            for document in batch {
                self.replace(videos, &document).await?;
                upgraded += 1;
            }
        }
    }
}

/// The version of a document.
pub(super) fn version_of(document: &Document) -> Result<i32, Failure> {
    let version = document.get_i32("schema");
    version.map_err(|_| Failure::Impossible("schema"))
}

fn revision_of(document: &Document) -> Result<i64, Failure> {
    let revision = document.get_i64("revision");
    revision.map_err(|_| Failure::Impossible("revision"))
}
