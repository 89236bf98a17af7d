//! Watch sessions and their beats.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::{Map, Value};
use service_kit::extract;

use crate::admission::Visitor;
use crate::clients::video_streaming::WatchSession;
use crate::edge::Edge;
use crate::error::ApiError;
use crate::video::VideoId;
use crate::viewer::Viewer;

/// The members of a beat.
const BEAT: [&str; 4] = ["session", "seq", "position_ms", "state"];

#[derive(Debug, Serialize)]
pub(super) struct WatchSessionBody {
    session: String,
    resume_position_ms: u64,
    beat_interval_ms: u64,
}

/// Makes a new viewer of whoever has no cookie yet.
pub(super) async fn open_session(
    State(edge): State<Arc<Edge>>,
    Extension(visitor): Extension<Visitor>,
    VideoId(id): VideoId,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let known = edge.viewers.read(&headers);
    let viewer = known.unwrap_or_else(Viewer::random);
    let resume_position = async {
        match known {
            Some(viewer) => edge.history.resume_position(viewer, id).await,
            None => 0,
        }
    };
    let opening = edge.video_streaming.open_session(id, viewer);
    // At once, and the position is not waited for when there is no session to resume.
    let (session, resume_position_ms) =
        tokio::try_join!(opening, async { Ok(resume_position.await) })?;
    let WatchSession {
        session,
        beat_interval_ms,
    } = session;
    let body = WatchSessionBody {
        session,
        resume_position_ms,
        beat_interval_ms,
    };
    let cookie = edge.viewers.write(viewer, visitor.over_tls);
    Ok((StatusCode::CREATED, [(SET_COOKIE, cookie)], Json(body)))
}

/// `video-streaming` judges the beat; its session says whose it is.
pub(super) async fn beat(
    State(edge): State<Arc<Edge>>,
    extract::Json(mut beat): extract::Json<Map<String, Value>>,
) -> Result<StatusCode, ApiError> {
    beat.retain(|member, _| BEAT.contains(&member.as_str()));
    edge.video_streaming.beat(&beat).await?;
    Ok(StatusCode::NO_CONTENT)
}
