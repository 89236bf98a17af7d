//! The origin of a blob store that serves videos itself.

use std::fmt;
use std::str::FromStr;

use axum::http::Uri;

/// `https://HOST[:PORT]`, as it stands in the page's Content-Security-Policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MediaOrigin(String);

/// Says why a text is no origin.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "an origin is written as https://HOST[:PORT] without a path, such as \
     https://account.blob.core.windows.net"
)]
pub struct InvalidMediaOrigin;

impl FromStr for MediaOrigin {
    type Err = InvalidMediaOrigin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| InvalidMediaOrigin)?;
        let scheme = uri.scheme_str().ok_or(InvalidMediaOrigin)?;
        let authority = uri.authority().ok_or(InvalidMediaOrigin)?.as_str();
        // In a policy, other characters would end the source or mean something else.
        let is_host = authority
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
        let origin = format!("{scheme}://{authority}");
        let is_origin = matches!(scheme, "http" | "https")
            && is_host
            && [origin.as_str(), &format!("{origin}/")].contains(&text);
        is_origin.then_some(Self(origin)).ok_or(InvalidMediaOrigin)
    }
}

impl fmt::Display for MediaOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for (text, origin) in [
            ("https://a.example.org", "https://a.example.org"),
            ("https://a.example.org/", "https://a.example.org"),
            ("http://127.0.0.1:10000", "http://127.0.0.1:10000"),
        ] {
            let parsed: MediaOrigin = text.parse().unwrap();
            assert_eq!(parsed.to_string(), origin);
        }
    }

    #[test]
    fn anything_that_could_widen_the_policy_is_refused() {
        for text in [
            "",
            "*",
            "https:",
            "https://*",
            "https://*.example.org",
            "https://a.example.org/path",
            "https://a.example.org; script-src *",
            "https://user@a.example.org",
            "a.example.org",
            "data:",
        ] {
            assert_eq!(
                text.parse::<MediaOrigin>(),
                Err(InvalidMediaOrigin),
                "{text}"
            );
        }
    }
}
