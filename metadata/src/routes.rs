//! The HTTP interface: for the other services only, never for browsers.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::routing::{get, put};
use uuid::Uuid;

use crate::catalog::Catalog;
use crate::counts::Counts;
use crate::deletions::PendingDeletions;
use crate::error::ApiError;

mod lists;
mod states;
mod titles;
mod videos;

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct Api {
    /// All videos.
    pub(crate) catalog: Arc<dyn Catalog>,
    /// Learns of each deletion that has to be published.
    pub(crate) pending_deletions: PendingDeletions,
    /// What is counted for the operators.
    pub(crate) counts: Counts,
}

/// All routes of the service, without the guard in front of them.
pub(crate) fn router(api: Api) -> Router {
    Router::new()
        .route("/videos", get(lists::list))
        .route(
            "/videos/{id}",
            get(videos::find)
                .put(videos::register)
                .patch(videos::edit)
                .delete(videos::delete),
        )
        .route("/videos/{id}/poster", put(videos::set_poster))
        .route("/titles", get(titles::titles))
        .route("/states", get(states::walk).post(states::look_up))
        .with_state(api)
}

/// The id in the path. One that is no id names nothing, like one that was never given away: 404.
struct VideoId(Uuid);

impl<S: Send + Sync> FromRequestParts<S> for VideoId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|Path(id)| parse_id(&id));
        id.map(Self).ok_or(ApiError::UnknownVideo)
    }
}

/// Reads an id in its usual form. A UUID may be written in others as well, but then one video would
/// have several addresses.
fn parse_id(id: &str) -> Option<Uuid> {
    const USUAL_LENGTH: usize = uuid::fmt::Hyphenated::LENGTH;
    if id.len() != USUAL_LENGTH {
        return None;
    }
    Uuid::try_parse(id).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_usual_form_of_an_id_is_one() {
        let id = "0190a000-0000-7000-8000-0000000000ab";
        assert_eq!(parse_id(id).map(|id| id.to_string()).as_deref(), Some(id));
        for other in [
            "",
            "1",
            "0190a0000000700080000000000000ab",
            "{0190a000-0000-7000-8000-0000000000ab}",
            "urn:uuid:0190a000-0000-7000-8000-0000000000ab",
            "0190a000-0000-7000-8000-0000000000ag",
        ] {
            assert_eq!(parse_id(other), None, "{other}");
        }
    }
}
