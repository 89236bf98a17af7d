//! A video as the public API shows it.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use jiff::Timestamp;
use serde::Serialize;
use service_kit::problem::Problem;
use uuid::Uuid;

use crate::clients::metadata::Record;
use crate::clients::video_storage::StoredVideo;

/// `Video` of the public API.
#[derive(Debug, Serialize)]
pub(crate) struct VideoBody {
    pub(crate) id: Uuid,
    title: String,
    description: String,
    tags: Vec<String>,
    content_type: String,
    size_bytes: u64,
    duration_ms: Option<u64>,
    width: Option<u32>,
    height: Option<u32>,
    views: u64,
    uploaded_at: Timestamp,
    stream_url: String,
    poster_url: Option<String>,
}

impl From<Record> for VideoBody {
    fn from(record: Record) -> Self {
        let Record {
            id,
            title,
            description,
            tags,
            content_type,
            size_bytes,
            duration_ms,
            width,
            height,
            views,
            uploaded_at,
            poster,
        } = record;
        Self {
            id,
            title,
            description,
            tags,
            content_type,
            size_bytes,
            duration_ms,
            width,
            height,
            views,
            uploaded_at,
            stream_url: stream_url(id),
            poster_url: poster.map(|version| format!("/api/videos/{id}/poster?v={version}")),
        }
    }
}

impl From<StoredVideo> for VideoBody {
    /// What nobody has edited, watched or given a picture yet.
    fn from(stored: StoredVideo) -> Self {
        let StoredVideo {
            id,
            title,
            content_type,
            size_bytes,
            duration_ms,
            width,
            height,
            uploaded_at,
        } = stored;
        Self {
            id,
            title,
            description: String::new(),
            tags: Vec::new(),
            content_type,
            size_bytes,
            duration_ms,
            width,
            height,
            views: 0,
            uploaded_at,
            stream_url: stream_url(id),
            poster_url: None,
        }
    }
}

fn stream_url(id: Uuid) -> String {
    format!("/api/videos/{id}/stream")
}

/// The id of a video in a path. Whatever is no id names no video: that is a 404, never a 400.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VideoId(pub(crate) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for VideoId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| no_such_video())?;
        parse_id(&text).map(Self).ok_or_else(no_such_video)
    }
}

/// Only the form that the API itself gives out: each video has one address.
fn parse_id(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (id.hyphenated().to_string() == text).then_some(id)
}

pub(crate) fn no_such_video() -> Problem {
    Problem::not_found("There is no such video.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_form() {
        let id = "0192f0c1-2345-7abc-8def-0123456789ab";
        assert!(parse_id(id).is_some());
        for other in [
            id.to_uppercase(),
            id.replace('-', ""),
            format!("{{{id}}}"),
            format!("urn:uuid:{id}"),
            "1".to_owned(),
            String::new(),
        ] {
            assert!(parse_id(&other).is_none(), "{other}");
        }
    }
}
