//! Extractors that refuse with a [`Problem`]: a wrong body or parameter is 400, never 422.

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The largest JSON body that is read, in bytes.
pub const JSON_LIMIT_BYTES: usize = 64 * 1024;

/// A JSON body of at most [`JSON_LIMIT_BYTES`]; unknown members are ignored.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(refused_json(&rejection)),
        }
    }
}

fn refused_json(rejection: &JsonRejection) -> Problem {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => Problem::unsupported_media_type(
            "Send JSON, with the header `Content-Type: application/json`.",
        ),
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => Problem::payload_too_large(
            format!("A JSON body may have {JSON_LIMIT_BYTES} bytes at most."),
        ),
        other => Problem::bad_request(sentence(&other.body_text())),
    }
}

/// The parameters of the query string; unknown ones are ignored.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(refused_query(&rejection)),
        }
    }
}

fn refused_query(rejection: &QueryRejection) -> Problem {
    Problem::bad_request(sentence(&rejection.body_text()))
}

fn sentence(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.'))
}
