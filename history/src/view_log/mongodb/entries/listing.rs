//! A viewer's list, in pages.

use mongodb::bson::doc;
use uuid::Uuid;

use super::StoredEntry;
use crate::entry::{EntryPage, ListPosition, PageRequest};
use crate::view_log::ViewLogError;
use crate::view_log::mongodb::documents::Query;
use crate::view_log::mongodb::forgetting;
use crate::view_log::mongodb::store::Store;
use crate::view_log::mongodb::values::{date, id};

/// A part of a viewer's history.
pub(in crate::view_log::mongodb) async fn page(
    store: &Store,
    viewer: Uuid,
    page: PageRequest,
) -> Result<EntryPage, ViewLogError> {
    let PageRequest { after, limit } = page;
    let until = forgetting::viewer_forgotten_until(store, viewer).await?;
    // One more than asked for tells whether there is a next page.
    let wanted = limit + 1;
    let mut documents = Vec::new();
    let mut watched = doc! { "$gt": date(until) };
    if let Some(ListPosition {
        last_watched_at,
        video,
    }) = after
    {
        // Two ranges of the index: the rest of the millisecond in which the page before this one
        // ended, and everything older.
        if last_watched_at > until {
            documents = store
                .entries
                .find(Query {
                    filter: doc! {
                        "_id.viewer": id(viewer),
                        "shown.last_watched_at": date(last_watched_at),
                        "_id.video": { "$gt": id(video) },
                    },
                    sort: doc! { "_id.video": 1 },
                    limit: wanted,
                })
                .await?;
        }
        watched.insert("$lt", date(last_watched_at));
    }
    if documents.len() < wanted {
        let older = store.entries.find(Query {
            filter: doc! { "_id.viewer": id(viewer), "shown.last_watched_at": watched },
            sort: doc! { "shown.last_watched_at": -1, "_id.video": 1 },
            limit: wanted - documents.len(),
        });
        documents.extend(older.await?);
    }
    let mut entries = Vec::with_capacity(documents.len());
    for document in documents {
        entries.extend(StoredEntry::read(document)?.into_entry());
    }
    let has_more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries
        .last()
        .filter(|_| has_more)
        .map(|last| ListPosition {
            last_watched_at: last.last_watched_at,
            video: last.video,
        });
    Ok(EntryPage { entries, next })
}
