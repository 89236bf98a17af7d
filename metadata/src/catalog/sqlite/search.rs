//! Searches: which videos are the newest matches of a query.

use std::cmp::Reverse;

use rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

use super::rows::{IdColumn, NumberColumn, TimeColumn, split_words};
use super::statements::{COUNT_TERM, FIND_SORT_KEYS, FIND_WORDS, HAS_TERM, WALK_TERM};
use crate::page::{Moment, Place, Sort};
use crate::search::{CANDIDATES_EXAMINED, MATCHES_TAKEN, SearchQuery};

/// The newest matches of a query, the newest first.
pub(super) struct Matches {
    /// Where each stands in the order of uploads.
    pub(super) moments: Vec<Moment>,
    /// Whether there may be more.
    pub(super) incomplete: bool,
}

impl Matches {
    /// Takes the newest matches that were not uploaded after the moment.
    pub(super) fn take(
        connection: &Connection,
        query: &SearchQuery,
        newest: Moment,
    ) -> rusqlite::Result<Self> {
        let mut matches = Self {
            moments: Vec::new(),
            incomplete: false,
        };
        let terms = rarest_first(connection, query.terms(), newest)?;
        let Some((rarest, others)) = terms.split_first() else {
            return Ok(matches);
        };
        let mut walk = connection.prepare_cached(WALK_TERM)?;
        let mut candidates = walk.query(params![
            rarest,
            TimeColumn(newest.uploaded_at),
            IdColumn(newest.id),
            row_count(CANDIDATES_EXAMINED + 1),
        ])?;
        let mut examined = 0;
        while let Some(row) = candidates.next()? {
            if examined == CANDIDATES_EXAMINED {
                matches.incomplete = true;
                break;
            }
            examined += 1;
            let candidate = Moment {
                uploaded_at: row.get::<_, TimeColumn>(0)?.0,
                id: row.get::<_, IdColumn>(1)?.0,
            };
            if !has_all_terms(connection, candidate, others)?
                || (query.needs_verification() && !has_all_words(connection, candidate, query)?)
            {
                continue;
            }
            if matches.moments.len() == MATCHES_TAKEN {
                matches.incomplete = true;
                break;
            }
            matches.moments.push(candidate);
        }
        Ok(matches)
    }

    /// The places of the matches in a list of that order, from its beginning.
    pub(super) fn places(
        &self,
        connection: &Connection,
        sort: Sort,
    ) -> rusqlite::Result<Vec<(Place, Uuid)>> {
        let mut places = Vec::with_capacity(self.moments.len());
        let mut keys = connection.prepare_cached(FIND_SORT_KEYS)?;
        for moment in &self.moments {
            let id = moment.id;
            let place = match sort {
                Sort::Newest => Place::Newest(Reverse(*moment)),
                Sort::Title => {
                    let key = keys.query_row([IdColumn(id)], |row| row.get(0))?;
                    Place::Title(key, id)
                }
                Sort::Views => {
                    let views: NumberColumn = keys.query_row([IdColumn(id)], |row| row.get(1))?;
                    Place::Views(Reverse((views.0, id)))
                }
            };
            places.push((place, id));
        }
        places.sort_unstable();
        Ok(places)
    }
}

/// The terms in the order of how many videos have them, as far as that is worth knowing.
///
/// Counting is bounded, and bounded low at first: as soon as one term turns out to be rare, it does
/// not matter how frequent the others are.
fn rarest_first<'a>(
    connection: &Connection,
    terms: Vec<&'a str>,
    newest: Moment,
) -> rusqlite::Result<Vec<&'a str>> {
    if terms.len() < 2 {
        return Ok(terms);
    }
    let mut count = connection.prepare_cached(COUNT_TERM)?;
    let mut counted: Vec<(u64, &str)> = terms.into_iter().map(|term| (0, term)).collect();
    for enough in [100, 1_000, CANDIDATES_EXAMINED] {
        for (number, term) in &mut counted {
            let values = params![
                *term,
                TimeColumn(newest.uploaded_at),
                IdColumn(newest.id),
                row_count(enough),
            ];
            *number = count
                .query_row(values, |row| row.get::<_, NumberColumn>(0))?
                .0;
        }
        counted.sort_unstable();
        let is_rare = |number: u64| usize::try_from(number).is_ok_and(|number| number < enough);
        if counted.first().is_some_and(|(number, _)| is_rare(*number)) {
            break;
        }
    }
    Ok(counted.into_iter().map(|(_, term)| term).collect())
}

fn has_all_terms(
    connection: &Connection,
    candidate: Moment,
    terms: &[&str],
) -> rusqlite::Result<bool> {
    let mut has_term = connection.prepare_cached(HAS_TERM)?;
    for term in terms {
        let values = params![
            term,
            TimeColumn(candidate.uploaded_at),
            IdColumn(candidate.id),
        ];
        if !has_term.exists(values)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn has_all_words(
    connection: &Connection,
    candidate: Moment,
    query: &SearchQuery,
) -> rusqlite::Result<bool> {
    let words: Option<String> = connection
        .prepare_cached(FIND_WORDS)?
        .query_row([IdColumn(candidate.id)], |row| row.get(0))
        .optional()?;
    Ok(words.is_some_and(|words| {
        let words: Vec<&str> = split_words(&words).collect();
        query.matches(&words)
    }))
}

fn row_count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
