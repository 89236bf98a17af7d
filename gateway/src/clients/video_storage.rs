//! The bytes of the videos and of their posters.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use jiff::Timestamp;
use serde::Deserialize;
use service_kit::client::ServiceClient;
use uuid::Uuid;

use super::{FIRST_BYTE, Service, request, with_query};
use crate::error::ApiError;
use crate::relay::{Answer, CollectError};
use crate::upload;

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

#[derive(Clone, Debug)]
pub(crate) struct VideoStorageClient(pub(crate) ServiceClient);

/// A video that has been taken in.
#[derive(Debug, Deserialize)]
pub(crate) struct StoredVideo {
    pub(crate) id: Uuid,
    pub(crate) title: String,
    pub(crate) content_type: String,
    pub(crate) size_bytes: u64,
    pub(crate) duration_ms: Option<u64>,
    pub(crate) width: Option<u32>,
    pub(crate) height: Option<u32>,
    pub(crate) uploaded_at: Timestamp,
}

#[derive(Debug, Deserialize)]
struct StoredPoster {
    version: String,
}

impl VideoStorageClient {
    /// Streams a new video in; `headers` are the client's.
    pub(crate) async fn store_video(
        &self,
        title: Option<&str>,
        headers: &HeaderMap,
        body: Body,
        max_bytes: u64,
    ) -> Result<StoredVideo, ApiError> {
        let path = with_query("/videos", [("title", title)]);
        let mut head = request(Method::POST, &path, ());
        *head.headers_mut() = about_the_body(headers);
        self.take_in(head, body, max_bytes, StatusCode::CREATED)
            .await?
            .json()
            .map_err(unreadable)
    }

    /// Puts a poster, and answers its version.
    pub(crate) async fn store_poster(
        &self,
        video: Uuid,
        headers: &HeaderMap,
        body: Body,
        max_bytes: u64,
    ) -> Result<String, ApiError> {
        let mut head = request(Method::PUT, &format!("/videos/{video}/poster"), ());
        *head.headers_mut() = about_the_body(headers);
        let StoredPoster { version } = self
            .take_in(head, body, max_bytes, StatusCode::OK)
            .await?
            .json()
            .map_err(unreadable)?;
        Ok(version)
    }

    /// The picture, as `headers` ask for it.
    pub(crate) async fn poster(
        &self,
        method: Method,
        video: Uuid,
        headers: HeaderMap,
    ) -> Result<Response<Incoming>, ApiError> {
        let mut request = request(method, &format!("/videos/{video}/poster"), Body::empty());
        *request.headers_mut() = headers;
        let answer = self
            .0
            .forward(request, Some(FIRST_BYTE))
            .await
            .map_err(|source| ApiError::Call {
                service: Service::VideoStorage,
                source,
            })?;
        Service::VideoStorage.accepted(answer.status())?;
        Ok(answer)
    }

    async fn take_in(
        &self,
        head: Request<()>,
        body: Body,
        max_bytes: u64,
        success: StatusCode,
    ) -> Result<Answer, ApiError> {
        let answer = upload::pass_on(&self.0, head, body, max_bytes)
            .await
            .map_err(|source| ApiError::Upload {
                service: Service::VideoStorage,
                source,
            })?;
        Service::VideoStorage.accepted(answer.status)?;
        if answer.status == success {
            Ok(answer)
        } else {
            Err(ApiError::Relayed(Box::new(answer)))
        }
    }
}

/// What the store needs to know about a body that comes.
fn about_the_body(headers: &HeaderMap) -> HeaderMap {
    [CONTENT_TYPE, CONTENT_LENGTH, IDEMPOTENCY_KEY]
        .into_iter()
        .filter_map(|name| {
            let value = headers.get(&name)?.clone();
            Some((name, value))
        })
        .collect()
}

fn unreadable(source: CollectError) -> ApiError {
    ApiError::Unreadable {
        service: Service::VideoStorage,
        source,
    }
}
