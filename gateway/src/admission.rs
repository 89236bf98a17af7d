//! What is decided about a request before anything is done for it: from whom it comes, whether
//! it is meant for this host, whether another site sent it, whether it comes too often.
//!
//! The right to write is decided by the routes that write (see [`crate::routes`]); an unknown
//! route stays a 404 for everybody.

mod cross_site;
mod host;
mod proxies;
mod rate_limit;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use service_kit::problem::Problem;
use service_kit::server::Peer;

pub use self::host::{MalformedPublicHosts, PublicHosts};
pub(crate) use self::proxies::Visitor;
pub use self::proxies::{MalformedProxies, TrustedProxies};

use self::host::Host;
use self::rate_limit::RateLimit;

/// The rules of the door.
#[derive(Debug)]
pub(crate) struct Admission {
    public_hosts: PublicHosts,
    trusted_proxies: TrustedProxies,
    rate_limit: Option<RateLimit>,
}

impl Admission {
    pub(crate) fn new(
        public_hosts: PublicHosts,
        trusted_proxies: TrustedProxies,
        requests_per_minute: Option<NonZeroU32>,
    ) -> Self {
        Self {
            public_hosts,
            trusted_proxies,
            rate_limit: requests_per_minute.map(RateLimit::per_minute),
        }
    }

    fn check(&self, request: &Request) -> Result<Visitor, Refusal> {
        let Some(Peer(peer)) = request.extensions().get() else {
            tracing::error!("the server did not say from where a request comes");
            return Err(Refusal::UnknownPeer);
        };
        let headers = request.headers();
        let visitor = self.trusted_proxies.visitor(peer.ip(), headers);
        if let Some(rate_limit) = &self.rate_limit {
            rate_limit.check(visitor.address)?;
        }
        let host = Host::of(request.uri(), headers)?;
        self.public_hosts.check(&host)?;
        if !request.method().is_safe() {
            cross_site::check(headers, &host, visitor.over_tls)?;
        }
        Ok(visitor)
    }
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// `Host` is missing, repeated or no host.
    MalformedHost,
    /// `Host` and the request's target name two hosts.
    TwoHosts,
    /// `Host` is not a name of this server.
    ForeignHost,
    /// A page of another site made a browser write.
    CrossSite,
    /// The client asks too often.
    TooOften { wait: Duration },
    /// The server did not say from where the request comes, which is a bug.
    UnknownPeer,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::MalformedHost => Self::bad_request(
                "A request needs exactly one header `Host`, with a host and, if there is one, a \
                 port.",
            ),
            Refusal::TwoHosts => {
                Self::bad_request("The header `Host` and the target of the request differ.")
            }
            Refusal::ForeignHost => Self::misdirected(
                "This server does not answer for the host that was asked for. Its owner can add \
                 the name to PUBLIC_HOSTS.",
            ),
            Refusal::CrossSite => {
                Self::forbidden("A page of another site may not change anything here.")
            }
            Refusal::TooOften { wait } => Self::too_many_requests(
                "This address asks too often; wait as long as `Retry-After` says.",
                wait,
            ),
            Refusal::UnknownPeer => Self::internal(),
        }
    }
}

/// The middleware: the handlers behind it find the [`Visitor`] in the request's extensions.
pub(crate) async fn admit(
    State(admission): State<Arc<Admission>>,
    mut request: Request,
    next: Next,
) -> Response {
    match admission.check(&request) {
        Ok(visitor) => {
            request.extensions_mut().insert(visitor);
            next.run(request).await
        }
        Err(refusal) => {
            tracing::debug!(?refusal, "a request was not let in");
            Problem::from(refusal).into_response()
        }
    }
}
