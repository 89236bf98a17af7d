//! The internal HTTP API.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::routing::{get, post};
use uuid::Uuid;

use crate::error::ApiError;
use crate::implicit::{ClientHashKey, Playbacks};
use crate::lookup::Lookup;
use crate::meters::Meters;
use crate::publishing::Publisher;
use crate::relay::Relay;
use crate::watch_token::SessionKey;

mod beats;
mod stream;
mod watch_sessions;

/// What the handlers work with.
pub(crate) struct Playing {
    pub(crate) lookup: Lookup,
    pub(crate) relay: Relay,
    pub(crate) session_key: SessionKey,
    pub(crate) publisher: Publisher,
    pub(crate) client_hash_key: ClientHashKey,
    pub(crate) playbacks: Arc<Playbacks>,
    pub(crate) meters: Meters,
}

/// The routes, without what every service has around them.
pub(crate) fn router(playing: Arc<Playing>) -> Router {
    Router::new()
        .route("/videos/{id}/stream", get(stream::stream))
        .route("/videos/{id}/watch-sessions", post(watch_sessions::open))
        .route("/watch-sessions/beats", post(beats::take))
        .with_state(playing)
}

/// The id in the path. Whatever is no id names no video, like an id that is not known.
struct VideoId(Uuid);

impl<S: Send + Sync> FromRequestParts<S> for VideoId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::UnknownVideo)?;
        // Ids are opaque to clients: other spellings of the same UUID are other names.
        Uuid::try_parse(&text)
            .ok()
            .filter(|id| id.to_string() == text)
            .map(Self)
            .ok_or(ApiError::UnknownVideo)
    }
}
