//! Services that know one video.

use axum::body::Body;
use axum::extract::{Path, Query, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use service_kit::problem::Problem;

use crate::world::{BYTES, UNKNOWN, Uploads, VIDEO};

pub(crate) fn record() -> Value {
    json!({
        "id": VIDEO,
        "title": "A walk",
        "description": "In the hills",
        "tags": ["outside"],
        "content_type": "video/mp4",
        "size_bytes": 10,
        "etag": "ab".repeat(32),
        "duration_ms": 2000,
        "width": 96,
        "height": 64,
        "views": 7,
        "uploaded_at": "2026-01-02T03:04:05.678Z",
        "poster": "0123456789abcdef",
    })
}

fn known(id: &str) -> Option<()> {
    (id == VIDEO).then_some(())
}

fn no_such_video() -> Problem {
    Problem::not_found("There is no such video.")
}

pub(crate) fn metadata() -> Router {
    type Parameters = Query<std::collections::HashMap<String, String>>;
    Router::new()
        .route(
            "/videos",
            get(async |Query(query): Parameters| {
                if query.get("limit").is_some_and(|limit| limit == "0") {
                    return Err(Problem::bad_request("`limit` is wrong."));
                }
                Ok(Json(json!({
                    "videos": [record()], "next_cursor": "next", "incomplete": false,
                })))
            }),
        )
        .route(
            "/videos/{id}",
            get(async |Path(id): Path<String>| {
                known(&id)
                    .ok_or_else(no_such_video)
                    .map(|()| Json(record()))
            })
            .patch(async |Path(id): Path<String>, Json(changes): Json<Value>| {
                known(&id).ok_or_else(no_such_video)?;
                if changes["title"] == "" {
                    return Err(Problem::bad_request("`title` is blank."));
                }
                let mut record = record();
                for (member, value) in changes.as_object().unwrap() {
                    record[member] = value.clone();
                }
                Ok(Json(record))
            })
            .delete(async |Path(id): Path<String>| {
                known(&id)
                    .ok_or_else(no_such_video)
                    .map(|()| StatusCode::NO_CONTENT)
            }),
        )
        .route(
            "/videos/{id}/poster",
            put(async |Path(id): Path<String>| {
                known(&id)
                    .ok_or_else(no_such_video)
                    .map(|()| StatusCode::NO_CONTENT)
            }),
        )
        .route(
            "/titles",
            get(async |Query(query): Parameters| {
                let known = query["ids"].split(',').any(|id| id == VIDEO);
                let titles = if known {
                    json!({VIDEO: "A walk"})
                } else {
                    json!({})
                };
                Json(json!({ "titles": titles }))
            }),
        )
}

pub(crate) fn video_storage(uploads: &Uploads) -> Router {
    let seen = uploads.clone();
    let stored = json!({
        "id": VIDEO,
        "title": "A walk",
        "content_type": "video/mp4",
        "size_bytes": 10,
        "etag": "ab".repeat(32),
        "duration_ms": 2000,
        "width": 96,
        "height": 64,
        "uploaded_at": "2026-01-02T03:04:05.678Z",
    });
    Router::new()
        .route(
            "/videos",
            post(
                async move |request: Request| match take_in(request, &seen).await {
                    Ok(()) => (StatusCode::CREATED, Json(stored)).into_response(),
                    Err(problem) => problem.into_response(),
                },
            ),
        )
        .route(
            "/videos/{id}/poster",
            get(async |headers: HeaderMap| stored_bytes("image/png", &headers)).put(
                async |body: axum::body::Bytes| {
                    if body.starts_with(b"rubbish") {
                        return Err(Problem::unsupported_media_type("This is no picture."));
                    }
                    Ok(Json(json!({ "version": "fedcba9876543210" })))
                },
            ),
        )
}

async fn take_in(request: Request, uploads: &Uploads) -> Result<(), Problem> {
    let mut body = request.into_body().into_data_stream();
    while let Some(chunk) = body.next().await {
        let Ok(chunk) = chunk else {
            uploads.note(|seen| seen.broken += 1);
            return Err(Problem::bad_request("The body broke off."));
        };
        uploads.note(|seen| seen.received += chunk.len());
        if chunk.starts_with(b"rubbish") {
            return Err(Problem::unsupported_media_type("This is no video."));
        }
    }
    uploads.note(|seen| seen.whole += 1);
    Ok(())
}

pub(crate) fn video_streaming() -> Router {
    Router::new()
        .route(
            "/videos/{id}/stream",
            get(async |Path(id): Path<String>, request: Request| {
                known(&id).ok_or_else(no_such_video)?;
                if request.uri().query() == Some("session=forged") {
                    return Err(Problem::unauthorized("This watch session does not hold."));
                }
                Ok(stored_bytes("video/mp4", request.headers()))
            }),
        )
        .route(
            "/videos/{id}/watch-sessions",
            post(async |Path(id): Path<String>| {
                known(&id).ok_or_else(no_such_video)?;
                let session =
                    json!({"session": "signed", "beat_interval_ms": 10000, "duration_ms": 2000});
                Ok::<_, Problem>((StatusCode::CREATED, Json(session)))
            }),
        )
        .route(
            "/watch-sessions/beats",
            post(async |Json(beat): Json<Value>| {
                match (beat["session"].as_str(), beat["seq"].as_u64()) {
                    (Some("signed"), Some(1..)) => Ok(StatusCode::NO_CONTENT),
                    (Some(_), Some(1..)) => {
                        Err(Problem::unauthorized("This watch session does not hold."))
                    }
                    _ => Err(Problem::bad_request("This is no beat.")),
                }
            }),
        )
}

/// Ten bytes by a small part of the byte contract, and headers that are nobody's business.
fn stored_bytes(content_type: &'static str, headers: &HeaderMap) -> Response {
    let common = [
        ("accept-ranges", "bytes"),
        ("content-type", content_type),
        ("etag", "\"abab\""),
        ("last-modified", "Fri, 02 Jan 2026 03:04:05 GMT"),
        ("cache-control", "private, no-cache"),
        ("set-cookie", "inner=1"),
        ("x-inner", "1"),
    ];
    if headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|tag| tag == "\"abab\"")
    {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    match headers
        .get(header::RANGE)
        .map(|range| range.to_str().unwrap())
    {
        Some("bytes=2-3") => {
            let range = [("content-range", "bytes 2-3/10")];
            (StatusCode::PARTIAL_CONTENT, common, range, "23").into_response()
        }
        Some("bytes=99-") => Problem::range_not_satisfiable(10).into_response(),
        _ => (common, Body::from(BYTES)).into_response(),
    }
}

pub(crate) fn history() -> Router {
    let entry = |video: &str| {
        json!({
            "video_id": video,
            "position_ms": 1500,
            "watched_ms": 1600,
            "finished": false,
            "last_watched_at": "2026-01-03T03:04:05.678Z",
        })
    };
    let page = json!({"entries": [entry(VIDEO), entry(UNKNOWN)], "next_cursor": "next"});
    Router::new()
        .route(
            "/viewers/{viewer}/entries",
            get(async move || Json(page)).delete(async || StatusCode::NO_CONTENT),
        )
        .route(
            "/viewers/{viewer}/entries/{video}",
            delete(async || StatusCode::NO_CONTENT),
        )
        .route(
            "/viewers/{viewer}/positions/{video}",
            get(async || Json(json!({"resume_position_ms": 1500}))),
        )
}
