//! The catalogue behind the `metadata` service's HTTP API.

use std::time::Duration;

use async_trait::async_trait;
use axum::http::StatusCode;
use serde::Deserialize;
use service_kit::client::{CallError, ServiceClient};
use service_kit::telemetry;
use uuid::Uuid;

use super::{Answer, Catalogue, Video};

/// Asks `GET /videos/{id}`.
pub(crate) struct MetadataClient(ServiceClient);

/// The fields of a catalogue record that playing needs.
#[derive(Deserialize)]
struct RecordBody {
    duration_ms: Option<u64>,
}

impl MetadataClient {
    /// Asks the service behind this client.
    pub(crate) fn new(client: ServiceClient) -> Self {
        Self(client)
    }
}

#[async_trait]
impl Catalogue for MetadataClient {
    async fn ask(&self, video: Uuid, timeout: Duration) -> Answer {
        let path = format!("/videos/{video}");
        let error = match self.0.get_json::<RecordBody>(&path, timeout).await {
            Ok(RecordBody { duration_ms }) => return Answer::Known(Video { duration_ms }),
            Err(error) => error,
        };
        let answer = match &error {
            CallError::Answered { status, .. } if *status == StatusCode::NOT_FOUND => {
                return Answer::Unknown;
            }
            CallError::TimedOut { .. } => Answer::Hanging,
            error if error.is_unavailable() => Answer::Unavailable,
            _ => Answer::Broken,
        };
        let error = telemetry::chain(&error);
        if answer == Answer::Broken {
            tracing::error!(video.id = %video, error, "metadata gave no answer that makes sense");
        } else {
            tracing::warn!(video.id = %video, error, "metadata cannot be asked");
        }
        answer
    }
}
