//! What the visitor may do here, for the page to show no button that would be refused.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;

use crate::edge::Edge;

#[derive(Debug, Serialize)]
pub(super) struct MeBody {
    may_write: bool,
    /// Whether signing in is possible, because there is a token.
    sign_in: bool,
    signed_in: bool,
    max_video_bytes: u64,
}

pub(super) async fn show(State(edge): State<Arc<Edge>>, headers: HeaderMap) -> Json<MeBody> {
    Json(MeBody {
        may_write: edge.ownership.may_write(&headers),
        sign_in: edge.ownership.can_sign_in(),
        signed_in: edge.ownership.is_signed_in(&headers),
        max_video_bytes: edge.max_video_bytes,
    })
}
