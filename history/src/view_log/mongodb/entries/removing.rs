//! Forgetting entries: one, or what is left of all.

use jiff::Timestamp;
use mongodb::bson::{Bson, Document, doc};
use uuid::Uuid;

use super::{EntryDocument, StoredEntry, key};
use crate::view_log::ViewLogError;
use crate::view_log::mongodb::documents::{Guarded, Query, STEP, Tries, next_revision};
use crate::view_log::mongodb::store::Store;
use crate::view_log::mongodb::values::{BEFORE_ALL, date, id, time};

/// Forgets one entry, and what was received of it until then.
pub(in crate::view_log::mongodb) async fn forget(
    store: &Store,
    viewer: Uuid,
    video: Uuid,
    at: Timestamp,
) -> Result<(), ViewLogError> {
    let mut tries = Tries::default();
    loop {
        let found = store.entries.get(key(viewer, video)).await?;
        let read = found.as_ref().map(|document| document.revision);
        let known = found.map(StoredEntry::read).transpose()?;
        let (shown, forgotten) =
            known.map_or((None, None), |known| (known.shown, known.forgotten_until));
        // What is there is forgotten even if it was dated in the future.
        let shown_until = shown.map_or(BEFORE_ALL, |shown| shown.beat.received_at);
        let until = at.max(shown_until).max(forgotten.unwrap_or(BEFORE_ALL));
        if shown.is_none() && forgotten == Some(until) {
            return Ok(());
        }
        let stored = StoredEntry {
            viewer,
            video,
            forgotten_until: Some(until),
            shown: None,
        };
        let document = stored.document(next_revision(read));
        if store.entries.replace(&document, read).await? {
            return Ok(());
        }
        tries.lost().await?;
    }
}

/// When the newest entry of a viewer was watched.
pub(in crate::view_log::mongodb) async fn newest(
    store: &Store,
    viewer: Uuid,
) -> Result<Option<Timestamp>, ViewLogError> {
    let newest = store.entries.find(Query {
        filter: doc! { "_id.viewer": id(viewer) },
        sort: doc! { "shown.last_watched_at": -1, "_id.video": 1 },
        limit: 1,
    });
    let newest = newest.await?.pop().and_then(|document| document.shown);
    newest.map(|shown| time(shown.last_watched_at)).transpose()
}

/// Removes what is left of the entries of a viewer whose whole history is forgotten until then.
pub(in crate::view_log::mongodb) async fn remove_forgotten(
    store: &Store,
    viewer: Uuid,
    until: Timestamp,
) -> Result<(), ViewLogError> {
    let mut query = Query {
        filter: doc! { "_id.viewer": id(viewer), "shown.last_watched_at": { "$lte": date(until) } },
        sort: doc! { "shown.last_watched_at": -1, "_id.video": 1 },
        limit: STEP,
    };
    loop {
        let hidden = store.entries.find(query.clone()).await?;
        if hidden.is_empty() {
            break;
        }
        remove_unless_forgotten_longer(store, hidden, query.filter.clone(), until).await?;
    }
    // Entries that were forgotten one by one: the one moment now says what theirs said.
    query.filter = doc! { "_id.viewer": id(viewer), "shown.last_watched_at": Bson::Null };
    query.sort = doc! { "_id.video": 1 };
    loop {
        let forgotten = store.entries.find(query.clone()).await?;
        let Some(last) = forgotten.last().map(|document| document.id.video) else {
            return Ok(());
        };
        let filter = query.filter.clone();
        remove_unless_forgotten_longer(store, forgotten, filter, until).await?;
        query.filter.insert("_id.video", doc! { "$gt": last });
    }
}

/// Removes entries that the filter still selects. Of those that were forgotten for longer by
/// themselves only what they show goes; one that changes meanwhile stays for the next step.
async fn remove_unless_forgotten_longer(
    store: &Store,
    documents: Vec<EntryDocument>,
    mut filter: Document,
    until: Timestamp,
) -> Result<(), ViewLogError> {
    let keys: Vec<_> = documents.iter().map(Guarded::key).collect();
    filter.insert("_id", doc! { "$in": keys });
    filter.insert("forgotten_until", doc! { "$not": { "$gt": date(until) } });
    store.entries.remove(filter).await?;
    for document in documents {
        let longer = document
            .forgotten_until
            .is_some_and(|own| own > date(until));
        if longer && document.shown.is_some() {
            let read = Some(document.revision);
            let hidden = EntryDocument {
                revision: next_revision(read),
                shown: None,
                ..document
            };
            store.entries.replace(&hidden, read).await?;
        }
    }
    Ok(())
}
