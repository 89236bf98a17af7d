//! `POST /reconciliations` and `GET /reconciliations/{id}`: for the command `reconcile`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use service_kit::extract;
use service_kit::problem::Problem;
use uuid::Uuid;

use super::App;
use crate::error::VideoId;
use crate::reconcile::RunBody;
use crate::reconciler::{ReconcileOptions, RunState};

#[derive(Debug, Serialize)]
pub(super) struct AskedBody {
    id: Uuid,
}

pub(super) async fn ask(
    State(app): State<App>,
    extract::Json(options): extract::Json<ReconcileOptions>,
) -> Result<(StatusCode, Json<AskedBody>), Problem> {
    let asked = app.runs.ask(options);
    let run = asked.ok_or_else(|| {
        Problem::unavailable("Too many runs wait already. Try again when they are over.")
    })?;
    Ok((StatusCode::ACCEPTED, Json(AskedBody { id: run.id })))
}

pub(super) async fn find(
    State(app): State<App>,
    VideoId(id): VideoId,
) -> Result<Json<RunBody>, Problem> {
    let run = app.runs.find(id);
    let run = run.ok_or_else(|| Problem::not_found("There is no such run, or not any more."))?;
    let (state, ids) = run.state();
    Ok(Json(match state {
        RunState::Waiting => RunBody::Waiting,
        RunState::Running => RunBody::Running { ids },
        RunState::Done(report) => RunBody::Done { report },
        RunState::Failed(reason) => RunBody::Failed { reason },
    }))
}
