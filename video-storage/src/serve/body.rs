//! The body of an answer, read from the store as fast as the client takes it.

use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use object_store::{GetResult, GetResultPayload};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;
use tokio_util::task::TaskTracker;

use super::read_ahead::{ReadAhead, Source};
use crate::measures::Measures;

/// What is read from a file at once. A read is handed to another thread, which costs as much as
/// copying some ten kilobytes: much smaller reads would be slow, and each reader holds two of these.
const FILE_READ_BYTES: usize = 128 * 1024;

/// A stream of exactly the bytes that the store was asked for.
pub(super) async fn of(
    found: GetResult,
    source: Source,
    tasks: &TaskTracker,
    measures: &Measures,
) -> io::Result<Body> {
    let range = found.range;
    let length = range.end - range.start;
    let bytes: BoxStream<'static, io::Result<Bytes>> = match found.payload {
        GetResultPayload::File(file, _) => {
            let mut file = tokio::fs::File::from_std(file);
            file.seek(SeekFrom::Start(range.start)).await?;
            ReaderStream::with_capacity(file.take(length), FILE_READ_BYTES).boxed()
        }
        GetResultPayload::Stream(pieces) => ReadAhead::begin(source, range, pieces, tasks).boxed(),
    };
    measures.open_reads.inc();
    Ok(Body::from_stream(ExactBody {
        bytes,
        missing: length,
        measures: measures.clone(),
    }))
}

/// Bytes that end after exactly the promised number, or with an error: the connection breaks
/// then, and the client knows that something is missing. Dropping it ends the read.
struct ExactBody {
    bytes: BoxStream<'static, io::Result<Bytes>>,
    missing: u64,
    measures: Measures,
}

impl Stream for ExactBody {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.missing == 0 {
            return Poll::Ready(None);
        }
        let next = ready!(self.bytes.as_mut().poll_next(cx));
        let next = match next {
            Some(Ok(bytes)) if bytes.len() as u64 <= self.missing => {
                self.missing -= bytes.len() as u64;
                self.measures.sent.inc_by(bytes.len() as u64);
                Ok(bytes)
            }
            Some(Ok(_)) => Err(io::Error::other("the store sent more than was asked for")),
            Some(Err(error)) => Err(error),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        if let Err(error) = &next {
            tracing::warn!(missing = self.missing, %error, "a read broke in the middle");
        }
        Poll::Ready(Some(next))
    }
}

impl Drop for ExactBody {
    fn drop(&mut self) {
        self.measures.open_reads.dec();
        if self.missing > 0 {
            tracing::debug!(missing = self.missing, "a read ended early");
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{TryStreamExt as _, stream};
    use service_kit::context::ServiceContext;

    use super::*;

    type Piece = io::Result<&'static str>;

    async fn collected(pieces: Vec<Piece>, missing: u64) -> (Vec<u8>, bool) {
        let measures = Measures::new(&ServiceContext::new("test").metrics);
        measures.open_reads.inc();
        let body = ExactBody {
            bytes: stream::iter(pieces).map_ok(Bytes::from).boxed(),
            missing,
            measures,
        };
        let mut taken = Vec::new();
        let mut body = std::pin::pin!(body);
        while let Some(piece) = body.next().await {
            match piece {
                Ok(piece) => taken.extend_from_slice(&piece),
                Err(_) => return (taken, false),
            }
        }
        (taken, true)
    }

    #[tokio::test]
    async fn a_body_ends_well_with_exactly_what_was_promised() {
        let body = collected(vec![Ok("ab"), Ok("c")], 3).await;
        assert_eq!(body, (b"abc".to_vec(), true));
    }

    #[tokio::test]
    async fn a_short_a_long_and_a_failing_body_end_badly() {
        let short = collected(vec![Ok("ab")], 3).await;
        assert_eq!(short, (b"ab".to_vec(), false));
        let long = collected(vec![Ok("ab"), Ok("cd")], 3).await;
        assert_eq!(long, (b"ab".to_vec(), false));
        let failing = vec![Ok("ab"), Err(io::ErrorKind::TimedOut.into())];
        assert_eq!(collected(failing, 3).await, (b"ab".to_vec(), false));
    }
}
