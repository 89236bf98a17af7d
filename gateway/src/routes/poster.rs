//! The picture that stands for a video.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode};
use service_kit::problem::Problem;

use crate::edge::Edge;
use crate::error::ApiError;
use crate::relay;
use crate::upload;
use crate::video::VideoId;

const MAX_POSTER_BYTES: u64 = 1024 * 1024;

/// The picture is stored before the catalogue names its version, so that what the catalogue names
/// is always there.
pub(super) async fn replace(
    State(edge): State<Arc<Edge>>,
    VideoId(id): VideoId,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, ApiError> {
    upload::check_length(&headers, MAX_POSTER_BYTES)?;
    edge.metadata.record(id).await?;
    let version = edge
        .video_storage
        .store_poster(id, &headers, body, MAX_POSTER_BYTES)
        .await?;
    edge.metadata.set_poster(id, &version).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The catalogue is asked first: a picture that is still in the store of a deleted video is gone.
pub(super) async fn show(
    State(edge): State<Arc<Edge>>,
    VideoId(id): VideoId,
    method: Method,
    headers: HeaderMap,
) -> Result<Response<Body>, ApiError> {
    if edge.metadata.record(id).await?.poster.is_none() {
        return Err(Problem::not_found("This video has no poster.").into());
    }
    let answer = edge
        .video_storage
        .poster(method, id, relay::request_headers(&headers))
        .await?;
    Ok(relay::stored_bytes(answer))
}
