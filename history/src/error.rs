//! What the API answers when it cannot do what was asked.

use axum::response::{IntoResponse, Response};
use service_kit::problem::Problem;
use service_kit::telemetry::chain;

use crate::view_log::ViewLogError;

/// Why a request was refused or failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The path names no viewer.
    #[error("no viewer has this id")]
    UnknownViewer,
    /// The limit of a list is out of bounds.
    #[error("the limit must be between 1 and 100")]
    BadLimit,
    /// The cursor did not come from this list.
    #[error("the cursor must be the next_cursor of an earlier page of the same list")]
    BadCursor,
    /// The view log did not do its part.
    #[error(transparent)]
    ViewLog(#[from] ViewLogError),
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::UnknownViewer => Self::not_found("No viewer has this id."),
            ApiError::BadLimit => Self::bad_request("The limit must be between 1 and 100."),
            ApiError::BadCursor => Self::bad_request(
                "The cursor must be the next_cursor of an earlier page of the same list.",
            ),
            ApiError::ViewLog(ViewLogError::Unavailable(_)) => {
                Self::unavailable("The view log does not answer; try again soon.")
            }
            ApiError::ViewLog(ViewLogError::Broken(_)) => Self::internal(),
        }
    }
}

impl IntoResponse for ApiError {
    /// The one place where a failure of the log is reported: the answer does not tell its cause.
    fn into_response(self) -> Response {
        match &self {
            Self::ViewLog(error @ ViewLogError::Unavailable(_)) => {
                tracing::warn!(
                    error = chain(error),
                    "a request met an unavailable view log"
                );
            }
            Self::ViewLog(error @ ViewLogError::Broken(_)) => {
                tracing::error!(error = chain(error), "a request met a broken view log");
            }
            Self::UnknownViewer | Self::BadLimit | Self::BadCursor => {}
        }
        Problem::from(self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{StatusCode, header};

    use super::*;

    #[test]
    fn an_unavailable_log_is_answered_with_when_to_try_again_and_a_broken_one_with_nothing_of_it() {
        let unavailable = ViewLogError::Unavailable("the disk is full".into());
        let response = ApiError::from(unavailable).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(header::RETRY_AFTER));

        let broken = Problem::from(ApiError::from(ViewLogError::Broken("no such table".into())));
        assert_eq!(broken.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!broken.detail().contains("table"));
    }
}
