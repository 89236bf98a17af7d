//! Lists in pages: what is asked for, in which order, and where a page begins.

use std::cmp::Reverse;

use jiff::Timestamp;
use uuid::Uuid;

use crate::search::{SearchQuery, title_key};
use crate::video::Video;

pub(crate) mod cursor;

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    /// The latest upload first; the higher id first among uploads of the same millisecond.
    #[default]
    Newest,
    /// By the folded title, from A to Z; then by the id.
    Title,
    /// The most viewed first; then the higher id.
    Views,
}

/// One page of a list, as it is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    /// Only the videos that match, if there is a query.
    pub(crate) matching: Option<SearchQuery>,
    /// The order of the list.
    pub(crate) sort: Sort,
    /// How many videos the page holds at most.
    pub(crate) limit: usize,
    /// Where the page before ended; the first page has none.
    pub(crate) after: Option<Position>,
}

/// One page of a list, as it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// The videos in the order of the list.
    pub(crate) videos: Vec<Video>,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<Position>,
    /// Whether a search stopped at one of its limits, so that there may be more matches.
    pub(crate) incomplete: bool,
}

/// Where a page ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The place of its last video.
    pub(crate) after: Place,
    /// The newest match that the first page saw, for a search: videos that were uploaded later are
    /// not looked at by later pages, or each would push another match out of the ones taken.
    pub(crate) newest_match: Option<Moment>,
}

/// The place of a video in the order of uploads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    /// When the video was uploaded.
    pub(crate) uploaded_at: Timestamp,
    /// Which one it is among those of the same millisecond.
    pub(crate) id: Uuid,
}

/// The place of a video in a list. Places of one list compare as their videos follow one another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// In [`Sort::Newest`].
    Newest(Reverse<Moment>),
    /// In [`Sort::Title`]: the folded title, then the id.
    Title(String, Uuid),
    /// In [`Sort::Views`]: the views, then the id.
    Views(Reverse<(u64, Uuid)>),
}

impl Page {
    /// Makes a page of videos in the order of the list, of which the caller has looked up one more
    /// than the page may hold: whether there is a next page is known without counting.
    pub(crate) fn of_one_more(
        mut videos: Vec<Video>,
        listing: &Listing,
        newest_match: Option<Moment>,
        incomplete: bool,
    ) -> Self {
        let is_last = videos.len() <= listing.limit;
        videos.truncate(listing.limit);
        let next = match videos.last() {
            Some(last) if !is_last => Some(Position {
                after: Place::of(last, listing.sort),
                newest_match,
            }),
            _ => None,
        };
        Self {
            videos,
            next,
            incomplete,
        }
    }
}

impl Place {
    /// Where this video stands in a list of that order.
    pub(crate) fn of(video: &Video, sort: Sort) -> Self {
        let id = video.facts.id;
        match sort {
            Sort::Newest => Self::Newest(Reverse(Moment {
                uploaded_at: video.facts.uploaded_at,
                id,
            })),
            Sort::Title => Self::Title(title_key(video.text.title.as_str()), id),
            Sort::Views => Self::Views(Reverse((video.views, id))),
        }
    }
}

impl Sort {
    /// The name of the order in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Title => "title",
            Self::Views => "views",
        }
    }

    /// The order of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Newest, Self::Title, Self::Views]
            .into_iter()
            .find(|sort| sort.name() == name)
    }
}
