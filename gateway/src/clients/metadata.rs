//! The catalogue.

use std::collections::HashMap;

use axum::http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use service_kit::client::{CallError, ServiceClient};
use uuid::Uuid;

use super::{QUESTION, Service, with_query};
use crate::error::ApiError;

#[derive(Clone, Debug)]
pub(crate) struct MetadataClient(pub(crate) ServiceClient);

/// What the catalogue knows about a video.
#[derive(Debug, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: Uuid,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) tags: Vec<String>,
    pub(crate) content_type: String,
    pub(crate) size_bytes: u64,
    pub(crate) duration_ms: Option<u64>,
    pub(crate) width: Option<u32>,
    pub(crate) height: Option<u32>,
    pub(crate) views: u64,
    pub(crate) uploaded_at: Timestamp,
    /// The version of its poster, if it has one.
    pub(crate) poster: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    pub(crate) videos: Vec<Record>,
    pub(crate) next_cursor: Option<String>,
    pub(crate) incomplete: bool,
}

/// Which page of the catalogue is asked for, as the client wrote it: the catalogue judges it.
#[derive(Debug, Deserialize)]
pub(crate) struct PageQuery {
    q: Option<String>,
    sort: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Titles {
    titles: HashMap<Uuid, String>,
}

#[derive(Debug, Serialize)]
struct PosterBody<'a> {
    version: &'a str,
}

impl MetadataClient {
    pub(crate) async fn page(&self, query: &PageQuery) -> Result<Page, ApiError> {
        let PageQuery {
            q,
            sort,
            limit,
            cursor,
        } = query;
        let path = with_query(
            "/videos",
            [
                ("q", q.as_deref()),
                ("sort", sort.as_deref()),
                ("limit", limit.as_deref()),
                ("cursor", cursor.as_deref()),
            ],
        );
        self.0.get_json(&path, QUESTION).await.map_err(failed)
    }

    /// An unknown video is a 404.
    pub(crate) async fn record(&self, id: Uuid) -> Result<Record, ApiError> {
        let path = format!("/videos/{id}");
        self.0.get_json(&path, QUESTION).await.map_err(failed)
    }

    pub(crate) async fn edit(
        &self,
        id: Uuid,
        changes: &Map<String, Value>,
    ) -> Result<Record, ApiError> {
        self.0
            .send_json(Method::PATCH, &format!("/videos/{id}"), changes, QUESTION)
            .await
            .map_err(failed)
    }

    pub(crate) async fn set_poster(&self, id: Uuid, version: &str) -> Result<(), ApiError> {
        let path = format!("/videos/{id}/poster");
        self.0
            .send_json(Method::PUT, &path, &PosterBody { version }, QUESTION)
            .await
            .map_err(failed)
    }

    pub(crate) async fn delete(&self, id: Uuid) -> Result<(), ApiError> {
        self.0
            .send_empty(Method::DELETE, &format!("/videos/{id}"), QUESTION)
            .await
            .map_err(failed)
    }

    /// The titles of those of the (at most 100) videos that exist.
    pub(crate) async fn titles(
        &self,
        ids: impl Iterator<Item = Uuid>,
    ) -> Result<HashMap<Uuid, String>, ApiError> {
        let ids = ids.map(|id| id.to_string()).collect::<Vec<_>>().join(",");
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let path = with_query("/titles", [("ids", Some(ids.as_str()))]);
        let answer: Titles = self.0.get_json(&path, QUESTION).await.map_err(failed)?;
        Ok(answer.titles)
    }
}

fn failed(source: CallError) -> ApiError {
    ApiError::Call {
        service: Service::Metadata,
        source,
    }
}
