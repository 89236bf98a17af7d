//! The token that services show each other.
//!
//! An inner service answers nobody else: not a neighbour on the same network, and not a browser
//! that a foreign page sent there (DNS rebinding), which gives itself away by its headers.

use std::fmt;
use std::str::FromStr;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use crate::problem::Problem;
use crate::secret::random_bytes;

/// Fewer characters than this can be guessed.
const SHORTEST_TOKEN: usize = 32;

/// A secret that all services of one system share.
#[derive(Clone, Eq, PartialEq)]
pub struct ServiceToken(String);

/// Says why a text is no service token.
#[derive(Debug, thiserror::Error)]
#[error(
    "a service token has at least {SHORTEST_TOKEN} visible ASCII characters; `openssl rand -hex 32` makes one"
)]
pub struct InvalidServiceToken;

impl ServiceToken {
    /// A new token that nobody can guess.
    pub fn random() -> Self {
        use std::fmt::Write as _;
        let mut token = String::new();
        for byte in random_bytes::<32>() {
            write!(token, "{byte:02x}").expect("writing to a string does not fail");
        }
        Self(token)
    }

    /// The token itself, for the client of a call and for a process that this one trusts.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceToken {
    type Err = InvalidServiceToken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() >= SHORTEST_TOKEN && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidServiceToken)
        }
    }
}

impl fmt::Debug for ServiceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceToken(…)")
    }
}

/// Lets through what carries the token as a bearer token (RFC 6750) and comes from no browser.
pub fn service_token(router: Router, token: ServiceToken) -> Router {
    router.layer(middleware::from_fn_with_state(token, check))
}

async fn check(State(token): State<ServiceToken>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if headers.keys().any(|name| {
        let name = name.as_str();
        name == "origin" || name.starts_with("sec-fetch-")
    }) {
        return Problem::forbidden("This is an inner service; a browser talks to the gateway.")
            .into_response();
    }
    let shown = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    match shown {
        Some(shown) if bool::from(shown.ct_eq(token.0.as_bytes())) => next.run(request).await,
        _ => Problem::unauthorized(
            "This is an inner service; it takes calls with the service token only.",
        )
        .into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_token_is_refused() {
        assert!("secret".parse::<ServiceToken>().is_err());
    }

    #[test]
    fn a_random_token_is_a_valid_one() {
        let token = ServiceToken::random();
        assert_eq!(token.0.parse::<ServiceToken>().unwrap(), token);
    }

    #[test]
    fn debugging_a_token_does_not_show_it() {
        assert_eq!(format!("{:?}", ServiceToken::random()), "ServiceToken(…)");
    }
}
