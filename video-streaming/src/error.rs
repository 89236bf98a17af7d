//! What can go wrong with a request, and how it is said.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use service_kit::problem::Problem;

use crate::beats::BeatError;
use crate::lookup::LookupError;
use crate::relay::RelayError;
use crate::watch_token::TokenError;

/// Why a request is refused. What is this side's to see to was logged before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// The id names no video.
    UnknownVideo,
    /// The catalogue is down and the video was not looked up lately.
    CatalogueUnavailable,
    /// The store of the bytes is down.
    StoreUnavailable {
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The event bus takes nothing more.
    EventsUnavailable,
    /// `x-viewer` is missing or no id.
    NoViewer,
    /// The beat is none.
    Beat(BeatError),
    /// The watch session is not good.
    WatchSession(TokenError),
    /// A bug on this side.
    Internal,
}

impl From<LookupError> for ApiError {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::Unknown => Self::UnknownVideo,
            LookupError::Unavailable => Self::CatalogueUnavailable,
            LookupError::Broken => Self::Internal,
        }
    }
}

impl From<&RelayError> for ApiError {
    fn from(error: &RelayError) -> Self {
        match error {
            RelayError::Unavailable { retry_after, .. } => Self::StoreUnavailable {
                retry_after: *retry_after,
            },
            RelayError::Missing => Self::UnknownVideo,
            RelayError::Unexpected(_) | RelayError::Failed(_) => Self::Internal,
        }
    }
}

impl From<BeatError> for ApiError {
    fn from(error: BeatError) -> Self {
        Self::Beat(error)
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        Self::WatchSession(error)
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::UnknownVideo => Self::not_found("There is no such video."),
            ApiError::CatalogueUnavailable => {
                Self::unavailable("The catalogue is not available; try again shortly.")
            }
            ApiError::StoreUnavailable { retry_after } => {
                let problem =
                    Self::unavailable("The video's bytes are not available; try again shortly.");
                match retry_after {
                    Some(after) => problem.retry_after(after),
                    None => problem,
                }
            }
            ApiError::EventsUnavailable => {
                Self::unavailable("Beats cannot be taken at the moment; send this one again.")
            }
            ApiError::NoViewer => {
                Self::bad_request("The header `x-viewer` must name the viewer by a UUID.")
            }
            ApiError::Beat(error) => Self::bad_request(format!("{error}.")),
            ApiError::WatchSession(_) => Self::unauthorized(
                "The watch session is not valid or older than a day; open a new one.",
            ),
            ApiError::Internal => Self::internal(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
