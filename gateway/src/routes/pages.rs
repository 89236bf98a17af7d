//! The web pages: one page for all of the app's routes, and its assets.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::header::{ACCEPT, ALLOW, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use service_kit::problem::Problem;

use crate::admission::Visitor;
use crate::development::Development;
use crate::edge::Edge;
use crate::pages;
use crate::viewer::Viewer;

/// The addresses that the app itself knows.
const APP: [&str; 5] = ["/", "/watch/{id}", "/upload", "/history", "/sign-in"];

pub(super) fn router() -> Router<Arc<Edge>> {
    APP.iter()
        .fold(Router::new(), |router, path| router.route(path, get(page)))
}

async fn page(
    State(edge): State<Arc<Edge>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Response {
    html(StatusCode::OK, &edge, visitor, &headers)
}

/// Whatever has no route: an asset, or nothing.
pub(super) async fn other(
    State(edge): State<Arc<Edge>>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> Response {
    let path = request.uri().path();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let development = edge.development.as_ref().filter(|_| reads);
    if let Some(asset) = development.and_then(|development| development.asset(path)) {
        return asset;
    }
    match pages::asset(path) {
        Some(asset) if reads => asset.answer(request.headers()),
        Some(_) => Problem::method_not_allowed("An asset can only be read.")
            .with_header(ALLOW, HeaderValue::from_static("GET, HEAD"))
            .into_response(),
        None if reads && !is_api(path) && prefers_html(request.headers()) => {
            html(StatusCode::NOT_FOUND, &edge, visitor, request.headers())
        }
        None => Problem::not_found("Nothing answers at this path.").into_response(),
    }
}

/// The page, which makes a viewer of whoever opens it, or stays with the one who does.
fn html(status: StatusCode, edge: &Edge, visitor: Visitor, headers: &HeaderMap) -> Response {
    let viewer = edge.viewers.read(headers).unwrap_or_else(Viewer::random);
    let cookie = edge.viewers.write(viewer, visitor.over_tls);
    let development = edge.development.as_ref();
    let newest = development.and_then(Development::index);
    let page = pages::index(edge.page_policy.clone(), newest);
    (status, [(SET_COOKIE, cookie)], page).into_response()
}

fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

/// Whether HTML is named, and wanted more than the JSON that programs get (RFC 9110, 12.5.1).
fn prefers_html(headers: &HeaderMap) -> bool {
    let ranges: Vec<(String, f32)> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(media_range)
        .collect();
    // The most specific range that covers a media type decides, and all count as absent at zero.
    let quality = |covering: &[&str]| {
        covering
            .iter()
            .find_map(|name| ranges.iter().find(|(range, _)| range == name))
            .map_or(0.0, |(_, quality)| *quality)
    };
    let html = quality(&["text/html"]);
    html > 0.0
        && html
            > quality(&[
                "application/problem+json",
                "application/json",
                "application/*",
                "*/*",
            ])
}

fn media_range(text: &str) -> (String, f32) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let quality = parts
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(key, _)| key.trim().eq_ignore_ascii_case("q"))
        .map_or(1.0, |(_, value)| value.trim().parse().unwrap_or(0.0));
    (name, quality)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_the_page_and_a_program_the_problem() {
        for (accept, html) in [
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                true,
            ),
            ("text/html", true),
            ("text/html;q=0.5, application/json;q=0.4", true),
            ("*/*", false),
            ("application/json", false),
            ("text/html, application/json", false),
            ("text/html;q=0", false),
            ("text/html;q=nonsense", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(prefers_html(&headers), html, "{accept}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
    }
}
