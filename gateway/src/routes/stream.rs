//! The bytes of a video, by the contract of RFC 9110 that `video-streaming` keeps.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, Method, Response};
use serde::Deserialize;
use service_kit::extract::Query;

use crate::admission::Visitor;
use crate::clients::video_streaming::Playback;
use crate::edge::Edge;
use crate::error::ApiError;
use crate::relay;
use crate::video::VideoId;

#[derive(Debug, Deserialize)]
pub(super) struct StreamQuery {
    session: Option<String>,
}

/// Sets no cookie: one playback asks hundreds of times, and caches on the way keep answers that
/// have none.
pub(super) async fn stream(
    State(edge): State<Arc<Edge>>,
    Extension(visitor): Extension<Visitor>,
    VideoId(id): VideoId,
    Query(StreamQuery { session }): Query<StreamQuery>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response<Body>, ApiError> {
    let playback = Playback {
        video: id,
        session: session.as_deref(),
        viewer: edge.viewers.read(&headers),
        visitor,
    };
    let answer = edge
        .video_streaming
        .stream(method, &playback, relay::request_headers(&headers))
        .await?;
    Ok(relay::stored_bytes(answer))
}
