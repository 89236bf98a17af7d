//! What is forgotten and deleted, as it is moved.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use mongodb::bson::{Bson, doc};
use service_kit::merge::Page;
use uuid::Uuid;

use super::{TombstoneDocument, ViewerDocument, remove_video};
use crate::view_log::ViewLogError;
use crate::view_log::mongodb::documents::Query;
use crate::view_log::mongodb::entries;
use crate::view_log::mongodb::store::Store;
use crate::view_log::mongodb::values::{date, id, time, uuid};
use crate::view_log::transfer::{Kept, Key};

pub(in crate::view_log::mongodb) async fn export_viewers(
    store: &Store,
    after: Option<Key>,
    limit: usize,
) -> Result<Page<Key, Kept>, ViewLogError> {
    let after = match after {
        Some(Key::Viewer(viewer)) => Some(Bson::from(id(viewer))),
        _ => None,
    };
    let documents = store.viewers.range(after, limit + 1).await?;
    let items = documents.into_iter().map(|document| {
        let ViewerDocument {
            id,
            forgotten_until,
        } = document;
        let kept = Kept::Viewer {
            viewer: uuid(id),
            forgotten_until: time(forgotten_until)?,
        };
        Ok((kept.key(), kept))
    });
    let items = items.collect::<Result<_, ViewLogError>>()?;
    Ok(Page::of_one_more(items, limit))
}

pub(in crate::view_log::mongodb) async fn export_deleted(
    store: &Store,
    after: Option<Key>,
    limit: usize,
) -> Result<Page<Key, Kept>, ViewLogError> {
    let after = match after {
        Some(Key::DeletedVideo(video)) => Some(Bson::from(id(video))),
        _ => None,
    };
    let documents = store.tombstones.range(after, limit + 1).await?;
    let items = documents.into_iter().map(|document| {
        let TombstoneDocument { id, deleted_at } = document;
        let kept = Kept::DeletedVideo {
            video: uuid(id),
            deleted_at: time(deleted_at)?,
        };
        Ok((kept.key(), kept))
    });
    let items = items.collect::<Result<_, ViewLogError>>()?;
    Ok(Page::of_one_more(items, limit))
}

/// Until when these viewers have forgotten everything; those who have not are left out.
pub(in crate::view_log::mongodb) async fn forgotten_until(
    store: &Store,
    viewers: BTreeSet<Uuid>,
) -> Result<HashMap<Uuid, Timestamp>, ViewLogError> {
    if viewers.is_empty() {
        return Ok(HashMap::new());
    }
    let limit = viewers.len();
    let viewers: Vec<_> = viewers.into_iter().map(id).collect();
    let found = store.viewers.find(Query {
        filter: doc! { "_id": { "$in": viewers } },
        limit,
        ..Query::default()
    });
    let found = found.await?.into_iter();
    found
        .map(|viewer| Ok((uuid(viewer.id), time(viewer.forgotten_until)?)))
        .collect()
}

pub(in crate::view_log::mongodb) async fn put_viewer(
    store: &Store,
    viewer: Uuid,
    until: Timestamp,
) -> Result<(), ViewLogError> {
    let update = doc! { "$max": { "forgotten_until": date(until) } };
    store.viewers.upsert(id(viewer), update).await?;
    entries::remove_forgotten(store, viewer, until).await
}

pub(in crate::view_log::mongodb) async fn put_deleted(
    store: &Store,
    video: Uuid,
    deleted_at: Timestamp,
) -> Result<(), ViewLogError> {
    let tombstone = TombstoneDocument {
        id: id(video),
        deleted_at: date(deleted_at),
    };
    store.tombstones.overwrite(&tombstone).await?;
    remove_video(store, video).await
}
