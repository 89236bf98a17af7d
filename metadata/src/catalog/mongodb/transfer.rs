//! Moving the distributed catalogue: one collection in the order of its keys.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::bson::{self, Document, doc};
use mongodb::error::{Error, ErrorKind};
use service_kit::merge::Page;
use uuid::Uuid;

use super::MongoCatalog;
use super::connection::in_time;
use super::documents::{
    self, AWAITED, count, id as bson_id, tombstone_document, uncount, video_document, without_words,
};
use super::failure::{Failure, is_duplicate_key};
use super::schema::version_of;
use super::{TRIES, documents::uuid};
use crate::catalog::CatalogError;
use crate::catalog::transfer::{CatalogTransfer, Kept};

/// How long a page may take. Nobody waits at a screen for one, and a server that also serves
/// viewers may let a copy wait.
const PAGE_PATIENCE: Duration = Duration::from_mins(1);

#[async_trait]
impl CatalogTransfer for MongoCatalog {
    async fn export(
        &self,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Page<Uuid, Kept>, CatalogError> {
        let export = async {
            // No video has the nil id.
            let filter = doc! { "_id": { "$gt": bson_id(after.unwrap_or(Uuid::nil())) } };
            let items = self.kept(filter, limit + 1).await?;
            let items = items.into_iter().map(|(item, _)| (item.id(), item));
            Ok(Page::of_one_more(items.collect(), limit))
        };
        in_time(PAGE_PATIENCE, export)
            .await
            .map_err(|failure| failure.explained("export the catalogue"))
    }

    async fn put(&self, items: Vec<Kept>) -> Result<(), CatalogError> {
        in_time(PAGE_PATIENCE, self.put_all(items))
            .await
            .map_err(|failure| failure.explained("take in a catalogue"))
    }

    async fn estimate(&self) -> Result<u64, CatalogError> {
        let count = async { Ok(self.videos.estimated_document_count().await?) };
        in_time(PAGE_PATIENCE, count)
            .await
            .map_err(|failure: Failure| failure.explained("count the catalogue"))
    }
}

impl MongoCatalog {
    /// Documents in the order of their ids, with their revisions.
    async fn kept(&self, filter: Document, limit: usize) -> Result<Vec<(Kept, i64)>, Failure> {
        let documents: Vec<Document> = self
            .videos
            .find(filter)
            .sort(doc! { "_id": 1 })
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .projection(without_words())
            .max_time(PAGE_PATIENCE)
            .await?
            .try_collect()
            .await?;
        documents
            .into_iter()
            .map(|document| self.read_kept(document))
            .collect()
    }

    fn read_kept(&self, mut document: Document) -> Result<(Kept, i64), Failure> {
        let known = self.schema.version();
        let found = version_of(&document)?;
        if found > known {
            // A copy of what cannot be read would be less than what is there.
            return Err(Failure::NewerDatabase { known });
        }
        self.schema.upgrade(&mut document)?;
        let impossible = |field| move |_| Failure::Impossible(field);
        let revision = document.get_i64("revision");
        let revision = revision.map_err(impossible("revision"))?;
        if document
            .get_str("state")
            .is_ok_and(|state| state == AWAITED)
        {
            let video: bson::Uuid = match document.get("_id") {
                Some(bson::Bson::Binary(id)) => id.to_uuid().map_err(Failure::Unreadable)?,
                _ => return Err(Failure::Impossible("_id")),
            };
            let views = document.get_i64("views").map_err(impossible("views"))?;
            let awaited = Kept::Awaited {
                video: uuid(video),
                views: uncount("views", views)?,
            };
            return Ok((awaited, revision));
        }
        let confirmed = document.get_bool("confirmed").unwrap_or_default();
        let kept = match documents::Kept::read(document)? {
            documents::Kept::Present(video, _) => Kept::Present(video),
            documents::Kept::Deleted(tombstone) => Kept::Deleted {
                tombstone,
                confirmed,
            },
            documents::Kept::Awaited => return Err(Failure::Impossible("state")),
        };
        Ok((kept, revision))
    }

    /// What is new goes in with one command; what is there is replaced one by one, each only if it
    /// is still what was read.
    async fn put_all(&self, items: Vec<Kept>) -> Result<(), Failure> {
        let mut items = items;
        for _ in 0..TRIES {
            if items.is_empty() {
                return Ok(());
            }
            let ids: Vec<_> = items.iter().map(|item| bson_id(item.id())).collect();
            let found = self.kept(doc! { "_id": { "$in": ids } }, items.len());
            let found: HashMap<Uuid, (Kept, i64)> = found
                .await?
                .into_iter()
                .map(|(kept, revision)| (kept.id(), (kept, revision)))
                .collect();
            let mut new = Vec::new();
            // What somebody else changed at the same time, for the next try.
            let mut left = Vec::new();
            for item in std::mem::take(&mut items) {
                match found.get(&item.id()) {
                    None => new.push(item),
                    Some((before, revision)) => {
                        if !self.replace_kept(&item, before, *revision).await? {
                            left.push(item);
                        }
                    }
                }
            }
            if !self.insert_new(&new).await? {
                left.append(&mut new);
            }
            items = left;
        }
        Err(Failure::Contended)
    }

    async fn replace_kept(
        &self,
        item: &Kept,
        before: &Kept,
        revision: i64,
    ) -> Result<bool, Failure> {
        let after = item.clone().put_over(Some(before));
        if after == *before {
            return Ok(true);
        }
        let mut document = self.document(&after)?;
        document.insert("revision", revision + 1);
        let unchanged = doc! { "_id": bson_id(item.id()), "revision": revision };
        let replaced = self.videos.replace_one(unchanged, document).await?;
        Ok(replaced.matched_count == 1)
    }

    /// Whether all are in. Where one was there already, all have to be looked at again.
    async fn insert_new(&self, items: &[Kept]) -> Result<bool, Failure> {
        if items.is_empty() {
            return Ok(true);
        }
        let documents = items.iter().map(|item| self.document(item));
        let documents = documents.collect::<Result<Vec<_>, _>>()?;
        match self.videos.insert_many(documents).ordered(false).await {
            Ok(_) => Ok(true),
            Err(error) if is_known_already(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn document(&self, item: &Kept) -> Result<Document, Failure> {
        let schema = self.schema.version();
        match item {
            Kept::Awaited { video, views } => Ok(doc! {
                "_id": bson_id(*video),
                "schema": schema,
                "revision": 1_i64,
                "state": AWAITED,
                "views": count(*views),
            }),
            Kept::Present(video) => video_document(video, schema),
            Kept::Deleted {
                tombstone,
                confirmed,
            } => {
                let mut document = tombstone_document(*tombstone, schema)?;
                document.insert("confirmed", *confirmed);
                Ok(document)
            }
        }
    }
}

/// Whether nothing but ids that are there already kept an insertion from being whole.
fn is_known_already(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::InsertMany(error) => {
            error.write_concern_error.is_none()
                && error.write_errors.as_ref().is_some_and(|errors| {
                    errors
                        .iter()
                        .all(|error| error.code == super::failure::DUPLICATE_KEY)
                })
        }
        _ => is_duplicate_key(error),
    }
}
