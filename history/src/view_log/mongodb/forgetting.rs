//! Deleting: histories that a viewer forgets, videos that are gone, sessions that are over.
//!
//! What takes effect at once is one document that is written first; what that leaves behind is
//! removed in small steps, and cutting them short is mended by repeating them.

pub(super) mod moving;

use jiff::Timestamp;
use mongodb::bson::{DateTime, doc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::documents::Stored;
use super::store::Store;
use super::values::{BEFORE_ALL, Id, date, id, time};
use super::{entries, implicit, sessions, views};
use crate::view_log::ViewLogError;

/// A viewer who has forgotten their whole history.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ViewerDocument {
    #[serde(rename = "_id")]
    id: Id,
    /// Events received until then bring no entry back, and what was watched until then is hidden.
    forgotten_until: DateTime,
}

impl Stored for ViewerDocument {
    const COLLECTION: &'static str = "viewers";
}

/// A video that was deleted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct TombstoneDocument {
    #[serde(rename = "_id")]
    id: Id,
    deleted_at: DateTime,
}

impl Stored for TombstoneDocument {
    const COLLECTION: &'static str = "deleted_videos";
}

/// Until when events bring no entry of this viewer back.
pub(super) async fn viewer_forgotten_until(
    store: &Store,
    viewer: Uuid,
) -> Result<Timestamp, ViewLogError> {
    let found = store.viewers.get(id(viewer)).await?;
    found.map_or(Ok(BEFORE_ALL), |viewer| time(viewer.forgotten_until))
}

/// Forgets the whole history of a viewer: hides it first, then removes it.
pub(super) async fn forget_viewer(
    store: &Store,
    viewer: Uuid,
    at: Timestamp,
) -> Result<(), ViewLogError> {
    // What is there is forgotten even if it was dated in the future.
    let newest = entries::newest(store, viewer).await?.unwrap_or(BEFORE_ALL);
    let until = date(at.max(newest));
    let update = doc! { "$max": { "forgotten_until": until } };
    let viewer_document = store.viewers.upsert(id(viewer), update).await?;
    let until = viewer_document.map_or(until, |document| document.forgotten_until);
    entries::remove_forgotten(store, viewer, time(until)?).await
}

/// Whether a video was deleted.
pub(super) async fn is_deleted(store: &Store, video: Uuid) -> Result<bool, ViewLogError> {
    Ok(store.tombstones.get(id(video)).await?.is_some())
}

/// Deletes a video: the tombstone first, so that whatever is written from now on is removed by
/// whoever writes it.
pub(super) async fn forget_video(
    store: &Store,
    video: Uuid,
    at: Timestamp,
) -> Result<(), ViewLogError> {
    let tombstone = TombstoneDocument {
        id: id(video),
        deleted_at: date(at),
    };
    // Not inserted is as good: the first one stays.
    store.tombstones.insert(&tombstone).await?;
    remove_video(store, video).await
}

/// Removes everything of a video that has a tombstone.
pub(super) async fn remove_video(store: &Store, video: Uuid) -> Result<(), ViewLogError> {
    store.entries.remove_all(entries::of_video(video)).await?;
    store.sessions.remove_all(sessions::of_video(video)).await?;
    store.clients.remove_all(implicit::of_video(video)).await?;
    store.views.remove_all(views::of_video(video)).await?;
    Ok(())
}

/// Whether the video was deleted since an event of it began to be taken in. What was written
/// meanwhile is then removed.
///
/// Asked after the last write of an event: either this finds the tombstone, or the tombstone is
/// written later, and who writes it removes what it finds.
pub(super) async fn was_deleted_meanwhile(
    store: &Store,
    video: Uuid,
) -> Result<bool, ViewLogError> {
    let deleted = is_deleted(store, video).await?;
    if deleted {
        remove_video(store, video).await?;
    }
    Ok(deleted)
}
