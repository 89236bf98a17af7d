//! Playing: the bytes, and the watch sessions.

use axum::body::Body;
use axum::http::header::HeaderName;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Map, Value};
use service_kit::client::{CallError, ServiceClient};
use uuid::Uuid;

use super::{FIRST_BYTE, QUESTION, Service, request, with_query};
use crate::admission::Visitor;
use crate::error::ApiError;
use crate::relay::{Answer, CollectError};
use crate::viewer::Viewer;

const X_VIEWER: HeaderName = HeaderName::from_static("x-viewer");
const X_CLIENT_ADDRESS: HeaderName = HeaderName::from_static("x-client-address");

#[derive(Clone, Debug)]
pub(crate) struct VideoStreamingClient(pub(crate) ServiceClient);

/// An opened watch session.
#[derive(Debug, Deserialize)]
pub(crate) struct WatchSession {
    pub(crate) session: String,
    pub(crate) beat_interval_ms: u64,
}

/// Who plays what.
#[derive(Debug)]
pub(crate) struct Playback<'a> {
    pub(crate) video: Uuid,
    pub(crate) session: Option<&'a str>,
    pub(crate) viewer: Option<Viewer>,
    pub(crate) visitor: Visitor,
}

impl VideoStreamingClient {
    /// The bytes that `headers` ask for.
    pub(crate) async fn stream(
        &self,
        method: Method,
        playback: &Playback<'_>,
        headers: HeaderMap,
    ) -> Result<Response<Incoming>, ApiError> {
        let Playback {
            video,
            session,
            viewer,
            visitor,
        } = playback;
        let path = with_query(&format!("/videos/{video}/stream"), [("session", *session)]);
        let mut request = request(method, &path, Body::empty());
        *request.headers_mut() = headers;
        request
            .headers_mut()
            .insert(X_CLIENT_ADDRESS, header_value(&visitor.address.to_string()));
        if let Some(viewer) = viewer {
            request
                .headers_mut()
                .insert(X_VIEWER, viewer_header(*viewer));
        }
        let answer = self
            .0
            .forward(request, Some(FIRST_BYTE))
            .await
            .map_err(failed)?;
        // With a session, a 401 is about that session, and the client's to mend.
        if answer.status() != StatusCode::UNAUTHORIZED || session.is_none() {
            Service::VideoStreaming.accepted(answer.status())?;
        }
        Ok(answer)
    }

    pub(crate) async fn open_session(
        &self,
        video: Uuid,
        viewer: Viewer,
    ) -> Result<WatchSession, ApiError> {
        let path = format!("/videos/{video}/watch-sessions");
        let mut request = request(Method::POST, &path, Body::empty());
        request
            .headers_mut()
            .insert(X_VIEWER, viewer_header(viewer));
        let answer = self
            .0
            .forward(request, Some(QUESTION))
            .await
            .map_err(failed)?;
        let answer = Answer::collect(answer).await.map_err(unreadable)?;
        Service::VideoStreaming.accepted(answer.status)?;
        if answer.status == StatusCode::CREATED {
            answer.json().map_err(unreadable)
        } else {
            Err(ApiError::Relayed(Box::new(answer)))
        }
    }

    /// A session that does not hold is a 401.
    pub(crate) async fn beat(&self, beat: &Map<String, Value>) -> Result<(), ApiError> {
        self.0
            .send_json(Method::POST, "/watch-sessions/beats", beat, QUESTION)
            .await
            .map_err(failed)
    }
}

fn viewer_header(viewer: Viewer) -> HeaderValue {
    header_value(&viewer.id().to_string())
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("ids and addresses are visible ASCII")
}

fn failed(source: CallError) -> ApiError {
    ApiError::Call {
        service: Service::VideoStreaming,
        source,
    }
}

fn unreadable(source: CollectError) -> ApiError {
    ApiError::Unreadable {
        service: Service::VideoStreaming,
        source,
    }
}
