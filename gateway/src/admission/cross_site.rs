//! A browser's write from another site's page is refused: the person did not mean it, and the
//! browser may add their cookies to it.

use axum::http::header::{HeaderName, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Uri};

use super::Refusal;
use super::host::Host;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Every browser since 2023 sends `Sec-Fetch-Site`; only without it the `Origin` counts. A client
/// that sends neither is no browser, and nobody's cookies come with it.
pub(super) fn check(headers: &HeaderMap, host: &Host, over_tls: bool) -> Result<(), Refusal> {
    let same = if headers.contains_key(SEC_FETCH_SITE) {
        headers
            .get_all(SEC_FETCH_SITE)
            .iter()
            .all(|site| site == "same-origin" || site == "none")
    } else {
        headers
            .get_all(ORIGIN)
            .iter()
            .all(|origin| is_this_host(origin, host, over_tls))
    };
    if same {
        Ok(())
    } else {
        Err(Refusal::CrossSite)
    }
}

/// Whether scheme, host and port are the ones that the browser must have used to come here.
fn is_this_host(origin: &HeaderValue, host: &Host, over_tls: bool) -> bool {
    let (scheme, default_port) = if over_tls {
        ("https", 443)
    } else {
        ("http", 80)
    };
    let Some(origin) = origin.to_str().ok().and_then(|text| text.parse().ok()) else {
        return false;
    };
    let origin: Uri = origin;
    let Some(asked) = origin
        .authority()
        .and_then(|text| Host::parse(text.as_str()))
    else {
        return false;
    };
    origin.scheme_str() == Some(scheme)
        && asked.name == host.name
        && asked.port.unwrap_or(default_port) == host.port.unwrap_or(default_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(headers: &[(HeaderName, &'static str)], host: &str, over_tls: bool) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect();
        check(&headers, &Host::parse(host).unwrap(), over_tls).is_err()
    }

    #[test]
    fn a_client_that_is_no_browser_may_pass() {
        assert!(!refused(&[], "localhost:4000", false));
    }

    #[test]
    fn the_fetch_metadata_decide_where_they_are_sent() {
        for (site, refusal) in [
            ("same-origin", false),
            ("none", false),
            ("same-site", true),
            ("cross-site", true),
            ("", true),
            ("Same-Origin", true),
        ] {
            // The origin would say the opposite.
            let origin = if refusal {
                "http://localhost:4000"
            } else {
                "https://evil.example"
            };
            let headers = [(SEC_FETCH_SITE, site), (ORIGIN, origin)];
            assert_eq!(
                refused(&headers, "localhost:4000", false),
                refusal,
                "{site}"
            );
        }
    }

    #[test]
    fn without_them_the_origin_must_be_this_host() {
        for (origin, host, over_tls, refusal) in [
            ("http://localhost:4000", "localhost:4000", false, false),
            ("http://LOCALHOST:4000", "localhost:4000", false, false),
            ("http://tv.local", "tv.local:80", false, false),
            ("http://tv.local:80", "tv.local", false, false),
            ("https://tv.local", "tv.local", true, false),
            ("https://tv.local", "tv.local:443", true, false),
            ("http://[::1]:4000", "[::1]:4000", false, false),
            ("https://tv.local", "tv.local", false, true),
            ("http://tv.local", "tv.local", true, true),
            ("http://localhost:4001", "localhost:4000", false, true),
            ("http://127.0.0.1:4000", "localhost:4000", false, true),
            ("http://evil.example", "localhost:4000", false, true),
            ("null", "localhost:4000", false, true),
            ("", "localhost:4000", false, true),
            ("localhost:4000", "localhost:4000", false, true),
        ] {
            let headers = [(ORIGIN, origin)];
            assert_eq!(
                refused(&headers, host, over_tls),
                refusal,
                "{origin} {host}"
            );
        }
    }
}
