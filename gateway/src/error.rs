//! What a request ends with when it cannot be answered.

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use service_kit::client::CallError;
use service_kit::problem::Problem;
use service_kit::telemetry::chain;

use crate::clients::Service;
use crate::relay::{Answer, CollectError};
use crate::upload::{self, UploadError};

/// Why a request was not answered as it asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The client's fault: it is told how to mend it.
    #[error("the request was refused with {}", .0.status())]
    Refused(Box<Problem>),
    /// A service could not be asked, or refused.
    #[error("the call to {service} failed")]
    Call {
        service: Service,
        #[source]
        source: CallError,
    },
    /// A service's refusal, for the client as it is.
    #[error("a service answered {}", .0.status)]
    Relayed(Box<Answer>),
    /// A service answered, but not with what it should.
    #[error("{service} answered {status} where it should not")]
    Unexpected {
        service: Service,
        status: StatusCode,
    },
    /// The answer of a service broke off or makes no sense.
    #[error("the answer of {service} cannot be read")]
    Unreadable {
        service: Service,
        #[source]
        source: CollectError,
    },
    /// An upload did not reach its end.
    #[error("an upload to {service} failed")]
    Upload {
        service: Service,
        #[source]
        source: UploadError,
    },
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        match self {
            Self::Relayed(answer) => answer.into_response(),
            other => other.problem().into_response(),
        }
    }
}

impl ApiError {
    /// Each error is logged here, once, by whose affair it is.
    fn log(&self) {
        let error = chain(self);
        match self.problem().status() {
            _ if matches!(self, Self::Relayed(_)) => {
                tracing::debug!(error, "refused by a service");
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                tracing::warn!(error, "a service is not available");
            }
            status if status.is_client_error() || status == StatusCode::INSUFFICIENT_STORAGE => {
                tracing::debug!(error, "refused");
            }
            _ => tracing::error!(error, "a service failed"),
        }
    }

    fn problem(&self) -> Problem {
        match self {
            Self::Refused(problem) => Problem::clone(problem),
            Self::Call { service, source } => call_problem(*service, source),
            Self::Relayed(_) | Self::Unexpected { .. } => Problem::internal(),
            Self::Unreadable { service, source } => unreadable(*service, source),
            Self::Upload { service, source } => match source {
                UploadError::BrokenOff(_) => {
                    Problem::bad_request("The upload broke off before its end.")
                }
                UploadError::TooLarge { limit } => upload::too_large(*limit),
                UploadError::Upstream(source) => call_problem(*service, source),
                UploadError::Unfinished => Problem::unavailable(service.down()),
                UploadError::Answer(source) => unreadable(*service, source),
            },
        }
    }
}

fn call_problem(service: Service, error: &CallError) -> Problem {
    if let Some(problem) = relayed(service, error) {
        problem
    } else if error.is_unavailable() {
        let problem = Problem::unavailable(service.down());
        match error {
            CallError::Answered { headers, .. } => match headers.get(RETRY_AFTER) {
                Some(after) => problem.with_header(RETRY_AFTER, after.clone()),
                None => problem,
            },
            _ => problem,
        }
    } else {
        Problem::internal()
    }
}

fn unreadable(service: Service, error: &CollectError) -> Problem {
    match error {
        CollectError::TooSlow | CollectError::BrokenOff(_) => Problem::unavailable(service.down()),
        CollectError::Malformed(_) => Problem::internal(),
    }
}

/// A refusal that is meant for the client, in the service's own words. That a service does not
/// accept the gateway itself (401, 403) is none of the client's business.
fn relayed(service: Service, error: &CallError) -> Option<Problem> {
    let CallError::Answered {
        status, problem, ..
    } = error
    else {
        return None;
    };
    let detail = match problem {
        Some(problem) if !problem.detail.is_empty() => problem.detail.clone(),
        _ => format!("{service} refused this without saying why."),
    };
    match *status {
        StatusCode::BAD_REQUEST => Some(Problem::bad_request(detail)),
        // A watch session that does not hold; see `clients::video_streaming`.
        StatusCode::UNAUTHORIZED if service == Service::VideoStreaming => {
            Some(Problem::unauthorized(detail))
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => Some(Problem::not_found(detail)),
        StatusCode::CONFLICT => Some(Problem::conflict(detail)),
        StatusCode::PAYLOAD_TOO_LARGE => Some(Problem::payload_too_large(detail)),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Some(Problem::unsupported_media_type(detail)),
        StatusCode::INSUFFICIENT_STORAGE => Some(Problem::insufficient_storage(detail)),
        _ => None,
    }
}
