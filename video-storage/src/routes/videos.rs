//! `POST /videos` and `GET|HEAD /videos/{id}`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use service_kit::extract::Query;
use service_kit::problem::Problem;
use uuid::Uuid;

use super::App;
use crate::error::VideoId;
use crate::record::UploadRecord;
use crate::upload::UploadRequest;

#[derive(Debug, Deserialize)]
pub(super) struct UploadParameters {
    title: Option<String>,
}

/// The answer to an upload.
#[derive(Debug, Serialize)]
struct UploadBody {
    id: Uuid,
    title: String,
    content_type: &'static str,
    size_bytes: u64,
    etag: String,
    duration_ms: Option<u64>,
    width: Option<u32>,
    height: Option<u32>,
    uploaded_at: Timestamp,
}

impl From<UploadRecord> for UploadBody {
    fn from(record: UploadRecord) -> Self {
        let UploadRecord {
            id,
            title,
            container,
            size_bytes,
            sha256,
            duration_ms,
            picture_size,
            uploaded_at,
            store_tag: _,
            key: _,
        } = record;
        Self {
            id,
            title,
            content_type: container.content_type(),
            size_bytes,
            etag: sha256,
            duration_ms,
            width: picture_size.map(|(width, _)| width),
            height: picture_size.map(|(_, height)| height),
            uploaded_at,
        }
    }
}

pub(super) async fn upload(
    State(app): State<App>,
    Query(parameters): Query<UploadParameters>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let limit = app.uploads.max_bytes;
    let request = UploadRequest::check(parameters.title, &headers, limit)?;
    let record = app.uploads.take(request, body).await?;
    let location = format!("/videos/{}", record.id);
    let body = Json(UploadBody::from(record));
    Ok((StatusCode::CREATED, [(LOCATION, location)], body).into_response())
}

pub(super) async fn serve(
    State(app): State<App>,
    VideoId(id): VideoId,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    app.reads.video(id, &method, &headers).await
}
