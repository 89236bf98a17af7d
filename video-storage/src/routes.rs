//! The HTTP interface. Only other services call it.

mod posters;
mod reconciliations;
mod videos;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post, put};

use crate::poster::Posters;
use crate::reconciler::Runs;
use crate::serve::Reads;
use crate::upload::Uploads;

/// What the handlers work with.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) uploads: Arc<Uploads>,
    pub(crate) reads: Arc<Reads>,
    pub(crate) posters: Arc<Posters>,
    pub(crate) runs: Runs,
}

/// Every route; `get` answers HEAD as well.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/videos", post(videos::upload))
        .route("/videos/{id}", get(videos::serve))
        .route("/videos/{id}/poster", put(posters::put).get(posters::serve))
        .route("/reconciliations", post(reconciliations::ask))
        .route("/reconciliations/{id}", get(reconciliations::find))
        // Each handler reads its body itself, up to its own limit.
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}
