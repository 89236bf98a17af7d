//! Telling the catalogue, which is the service `metadata`, of a complete upload.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::IgnoredAny;
use service_kit::client::{CallError, ServiceClient};

use crate::record::UploadRecord;

/// The client of an upload waits for this; a catalogue that is slower learns of it later.
const PATIENCE: Duration = Duration::from_secs(2);

/// The catalogue, as far as this service needs it.
#[derive(Clone, Debug)]
pub(crate) struct Catalogue(ServiceClient);

/// What the catalogue said to a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registration {
    /// The video is listed.
    Listed,
    /// It was deleted; nothing must bring it back.
    Deleted,
}

#[derive(Serialize)]
struct RegistrationBody<'a> {
    title: &'a str,
    content_type: &'a str,
    size_bytes: u64,
    etag: &'a str,
    duration_ms: Option<u64>,
    width: Option<u32>,
    height: Option<u32>,
    uploaded_at: Timestamp,
}

impl Catalogue {
    pub(crate) fn new(client: ServiceClient) -> Self {
        Self(client)
    }

    /// Registers a video; doing so twice changes nothing.
    pub(crate) async fn register(&self, record: &UploadRecord) -> Result<Registration, CallError> {
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
        let body = RegistrationBody {
            title,
            content_type: container.content_type(),
            size_bytes: *size_bytes,
            etag: sha256,
            duration_ms: *duration_ms,
            width: picture_size.map(|(width, _)| width),
            height: picture_size.map(|(_, height)| height),
            uploaded_at: *uploaded_at,
        };
        let path = format!("/videos/{id}");
        let answer = self
            .0
            .send_json::<IgnoredAny>(Method::PUT, &path, &body, PATIENCE)
            .await;
        match answer {
            Ok(_) => Ok(Registration::Listed),
            Err(error) if error.status() == Some(StatusCode::GONE) => Ok(Registration::Deleted),
            Err(error) => Err(error),
        }
    }
}
