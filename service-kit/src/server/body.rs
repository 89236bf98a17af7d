//! Supervision of request bodies.
//!
//! A body that does not advance is an error for its reader. And a body that was refused is read and
//! dropped for a while: a client that is still sending when its connection is closed may get a reset
//! instead of the answer (RFC 9112 §9.6), and browsers only look at the answer when they have sent
//! everything.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};
use tokio_util::task::TaskTracker;

/// How much of a refused body is read and dropped, in bytes.
const DROPPED_BYTES: u64 = 8 * 1024 * 1024;

/// How long a refused body is read and dropped.
const DROPPED_FOR: Duration = Duration::from_secs(5);

/// Less than this within the idle timeout counts as silence, in bytes.
const PROGRESS_BYTES: usize = 1024;

#[derive(Clone, Debug)]
pub(super) struct Bodies {
    pub(super) idle_timeout: Duration,
    pub(super) tasks: TaskTracker,
}

/// Lends the handler the body, and takes back and drains what it left of it.
pub(super) async fn supervise(
    State(bodies): State<Bodies>,
    request: Request,
    next: Next,
) -> Response {
    if !super::has_body(&request) {
        return next.run(request).await;
    }
    // A client that waits for "100 Continue" sends nothing of a body that nobody began to read.
    let waits = request
        .headers()
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    let begun = Arc::new(AtomicBool::new(!waits));
    let (back, left) = oneshot::channel();
    let request = request.map(|body| {
        Body::new(LentBody {
            body: Some(body),
            back: Some(back),
            begun: Arc::clone(&begun),
            idle: Box::pin(tokio::time::sleep(bodies.idle_timeout)),
            idle_timeout: bodies.idle_timeout,
            waiting: false,
            since_progress: 0,
        })
    });
    let response = next.run(request).await;
    bodies.tasks.spawn(async move {
        let until = Instant::now() + DROPPED_FOR;
        let Ok(Ok(body)) = tokio::time::timeout_at(until, left).await else {
            return;
        };
        if begun.load(Ordering::Relaxed) {
            // The outcome does not matter: the answer is on its way, and hyper closes the
            // connection when the body is dropped before its end.
            let _ = tokio::time::timeout_at(until, drain(body.into_data_stream())).await;
        }
    });
    response
}

async fn drain(mut body: BodyDataStream) {
    let mut dropped = 0;
    while let Some(Ok(chunk)) = body.next().await {
        dropped += chunk.len() as u64;
        if dropped > DROPPED_BYTES {
            return;
        }
    }
}

/// A body that fails when it does not advance, and goes back to its lender when it is dropped
/// before its end.
struct LentBody {
    body: Option<Body>,
    back: Option<oneshot::Sender<Body>>,
    begun: Arc<AtomicBool>,
    idle: Pin<Box<Sleep>>,
    idle_timeout: Duration,
    waiting: bool,
    since_progress: usize,
}

impl HttpBody for LentBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        this.begun.store(true, Ordering::Relaxed);
        if !this.waiting {
            // The clock runs while the body is wanted, not while the handler does other things.
            this.waiting = true;
            this.idle.as_mut().reset(Instant::now() + this.idle_timeout);
        }
        let frame = match Pin::new(body).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                ready!(this.idle.as_mut().poll(cx));
                this.body = None;
                let silence = io::Error::new(io::ErrorKind::TimedOut, "the body does not advance");
                return Poll::Ready(Some(Err(silence.into())));
            }
        };
        match frame {
            Some(Ok(frame)) => {
                this.since_progress += frame.data_ref().map_or(0, Bytes::len);
                if this.since_progress >= PROGRESS_BYTES {
                    this.since_progress = 0;
                    this.waiting = false;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                this.body = None;
                Poll::Ready(Some(Err(error.into())))
            }
            None => {
                this.body = None;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for LentBody {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take()) {
            // The lender may be gone with the connection; then the body is dropped here.
            let _ = back.send(body);
        }
    }
}
