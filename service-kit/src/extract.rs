//! Extractors that refuse with a [`Problem`]: a wrong body or parameter is 400, never 422.

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
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
        if !is_json(request.headers()) {
            return Err(Problem::unsupported_media_type(
                "Send JSON, with the header `Content-Type: application/json`.",
            ));
        }
        let bytes =
            Bytes::from_request(request, state)
                .await
                .map_err(|rejection| match rejection.status() {
                    StatusCode::PAYLOAD_TOO_LARGE => Problem::payload_too_large(format!(
                        "A JSON body may have {JSON_LIMIT_BYTES} bytes at most."
                    )),
                    _ => Problem::bad_request("The body did not arrive whole."),
                })?;
        // Serde would read an array as the members of an object by their places.
        if bytes.trim_ascii_start().first() == Some(&b'[') {
            return Err(Problem::bad_request(
                "The body is an array; an object is needed.",
            ));
        }
        match axum::Json::<T>::from_bytes(&bytes) {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(Problem::bad_request(sentence(&rejection.body_text()))),
        }
    }
}

/// Whether the body is said to be JSON (RFC 8259 §11, RFC 6839 §3.1).
fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let subtype = media_type.strip_prefix("application/").unwrap_or_default();
    subtype == "json" || subtype.ends_with("+json")
}

/// The parameters of the query string; unknown ones are ignored.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if !is_well_formed(parts.uri.query().unwrap_or_default()) {
            return Err(Problem::bad_request(
                "The query string is not percent-encoded UTF-8; write a percent sign as %25.",
            ));
        }
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(refused_query(&rejection)),
        }
    }
}

/// Whether each escape is one (RFC 3986 §2.1) and what they encode is UTF-8. The parser behind
/// would mend both in silence.
fn is_well_formed(query: &str) -> bool {
    let mut decoded = Vec::with_capacity(query.len());
    let mut rest = query.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            decoded.push(*first);
            continue;
        }
        let digit = |at: usize| u8::try_from(char::from(*tail.get(at)?).to_digit(16)?).ok();
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return false;
        };
        decoded.push(high << 4 | low);
        rest = &tail[2..];
    }
    std::str::from_utf8(&decoded).is_ok()
}

fn refused_query(rejection: &QueryRejection) -> Problem {
    Problem::bad_request(sentence(&rejection.body_text()))
}

fn sentence(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_string_is_percent_encoded_utf8() {
        for good in ["", "q=a+b", "q=%C3%BC", "q=100%25&sort=title", "q=\u{fc}"] {
            assert!(is_well_formed(good), "{good}");
        }
        for bad in ["q=%ff", "q=%", "q=%2", "q=%zz", "q=%C3", "q=100%"] {
            assert!(!is_well_formed(bad), "{bad}");
        }
    }
}
