//! Failures as answers: here they are logged, once, and turned into problems.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use service_kit::problem::Problem;
use service_kit::telemetry;
use uuid::Uuid;

use crate::store::StoreError;

/// The answer to a request that the store did not let through.
pub(crate) fn store_problem(error: &StoreError) -> Problem {
    match error {
        StoreError::Full { .. } => {
            tracing::error!(error = telemetry::chain(error), "the store is full");
            no_room()
        }
        StoreError::Unavailable { .. }
        | StoreError::NotReached
        | StoreError::NoBucket { .. }
        | StoreError::Missing => {
            tracing::warn!(
                error = telemetry::chain(error),
                "the store is not available"
            );
            Problem::unavailable("The store of the videos is not available. Try again soon.")
        }
        StoreError::Damaged { .. } => {
            tracing::error!(error = telemetry::chain(error), "a document is damaged");
            Problem::internal()
        }
    }
}

pub(crate) fn no_room() -> Problem {
    Problem::insufficient_storage("There is no room left for this video.")
}

pub(crate) fn no_such_video() -> Problem {
    Problem::not_found("There is no video with this id.")
}

/// The id in a path. One that is not written as we write it names nothing.
pub(crate) struct VideoId(pub(crate) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for VideoId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // What is no text is no id either.
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(id) = path.map_err(|_| no_such_video())?;
        parse_id(&id).map(Self)
    }
}

fn parse_id(id: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(id)
        .ok()
        .filter(|uuid| uuid.as_hyphenated().to_string() == id)
        .ok_or_else(no_such_video)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        assert!(parse_id("01994f7e-0000-7000-8000-00000000000a").is_ok());
        for id in [
            "",
            "1",
            "../records",
            "01994f7e0000700080000000000000a0",
            "01994F7E-0000-7000-8000-00000000000A",
            "{01994f7e-0000-7000-8000-00000000000a}",
            "urn:uuid:01994f7e-0000-7000-8000-00000000000a",
        ] {
            assert!(parse_id(id).is_err(), "{id}");
        }
    }
}
