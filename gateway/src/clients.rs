//! The four services behind the gateway, with the few calls and fields that it needs of each.

pub(crate) mod history;
pub(crate) mod metadata;
pub(crate) mod video_storage;
pub(crate) mod video_streaming;

use std::fmt;
use std::time::Duration;

use axum::http::{Method, Request, StatusCode};

use crate::error::ApiError;

/// How long a small question to a service may take.
const QUESTION: Duration = Duration::from_secs(5);
/// How long a service may take to begin with bytes that are asked for.
const FIRST_BYTE: Duration = Duration::from_secs(20);

/// A service behind the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Metadata,
    VideoStorage,
    VideoStreaming,
    History,
}

impl Service {
    /// What a person is told when the service is down.
    pub(crate) fn down(self) -> &'static str {
        match self {
            Self::Metadata => "The catalogue is not available right now; try again soon.",
            Self::VideoStorage => {
                "The store of the videos is not available right now; try again soon."
            }
            Self::VideoStreaming => "Playing is not available right now; try again soon.",
            Self::History => "The watch history is not available right now; try again soon.",
        }
    }

    /// Refuses a status that says that the service does not accept the gateway itself.
    fn accepted(self, status: StatusCode) -> Result<(), ApiError> {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(ApiError::Unexpected {
                service: self,
                status,
            }),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Metadata => "metadata",
            Self::VideoStorage => "video-storage",
            Self::VideoStreaming => "video-streaming",
            Self::History => "history",
        })
    }
}

/// A path with those of the parameters that have a value.
fn with_query<'a>(
    path: &str,
    parameters: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    }
}

/// A request whose path is known to be well formed.
fn request<B>(method: Method, path: &str, body: B) -> Request<B> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().expect("escaped paths are valid");
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_escaped_and_a_missing_one_left_out() {
        let parameters = [("q", Some("a&b=c d")), ("sort", None), ("limit", Some("2"))];
        assert_eq!(with_query("/x", parameters), "/x?q=a%26b%3Dc+d&limit=2");
        assert_eq!(with_query("/x", []), "/x");
    }
}
