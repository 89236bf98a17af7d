//! Where a viewer goes on watching.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::{ApiState, video, viewer};
use crate::entry::Entry;
use crate::error::ApiError;

#[derive(Serialize)]
pub(super) struct PositionBody {
    resume_position_ms: u64,
}

/// `GET /viewers/{viewer}/positions/{video}`: 0 when the video was never watched.
pub(super) async fn show(
    State(ApiState { log, health }): State<ApiState>,
    Path((viewer_id, video_id)): Path<(String, String)>,
) -> Result<Json<PositionBody>, ApiError> {
    let viewer = viewer(&viewer_id)?;
    let entry = match video(&video_id) {
        Some(video) => health.of_view_log(log.entry(viewer, video).await)?,
        None => None,
    };
    Ok(Json(PositionBody {
        resume_position_ms: entry.as_ref().map_or(0, Entry::resume_position_ms),
    }))
}
