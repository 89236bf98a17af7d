//! What the gateway answers. Inside out: the handlers; for the routes that write, the right to do
//! so; the headers that every answer has; the door.

pub(crate) mod api;
mod history;
mod me;
mod pages;
mod poster;
mod sign_in;
mod stream;
mod videos;
mod watch;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware;
use axum::response::Response;

use crate::admission::{self, Admission};
use crate::development;
use crate::edge::Edge;

/// What every answer has unless it says otherwise itself.
const DEFAULT_HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    ),
    // Whoever writes sees the effect in the next answer: none may come from a cache.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Everything that the public may ask.
pub(crate) fn router(edge: Arc<Edge>, admission: Arc<Admission>) -> Router {
    let development = edge.development.clone();
    let for_development = development.map(development::router).unwrap_or_default();
    Router::new()
        .merge(api::router(&edge))
        .merge(pages::router())
        .merge(for_development)
        .fallback(pages::other)
        .with_state(edge)
        .layer(middleware::from_fn_with_state(admission, admission::admit))
        .layer(middleware::map_response(with_default_headers))
}

async fn with_default_headers(mut response: Response) -> Response {
    for (name, value) in DEFAULT_HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}
