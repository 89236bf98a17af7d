//! The titles of several videos at once, for pages that show videos of another service.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use service_kit::extract::Query;
use uuid::Uuid;

use super::{Api, parse_id};
use crate::catalog::Entry;
use crate::error::ApiError;
use crate::video::Invalid;

const MAX_IDS: usize = 100;

#[derive(Deserialize)]
pub(super) struct TitleParameters {
    #[serde(default)]
    ids: String,
}

#[derive(Serialize)]
pub(super) struct TitlesBody {
    titles: BTreeMap<Uuid, String>,
}

/// `GET /titles?ids=`: the unknown and the deleted are left out.
pub(super) async fn titles(
    State(api): State<Api>,
    Query(TitleParameters { ids }): Query<TitleParameters>,
) -> Result<axum::Json<TitlesBody>, ApiError> {
    let ids = parse_ids(&ids)?;
    let entries = api.catalog.look_up(&ids).await?;
    let titles = entries.into_iter().filter_map(|entry| match entry {
        Entry::Present(video) => Some((video.facts.id, video.text.title.into_string())),
        Entry::Deleted(_) => None,
    });
    Ok(axum::Json(TitlesBody {
        titles: titles.collect(),
    }))
}

fn parse_ids(ids: &str) -> Result<Vec<Uuid>, Invalid> {
    let ids: Vec<&str> = ids.split(',').filter(|id| !id.is_empty()).collect();
    if ids.is_empty() || ids.len() > MAX_IDS {
        return Err(Invalid {
            field: "ids",
            accepted: "1 to 100 video ids with commas between them",
        });
    }
    Ok(ids.into_iter().filter_map(parse_id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_to_a_hundred_ids_are_taken_and_what_is_no_id_names_nothing() {
        let id = "0190a000-0000-7000-8000-0000000000ab";
        assert_eq!(parse_ids(&[id; 100].join(",")).unwrap().len(), 100);
        assert!(parse_ids(&[id; 101].join(",")).is_err());
        assert!(parse_ids("").is_err());
        assert!(parse_ids("nonsense,42").unwrap().is_empty());
    }
}
