//! Signing in with the owner's token, and out.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::IntoResponse;
use serde_json::{Map, Value};
use service_kit::extract::Json;
use service_kit::problem::Problem;

use crate::admission::Visitor;
use crate::edge::Edge;
use crate::owner::{Ownership, SignIn};

pub(super) async fn sign_in(
    State(edge): State<Arc<Edge>>,
    Extension(visitor): Extension<Visitor>,
    Json(form): Json<Map<String, Value>>,
) -> Result<impl IntoResponse, Problem> {
    let token = form
        .get("token")
        .and_then(Value::as_str)
        .ok_or_else(|| Problem::bad_request("`token` is the owner's token, a string."))?;
    edge.sign_in_attempts
        .check(Instant::now())
        .map_err(|wait| {
            Problem::too_many_requests("Too many sign-ins failed; wait before the next.", wait)
        })?;
    match edge.ownership.sign_in(token, visitor.over_tls) {
        SignIn::Welcome(cookie) => Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)])),
        SignIn::WrongToken => {
            edge.sign_in_attempts.failed(Instant::now());
            Err(Problem::unauthorized("This is not the owner's token."))
        }
        SignIn::NotNeeded => Err(Problem::not_found(
            "There is nothing to sign in to: this server has no owner's token.",
        )),
    }
}

pub(super) async fn sign_out(Extension(visitor): Extension<Visitor>) -> impl IntoResponse {
    let cookie = Ownership::sign_out(visitor.over_tls);
    (StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)])
}
