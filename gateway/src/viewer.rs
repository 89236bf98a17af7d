//! Who watches: a person without an account is a random id in a signed cookie.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use service_kit::secret::{Secret, random_bytes};
use uuid::Uuid;

use crate::cookie::{self, SameSite, SetCookie};
use crate::signature::Signer;

const COOKIE: &str = "viewer";
/// The longest time that browsers keep a cookie (RFC 6265bis, 5.5).
const MAX_AGE: Duration = Duration::from_hours(400 * 24);

/// A viewer's id. Whoever holds it can read that viewer's history, so it is kept out of logs and
/// answers; only the signed cookie proves it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Viewer(Uuid);

impl Viewer {
    /// A viewer never seen before.
    pub(crate) fn random() -> Self {
        Self(uuid::Builder::from_random_bytes(random_bytes()).into_uuid())
    }

    /// The id as the services behind the gateway know it.
    pub(crate) fn id(self) -> Uuid {
        self.0
    }
}

impl std::fmt::Debug for Viewer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Viewer(…)")
    }
}

/// Reads and writes the `viewer` cookie.
#[derive(Clone, Debug)]
pub(crate) struct ViewerCookies {
    signer: Signer,
}

impl ViewerCookies {
    pub(crate) fn new(key: &Secret) -> Self {
        Self {
            signer: Signer::derive("viewer cookie", &[key.as_bytes()]),
        }
    }

    /// The viewer whose cookie came with the request. A forged cookie is as good as none.
    pub(crate) fn read(&self, headers: &HeaderMap) -> Option<Viewer> {
        cookie::values(headers, COOKIE)
            .filter_map(|value| self.signer.verify(value))
            .find_map(|id| Uuid::try_parse(id).ok())
            .map(Viewer)
    }

    /// The `Set-Cookie` header that makes the browser this viewer for another 400 days.
    pub(crate) fn write(&self, viewer: Viewer, over_tls: bool) -> HeaderValue {
        SetCookie {
            name: COOKIE,
            value: &self.signer.sign(&viewer.0.simple().to_string()),
            max_age: MAX_AGE,
            same_site: SameSite::Lax,
            over_tls,
        }
        .header()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    fn request_with(set_cookie: &HeaderValue) -> HeaderMap {
        let pair = set_cookie.to_str().unwrap().split(';').next().unwrap();
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(pair).unwrap())])
    }

    #[test]
    fn a_viewer_comes_back_as_the_same() {
        let cookies = ViewerCookies::new(&Secret::random());
        let viewer = Viewer::random();
        let request = request_with(&cookies.write(viewer, false));
        assert_eq!(cookies.read(&request), Some(viewer));
    }

    #[test]
    fn a_cookie_signed_with_another_key_is_no_viewer() {
        let viewer = Viewer::random();
        let request = request_with(&ViewerCookies::new(&Secret::random()).write(viewer, false));
        assert_eq!(ViewerCookies::new(&Secret::random()).read(&request), None);
    }

    #[test]
    fn a_viewer_is_random_and_is_not_shown() {
        assert_ne!(Viewer::random(), Viewer::random());
        assert_eq!(Viewer::random().id().get_version_num(), 4);
        assert_eq!(format!("{:?}", Viewer::random()), "Viewer(…)");
    }
}
