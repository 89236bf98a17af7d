//! The catalogue: listing, showing, uploading, editing, deleting.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use service_kit::extract::{self, Query};

use crate::clients::metadata::{Page, PageQuery};
use crate::clients::video_storage::{IDEMPOTENCY_KEY, StoredVideo};
use crate::edge::Edge;
use crate::error::ApiError;
use crate::upload;
use crate::video::{VideoBody, VideoId};

/// The members of a video that can be edited.
const EDITABLE: [&str; 3] = ["title", "description", "tags"];

#[derive(Debug, Serialize)]
pub(super) struct PageBody {
    videos: Vec<VideoBody>,
    next_cursor: Option<String>,
    incomplete: bool,
}

pub(super) async fn list(
    State(edge): State<Arc<Edge>>,
    Query(query): Query<PageQuery>,
) -> Result<Json<PageBody>, ApiError> {
    let Page {
        videos,
        next_cursor,
        incomplete,
    } = edge.metadata.page(&query).await?;
    Ok(Json(PageBody {
        videos: videos.into_iter().map(VideoBody::from).collect(),
        next_cursor,
        incomplete,
    }))
}

pub(super) async fn show(
    State(edge): State<Arc<Edge>>,
    VideoId(id): VideoId,
) -> Result<Json<VideoBody>, ApiError> {
    Ok(Json(edge.metadata.record(id).await?.into()))
}

#[derive(Debug, Deserialize)]
pub(super) struct UploadQuery {
    title: Option<String>,
}

/// The store judges title, media type and content; the gateway only what it can judge without
/// asking, before it reads a byte.
pub(super) async fn upload(
    State(edge): State<Arc<Edge>>,
    Query(UploadQuery { title }): Query<UploadQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, ApiError> {
    let limit = edge.max_video_bytes;
    upload::check_length(&headers, limit)?;
    let stored = edge
        .video_storage
        .store_video(title.as_deref(), &headers, body, limit)
        .await?;
    let video = if headers.contains_key(IDEMPOTENCY_KEY) {
        as_it_is_now(&edge, stored).await
    } else {
        VideoBody::from(stored)
    };
    let location = format!("/api/videos/{}", video.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(video)))
}

/// With a key the upload may be an earlier one, which was edited and watched since. Where the
/// catalogue does not answer, what the store knows of it will do.
async fn as_it_is_now(edge: &Edge, stored: StoredVideo) -> VideoBody {
    match edge.metadata.record(stored.id).await {
        Ok(record) => VideoBody::from(record),
        Err(_) => VideoBody::from(stored),
    }
}

/// The catalogue judges the values; any JSON object is a list of changes.
pub(super) async fn edit(
    State(edge): State<Arc<Edge>>,
    VideoId(id): VideoId,
    extract::Json(mut changes): extract::Json<Map<String, Value>>,
) -> Result<Json<VideoBody>, ApiError> {
    changes.retain(|member, _| EDITABLE.contains(&member.as_str()));
    Ok(Json(edge.metadata.edit(id, &changes).await?.into()))
}

pub(super) async fn remove(
    State(edge): State<Arc<Edge>>,
    VideoId(id): VideoId,
) -> Result<StatusCode, ApiError> {
    edge.metadata.delete(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
