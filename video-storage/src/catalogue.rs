//! What this service has to do with the catalogue, which is the service `metadata`: it tells it of
//! complete uploads, and asks what became of them.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use service_kit::client::{CallError, ServiceClient};

use uuid::Uuid;

use crate::record::UploadRecord;

/// The client of an upload waits for this; a catalogue that is slower learns of it later.
const PATIENCE: Duration = Duration::from_secs(2);

/// Nobody waits for a comparison; a catalogue that is busy is given this.
const COMPARING: Duration = Duration::from_secs(10);

/// Ids that are asked about at once, at most.
pub(crate) const MOST_IDS: usize = 500;

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

/// What became of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Present,
    Deleted,
    /// It was never registered.
    Unknown,
}

#[derive(Serialize)]
struct IdsBody<'a> {
    ids: &'a [Uuid],
}

#[derive(Deserialize)]
struct StatesBody {
    states: BTreeMap<Uuid, State>,
}

/// A part of the walk over all that the catalogue knows, in the order of the ids.
#[derive(Debug, Deserialize)]
pub(crate) struct KnownIds {
    pub(crate) known: Vec<KnownId>,
    /// Behind which id it goes on.
    pub(crate) next: Option<Uuid>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct KnownId {
    pub(crate) id: Uuid,
    pub(crate) state: State,
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
    /// What became of these ids, of which there are [`MOST_IDS`] at most.
    pub(crate) async fn states(&self, ids: &[Uuid]) -> Result<BTreeMap<Uuid, State>, CallError> {
        let body = IdsBody { ids };
        let answer: StatesBody = self
            .0
            .send_json(Method::POST, "/states", &body, COMPARING)
            .await?;
        Ok(answer.states)
    }

    /// The present and the deleted ids behind this one, in their order.
    pub(crate) async fn known_after(&self, after: Uuid) -> Result<KnownIds, CallError> {
        let path = format!("/states?after={after}&limit={MOST_IDS}");
        self.0.get_json(&path, COMPARING).await
    }
}
