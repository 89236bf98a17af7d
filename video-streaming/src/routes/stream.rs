//! `GET` and `HEAD /videos/{id}/stream`: the bytes.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, header};
use axum::response::Response;
use serde::Deserialize;
use service_kit::extract::Query;
use service_kit::server::Peer;
use service_kit::telemetry;
use uuid::Uuid;

use super::watch_sessions::VIEWER;
use super::{Playing, VideoId};
use crate::clock;
use crate::error::ApiError;
use crate::implicit::{Player, SentBytes};
use crate::lookup::Video;
use crate::relay::{RelayError, StoredBytes, Stream};

/// Where the client is, as the gateway saw it.
const CLIENT_ADDRESS: HeaderName = HeaderName::from_static("x-client-address");

#[derive(Debug, Deserialize)]
pub(super) struct StreamQuery {
    /// The watch session whose player asks; plain players have none.
    session: Option<String>,
}

/// Answers with the bytes that the store gives, once the catalogue says that the video is there.
pub(super) async fn stream(
    State(playing): State<Arc<Playing>>,
    VideoId(video): VideoId,
    peer: Option<Extension<Peer>>,
    method: Method,
    Query(StreamQuery { session }): Query<StreamQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if let Some(session) = &session {
        playing.session_key.verify(session, clock::now())?;
    }
    let known = playing.lookup.video(video).await?;
    let is_plain_player = session.is_none() && !headers.contains_key(VIEWER);
    // What a plain player watches is known from what it is sent, so it has to be sent here. The
    // others tell it by their beats.
    let may_redirect = method == Method::GET && !is_plain_player;
    let bytes = playing
        .relay
        .open(video, method.clone(), &headers, may_redirect)
        .await
        .map_err(|error| refused(&playing, video, &error))?;
    let player = if method == Method::GET && is_plain_player {
        address(&headers, peer.as_deref())
            .and_then(|address| begin(&playing, video, known, &bytes, address, &headers))
    } else {
        None
    };
    Ok(playing.relay.answer(bytes, Stream { video, player }))
}

/// The client's address by the gateway, or the other end of the connection if nobody says.
fn address(headers: &HeaderMap, peer: Option<&Peer>) -> Option<IpAddr> {
    match headers.get(CLIENT_ADDRESS) {
        Some(address) => address.to_str().ok()?.parse().ok(),
        None => peer.map(|Peer(address)| address.ip()),
    }
}

fn begin(
    playing: &Playing,
    video: Uuid,
    known: Video,
    bytes: &StoredBytes,
    address: IpAddr,
    headers: &HeaderMap,
) -> Option<SentBytes> {
    if !bytes.is_content() {
        return None;
    }
    let user_agent = headers
        .get(header::USER_AGENT)
        .map_or(&b""[..], |value| value.as_bytes());
    let player = Player {
        video,
        client: playing.client_hash_key.hash(address, user_agent),
    };
    let begun = playing
        .playbacks
        .begin(player, known.duration_ms, bytes.covers_start());
    if begun.is_none() {
        playing.meters.reports_dropped.inc();
    }
    begun
}

fn refused(playing: &Playing, video: Uuid, error: &RelayError) -> ApiError {
    let chain = telemetry::chain(error);
    match error {
        RelayError::Unavailable { .. } => {
            tracing::warn!(video.id = %video, error = chain, "a video cannot be played now");
        }
        RelayError::Missing => {
            // Most likely it was deleted a moment ago; the catalogue is to say so next time.
            playing.lookup.forget(video);
            tracing::warn!(video.id = %video, error = chain, "a video of the catalogue has no bytes");
        }
        RelayError::Unexpected(_) | RelayError::Failed(_) => {
            tracing::error!(video.id = %video, error = chain, "a video cannot be played");
        }
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_is_not_replaced_by_the_gateways() {
        let peer = Peer("192.0.2.9:1234".parse().unwrap());
        let mut headers = HeaderMap::new();
        assert_eq!(address(&headers, Some(&peer)), Some(peer.0.ip()));
        headers.insert(CLIENT_ADDRESS, "unknown".parse().unwrap());
        assert_eq!(address(&headers, Some(&peer)), None);
        headers.insert(CLIENT_ADDRESS, "2001:db8::1".parse().unwrap());
        assert_eq!(
            address(&headers, Some(&peer)),
            Some("2001:db8::1".parse().unwrap())
        );
    }
}
