//! What became of ids, for whoever keeps something beside the catalogue and compares the two:
//! of given ids, or of all there are.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use service_kit::extract::{Json, Query};
use uuid::Uuid;

use super::Api;
use crate::catalog::{self, StatePage};
use crate::error::ApiError;
use crate::video::Invalid;

const MAX_IDS: usize = 500;

/// What became of an id, as this API shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum StateBody {
    Present,
    Deleted,
    /// It was never registered.
    Unknown,
}

impl From<catalog::State> for StateBody {
    fn from(state: catalog::State) -> Self {
        match state {
            catalog::State::Present => Self::Present,
            catalog::State::Deleted => Self::Deleted,
        }
    }
}

/// Which ids.
#[derive(Deserialize)]
pub(super) struct IdsBody {
    ids: Vec<Uuid>,
}

/// The state of each.
#[derive(Serialize)]
pub(super) struct StatesBody {
    states: BTreeMap<Uuid, StateBody>,
}

/// Which part of the walk, as text, so that a refusal can say what is accepted.
#[derive(Deserialize)]
pub(super) struct WalkParameters {
    after: Option<String>,
    limit: Option<String>,
}

/// One known id.
#[derive(Serialize)]
struct KnownBody {
    id: Uuid,
    state: StateBody,
}

/// A part of the walk.
#[derive(Serialize)]
pub(super) struct WalkBody {
    known: Vec<KnownBody>,
    next: Option<Uuid>,
}

/// `POST /states`: reads only; the ids are too many for a URL.
pub(super) async fn look_up(
    State(api): State<Api>,
    Json(IdsBody { ids }): Json<IdsBody>,
) -> Result<axum::Json<StatesBody>, ApiError> {
    if ids.is_empty() || ids.len() > MAX_IDS {
        return Err(ApiError::Invalid(Invalid {
            field: "ids",
            accepted: "a list of 1 to 500 video ids",
        }));
    }
    let entries = api.catalog.look_up(&ids).await?;
    let unknown = ids.into_iter().map(|id| (id, StateBody::Unknown));
    let mut states: BTreeMap<Uuid, StateBody> = unknown.collect();
    for entry in entries {
        let (id, state) = entry.state();
        states.insert(id, state.into());
    }
    Ok(axum::Json(StatesBody { states }))
}

/// `GET /states?after=&limit=`: all that is known, in the order of the ids.
pub(super) async fn walk(
    State(api): State<Api>,
    Query(WalkParameters { after, limit }): Query<WalkParameters>,
) -> Result<axum::Json<WalkBody>, ApiError> {
    let after = match after {
        Some(after) => super::parse_id(&after).ok_or(Invalid {
            field: "after",
            accepted: "the id at which the part before ended",
        })?,
        None => Uuid::nil(),
    };
    let limit = limit.as_deref().map_or(Ok(MAX_IDS), parse_limit)?;
    let StatePage { states, next } = api.catalog.states_after(after, limit).await?;
    let known = states.into_iter().map(|(id, state)| KnownBody {
        id,
        state: state.into(),
    });
    Ok(axum::Json(WalkBody {
        known: known.collect(),
        next,
    }))
}

fn parse_limit(limit: &str) -> Result<usize, Invalid> {
    match limit.parse() {
        Ok(limit @ 1..=MAX_IDS) => Ok(limit),
        _ => Err(Invalid {
            field: "limit",
            accepted: "an integer from 1 to 500",
        }),
    }
}
