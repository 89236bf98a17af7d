//! Views as they are moved.

use mongodb::bson::{Bson, doc};
use service_kit::merge::Page;
use uuid::Uuid;

use super::{ViewDocument, ViewKey, ViewState};
use crate::view_log::ViewLogError;
use crate::view_log::mongodb::store::Store;
use crate::view_log::mongodb::values::{count, date, id, time, uncount, uuid};
use crate::view_log::transfer::{Holder, Kept, KeptView, Key};

pub(in crate::view_log::mongodb) async fn export(
    store: &Store,
    after: Option<Key>,
    limit: usize,
) -> Result<Page<Key, Kept>, ViewLogError> {
    let after = match after {
        Some(Key::View(video, number)) => Some(Bson::from(ViewKey {
            video: id(video),
            number: count(number),
        })),
        _ => None,
    };
    let documents = store.views.range(after, limit + 1).await?;
    let items = documents.into_iter().map(|document| {
        let kept = Kept::View(kept(&document)?);
        Ok((kept.key(), kept))
    });
    let items = items.collect::<Result<_, ViewLogError>>()?;
    Ok(Page::of_one_more(items, limit))
}

fn kept(document: &ViewDocument) -> Result<KeptView, ViewLogError> {
    let ViewDocument {
        id: ViewKey { video, number },
        session,
        state,
        counted_at,
    } = *document;
    let counted = match state {
        ViewState::Spare => None,
        ViewState::Published | ViewState::Unpublished => Some(Holder {
            session: uuid(session),
            counted_at: time(counted_at)?,
            published: state == ViewState::Published,
        }),
    };
    Ok(KeptView {
        video: uuid(video),
        number: uncount(number)?,
        counted,
    })
}

fn document(kept: &KeptView) -> ViewDocument {
    let KeptView {
        video,
        number,
        counted,
    } = kept;
    let id_ = ViewKey {
        video: id(*video),
        number: count(*number),
    };
    let Some(counted) = counted else {
        return ViewDocument {
            id: id_,
            session: id(Uuid::new_v4()),
            state: ViewState::Spare,
            counted_at: date(jiff::Timestamp::UNIX_EPOCH),
        };
    };
    let Holder {
        session,
        counted_at,
        published,
    } = counted;
    ViewDocument {
        id: id_,
        session: id(*session),
        state: if *published {
            ViewState::Published
        } else {
            ViewState::Unpublished
        },
        counted_at: date(*counted_at),
    }
}

pub(in crate::view_log::mongodb) async fn put(
    store: &Store,
    views: Vec<KeptView>,
) -> Result<(), ViewLogError> {
    if views.is_empty() {
        return Ok(());
    }
    let documents: Vec<ViewDocument> = views.iter().map(document).collect();
    for place in store.views.insert_all(&documents).await? {
        let document = &documents[place];
        // An earlier copy may have another number of this session, which it has given back since.
        store
            .views
            .remove(doc! { "session": document.session, "_id": { "$ne": Bson::from(document.id) } })
            .await?;
        store.views.overwrite(document).await?;
    }
    // A session that is a view stays one, also if a late beat has lowered its time since.
    let counted = documents
        .iter()
        .filter(|view| view.state != ViewState::Spare);
    let counted: Vec<Bson> = counted.map(|view| view.session.into()).collect();
    let filter = doc! { "_id": { "$in": counted }, "counted": false };
    let update = doc! { "$set": { "counted": true }, "$inc": { "revision": 1_i64 } };
    store.sessions.update_all(filter, update).await
}
