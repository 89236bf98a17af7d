//! Searches: which videos are the newest matches of a query.

use std::cmp::Reverse;
use std::collections::HashMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use mongodb::bson::{self, DateTime, Document, doc};
use serde::Deserialize;
use uuid::Uuid;

use super::MongoCatalog;
use super::connection::COMMAND;
use super::documents::{Kept, date, id, time, uncount, uuid};
use super::failure::Failure;
use super::indexes::BY_TERM;
use crate::page::{Listing, Moment, Page, Place, Position, Sort};
use crate::search::{CANDIDATES_EXAMINED, MATCHES_TAKEN, SearchQuery};
use crate::video::Video;

/// How many terms are counted at once.
const COUNTED_AT_ONCE: usize = 8;

/// A match with what lists are sorted by.
#[derive(Deserialize)]
struct MatchDocument {
    #[serde(rename = "_id")]
    id: bson::Uuid,
    uploaded_at: DateTime,
    title_key: String,
    views: i64,
}

/// The newest matches of a query, the newest first.
struct Matches {
    found: Vec<MatchDocument>,
    /// Whether there may be more.
    incomplete: bool,
}

impl MongoCatalog {
    /// One page of the matches of a query.
    pub(super) async fn list_matches(
        &self,
        query: &SearchQuery,
        listing: &Listing,
    ) -> Result<Page, Failure> {
        let pinned = listing.after.as_ref().and_then(|after| after.newest_match);
        let Matches { found, incomplete } = self.take_matches(query, pinned).await?;
        let newest_match = match (pinned, found.first()) {
            (Some(pinned), _) => Some(pinned),
            (None, Some(first)) => Some(first.moment()?),
            (None, None) => None,
        };
        let mut places = found
            .iter()
            .map(|found| Ok((found.place(listing.sort)?, uuid(found.id))))
            .collect::<Result<Vec<(Place, Uuid)>, Failure>>()?;
        places.sort_unstable();
        let start = match &listing.after {
            Some(position) => places.partition_point(|(place, _)| *place <= position.after),
            None => 0,
        };
        let rest = &places[start..];
        let page = &rest[..rest.len().min(listing.limit)];
        // The place where the last one was found, and not where it is by now: what stands between
        // the two must be on the next page.
        let next = match page.last() {
            Some((place, _)) if rest.len() > page.len() => Some(Position {
                after: place.clone(),
                newest_match,
            }),
            _ => None,
        };
        let ids: Vec<Uuid> = page.iter().map(|(_, id)| *id).collect();
        Ok(Page {
            videos: self.present(&ids).await?,
            next,
            incomplete,
        })
    }

    /// The newest matches that were not uploaded after the moment.
    async fn take_matches(
        &self,
        query: &SearchQuery,
        newest: Option<Moment>,
    ) -> Result<Matches, Failure> {
        let terms = self.rarest_first(query.terms(), newest).await?;
        let Some((rarest, others)) = terms.split_first() else {
            return Ok(Matches {
                found: Vec::new(),
                incomplete: false,
            });
        };
        let condition = others_condition(others, query);
        let examines = condition.is_some();
        // The limit between the two stages keeps the server from merging them: the first is a
        // range of the index in its order, the second looks at that many documents and no more.
        let mut stages = vec![
            doc! { "$match": of_term(rarest, newest) },
            doc! { "$sort": { "uploaded_at": -1, "_id": -1 } },
            doc! { "$limit": limit(CANDIDATES_EXAMINED) },
        ];
        stages.extend(condition.map(|condition| doc! { "$match": condition }));
        stages.push(doc! { "$limit": limit(MATCHES_TAKEN + 1) });
        stages.push(doc! { "$project": { "uploaded_at": 1, "title_key": 1, "views": 1 } });
        let one_batch = u32::try_from(MATCHES_TAKEN + 2).unwrap_or(u32::MAX);
        let mut found: Vec<MatchDocument> = self
            .videos
            .aggregate(stages)
            .with_type::<MatchDocument>()
            .hint(BY_TERM.hint())
            .batch_size(one_batch)
            .max_time(COMMAND)
            .await?
            .try_collect()
            .await?;
        let incomplete = found.len() > MATCHES_TAKEN
            || examines
                && self.count(rarest, newest, CANDIDATES_EXAMINED + 1).await? > CANDIDATES_EXAMINED;
        found.truncate(MATCHES_TAKEN);
        Ok(Matches { found, incomplete })
    }

    /// The terms in the order of how many videos have them, as far as that is worth knowing.
    ///
    /// Counting is bounded, and bounded low at first: as soon as one term turns out to be rare, it
    /// does not matter how frequent the others are.
    async fn rarest_first<'a>(
        &self,
        terms: Vec<&'a str>,
        newest: Option<Moment>,
    ) -> Result<Vec<&'a str>, Failure> {
        if terms.len() < 2 {
            return Ok(terms);
        }
        let mut counted: Vec<(usize, &str)> = terms.into_iter().map(|term| (0, term)).collect();
        for enough in [100, 1_000, CANDIDATES_EXAMINED] {
            let counts: Vec<_> = counted
                .iter()
                .map(|(_, term)| self.count(term, newest, enough))
                .collect();
            let numbers: Vec<usize> = stream::iter(counts)
                .buffered(COUNTED_AT_ONCE)
                .try_collect()
                .await?;
            for ((number, _), counted) in counted.iter_mut().zip(numbers) {
                *number = counted;
            }
            counted.sort_unstable();
            if counted.first().is_some_and(|(number, _)| *number < enough) {
                break;
            }
        }
        Ok(counted.into_iter().map(|(_, term)| term).collect())
    }

    /// How many videos have a term, but no more than worth counting.
    async fn count(
        &self,
        term: &str,
        newest: Option<Moment>,
        enough: usize,
    ) -> Result<usize, Failure> {
        let number = self
            .videos
            .count_documents(of_term(term, newest))
            .limit(u64::try_from(enough).unwrap_or(u64::MAX))
            .hint(BY_TERM.hint())
            .max_time(COMMAND)
            .await?;
        Ok(usize::try_from(number).unwrap_or(usize::MAX))
    }

    /// These videos in this order, without those that were deleted meanwhile.
    async fn present(&self, ids: &[Uuid]) -> Result<Vec<Video>, Failure> {
        let mut found: HashMap<Uuid, Video> = HashMap::with_capacity(ids.len());
        for kept in self.find_all(ids).await? {
            if let Kept::Present(video, _) = kept {
                found.insert(video.facts.id, *video);
            }
        }
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }
}

impl MatchDocument {
    fn moment(&self) -> Result<Moment, Failure> {
        Ok(Moment {
            uploaded_at: time(self.uploaded_at)?,
            id: uuid(self.id),
        })
    }

    fn place(&self, sort: Sort) -> Result<Place, Failure> {
        let id = uuid(self.id);
        Ok(match sort {
            Sort::Newest => Place::Newest(Reverse(self.moment()?)),
            Sort::Title => Place::Title(self.title_key.clone(), id),
            Sort::Views => Place::Views(Reverse((uncount("views", self.views)?, id))),
        })
    }
}

/// The videos with a term that were not uploaded after the moment. Those of the same millisecond
/// are few, so that they may be told apart by a filter.
fn of_term(term: &str, newest: Option<Moment>) -> Document {
    let Some(Moment {
        uploaded_at,
        id: newest,
    }) = newest
    else {
        return doc! { "terms": term };
    };
    doc! {
        "terms": term,
        "uploaded_at": { "$lte": date(uploaded_at) },
        "$nor": [{ "uploaded_at": date(uploaded_at), "_id": { "$gt": id(newest) } }],
    }
}

/// What a candidate must have besides the rarest term, if anything: the other terms, and a word
/// for each word of the query that is longer than any term.
fn others_condition(others: &[&str], query: &SearchQuery) -> Option<Document> {
    let terms = others.iter().map(|term| doc! { "terms": *term });
    // A string begins with a word if it is not less than the word and less than the word followed
    // by the last code point, which is no letter.
    let words = query.longer_than_terms().map(|word| {
        let end = format!("{word}{}", char::MAX);
        doc! { "words": { "$elemMatch": { "$gte": word, "$lt": end } } }
    });
    let all: Vec<Document> = terms.chain(words).collect();
    (!all.is_empty()).then(|| doc! { "$and": all })
}

fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
