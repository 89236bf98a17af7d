//! The few things about cookies (RFC 6265) that the gateway needs.

use std::time::Duration;

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

/// Every value that the request carries for the cookie `name`. A browser may hold several of one
/// name, from another path or another port of this host; the caller takes the one that it signed.
pub(crate) fn values<'request>(
    headers: &'request HeaderMap,
    name: &'request str,
) -> impl Iterator<Item = &'request str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(move |(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// Which requests of other sites a browser lets the cookie go with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SameSite {
    /// With a link that the person follows, and with nothing else.
    Lax,
    /// With none.
    Strict,
}

/// A cookie to be set: never for scripts, for the whole site.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SetCookie<'a> {
    pub(crate) name: &'static str,
    pub(crate) value: &'a str,
    pub(crate) max_age: Duration,
    pub(crate) same_site: SameSite,
    /// Whether the browser talks TLS, so that the cookie must never leave it in the clear.
    pub(crate) over_tls: bool,
}

impl SetCookie<'_> {
    /// The value of a `Set-Cookie` header.
    pub(crate) fn header(&self) -> HeaderValue {
        let Self {
            name,
            value,
            max_age,
            same_site,
            over_tls,
        } = self;
        let max_age = max_age.as_secs();
        let same_site = match same_site {
            SameSite::Lax => "Lax",
            SameSite::Strict => "Strict",
        };
        let secure = if *over_tls { "; Secure" } else { "" };
        let line = format!(
            "{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite={same_site}{secure}"
        );
        HeaderValue::try_from(line).expect("signed values are visible ASCII")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_a_name_is_found_in_every_line() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; viewer=x.y=; b"));
        headers.append(COOKIE, HeaderValue::from_static("viewer=z;viewers=no"));
        let found: Vec<_> = values(&headers, "viewer").collect();
        assert_eq!(found, ["x.y=", "z"]);
    }

    #[test]
    fn a_cookie_over_tls_says_so() {
        let mut cookie = SetCookie {
            name: "viewer",
            value: "v",
            max_age: Duration::from_mins(1),
            same_site: SameSite::Lax,
            over_tls: false,
        };
        assert_eq!(
            cookie.header(),
            "viewer=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
        );
        cookie.over_tls = true;
        cookie.same_site = SameSite::Strict;
        assert_eq!(
            cookie.header(),
            "viewer=v; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure"
        );
    }
}
