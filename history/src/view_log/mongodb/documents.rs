//! Collections of one kind of document, with the version of its form in each document.
//!
//! A document tells the version of its form in `schema`. What this release does not know yet how
//! to read it refuses; what an earlier release wrote it brings up to date step by step, in memory
//! when it reads it and in the collection when it writes it or [rewrites](Documents::rewrite_old)
//! all of them at the start.

use std::marker::PhantomData;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::bson::{self, Bson, Document, doc};
use mongodb::options::ReturnDocument;
use mongodb::{Collection, Database};
use rand::RngExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::connection::{PATIENCE, bounded, is_duplicate_key, patiently, taken_places};
use crate::view_log::ViewLogError;

/// Brings a document from one version to the next: the first of a list from 1 to 2.
pub(super) type Upgrade = fn(&mut Document);

/// One kind of document.
pub(super) trait Stored: Serialize + DeserializeOwned + Send + Sync {
    /// Where such documents are.
    const COLLECTION: &'static str;
    /// The steps to today's version, which is one more than there are. A shipped one stays.
    const UPGRADES: &'static [Upgrade] = &[];
}

/// A document that is changed by reading it, computing, and replacing it if its revision is still
/// the one that was read.
pub(super) trait Guarded: Stored {
    /// Its key.
    fn key(&self) -> Bson;
    /// The revision that it has now.
    fn revision(&self) -> i64;
}

/// How many documents one command removes or reads for rewriting: few enough to be done well
/// within the time of a command, on a busy server too.
pub(super) const STEP: usize = 100;

/// The revision that follows the one that was read.
///
/// A document begins with the time of its making, so that one that was removed and made anew is
/// not taken for the one that was read before.
pub(super) fn next_revision(read: Option<i64>) -> i64 {
    read.map_or_else(
        || Timestamp::now().as_millisecond(),
        |revision| revision + 1,
    )
}

/// A collection.
#[derive(Clone)]
pub(super) struct Documents<D> {
    collection: Collection<Document>,
    upgrades: &'static [Upgrade],
    /// How long a command may take.
    pub(super) patience: Duration,
    #[cfg(test)]
    pub(super) interruption: super::tests::Interruption,
    kind: PhantomData<fn() -> D>,
}

/// What is asked of a collection, by an index of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    pub(super) filter: Document,
    pub(super) sort: Document,
    pub(super) limit: usize,
}

/// A document is of a version that this release does not know.
#[derive(Debug, thiserror::Error)]
#[error(
    "a document in {collection} has schema version {found}, this release knows up to {known}; \
     run the release that wrote it, or a later one"
)]
struct UnknownVersion {
    collection: &'static str,
    found: i32,
    known: i32,
}

impl<D: Stored> Documents<D> {
    pub(super) fn of(database: &Database, patience: Duration) -> Self {
        Self::with_upgrades(database, D::UPGRADES, patience)
    }

    pub(super) fn with_upgrades(
        database: &Database,
        upgrades: &'static [Upgrade],
        patience: Duration,
    ) -> Self {
        Self {
            patience,
            collection: database.collection(D::COLLECTION),
            upgrades,
            #[cfg(test)]
            interruption: super::tests::Interruption::default(),
            kind: PhantomData,
        }
    }

    /// The version of the documents that this release writes.
    pub(super) fn version(&self) -> i32 {
        1 + i32::try_from(self.upgrades.len()).expect("there are few upgrades")
    }

    /// The document with this key.
    pub(super) async fn get(&self, key: impl Into<Bson>) -> Result<Option<D>, ViewLogError> {
        self.find_one(doc! { "_id": key.into() }).await
    }

    /// The document that a unique key selects.
    pub(super) async fn find_one(&self, filter: Document) -> Result<Option<D>, ViewLogError> {
        let find = self.collection.find_one(filter).max_time(self.patience);
        let found = bounded(self.patience, async { find.await }).await?;
        found.map(|document| self.read(document)).transpose()
    }

    /// Some documents, in order.
    pub(super) async fn find(&self, query: Query) -> Result<Vec<D>, ViewLogError> {
        self.select(query, doc! {})
            .await?
            .into_iter()
            .map(|document| self.read(document))
            .collect()
    }

    /// Documents in the order of their keys, for whoever goes through all of them and waits.
    pub(super) async fn range(
        &self,
        after: Option<Bson>,
        limit: usize,
    ) -> Result<Vec<D>, ViewLogError> {
        let filter = after.map_or_else(Document::new, |after| doc! { "_id": { "$gt": after } });
        let find = self
            .collection
            .find(filter)
            .sort(doc! { "_id": 1 })
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .max_time(PATIENCE);
        let found: Vec<Document> = patiently(async { find.await?.try_collect().await }).await?;
        found
            .into_iter()
            .map(|document| self.read(document))
            .collect()
    }

    /// About how many documents there are.
    pub(super) async fn estimate(&self) -> Result<u64, ViewLogError> {
        patiently(async { self.collection.estimated_document_count().await }).await
    }

    /// Adds documents with one command, and answers the places of those of which a unique key is
    /// taken.
    pub(super) async fn insert_all(&self, documents: &[D]) -> Result<Vec<usize>, ViewLogError> {
        if documents.is_empty() {
            return Ok(Vec::new());
        }
        let written = documents.iter().map(|document| self.written(document));
        let written = written.collect::<Result<Vec<_>, _>>()?;
        let insert = self.collection.insert_many(written).ordered(false);
        let taken = patiently(async {
            match insert.await {
                Ok(_) => Ok(Vec::new()),
                Err(error) => taken_places(&error).ok_or(error),
            }
        });
        taken.await
    }

    /// Writes a document over the one with its key, or makes it.
    pub(super) async fn overwrite(&self, document: &D) -> Result<(), ViewLogError> {
        let written = self.written(document)?;
        let filter = doc! { "_id": written.get("_id") };
        self.write(async {
            let replace = self.collection.replace_one(filter, written);
            replace.upsert(true).await.map(drop)
        })
        .await
    }

    /// Changes every document that the filter selects by an index.
    pub(super) async fn update_all(
        &self,
        filter: Document,
        update: Document,
    ) -> Result<(), ViewLogError> {
        let update = self.collection.update_many(filter, update);
        patiently(async { update.await.map(drop) }).await
    }

    /// The keys of some documents.
    pub(super) async fn keys(&self, query: Query) -> Result<Vec<Bson>, ViewLogError> {
        let documents = self.select(query, doc! { "_id": 1 }).await?;
        Ok(documents
            .into_iter()
            .filter_map(|mut document| document.remove("_id"))
            .collect())
    }

    async fn select(
        &self,
        query: Query,
        projection: Document,
    ) -> Result<Vec<Document>, ViewLogError> {
        let Query {
            filter,
            sort,
            limit,
        } = query;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let find = self
            .collection
            .find(filter)
            .sort(sort)
            .limit(limit)
            .projection(projection)
            .max_time(self.patience);
        bounded(self.patience, async { find.await?.try_collect().await }).await
    }

    /// Adds a document; `false` if one of its unique keys is taken.
    pub(super) async fn insert(&self, document: &D) -> Result<bool, ViewLogError> {
        let document = self.written(document)?;
        self.write(async {
            match self.collection.insert_one(document).await {
                Ok(_) => Ok(true),
                Err(error) if is_duplicate_key(&error) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Changes the one document that the filter's unique key selects, if the rest of the filter
    /// holds; `false` if it does not, or if a unique key of the change is taken.
    pub(super) async fn update(
        &self,
        filter: Document,
        update: Document,
    ) -> Result<bool, ViewLogError> {
        self.write(async {
            match self.collection.update_one(filter, update).await {
                Ok(updated) => Ok(updated.matched_count == 1),
                Err(error) if is_duplicate_key(&error) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Changes the document with this key, or makes it; the answer is the document as it is then.
    pub(super) async fn upsert(
        &self,
        key: impl Into<Bson>,
        mut update: Document,
    ) -> Result<Option<D>, ViewLogError> {
        update.insert("$setOnInsert", doc! { "schema": self.version() });
        let filter = doc! { "_id": key.into() };
        let document = self
            .write(async {
                self.collection
                    .find_one_and_update(filter, update)
                    .upsert(true)
                    .return_document(ReturnDocument::After)
                    .await
            })
            .await?;
        document.map(|document| self.read(document)).transpose()
    }

    /// Removes what the filter selects.
    pub(super) async fn remove(&self, filter: Document) -> Result<u64, ViewLogError> {
        self.write(async { Ok(self.collection.delete_many(filter).await?.deleted_count) })
            .await
    }

    /// Removes everything that the filter selects by an index, in steps that each take little
    /// time.
    pub(super) async fn remove_all(&self, filter: Document) -> Result<u64, ViewLogError> {
        let mut removed = 0;
        loop {
            let keys = self
                .keys(Query {
                    filter: filter.clone(),
                    limit: STEP,
                    ..Query::default()
                })
                .await?;
            if keys.is_empty() {
                return Ok(removed);
            }
            // Asked once more for each document when it goes: it may have changed meanwhile.
            let mut still = filter.clone();
            still.insert("_id", doc! { "$in": keys });
            removed += self.remove(still).await?;
        }
    }

    /// Brings the documents that earlier releases wrote to today's version. May be repeated, and
    /// run beside writers.
    pub(super) async fn rewrite_old(&self) -> Result<u64, ViewLogError> {
        let mut rewritten = 0;
        let mut filter = doc! {};
        loop {
            let documents = self
                .select(
                    Query {
                        filter,
                        sort: doc! { "_id": 1 },
                        limit: STEP,
                    },
                    doc! {},
                )
                .await?;
            let Some(last) = documents.last().and_then(|document| document.get("_id")) else {
                return Ok(rewritten);
            };
            filter = doc! { "_id": { "$gt": last } };
            for document in documents {
                if document.get_i32("schema").ok() == Some(self.version()) {
                    continue;
                }
                let mut selected = doc! {};
                for guard in ["_id", "schema", "revision"] {
                    selected.extend(
                        document
                            .get(guard)
                            .map(|value| (guard.to_owned(), value.clone())),
                    );
                }
                let upgraded = self.upgraded(document)?;
                let replace = self.collection.replace_one(selected, upgraded);
                // One that changed meanwhile was written by somebody, up to date.
                rewritten += self.write(async { replace.await }).await?.modified_count;
            }
        }
    }

    async fn write<T>(
        &self,
        command: impl Future<Output = mongodb::error::Result<T>>,
    ) -> Result<T, ViewLogError> {
        let written = bounded(self.patience, command).await?;
        #[cfg(test)]
        self.interruption.after_write().await?;
        Ok(written)
    }

    fn written(&self, document: &D) -> Result<Document, ViewLogError> {
        let mut document = bson::serialize_to_document(document).map_err(broken)?;
        document.insert("schema", self.version());
        Ok(document)
    }

    fn read(&self, document: Document) -> Result<D, ViewLogError> {
        bson::deserialize_from_document(self.upgraded(document)?).map_err(broken)
    }

    fn upgraded(&self, mut document: Document) -> Result<Document, ViewLogError> {
        let found = document.get_i32("schema").unwrap_or(0);
        let done = usize::try_from(found - 1).ok();
        let Some(steps) = done.and_then(|done| self.upgrades.get(done..)) else {
            return Err(broken(UnknownVersion {
                collection: D::COLLECTION,
                found,
                known: self.version(),
            }));
        };
        for step in steps {
            step(&mut document);
        }
        document.insert("schema", self.version());
        Ok(document)
    }
}

impl<D: Guarded> Documents<D> {
    /// Writes a document that was computed from the one of revision `read`, or from none; `false`
    /// if it has changed since.
    pub(super) async fn replace(
        &self,
        document: &D,
        read: Option<i64>,
    ) -> Result<bool, ViewLogError> {
        let Some(revision) = read else {
            return self.insert(document).await;
        };
        debug_assert_ne!(
            document.revision(),
            revision,
            "each change has its own revision"
        );
        let filter = doc! { "_id": document.key(), "revision": revision };
        let replacement = self.written(document)?;
        self.write(async {
            let replaced = self.collection.replace_one(filter, replacement).await?;
            Ok(replaced.matched_count == 1)
        })
        .await
    }

    /// Removes a document if it still has the revision that was read.
    pub(super) async fn remove_unchanged(&self, document: &D) -> Result<bool, ViewLogError> {
        let filter = doc! { "_id": document.key(), "revision": document.revision() };
        Ok(self.remove(filter).await? == 1)
    }
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> ViewLogError {
    ViewLogError::Broken(Box::new(error))
}

/// How often a change is tried while others change the same document.
///
/// Each try that loses means that another one has won, so this is reached only by a storm of
/// writers; an event is then held and comes again.
pub(super) struct Tries {
    left: u32,
    longest_pause_ms: u64,
}

/// Others were always faster.
#[derive(Debug, thiserror::Error)]
#[error("a document was changed by others again and again")]
struct Outrun;

impl Default for Tries {
    fn default() -> Self {
        Self {
            left: 24,
            longest_pause_ms: 1,
        }
    }
}

impl Tries {
    /// Waits a little after a try that lost, or fails after too many.
    pub(super) async fn lost(&mut self) -> Result<(), ViewLogError> {
        if self.left == 0 {
            return Err(ViewLogError::Unavailable(Box::new(Outrun)));
        }
        self.left -= 1;
        self.longest_pause_ms = (self.longest_pause_ms * 2).min(128);
        let pause = rand::rng().random_range(0..=self.longest_pause_ms);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        Ok(())
    }
}
