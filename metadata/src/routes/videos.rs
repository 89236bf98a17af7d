//! One video: registering, finding, editing, its poster, deleting.

use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use service_kit::extract::Json;
use uuid::Uuid;

use super::{Api, VideoId};
use crate::catalog::{Change, Entry, Registration};
use crate::error::ApiError;
use crate::video::{
    ContentHash, ContentType, Description, Edit, Facts, Invalid, NewVideo, PosterVersion, Tags,
    Text, Title, Tombstone, Video, storable, whole_milliseconds,
};

/// A video as this API shows it.
#[derive(Serialize)]
pub(super) struct RecordBody {
    id: Uuid,
    title: String,
    description: String,
    tags: Vec<String>,
    content_type: String,
    size_bytes: u64,
    etag: String,
    duration_ms: Option<u64>,
    width: Option<u32>,
    height: Option<u32>,
    views: u64,
    uploaded_at: Timestamp,
    poster: Option<String>,
}

impl From<Video> for RecordBody {
    fn from(video: Video) -> Self {
        let Video {
            facts,
            text,
            views,
            poster,
        } = video;
        let Facts {
            id,
            content_type,
            size_bytes,
            etag,
            duration_ms,
            width,
            height,
            uploaded_at,
        } = facts;
        let Text {
            title,
            description,
            tags,
        } = text;
        Self {
            id,
            title: title.into_string(),
            description: description.into_string(),
            tags: tags.into_vec(),
            content_type: content_type.into_string(),
            size_bytes,
            etag: etag.into_string(),
            duration_ms,
            width,
            height,
            views,
            uploaded_at,
            poster: poster.map(PosterVersion::into_string),
        }
    }
}

/// What `video-storage` tells of a completed upload.
#[derive(Deserialize)]
pub(super) struct RegistrationBody {
    title: String,
    content_type: String,
    size_bytes: u64,
    etag: String,
    duration_ms: Option<u64>,
    width: Option<u32>,
    height: Option<u32>,
    uploaded_at: Timestamp,
}

impl RegistrationBody {
    fn into_new_video(self, id: Uuid) -> Result<NewVideo, Invalid> {
        let Self {
            title,
            content_type,
            size_bytes,
            etag,
            duration_ms,
            width,
            height,
            uploaded_at,
        } = self;
        let duration_ms = duration_ms.map(|duration| storable("duration_ms", duration));
        Ok(NewVideo {
            title: Title::new(title)?,
            facts: Facts {
                id,
                content_type: ContentType::new(content_type)?,
                size_bytes: storable("size_bytes", size_bytes)?,
                etag: ContentHash::new(etag)?,
                duration_ms: duration_ms.transpose()?,
                width,
                height,
                uploaded_at: whole_milliseconds(uploaded_at),
            },
        })
    }
}

/// What is to change. A member that is absent stays; `null` is no text and refused.
#[derive(Deserialize)]
pub(super) struct EditBody {
    #[serde(default, deserialize_with = "not_null")]
    title: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    description: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    tags: Option<Vec<String>>,
}

fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl EditBody {
    fn into_edit(self) -> Result<Edit, Invalid> {
        let Self {
            title,
            description,
            tags,
        } = self;
        Ok(Edit {
            title: title.map(Title::new).transpose()?,
            description: description.map(Description::new).transpose()?,
            tags: tags.map(Tags::new).transpose()?,
        })
    }
}

/// Which poster `video-storage` has for the video now.
#[derive(Deserialize)]
pub(super) struct PosterBody {
    version: String,
}

/// `PUT /videos/{id}`: 201 registered, 200 there already, 410 deleted.
pub(super) async fn register(
    State(api): State<Api>,
    VideoId(id): VideoId,
    Json(body): Json<RegistrationBody>,
) -> Result<(StatusCode, axum::Json<RecordBody>), ApiError> {
    let video = body.into_new_video(id)?;
    match api.catalog.register(video).await? {
        Registration::Registered(video) => {
            api.counts.registrations.inc();
            tracing::info!(video.id = %id, size_bytes = video.facts.size_bytes, "registered");
            Ok((StatusCode::CREATED, axum::Json(video.into())))
        }
        Registration::AlreadyThere(video) => Ok((StatusCode::OK, axum::Json(video.into()))),
        Registration::Deleted => Err(ApiError::Gone),
    }
}

/// `GET /videos/{id}`
pub(super) async fn find(
    State(api): State<Api>,
    VideoId(id): VideoId,
) -> Result<axum::Json<RecordBody>, ApiError> {
    match api.catalog.look_up(&[id]).await?.pop() {
        Some(Entry::Present(video)) => Ok(axum::Json(video.into())),
        Some(Entry::Deleted(_)) | None => Err(ApiError::UnknownVideo),
    }
}

/// `PATCH /videos/{id}`
pub(super) async fn edit(
    State(api): State<Api>,
    VideoId(id): VideoId,
    Json(body): Json<EditBody>,
) -> Result<axum::Json<RecordBody>, ApiError> {
    let change = Change::Edit(body.into_edit()?);
    let video = api.catalog.amend(id, change).await?;
    let video = video.ok_or(ApiError::UnknownVideo)?;
    Ok(axum::Json(video.into()))
}

/// `PUT /videos/{id}/poster`
pub(super) async fn set_poster(
    State(api): State<Api>,
    VideoId(id): VideoId,
    Json(PosterBody { version }): Json<PosterBody>,
) -> Result<StatusCode, ApiError> {
    let change = Change::Poster(PosterVersion::new(version)?);
    let video = api.catalog.amend(id, change).await?;
    video.ok_or(ApiError::UnknownVideo)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /videos/{id}`: done once the tombstone is on disk. That the others learn of it is the
/// business of [`deletions`](crate::deletions), which goes on trying when the bus is down.
pub(super) async fn delete(
    State(api): State<Api>,
    VideoId(id): VideoId,
) -> Result<StatusCode, ApiError> {
    let tombstone = Tombstone {
        video: id,
        deleted_at: whole_milliseconds(Timestamp::now()),
    };
    if !api.catalog.delete(tombstone).await? {
        return Err(ApiError::UnknownVideo);
    }
    api.counts.deletions.inc();
    tracing::info!(video.id = %id, "deleted");
    api.pending_deletions.announce();
    Ok(StatusCode::NO_CONTENT)
}
