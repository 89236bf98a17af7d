//! A connection that explains what hyper refuses before any handler sees it.
//!
//! Requests that are no HTTP, or whose head is too large, never reach the router: hyper answers them
//! itself, with a bare status, and closes. Nothing hooks into that, so the answer is recognised on
//! its way out: it is written at once, it is the only one without a media type, and its body is
//! empty. In its place goes the same status with a problem.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::problem::{MEDIA_TYPE, ProblemBody};

/// A connection below hyper.
#[derive(Debug)]
pub(super) struct Explaining<S> {
    stream: S,
    /// What is written in place of a bare refusal, and how long that was.
    replacement: Option<(Bytes, usize)>,
}

impl<S> Explaining<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            replacement: None,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Explaining<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Explaining<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.replacement.is_none() {
            this.replacement = explained(bytes).map(|explained| (explained, bytes.len()));
        }
        let Some((replacement, replaced)) = &mut this.replacement else {
            return Pin::new(&mut this.stream).poll_write(cx, bytes);
        };
        while replacement.has_remaining() {
            let written = ready!(Pin::new(&mut this.stream).poll_write(cx, replacement))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            replacement.advance(written);
        }
        let replaced = *replaced;
        this.replacement = None;
        Poll::Ready(Ok(replaced))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [piece] = pieces {
            return self.poll_write(cx, piece);
        }
        // A head that is followed by a body: that is an answer of the router.
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// The explained form of a bare refusal; nothing for anything else.
fn explained(bytes: &[u8]) -> Option<Bytes> {
    let code = bytes
        .strip_prefix(b"HTTP/1.1 ")
        .or_else(|| bytes.strip_prefix(b"HTTP/1.0 "))?;
    let code = code.get(..3)?;
    let (status, kind, title, detail) = match code {
        b"400" => (
            400,
            "bad-request",
            "The request is wrong",
            "This is no HTTP/1.1 request (RFC 9112).",
        ),
        b"414" => (
            414,
            "uri-too-long",
            "The address is too long",
            "The request's target is longer than this server reads.",
        ),
        b"431" => (
            431,
            "headers-too-large",
            "The headers are too large",
            "The request has more header fields, or longer ones, than this server reads.",
        ),
        _ => return None,
    };
    let head = std::str::from_utf8(bytes).ok()?.to_ascii_lowercase();
    let bare = head.ends_with("\r\n\r\n")
        && head.contains("\r\ncontent-length: 0\r\n")
        && !head.contains("\r\ncontent-type:");
    if !bare {
        return None;
    }
    let body = serde_json::to_string(&ProblemBody {
        kind: format!("urn:flixtube:problem:{kind}"),
        title: title.to_owned(),
        status,
        detail: detail.to_owned(),
    })
    .ok()?;
    let line = bytes.split(|byte| *byte == b'\r').next()?;
    let line = String::from_utf8_lossy(line);
    let length = body.len();
    Some(Bytes::from(format!(
        "{line}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_router_are_left_alone() {
        for kept in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\n\r\n",
            "400 is a number\r\ncontent-length: 0\r\n\r\n",
        ] {
            assert_eq!(explained(kept.as_bytes()), None, "{kept}");
        }
    }
}
