//! Lists of all videos, a page at a time.

use std::cmp::Reverse;
use std::collections::HashSet;

use futures_util::TryStreamExt as _;
use mongodb::bson::{Bson, Document, doc};

use super::MongoCatalog;
use super::connection::COMMAND;
use super::documents::{Kept, PRESENT, count, date, id, without_words};
use super::failure::Failure;
use super::indexes::{BY_TITLE, BY_UPLOAD, BY_VIEWS, Index};
use crate::page::{Listing, Moment, Page, Place, Sort};
use crate::video::Video;

/// How a list is sorted: by a field, then by the id in the same direction.
struct Order {
    field: &'static str,
    direction: i32,
    /// What compares a value with one that stands before it.
    after: &'static str,
    index: Index,
}

impl From<Sort> for Order {
    fn from(sort: Sort) -> Self {
        let (field, index) = match sort {
            Sort::Newest => ("uploaded_at", BY_UPLOAD),
            Sort::Title => ("title_key", BY_TITLE),
            Sort::Views => ("views", BY_VIEWS),
        };
        let (direction, after) = match sort {
            Sort::Title => (1, "$gt"),
            Sort::Newest | Sort::Views => (-1, "$lt"),
        };
        Self {
            field,
            direction,
            after,
            index,
        }
    }
}

impl MongoCatalog {
    /// One page of the list of all videos.
    pub(super) async fn list_all(&self, listing: &Listing) -> Result<Page, Failure> {
        let order = Order::from(listing.sort);
        let field = order.field;
        // "After this place" is two ranges of the index, the rest of the same value and the values
        // behind it. One query for both is planned as a filter over the first of them, which many
        // videos without a view share.
        let ranges = match &listing.after {
            None => vec![doc! { "state": PRESENT }],
            Some(position) => {
                let (value, last) = value_and_id(&position.after);
                vec![
                    doc! { "state": PRESENT, field: value.clone(), "_id": { order.after: last } },
                    doc! { "state": PRESENT, field: { order.after: value } },
                ]
            }
        };
        let wanted = listing.limit + 1;
        let mut videos: Vec<Video> = Vec::with_capacity(wanted);
        for range in ranges {
            let missing = wanted - videos.len();
            if missing == 0 {
                break;
            }
            let more = self.read_range(&order, range, missing).await?;
            // One that was moved from the first range to the second in between was read twice.
            let seen: HashSet<_> = videos.iter().map(|video| video.facts.id).collect();
            videos.extend(
                more.into_iter()
                    .filter(|video| !seen.contains(&video.facts.id)),
            );
        }
        Ok(Page::of_one_more(videos, listing, None, false))
    }

    async fn read_range(
        &self,
        order: &Order,
        range: Document,
        limit: usize,
    ) -> Result<Vec<Video>, Failure> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found: Vec<Document> = self
            .videos
            .find(range)
            .sort(doc! { order.field: order.direction, "_id": order.direction })
            .limit(limit)
            .projection(without_words())
            .hint(order.index.hint())
            .max_time(COMMAND)
            .await?
            .try_collect()
            .await?;
        let mut videos = Vec::with_capacity(found.len());
        for document in found {
            if let Kept::Present(video, _) = self.read(document)? {
                videos.push(*video);
            }
        }
        Ok(videos)
    }
}

fn value_and_id(place: &Place) -> (Bson, Bson) {
    match place {
        Place::Newest(Reverse(Moment {
            uploaded_at,
            id: last,
        })) => (date(*uploaded_at).into(), id(*last)),
        Place::Title(key, last) => (key.into(), id(*last)),
        Place::Views(Reverse((views, last))) => (count(*views).into(), id(*last)),
    }
}
