//! The distributed catalogue: one collection of a MongoDB database that no other service opens.
//!
//! Everything that is kept about an id is one document with the id as its key. Each law rests on
//! that: the server changes one document at a time as a whole, and there cannot be two of one key.
//! Nothing here needs a transaction.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use mongodb::options::ReturnDocument;
use tokio::sync::Mutex;
use uuid::Uuid;

use self::connection::{CALL, COMMAND, connect, in_time};
use self::documents::{
    AWAITED, COLLECTION, DELETED, Kept, PRESENT, count, id as bson_id, id_of, text_document,
    tombstone_document, video_document, without_words,
};
use self::failure::{Failure, is_duplicate_key};
use self::indexes::{BY_ID, PENDING};
use self::schema::{Schema, version_of};
use super::{Catalog, CatalogError, Change, Entry, Registration, StatePage};
use crate::config::MongoUrl;
use crate::page::{Listing, Page};
use crate::video::{Edit, NewVideo, Tombstone, Video};

mod connection;
mod documents;
mod failure;
mod indexes;
mod lists;
mod schema;
mod search;
mod transfer;

/// How often a change is tried whose document somebody else keeps changing. Each failure is another
/// one's success, so this is how many may change one video at the same time.
const TRIES: usize = 100;

/// A [`Catalog`] in a MongoDB database.
#[derive(Clone)]
pub(crate) struct MongoCatalog {
    videos: Collection<Document>,
    schema: Schema,
    /// How long a call may take.
    patience: Duration,
    /// Held by an edit: people make few, and two of one video would only be in each other's way.
    editing: Arc<Mutex<()>>,
}

impl MongoCatalog {
    /// Opens the database, makes the indexes that are missing, and brings documents of earlier
    /// releases up to date.
    pub(crate) async fn open(url: &MongoUrl) -> Result<Self, CatalogError> {
        Self::open_with(url, Schema::CURRENT).await
    }

    async fn open_with(url: &MongoUrl, schema: Schema) -> Result<Self, CatalogError> {
        let open = async {
            let database = connect(url).await?;
            let videos = database.collection(COLLECTION);
            indexes::create(&videos).await?;
            let upgraded = schema.upgrade_all(&videos).await?;
            if upgraded > 0 {
                tracing::info!(upgraded, "documents of an earlier release are up to date");
            }
            Ok(Self {
                videos,
                schema,
                patience: CALL,
                editing: Arc::default(),
            })
        };
        open.await
            .map_err(|failure: Failure| failure.explained("open"))
    }

    /// Gives a call its time and says its failure in the words of the port.
    async fn call<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, CatalogError> {
        in_time(self.patience, call)
            .await
            .map_err(|failure| failure.explained(operation))
    }

    /// What is kept under an id. A document of an earlier release is up to date then.
    async fn find(&self, id: Uuid) -> Result<Option<Kept>, Failure> {
        for _ in 0..TRIES {
            let find = self.videos.find_one(doc! { "_id": bson_id(id) });
            let Some(document) = find.max_time(COMMAND).await? else {
                return Ok(None);
            };
            let found = version_of(&document)?;
            let known = self.schema.version();
            if found > known {
                return Err(Failure::NewerDocument { found, known });
            }
            if found == known {
                return Kept::read(document).map(Some);
            }
            self.schema.replace(&self.videos, &document).await?;
        }
        Err(Failure::Contended)
    }

    /// What is kept under these ids, in any order.
    async fn find_all(&self, ids: &[Uuid]) -> Result<Vec<Kept>, Failure> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<_> = ids.iter().copied().map(bson_id).collect();
        let found: Vec<Document> = self
            .videos
            .find(doc! { "_id": { "$in": ids } })
            .projection(without_words())
            .max_time(COMMAND)
            .await?
            .try_collect()
            .await?;
        found
            .into_iter()
            .map(|document| self.read(document))
            .collect()
    }

    /// Reads a document, of whatever release.
    fn read(&self, mut document: Document) -> Result<Kept, Failure> {
        self.schema.upgrade(&mut document)?;
        Kept::read(document)
    }

    /// The document of an id in a state and of this release's version: no other is ever changed.
    fn in_state(&self, id: Uuid, state: &str) -> Document {
        doc! { "_id": bson_id(id), "schema": self.schema.version(), "state": state }
    }

    /// Changes the document that the filter selects, and returns the video that it is then.
    async fn change(
        &self,
        filter: Document,
        mut update: Document,
    ) -> Result<Option<Video>, Failure> {
        update.insert("$inc", doc! { "revision": 1_i64 });
        let changed = self
            .videos
            .find_one_and_update(filter, update)
            .return_document(ReturnDocument::After)
            .projection(without_words())
            .max_time(COMMAND)
            .await?;
        match changed.map(Kept::read).transpose()? {
            Some(Kept::Present(video, _)) => Ok(Some(*video)),
            Some(Kept::Awaited | Kept::Deleted(_)) | None => Ok(None),
        }
    }

    async fn insert(&self, video: NewVideo) -> Result<Registration, Failure> {
        let id = video.facts.id;
        let video = video.into_video(0);
        let document = video_document(&video, self.schema.version())?;
        for _ in 0..TRIES {
            match self.videos.insert_one(&document).await {
                Ok(_) => return Ok(Registration::Registered(video)),
                Err(error) if is_duplicate_key(&error) => {}
                Err(error) => return Err(error.into()),
            }
            match self.find(id).await? {
                Some(Kept::Present(video, _)) => return Ok(Registration::AlreadyThere(*video)),
                Some(Kept::Deleted(_)) => return Ok(Registration::Deleted),
                Some(Kept::Awaited) => {
                    let mut fields = document.clone();
                    for kept in ["_id", "schema", "revision", "views"] {
                        fields.remove(kept);
                    }
                    let awaited = self.in_state(id, AWAITED);
                    let registered = self.change(awaited, doc! { "$set": fields }).await?;
                    if let Some(video) = registered {
                        return Ok(Registration::Registered(video));
                    }
                }
                // It was there a moment ago: what was written was not confirmed, and taken back.
                None => {}
            }
        }
        Err(Failure::Contended)
    }

    async fn edit(&self, id: Uuid, edit: Edit) -> Result<Option<Video>, Failure> {
        let _alone = self.editing.lock().await;
        for _ in 0..TRIES {
            let Some(Kept::Present(video, revision)) = self.find(id).await? else {
                return Ok(None);
            };
            if edit == Edit::default() {
                return Ok(Some(*video));
            }
            // The terms are those of the whole text, of which the edit may name a part.
            let text = video.text.edited(edit.clone());
            let mut unchanged = self.in_state(id, PRESENT);
            unchanged.insert("revision", revision);
            let update = doc! { "$set": text_document(&text)? };
            if let Some(edited) = self.change(unchanged, update).await? {
                return Ok(Some(edited));
            }
        }
        Err(Failure::Contended)
    }

    /// Changes a present video in a way that does not depend on what it is.
    async fn update(&self, id: Uuid, update: Document) -> Result<Option<Video>, Failure> {
        for _ in 0..TRIES {
            let present = self.in_state(id, PRESENT);
            if let Some(video) = self.change(present, update.clone()).await? {
                return Ok(Some(video));
            }
            if !matches!(self.find(id).await?, Some(Kept::Present(..))) {
                return Ok(None);
            }
        }
        Err(Failure::Contended)
    }

    async fn raise_views(&self, id: Uuid, number: u64) -> Result<Option<Video>, Failure> {
        let raise = doc! { "$max": { "views": count(number) } };
        for _ in 0..TRIES {
            if let Some(video) = self.update(id, raise.clone()).await? {
                return Ok(Some(video));
            }
            if matches!(self.find(id).await?, Some(Kept::Deleted(_))) {
                return Ok(None);
            }
            let mut awaited = raise.clone();
            awaited.insert("$inc", doc! { "revision": 1_i64 });
            let kept = self
                .videos
                .update_one(self.in_state(id, AWAITED), awaited)
                .upsert(true)
                .await;
            match kept {
                Ok(_) => return Ok(None),
                // It was registered meanwhile, or somebody else made the same document.
                Err(error) if is_duplicate_key(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::Contended)
    }

    async fn bury(&self, tombstone: Tombstone) -> Result<bool, Failure> {
        let id = tombstone.video;
        let document = tombstone_document(tombstone, self.schema.version())?;
        for _ in 0..TRIES {
            let present = self.in_state(id, PRESENT);
            let replaced = self.videos.replace_one(present, &document).await?;
            if replaced.matched_count == 1 {
                return Ok(true);
            }
            if !matches!(self.find(id).await?, Some(Kept::Present(..))) {
                return Ok(false);
            }
        }
        Err(Failure::Contended)
    }

    async fn find_pending(&self, limit: usize) -> Result<Vec<Tombstone>, Failure> {
        let found: Vec<Document> = self
            .videos
            .find(doc! { "confirmed": false })
            .sort(doc! { "deleted_at": 1, "_id": 1 })
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .hint(PENDING.hint())
            .max_time(COMMAND)
            .await?
            .try_collect()
            .await?;
        let mut tombstones = Vec::with_capacity(found.len());
        for document in found {
            if let Kept::Deleted(tombstone) = self.read(document)? {
                tombstones.push(tombstone);
            }
        }
        Ok(tombstones)
    }

    /// Reads documents of every state, so that a page costs the same whatever they are.
    async fn find_states(&self, after: Uuid, limit: usize) -> Result<StatePage, Failure> {
        let found: Vec<Document> = self
            .videos
            .find(doc! { "_id": { "$gt": bson_id(after) } })
            .sort(doc! { "_id": 1 })
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .projection(without_words())
            .hint(BY_ID.hint())
            .max_time(COMMAND)
            .await?
            .try_collect()
            .await?;
        let next = match found.last().filter(|_| found.len() == limit) {
            Some(last) => Some(id_of(last)?),
            None => None,
        };
        let mut states = Vec::with_capacity(found.len());
        for document in found {
            states.extend(self.read(document)?.into_entry().map(|entry| entry.state()));
        }
        Ok(StatePage { states, next })
    }

    async fn confirm(&self, id: Uuid) -> Result<(), Failure> {
        let confirmed = doc! { "$set": { "confirmed": true }, "$inc": { "revision": 1_i64 } };
        for _ in 0..TRIES {
            let deleted = self.in_state(id, DELETED);
            let update = self.videos.update_one(deleted, confirmed.clone());
            if update.await?.matched_count == 1 {
                return Ok(());
            }
            if !matches!(self.find(id).await?, Some(Kept::Deleted(_))) {
                return Ok(());
            }
        }
        Err(Failure::Contended)
    }
}

#[async_trait]
impl Catalog for MongoCatalog {
    async fn register(&self, video: NewVideo) -> Result<Registration, CatalogError> {
        self.call("register a video", self.insert(video)).await
    }

    async fn look_up(&self, ids: &[Uuid]) -> Result<Vec<Entry>, CatalogError> {
        let found = self.call("look up videos", self.find_all(ids)).await?;
        Ok(found.into_iter().filter_map(Kept::into_entry).collect())
    }

    async fn list(&self, listing: &Listing) -> Result<Page, CatalogError> {
        let list = async {
            match &listing.matching {
                None => self.list_all(listing).await,
                Some(query) => self.list_matches(query, listing).await,
            }
        };
        self.call("list videos", list).await
    }

    async fn amend(&self, id: Uuid, change: Change) -> Result<Option<Video>, CatalogError> {
        let amend = async {
            match change {
                Change::Edit(edit) => self.edit(id, edit).await,
                Change::Poster(version) => {
                    let update = doc! { "$set": { "poster": version.as_str() } };
                    self.update(id, update).await
                }
                Change::ViewNumber(number) => self.raise_views(id, number).await,
            }
        };
        self.call("amend a video", amend).await
    }

    async fn delete(&self, tombstone: Tombstone) -> Result<bool, CatalogError> {
        self.call("delete a video", self.bury(tombstone)).await
    }

    async fn pending_deletions(&self, limit: usize) -> Result<Vec<Tombstone>, CatalogError> {
        self.call("list pending deletions", self.find_pending(limit))
            .await
    }

    async fn confirm_deletion(&self, id: Uuid) -> Result<(), CatalogError> {
        self.call("confirm a deletion", self.confirm(id)).await
    }

    async fn states_after(&self, after: Uuid, limit: usize) -> Result<StatePage, CatalogError> {
        let states = self.find_states(after, limit);
        self.call("walk over all ids", states).await
    }
}

#[cfg(test)]
pub(crate) mod tests;
