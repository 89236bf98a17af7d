//! Counted views and their numbers.
//!
//! A view's key is (video, number), so that a number is taken once; its session is a second
//! unique key, so that a session is counted once. Whoever loses either key reads again. No view
//! is ever removed before its video: one that is given back becomes spare, and the video's next
//! view claims it, so the numbers stay 1 to n.

pub(super) mod moving;

use jiff::Timestamp;
use mongodb::bson::{Bson, DateTime, Document, doc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::documents::{Query, Stored, Tries};
use super::store::Store;
use super::values::{Id, count, date, id, uncount, uuid};
use crate::view_log::{CountedView, ViewLogError};

/// A number of a video, and the session that has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ViewDocument {
    #[serde(rename = "_id")]
    id: ViewKey,
    /// Of a spare number an id that no session has.
    session: Id,
    state: ViewState,
    counted_at: DateTime,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct ViewKey {
    video: Id,
    number: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ViewState {
    Unpublished,
    Published,
    Spare,
}

impl From<ViewState> for Bson {
    fn from(state: ViewState) -> Self {
        match state {
            ViewState::Unpublished => "unpublished",
            ViewState::Published => "published",
            ViewState::Spare => "spare",
        }
        .into()
    }
}

impl From<ViewKey> for Bson {
    fn from(ViewKey { video, number }: ViewKey) -> Self {
        doc! { "video": video, "number": number }.into()
    }
}

impl Stored for ViewDocument {
    const COLLECTION: &'static str = "views";
}

/// A view as it is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoredView {
    pub(super) view: CountedView,
    pub(super) published: bool,
}

impl StoredView {
    /// The view, if its number still has to be published.
    pub(super) fn unpublished(self) -> Option<CountedView> {
        (!self.published).then_some(self.view)
    }
}

/// The view of a session that counts.
pub(super) struct Counting {
    pub(super) stored: StoredView,
    /// Whether it did not count before.
    pub(super) fresh: bool,
}

impl TryFrom<ViewDocument> for StoredView {
    type Error = ViewLogError;

    fn try_from(document: ViewDocument) -> Result<Self, ViewLogError> {
        let ViewDocument {
            id: ViewKey { video, number },
            session,
            state,
            counted_at: _,
        } = document;
        Ok(Self {
            view: CountedView {
                video: uuid(video),
                number: uncount(number)?,
                session: uuid(session),
            },
            published: state == ViewState::Published,
        })
    }
}

/// The view that this session made.
pub(super) async fn of_session(
    store: &Store,
    session: Uuid,
) -> Result<Option<StoredView>, ViewLogError> {
    let found = store
        .views
        .find_one(doc! { "session": id(session) })
        .await?;
    found.map(StoredView::try_from).transpose()
}

/// Makes this session a view of the video, or answers the view that it is.
pub(super) async fn count_session(
    store: &Store,
    video: Uuid,
    session: Uuid,
    at: Timestamp,
) -> Result<Counting, ViewLogError> {
    if let Some(stored) = of_session(store, session).await? {
        return Ok(Counting {
            stored,
            fresh: false,
        });
    }
    let _turn = store.number_turns.lock(video).await;
    let mut tries = Tries::default();
    loop {
        let number = match spare_number(store, video).await? {
            Some(spare) => claim(store, spare, session, at).await?,
            None => take_next(store, video, session, at).await?,
        };
        if let Some(number) = number {
            let view = CountedView {
                video,
                number,
                session,
            };
            return Ok(Counting {
                stored: StoredView {
                    view,
                    published: false,
                },
                fresh: true,
            });
        }
        tries.lost().await?;
        // Whoever was faster had the number, or the same session.
        if let Some(stored) = of_session(store, session).await? {
            return Ok(Counting {
                stored,
                fresh: false,
            });
        }
    }
}

/// The smallest number of the video that was given back.
async fn spare_number(store: &Store, video: Uuid) -> Result<Option<ViewDocument>, ViewLogError> {
    let spare = store.views.find(Query {
        filter: doc! { "_id.video": id(video), "state": ViewState::Spare },
        sort: doc! { "_id.number": 1 },
        limit: 1,
    });
    Ok(spare.await?.pop())
}

async fn claim(
    store: &Store,
    spare: ViewDocument,
    session: Uuid,
    at: Timestamp,
) -> Result<Option<u64>, ViewLogError> {
    let number = uncount(spare.id.number)?;
    let filter = doc! { "_id": spare.id, "state": ViewState::Spare };
    let claimed = doc! { "$set": {
        "session": id(session),
        "state": ViewState::Unpublished,
        "counted_at": date(at),
    } };
    let claimed = store.views.update(filter, claimed).await?;
    Ok(claimed.then_some(number))
}

async fn take_next(
    store: &Store,
    video: Uuid,
    session: Uuid,
    at: Timestamp,
) -> Result<Option<u64>, ViewLogError> {
    let largest = store.views.find(Query {
        filter: doc! { "_id.video": id(video) },
        sort: doc! { "_id.number": -1 },
        limit: 1,
    });
    let largest = match largest.await?.pop() {
        Some(view) => uncount(view.id.number)?,
        None => 0,
    };
    let number = largest + 1;
    let view = ViewDocument {
        id: ViewKey {
            video: id(video),
            number: count(number),
        },
        session: id(session),
        state: ViewState::Unpublished,
        counted_at: date(at),
    };
    let inserted = store.views.insert(&view).await?;
    Ok(inserted.then_some(number))
}

/// Takes the view of a session back, if it made one, and keeps its number for the video's next
/// view.
pub(super) async fn give_back(store: &Store, session: Uuid) -> Result<(), ViewLogError> {
    let filter = doc! { "session": id(session) };
    // The key of a session that counts no more must be free.
    let spare = doc! { "$set": {
        "session": id(Uuid::new_v4()),
        "state": ViewState::Spare,
    } };
    store.views.update(filter, spare).await?;
    Ok(())
}

/// Counted, but not confirmed as published; oldest first.
pub(super) async fn unpublished(
    store: &Store,
    counted_before: Timestamp,
    limit: usize,
) -> Result<Vec<CountedView>, ViewLogError> {
    let views = store.views.find(Query {
        filter: doc! {
            "state": ViewState::Unpublished,
            "counted_at": { "$lt": date(counted_before) },
        },
        sort: doc! { "counted_at": 1 },
        limit,
    });
    let views = views.await?.into_iter().map(StoredView::try_from);
    views.map(|stored| Ok(stored?.view)).collect()
}

/// Remembers that the number of this session's view is published.
pub(super) async fn confirm(store: &Store, session: Uuid) -> Result<(), ViewLogError> {
    let filter = doc! { "session": id(session), "state": ViewState::Unpublished };
    let published = doc! { "$set": { "state": ViewState::Published } };
    store.views.update(filter, published).await?;
    Ok(())
}

/// What selects the views of a video.
pub(super) fn of_video(video: Uuid) -> Document {
    doc! { "_id.video": id(video) }
}
