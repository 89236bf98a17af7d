//! What each viewer has watched.

use std::time::Duration;

use axum::http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use service_kit::client::{CallError, ServiceClient};
use service_kit::telemetry;
use uuid::Uuid;

use super::{QUESTION, Service, with_query};
use crate::error::ApiError;
use crate::viewer::Viewer;

/// Playing begins without a resume position rather than late.
const RESUME_POSITION: Duration = Duration::from_millis(300);

#[derive(Clone, Debug)]
pub(crate) struct HistoryClient(pub(crate) ServiceClient);

#[derive(Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) video_id: Uuid,
    pub(crate) position_ms: u64,
    pub(crate) watched_ms: u64,
    pub(crate) finished: bool,
    pub(crate) last_watched_at: Timestamp,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    pub(crate) entries: Vec<Entry>,
    pub(crate) next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Position {
    resume_position_ms: u64,
}

impl HistoryClient {
    pub(crate) async fn page(
        &self,
        viewer: Viewer,
        limit: Option<&str>,
        cursor: Option<&str>,
    ) -> Result<Page, ApiError> {
        let path = with_query(&entries(viewer), [("limit", limit), ("cursor", cursor)]);
        self.0.get_json(&path, QUESTION).await.map_err(failed)
    }

    /// Where the viewer stopped; the start, when that cannot be told in time.
    pub(crate) async fn resume_position(&self, viewer: Viewer, video: Uuid) -> u64 {
        let path = format!("/viewers/{}/positions/{video}", viewer.id());
        match self.0.get_json(&path, RESUME_POSITION).await {
            Ok(Position { resume_position_ms }) => resume_position_ms,
            Err(error) => {
                tracing::warn!(error = telemetry::chain(&error), "no resume position");
                0
            }
        }
    }

    pub(crate) async fn forget(&self, viewer: Viewer, video: Uuid) -> Result<(), ApiError> {
        self.delete(format!("{}/{video}", entries(viewer))).await
    }

    pub(crate) async fn forget_all(&self, viewer: Viewer) -> Result<(), ApiError> {
        self.delete(entries(viewer)).await
    }

    async fn delete(&self, path: String) -> Result<(), ApiError> {
        self.0
            .send_empty(Method::DELETE, &path, QUESTION)
            .await
            .map_err(failed)
    }
}

fn entries(viewer: Viewer) -> String {
    format!("/viewers/{}/entries", viewer.id())
}

fn failed(source: CallError) -> ApiError {
    ApiError::Call {
        service: Service::History,
        source,
    }
}
