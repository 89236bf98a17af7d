//! Entries as they are moved.

use std::collections::HashMap;

use jiff::Timestamp;
use mongodb::bson::Bson;
use service_kit::merge::Page;
use uuid::Uuid;

use super::{Shown, StoredEntry, key};
use crate::view_log::ViewLogError;
use crate::view_log::mongodb::documents::next_revision;
use crate::view_log::mongodb::forgetting;
use crate::view_log::mongodb::store::Store;
use crate::view_log::mongodb::transfer::put_all;
use crate::view_log::mongodb::values::BEFORE_ALL;
use crate::view_log::transfer::{Kept, KeptEntry, KeptShown, Key};

pub(in crate::view_log::mongodb) async fn export(
    store: &Store,
    after: Option<Key>,
    limit: usize,
) -> Result<Page<Key, Kept>, ViewLogError> {
    let after = match after {
        Some(Key::Entry(viewer, video)) => Some(Bson::from(key(viewer, video))),
        _ => None,
    };
    let documents = store.entries.range(after, limit + 1).await?;
    let stored = documents.into_iter().map(|document| {
        let stored = StoredEntry::read(document)?;
        Ok((Key::Entry(stored.viewer, stored.video), stored))
    });
    let stored = stored.collect::<Result<_, ViewLogError>>()?;
    let Page { items, next } = Page::of_one_more(stored, limit);
    let viewers = items.iter().map(|(_, stored)| stored.viewer).collect();
    // What a viewer has forgotten as a whole may only be hidden yet.
    let forgotten: HashMap<Uuid, Timestamp> =
        forgetting::moving::forgotten_until(store, viewers).await?;
    let items = items.into_iter().filter_map(|(key, stored)| {
        let until = forgotten.get(&stored.viewer).copied();
        let kept = kept(&stored).hidden_until(until.unwrap_or(BEFORE_ALL))?;
        Some((key, Kept::Entry(kept)))
    });
    Ok(Page {
        items: items.collect(),
        next,
    })
}

fn kept(stored: &StoredEntry) -> KeptEntry {
    let StoredEntry {
        viewer,
        video,
        forgotten_until,
        shown,
    } = *stored;
    let shown = shown.map(|shown| {
        let Shown {
            started_at,
            session,
            session_revision: _,
            beat,
            watched_ms,
            duration_ms,
        } = shown;
        KeptShown {
            started_at,
            session,
            beat,
            watched_ms,
            duration_ms,
        }
    });
    KeptEntry {
        viewer,
        video,
        forgotten_until,
        shown,
    }
}

pub(in crate::view_log::mongodb) async fn put(
    store: &Store,
    entries: Vec<KeptEntry>,
) -> Result<(), ViewLogError> {
    let documents = entries.into_iter().map(|kept| {
        let KeptEntry {
            viewer,
            video,
            forgotten_until,
            shown,
        } = kept;
        let shown = shown.map(|shown| {
            let KeptShown {
                started_at,
                session,
                beat,
                watched_ms,
                duration_ms,
            } = shown;
            Shown {
                started_at,
                session,
                // Whatever the session becomes from now on is later.
                session_revision: 0,
                beat,
                watched_ms,
                duration_ms,
            }
        });
        let stored = StoredEntry {
            viewer,
            video,
            forgotten_until,
            shown,
        };
        stored.document(next_revision(None))
    });
    put_all(&store.entries, &documents.collect::<Vec<_>>()).await
}
