//! The embedded front end: `web/dist` as it was when this program was built, or else a page that
//! says how to build it.

use axum::body::Body;
use axum::http::header::{
    self, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use rust_embed::{Embed, EmbeddedFile};

use crate::media_origin::MediaOrigin;

#[derive(Embed)]
#[folder = "$WEB_PAGES"]
struct Files;

const INDEX: &str = "index.html";
/// What Vite puts here carries the hash of its content in its name.
const HASHED: &str = "assets/";

/// What the page may load: nothing but this site's own files, and no inline script, so that what
/// somebody may write into a title cannot run. Pictures are made on the upload page (`data:`,
/// `blob:`) and local files are read there (`blob:`). Videos may come from one other origin, if the
/// blob store serves them itself.
pub(crate) fn policy(media_origin: Option<&MediaOrigin>) -> HeaderValue {
    let media_origin = media_origin.map_or_else(String::new, |origin| format!(" {origin}"));
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
         media-src 'self' blob:{media_origin}; font-src 'self'; connect-src 'self'; \
         manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    HeaderValue::from_str(&policy).expect("an origin is visible ASCII")
}

const PAGE_HEADERS: [(HeaderName, HeaderValue); 3] = [
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(
            "camera=(), geolocation=(), microphone=(), payment=(), usb=(), fullscreen=(self), \
             picture-in-picture=(self)",
        ),
    ),
    // It carries a cookie of its own for each viewer.
    (CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
];

/// The page, for every address that the app knows; that of the development, if there is one.
pub(crate) fn index(policy: HeaderValue, in_development: Option<String>) -> impl IntoResponse {
    let embedded = || Files::get(INDEX).expect("the build script embeds a page in any case");
    let page = in_development.map_or_else(|| content(embedded()), Body::from);
    (
        PAGE_HEADERS,
        [(CONTENT_SECURITY_POLICY, policy)],
        [(CONTENT_TYPE, "text/html; charset=utf-8")],
        page,
    )
}

/// A file of the front end that is not the page.
pub(crate) struct Asset {
    file: EmbeddedFile,
    hashed: bool,
}

/// The asset at a path of the site.
pub(crate) fn asset(path: &str) -> Option<Asset> {
    let name = path.strip_prefix('/')?;
    if name == INDEX {
        // The page is at `/`; here it would come without a cookie.
        return None;
    }
    let file = Files::get(name)?;
    let hashed = name.starts_with(HASHED);
    Some(Asset { file, hashed })
}

impl Asset {
    /// The file, or 304 when the client has it.
    pub(crate) fn answer(self, request: &HeaderMap) -> Response {
        let etag = self.etag();
        let cache_control = if self.hashed {
            "public, max-age=31536000, immutable"
        } else {
            "public, no-cache"
        };
        let known = request
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == "*" || tag == etag);
        let headers = [
            (ETAG, etag),
            (CACHE_CONTROL, cache_control.to_owned()),
            // An SVG opened by itself is a document.
            (
                CONTENT_SECURITY_POLICY,
                "default-src 'none'; style-src 'unsafe-inline'; sandbox".to_owned(),
            ),
        ];
        if known {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        let media_type = self.file.metadata.mimetype().to_owned();
        (
            headers,
            [(header::CONTENT_TYPE, media_type)],
            content(self.file),
        )
            .into_response()
    }

    fn etag(&self) -> String {
        use std::fmt::Write as _;
        let hash = self.file.metadata.sha256_hash();
        let mut tag = String::with_capacity(34);
        tag.push('"');
        for byte in &hash[..16] {
            write!(tag, "{byte:02x}").expect("a string takes everything");
        }
        tag.push('"');
        tag
    }
}

fn content(file: EmbeddedFile) -> Body {
    match file.data {
        std::borrow::Cow::Borrowed(bytes) => Body::from(Bytes::from_static(bytes)),
        std::borrow::Cow::Owned(bytes) => Body::from(bytes),
    }
}
