//! Passing an upload on while it arrives.
//!
//! An upload that breaks off must break off at the store as well. That needs care: the server
//! shows a request body whose connection is torn down as a body that ends, and an end is just what
//! completes an upload without a `Content-Length`. So the body is read inside the handler, which
//! dies with its connection, and its end is passed on as a mark of its own. Where the mark is
//! missing, the body of the call upstream fails, and with it the call.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, Request};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use service_kit::client::{CallError, ServiceClient};
use service_kit::problem::Problem;
use tokio::sync::mpsc::{self, error::SendTimeoutError};

use crate::error::ApiError;
use crate::relay::{Answer, CollectError};

/// Chunks on their way between the two connections. More would not be faster; each costs memory.
const CHUNKS_IN_FLIGHT: usize = 2;
/// How long the store may take no byte before it counts as down.
const STALLED: Duration = Duration::from_mins(1);
/// How long the store may take after the last byte: it syncs the file and registers the video.
const FINISHING: Duration = Duration::from_mins(5);

/// Why an upload got no answer from the store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    /// The client hung up, or was too slow.
    #[error("the upload broke off")]
    BrokenOff(#[source] axum::Error),
    /// More bytes came than are taken.
    #[error("the upload is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    /// The store cannot be asked.
    #[error("the upload could not be passed on")]
    Upstream(#[from] CallError),
    /// The store takes no more bytes, or has them all and does not answer.
    #[error("the upload was not taken in time")]
    Unfinished,
    /// The store's answer cannot be read.
    #[error("the answer to an upload cannot be read")]
    Answer(#[from] CollectError),
}

/// Refuses a body whose `Content-Length` says already that it is too large.
pub(crate) fn check_length(headers: &HeaderMap, limit: u64) -> Result<(), ApiError> {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match length {
        Some(length) if length > limit => Err(too_large(limit).into()),
        _ => Ok(()),
    }
}

pub(crate) fn too_large(limit: u64) -> Problem {
    Problem::payload_too_large(format!("At most {limit} bytes are taken here."))
}

/// Sends `head` with the bytes of `body` as they come, and collects the (small) answer. The answer
/// may come before the end of the body, when the store refuses it.
pub(crate) async fn pass_on(
    client: &ServiceClient,
    head: Request<()>,
    body: Body,
    limit: u64,
) -> Result<Answer, UploadError> {
    let (sender, chunks) = mpsc::channel(CHUNKS_IN_FLIGHT);
    let request = head.map(|()| {
        Body::new(MarkedBody {
            chunks,
            ended: false,
        })
    });
    let mut answer = pin!(async {
        let answer = client.forward(request, None).await?;
        Ok::<_, UploadError>(Answer::collect(answer).await?)
    });
    let reading = pin!(read(body, sender, limit));
    tokio::select! {
        answer = &mut answer => return answer,
        read = reading => read?,
    }
    match tokio::time::timeout(FINISHING, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(UploadError::Unfinished),
    }
}

enum Chunk {
    Bytes(Bytes),
    /// The body is complete.
    End,
}

/// Reads the body to its end, or until nobody listens any more.
async fn read(mut body: Body, sender: mpsc::Sender<Chunk>, limit: u64) -> Result<(), UploadError> {
    let mut left = limit;
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame.map_err(UploadError::BrokenOff)?.into_data() else {
            // Trailers mean nothing here.
            continue;
        };
        left = u64::try_from(bytes.len())
            .ok()
            .and_then(|length| left.checked_sub(length))
            .ok_or(UploadError::TooLarge { limit })?;
        match sender.send_timeout(Chunk::Bytes(bytes), STALLED).await {
            Ok(()) => {}
            Err(SendTimeoutError::Closed(_)) => return Ok(()),
            Err(SendTimeoutError::Timeout(_)) => return Err(UploadError::Unfinished),
        }
    }
    match sender.send_timeout(Chunk::End, STALLED).await {
        // Nobody listens where the store has answered already.
        Ok(()) | Err(SendTimeoutError::Closed(_)) => Ok(()),
        Err(SendTimeoutError::Timeout(_)) => Err(UploadError::Unfinished),
    }
}

/// The body of the call upstream: it fails unless its end was marked.
struct MarkedBody {
    chunks: mpsc::Receiver<Chunk>,
    ended: bool,
}

/// What the call upstream fails with when the body has no end.
#[derive(Debug, thiserror::Error)]
#[error("the upload broke off before its end")]
struct NoEnd;

impl hyper::body::Body for MarkedBody {
    type Data = Bytes;
    type Error = NoEnd;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, NoEnd>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.chunks.poll_recv(context)) {
            Some(Chunk::Bytes(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Chunk::End) => {
                self.ended = true;
                None
            }
            None => Some(Err(NoEnd)),
        })
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Collected;

    use super::*;

    async fn collected(chunks: Vec<Chunk>) -> Option<Bytes> {
        let (sender, receiver) = mpsc::channel(8);
        for chunk in chunks {
            assert!(sender.try_send(chunk).is_ok());
        }
        drop(sender);
        let body = MarkedBody {
            chunks: receiver,
            ended: false,
        };
        body.collect().await.ok().map(Collected::to_bytes)
    }

    fn bytes(text: &'static str) -> Chunk {
        Chunk::Bytes(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn a_body_with_a_marked_end_is_whole() {
        let whole = collected(vec![bytes("ab"), bytes("c"), Chunk::End]).await;
        assert_eq!(whole.as_deref(), Some(&b"abc"[..]));
    }

    #[tokio::test]
    async fn a_body_without_a_marked_end_fails() {
        assert_eq!(collected(vec![bytes("abc")]).await, None);
        assert_eq!(collected(vec![]).await, None);
    }

    #[tokio::test]
    async fn a_body_over_the_limit_gets_no_end() {
        for (limit, whole) in [(3, true), (2, false)] {
            let (sender, mut receiver) = mpsc::channel(8);
            let read = read(Body::from("abc"), sender, limit).await;
            assert_eq!(read.is_ok(), whole);
            let mut ended = false;
            while let Some(chunk) = receiver.recv().await {
                ended = matches!(chunk, Chunk::End);
            }
            assert_eq!(ended, whole, "{limit}");
        }
    }
}
