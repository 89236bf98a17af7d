//! `POST /watch-sessions/beats`: a player says where it is.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use events::PlaybackState;
use serde::Deserialize;
use service_kit::extract::Json;
use service_kit::problem::Problem;
use service_kit::telemetry;

use super::Playing;
use crate::beats::Beat;
use crate::clock;
use crate::error::ApiError;

/// A beat as players send it.
#[derive(Deserialize)]
pub(super) struct BeatBody {
    session: String,
    seq: u64,
    position_ms: u64,
    state: StateBody,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateBody {
    Playing,
    Paused,
    Ended,
}

/// Takes a beat: 204 means that its event is durable.
pub(super) async fn take(
    State(playing): State<Arc<Playing>>,
    body: Result<Json<BeatBody>, Problem>,
) -> Result<StatusCode, Problem> {
    let taken = match body {
        Ok(Json(body)) => publish(&playing, body).await.map_err(Problem::from),
        Err(problem) => Err(problem),
    };
    match taken {
        Ok(()) => playing.meters.beats_accepted.inc(),
        Err(_) => playing.meters.beats_refused.inc(),
    };
    taken.map(|()| StatusCode::NO_CONTENT)
}

async fn publish(playing: &Playing, body: BeatBody) -> Result<(), ApiError> {
    let BeatBody {
        session,
        seq,
        position_ms,
        state,
    } = body;
    let state = match state {
        StateBody::Playing => PlaybackState::Playing,
        StateBody::Paused => PlaybackState::Paused,
        StateBody::Ended => PlaybackState::Ended,
    };
    let received_at = clock::now();
    let beat = Beat::new(seq, position_ms, state, received_at)?;
    let session = playing.session_key.verify(&session, received_at)?;
    playing
        .publisher
        .publish(&session, &beat)
        .await
        .map_err(|error| {
            tracing::warn!(
                video.id = %session.video,
                error = telemetry::chain(&error),
                "a beat could not be published"
            );
            ApiError::EventsUnavailable
        })
}
