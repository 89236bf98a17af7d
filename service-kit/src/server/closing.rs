//! A connection that is closed only when the other end has everything.
//!
//! What was written may still be in the system's buffers when hyper closes, and for a client that reads
//! slowly that is seconds of a long answer. As long as the system lives it delivers them. A container's network
//! goes with its process: whatever has not arrived then is lost, in an answer that was complete. So the
//! sending side is closed first, and the socket only when the client has closed, too, as it does once it
//! has read the end (RFC 9112 §9.6 asks for the same, so that no reset overtakes the answer).
//!
//! One that is cut at the deadline is reset. An end in good order would wait behind what the client has
//! not read yet, and would be lost with it: the client would go on waiting for a server that is gone. A reset
//! overtakes both, and the client asks for the rest elsewhere at once.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

/// A connection that waits for the other end before it is dropped.
#[derive(Debug)]
pub(super) struct Closing {
    stream: Pin<Box<TimeoutStream<TcpStream>>>,
    patience: Duration,
    /// Since the sending side is closed: when the other end has had time enough.
    waiting: Option<Pin<Box<Sleep>>>,
    deadline: CancellationToken,
}

impl Closing {
    /// Waits for the other end as long as `patience` says, and no longer than to the `deadline`.
    pub(super) fn new(
        stream: TimeoutStream<TcpStream>,
        patience: Duration,
        deadline: CancellationToken,
    ) -> Self {
        Self {
            stream: Box::pin(stream),
            patience,
            waiting: None,
            deadline,
        }
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        if self.deadline.is_cancelled() {
            let stream = self.stream.as_ref().get_ref().get_ref();
            if let Err(error) = stream.set_zero_linger() {
                tracing::debug!(%error, "cannot reset a connection that is cut");
            }
        }
    }
}

impl AsyncRead for Closing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Closing {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.waiting.is_none() {
            ready!(this.stream.as_mut().poll_shutdown(cx))?;
        }
        let patience = this.patience;
        let waiting = this
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        let mut dropped = [0; 1024];
        while waiting.as_mut().poll(cx).is_pending() {
            let mut dropped = ReadBuf::new(&mut dropped);
            let read = ready!(this.stream.as_mut().poll_read(cx, &mut dropped));
            if read.is_err() || dropped.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
