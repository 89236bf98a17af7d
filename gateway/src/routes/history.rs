//! What this viewer has watched.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use service_kit::extract::Query;
use service_kit::problem::Problem;
use uuid::Uuid;

use crate::clients::history::{Entry, Page};
use crate::edge::Edge;
use crate::error::ApiError;
use crate::video::VideoId;

#[derive(Debug, Deserialize)]
pub(super) struct PageQuery {
    limit: Option<String>,
    cursor: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct PageBody {
    entries: Vec<EntryBody>,
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize)]
struct EntryBody {
    video_id: Uuid,
    title: String,
    position_ms: u64,
    watched_ms: u64,
    finished: bool,
    last_watched_at: Timestamp,
}

/// A video that the catalogue no longer knows is left out at once, before its deletion has reached
/// the history. A page may so come out short, even empty, and still have a next one.
pub(super) async fn list(
    State(edge): State<Arc<Edge>>,
    Query(PageQuery { limit, cursor }): Query<PageQuery>,
    headers: HeaderMap,
) -> Result<Json<PageBody>, ApiError> {
    let Some(viewer) = edge.viewers.read(&headers) else {
        return Ok(Json(nothing_watched(limit.as_deref(), cursor.as_deref())?));
    };
    let Page {
        entries,
        next_cursor,
    } = edge
        .history
        .page(viewer, limit.as_deref(), cursor.as_deref())
        .await?;
    let watched = entries.iter().map(|entry| entry.video_id);
    let mut titles = edge.metadata.titles(watched).await?;
    let entries = entries
        .into_iter()
        .filter_map(|entry| {
            let Entry {
                video_id,
                position_ms,
                watched_ms,
                finished,
                last_watched_at,
            } = entry;
            Some(EntryBody {
                title: titles.remove(&video_id)?,
                video_id,
                position_ms,
                watched_ms,
                finished,
                last_watched_at,
            })
        })
        .collect();
    Ok(Json(PageBody {
        entries,
        next_cursor,
    }))
}

/// The answer to somebody who has no cookie; there is nobody to ask `history` about.
fn nothing_watched(limit: Option<&str>, cursor: Option<&str>) -> Result<PageBody, ApiError> {
    let limit_is_right = limit.is_none_or(|limit| {
        limit
            .parse()
            .is_ok_and(|limit: u8| (1..=100).contains(&limit))
    });
    if !limit_is_right {
        return Err(Problem::bad_request("`limit` is a number from 1 to 100.").into());
    }
    if cursor.is_some() {
        return Err(Problem::bad_request(
            "`cursor` was given to another viewer; begin again without it.",
        )
        .into());
    }
    Ok(PageBody {
        entries: Vec::new(),
        next_cursor: None,
    })
}

pub(super) async fn forget(
    State(edge): State<Arc<Edge>>,
    VideoId(video): VideoId,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    if let Some(viewer) = edge.viewers.read(&headers) {
        edge.history.forget(viewer, video).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn forget_all(
    State(edge): State<Arc<Edge>>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    if let Some(viewer) = edge.viewers.read(&headers) {
        edge.history.forget_all(viewer).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
