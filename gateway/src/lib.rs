//! The public edge of FlixTube: the web pages, the viewer's cookie and the public API.
//!
//! The gateway has no data of its own. It decides whether a request is let in ([`admission`]) and
//! who may write ([`owner`]), knows each viewer by a signed cookie ([`viewer`]), and composes its
//! answers from those of the four services behind it ([`clients`]). Bytes pass through it in both
//! directions without being held ([`relay`], [`upload`]).

mod config;

mod admission;
mod cookie;
mod media_origin;
mod owner;
mod signature;
mod viewer;

mod clients;
mod error;
mod relay;
mod upload;
mod video;

mod development;
mod edge;
mod pages;
mod routes;
mod service;

pub use crate::admission::{MalformedProxies, MalformedPublicHosts, PublicHosts, TrustedProxies};
pub use crate::config::{Command, Config, Contradiction, PublicSettings};
pub use crate::media_origin::{InvalidMediaOrigin, MediaOrigin};
pub use crate::owner::{OwnerToken, WeakOwnerToken};
pub use crate::service::{BindError, RunError, Service};

/// The routes of the public API, as `(method, path)`; `HEAD` is named where it is more than the
/// `GET` without its body. The description in `docs/openapi.yaml` is checked against it.
pub fn api_routes() -> impl Iterator<Item = (&'static str, &'static str)> {
    routes::api::ROUTES
        .iter()
        .map(|route| (route.method, route.path))
}
