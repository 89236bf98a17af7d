//! `POST /videos/{id}/watch-sessions`: a player is about to play.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use uuid::Uuid;

use super::{Playing, VideoId};
use crate::error::ApiError;
use crate::watch_token::WatchSession;
use crate::{beats, clock};

/// Who watches, by the cookie that the gateway has checked.
pub(super) const VIEWER: HeaderName = HeaderName::from_static("x-viewer");

/// What a player needs for its beats.
#[derive(Serialize)]
struct WatchSessionBody {
    session: String,
    beat_interval_ms: u64,
    duration_ms: Option<u64>,
}

/// Opens a watch session. Nothing is written anywhere: a page that is only opened is no view.
pub(super) async fn open(
    State(playing): State<Arc<Playing>>,
    VideoId(video): VideoId,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let viewer = headers
        .get(VIEWER)
        .and_then(|viewer| viewer.to_str().ok())
        .and_then(|viewer| Uuid::try_parse(viewer).ok())
        .ok_or(ApiError::NoViewer)?;
    let duration_ms = playing.lookup.video_now(video).await?.duration_ms;
    let session = playing.session_key.sign(&WatchSession {
        session: Uuid::now_v7(),
        video,
        viewer,
        started_at: clock::now(),
        duration_ms,
    });
    let body = WatchSessionBody {
        session,
        beat_interval_ms: beats::INTERVAL_MS,
        duration_ms,
    };
    // The token is this viewer's alone.
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, headers, Json(body)))
}
