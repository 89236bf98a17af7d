//! The HTTP API, for the gateway only.

mod cursor;
mod entries;
mod positions;

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get};
use service_kit::guard::{self, ServiceToken};
use uuid::Uuid;

use crate::error::ApiError;
use crate::health::Health;
use crate::view_log::ViewLog;

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct ApiState {
    pub(crate) log: Arc<dyn ViewLog>,
    pub(crate) health: Health,
}

pub(crate) fn router(state: ApiState, token: ServiceToken) -> Router {
    let router = Router::new()
        .route(
            "/viewers/{viewer}/entries",
            get(entries::list).delete(entries::forget_all),
        )
        .route(
            "/viewers/{viewer}/entries/{video}",
            delete(entries::forget_one),
        )
        .route("/viewers/{viewer}/positions/{video}", get(positions::show))
        .with_state(state);
    guard::service_token(router, token)
}

/// The viewer that a path names. Any UUID is one: viewers are known by their cookies only.
fn viewer(id: &str) -> Result<Uuid, ApiError> {
    Uuid::try_parse(id).map_err(|_| ApiError::UnknownViewer)
}

/// The video that a path names, if the text can be an id at all. One that cannot is answered like
/// one that was never watched.
fn video(id: &str) -> Option<Uuid> {
    Uuid::try_parse(id).ok()
}
