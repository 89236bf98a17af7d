//! A viewer's history: listing and forgetting it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use service_kit::extract::Query;
use uuid::Uuid;

use super::{ApiState, cursor, video, viewer};
use crate::entry::{Entry, EntryPage, PageRequest};
use crate::error::ApiError;
use crate::view_log::Forget;

const DEFAULT_LIMIT: usize = 24;
const LARGEST_LIMIT: usize = 100;

#[derive(Deserialize)]
pub(super) struct ListParameters {
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Serialize)]
pub(super) struct ListBody {
    entries: Vec<EntryBody>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct EntryBody {
    video_id: Uuid,
    position_ms: u64,
    watched_ms: u64,
    finished: bool,
    last_watched_at: Timestamp,
}

impl From<Entry> for EntryBody {
    fn from(entry: Entry) -> Self {
        let finished = entry.finished();
        let Entry {
            video,
            session: _,
            position_ms,
            state: _,
            watched_ms,
            duration_ms: _,
            last_watched_at,
        } = entry;
        Self {
            video_id: video,
            position_ms,
            watched_ms,
            finished,
            last_watched_at,
        }
    }
}

/// `GET /viewers/{viewer}/entries?limit=&cursor=`: what was watched last comes first.
pub(super) async fn list(
    State(ApiState { log, health }): State<ApiState>,
    Path(viewer_id): Path<String>,
    Query(parameters): Query<ListParameters>,
) -> Result<Json<ListBody>, ApiError> {
    let viewer = viewer(&viewer_id)?;
    let limit = parameters.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=LARGEST_LIMIT).contains(&limit) {
        return Err(ApiError::BadLimit);
    }
    let after = parameters
        .cursor
        .map(|cursor| cursor::decode(viewer, &cursor))
        .transpose()?;
    let page = log.entries(viewer, PageRequest { after, limit }).await;
    let EntryPage { entries, next } = health.of_view_log(page)?;
    Ok(Json(ListBody {
        entries: entries.into_iter().map(EntryBody::from).collect(),
        next_cursor: next.map(|position| cursor::encode(viewer, position)),
    }))
}

/// `DELETE /viewers/{viewer}/entries/{video}`: 204 also if there was none.
pub(super) async fn forget_one(
    State(state): State<ApiState>,
    Path((viewer_id, video_id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let viewer = viewer(&viewer_id)?;
    if let Some(video) = video(&video_id) {
        forget(&state, Forget::Entry { viewer, video }).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /viewers/{viewer}/entries`: 204 also if there were none.
pub(super) async fn forget_all(
    State(state): State<ApiState>,
    Path(viewer_id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let viewer = viewer(&viewer_id)?;
    forget(&state, Forget::Viewer(viewer)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn forget(state: &ApiState, scope: Forget) -> Result<(), ApiError> {
    let ApiState { log, health } = state;
    health.of_view_log(log.forget(scope, Timestamp::now()).await)?;
    Ok(())
}
