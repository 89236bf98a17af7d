//! `PUT|GET|HEAD /videos/{id}/poster`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use serde::Serialize;
use service_kit::problem::Problem;

use super::App;
use crate::error::VideoId;

#[derive(Debug, Serialize)]
pub(super) struct PosterBody {
    /// Changes with the picture; part of the address that browsers load it from.
    version: String,
}

pub(super) async fn put(
    State(app): State<App>,
    VideoId(id): VideoId,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<PosterBody>, Problem> {
    let version = app.posters.take(id, &headers, body).await?;
    Ok(Json(PosterBody { version }))
}

pub(super) async fn serve(
    State(app): State<App>,
    VideoId(id): VideoId,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    app.posters.serve(id, &method, &headers).await
}
