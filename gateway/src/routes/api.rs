//! The public API, as one table: the router is made from it, its description is checked against
//! it, and none of its routes can be added without a decision on who may use it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, delete, get, head, patch, post, put};
use service_kit::problem::Problem;

use super::{history, me, poster, sign_in, stream, videos, watch};
use crate::edge::Edge;

/// One row of the table.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    access: Access,
    handler: fn() -> MethodRouter<Arc<Edge>>,
}

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// Everybody, for reading or for what is their own.
    Everybody,
    /// The owner, where a token says that there is one.
    Writers,
}

use Access::{Everybody, Writers};

#[rustfmt::skip]
pub(crate) const ROUTES: &[Route] = &[
    Route { method: "GET",    path: "/api/videos",                     access: Everybody, handler: || get(videos::list) },
    Route { method: "POST",   path: "/api/videos",                     access: Writers,   handler: || post(videos::upload) },
    Route { method: "GET",    path: "/api/videos/{id}",                access: Everybody, handler: || get(videos::show) },
    Route { method: "PATCH",  path: "/api/videos/{id}",                access: Writers,   handler: || patch(videos::edit) },
    Route { method: "DELETE", path: "/api/videos/{id}",                access: Writers,   handler: || delete(videos::remove) },
    Route { method: "GET",    path: "/api/videos/{id}/poster",         access: Everybody, handler: || get(poster::show) },
    Route { method: "HEAD",   path: "/api/videos/{id}/poster",         access: Everybody, handler: || head(poster::show) },
    Route { method: "PUT",    path: "/api/videos/{id}/poster",         access: Writers,   handler: || put(poster::replace) },
    Route { method: "GET",    path: "/api/videos/{id}/stream",         access: Everybody, handler: || get(stream::stream) },
    Route { method: "HEAD",   path: "/api/videos/{id}/stream",         access: Everybody, handler: || head(stream::stream) },
    Route { method: "POST",   path: "/api/videos/{id}/watch-sessions", access: Everybody, handler: || post(watch::open_session) },
    Route { method: "POST",   path: "/api/watch-sessions/beats",       access: Everybody, handler: || post(watch::beat) },
    Route { method: "GET",    path: "/api/history",                    access: Everybody, handler: || get(history::list) },
    Route { method: "DELETE", path: "/api/history",                    access: Everybody, handler: || delete(history::forget_all) },
    Route { method: "DELETE", path: "/api/history/{video_id}",         access: Everybody, handler: || delete(history::forget) },
    Route { method: "GET",    path: "/api/me",                         access: Everybody, handler: || get(me::show) },
    Route { method: "POST",   path: "/api/sign-in",                    access: Everybody, handler: || post(sign_in::sign_in) },
    Route { method: "POST",   path: "/api/sign-out",                   access: Everybody, handler: || post(sign_in::sign_out) },
];

pub(super) fn router(edge: &Arc<Edge>) -> Router<Arc<Edge>> {
    ROUTES.iter().fold(Router::new(), |router, route| {
        let handler = (route.handler)();
        let handler = match route.access {
            Everybody => handler,
            Writers => handler.route_layer(middleware::from_fn_with_state(
                Arc::clone(edge),
                need_right_to_write,
            )),
        };
        router.route(route.path, handler)
    })
}

async fn need_right_to_write(
    State(edge): State<Arc<Edge>>,
    request: Request,
    next: Next,
) -> Response {
    if edge.ownership.may_write(request.headers()) {
        next.run(request).await
    } else {
        Problem::unauthorized(
            "Only the owner may do this: sign in, or send the owner's token as a bearer token.",
        )
        .into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_that_changes_what_all_see_is_for_writers() {
        let own = [
            "/api/videos/{id}/watch-sessions",
            "/api/watch-sessions/beats",
            "/api/history",
            "/api/history/{video_id}",
            "/api/sign-in",
            "/api/sign-out",
        ];
        for route in ROUTES {
            let reads = matches!(route.method, "GET" | "HEAD");
            let open = reads || own.contains(&route.path);
            assert_eq!(
                route.access == Everybody,
                open,
                "{} {}",
                route.method,
                route.path
            );
        }
    }
}
