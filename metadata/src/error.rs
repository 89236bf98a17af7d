//! What the API answers when it cannot do what was asked.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use service_kit::problem::Problem;
use service_kit::telemetry::chain;

use crate::catalog::CatalogError;
use crate::page::cursor::BadCursor;
use crate::video::Invalid;

/// Why a request was refused or failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// No video has this id, or it was deleted.
    #[error("no video has this id")]
    UnknownVideo,
    /// The video was deleted and cannot be registered again.
    #[error("the video was deleted")]
    Gone,
    /// A member or a parameter breaks its rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The cursor is of no use for this list.
    #[error(transparent)]
    BadCursor(#[from] BadCursor),
    /// The catalogue's store did not do its part.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::UnknownVideo => Self::not_found("No video has this id."),
            ApiError::Gone => Self::new(
                StatusCode::GONE,
                "gone",
                "The video was deleted",
                "A deleted video never comes back; upload it again to get a new id.",
            ),
            ApiError::Invalid(invalid) => Self::bad_request(format!("{invalid}.")),
            ApiError::BadCursor(bad) => Self::bad_request(format!("{bad}.")),
            ApiError::Catalog(CatalogError::Unavailable { .. }) => {
                Self::unavailable("The catalogue's store does not answer; try again soon.")
            }
            ApiError::Catalog(CatalogError::Broken { .. }) => Self::internal(),
        }
    }
}

impl IntoResponse for ApiError {
    /// The one place where a failure of the store is logged: the answer does not tell its cause.
    fn into_response(self) -> Response {
        match &self {
            Self::Catalog(error @ CatalogError::Unavailable { .. }) => {
                tracing::warn!(error = chain(error), "a request met an unavailable store");
            }
            Self::Catalog(error @ CatalogError::Broken { .. }) => {
                tracing::error!(error = chain(error), "a request met a broken store");
            }
            _ => {}
        }
        Problem::from(self).into_response()
    }
}
