//! Lists and searches, in pages.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use service_kit::extract::Query;

use super::Api;
use super::videos::RecordBody;
use crate::error::ApiError;
use crate::page::cursor::{decode, encode};
use crate::page::{Listing, Page, Sort};
use crate::search::SearchQuery;
use crate::video::Invalid;

const DEFAULT_LIMIT: usize = 24;
const MAX_LIMIT: usize = 100;

/// The parameters as text, so that a refusal can say what is accepted.
#[derive(Deserialize)]
pub(super) struct ListParameters {
    q: Option<String>,
    sort: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// One page of a list.
#[derive(Serialize)]
pub(super) struct ListBody {
    videos: Vec<RecordBody>,
    next_cursor: Option<String>,
    incomplete: bool,
}

/// `GET /videos`
pub(super) async fn list(
    State(api): State<Api>,
    Query(parameters): Query<ListParameters>,
) -> Result<axum::Json<ListBody>, ApiError> {
    let ListParameters {
        q,
        sort,
        limit,
        cursor,
    } = parameters;
    // An empty search box is no search; what is not empty but has no word finds nothing.
    let query = q.as_deref().filter(|query| !query.trim().is_empty());
    let sort = sort.as_deref().map_or(Ok(Sort::default()), parse_sort)?;
    let listing = Listing {
        matching: query.map(SearchQuery::new).transpose()?,
        sort,
        limit: limit.as_deref().map_or(Ok(DEFAULT_LIMIT), parse_limit)?,
        after: cursor
            .map(|cursor| decode(&cursor, query, sort))
            .transpose()?,
    };
    let page = api.catalog.list(&listing).await?;
    if page.incomplete {
        api.counts.incomplete_searches.inc();
    }
    let Page {
        videos,
        next,
        incomplete,
    } = page;
    Ok(axum::Json(ListBody {
        videos: videos.into_iter().map(RecordBody::from).collect(),
        next_cursor: next.map(|position| encode(&position, query, sort)),
        incomplete,
    }))
}

fn parse_sort(sort: &str) -> Result<Sort, Invalid> {
    Sort::named(sort).ok_or(Invalid {
        field: "sort",
        accepted: "newest, title or views",
    })
}

fn parse_limit(limit: &str) -> Result<usize, Invalid> {
    let is_number = limit.bytes().all(|byte| byte.is_ascii_digit());
    match limit.parse() {
        Ok(limit @ 1..=MAX_LIMIT) if is_number => Ok(limit),
        _ => Err(Invalid {
            field: "limit",
            accepted: "an integer from 1 to 100",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_an_integer_from_1_to_100() {
        assert_eq!(parse_limit("1"), Ok(1));
        assert_eq!(parse_limit("100"), Ok(100));
        for bad in [
            "",
            "0",
            "101",
            "-1",
            "+5",
            "1.0",
            "ten",
            "99999999999999999999",
        ] {
            assert!(parse_limit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_order_that_is_none_is_refused_with_those_there_are() {
        let refusal = parse_sort("oldest").unwrap_err().to_string();
        assert_eq!(refusal, "sort must be newest, title or views");
    }
}
