//! A body on its way through.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use service_kit::telemetry;
use tokio::time::{Instant, Sleep};
use uuid::Uuid;

use crate::clock;
use crate::implicit::SentBytes;
use crate::meters::{Meters, OpenStream};

/// How long the store may be silent while the client waits. The store's own retries are shorter.
const UPSTREAM_IDLE: Duration = Duration::from_secs(30);

/// Whose bytes they are, and who wants to know of them.
pub(crate) struct Stream {
    /// The video, for the log.
    pub(crate) video: Uuid,
    /// The plain player that gets them.
    pub(crate) player: Option<SentBytes>,
}

/// Why a body breaks off. The connection to the client is then aborted: an end in good order
/// would tell it that it has everything.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// The connection to the store broke.
    #[error("reading from video-storage failed")]
    Upstream(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store ended before it had sent what it had announced.
    #[error("video-storage ended {missing} bytes too early")]
    Short {
        /// How many bytes never came.
        missing: u64,
    },
    /// The store sent more than it had announced.
    #[error("video-storage sent more than it had announced")]
    Long,
    /// The store sent nothing while the client waited.
    #[error("video-storage sent nothing for {} seconds", UPSTREAM_IDLE.as_secs())]
    Silent,
}

/// A body that passes on the store's pieces, counts them, and never ends early in silence.
///
/// Bytes count as sent when they are handed to the connection.
pub(super) struct RelayedBody<B> {
    upstream: B,
    /// How many bytes are still to come, where that is known.
    missing: Option<u64>,
    stream: Stream,
    silence: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    open: OpenStream,
}

impl<B> RelayedBody<B> {
    pub(super) fn new(upstream: B, length: Option<u64>, stream: Stream, meters: &Meters) -> Self {
        Self {
            upstream,
            missing: length,
            stream,
            silence: None,
            waiting: false,
            open: meters.open_stream(),
        }
    }

    fn passed(&mut self, length: usize) -> Result<(), BodyError> {
        let length = length as u64;
        if let Some(missing) = &mut self.missing {
            *missing = missing.checked_sub(length).ok_or(BodyError::Long)?;
        }
        if length > 0 {
            self.open.sent(length);
            if let Some(player) = &mut self.stream.player {
                player.sent(clock::now());
            }
        }
        Ok(())
    }

    /// The store has nothing at the moment. Only now does its silence count: when the client is
    /// the slow one, nobody asks the store for more.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let silence = self
            .silence
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(UPSTREAM_IDLE)));
        if !self.waiting {
            self.waiting = true;
            silence.as_mut().reset(Instant::now() + UPSTREAM_IDLE);
        }
        silence.as_mut().poll(context)
    }

    fn broken(&self, error: BodyError) -> BodyError {
        tracing::warn!(
            video.id = %self.stream.video,
            error = telemetry::chain(&error),
            "a stream was broken off"
        );
        error
    }
}

impl<B> Body for RelayedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let piece = match Pin::new(&mut this.upstream).poll_frame(context) {
            Poll::Ready(piece) => piece,
            Poll::Pending => {
                return this
                    .poll_silence(context)
                    .map(|()| Some(Err(this.broken(BodyError::Silent))));
            }
        };
        this.waiting = false;
        let piece = match (piece, this.missing) {
            (Some(Ok(frame)), _) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                this.passed(length).map(|()| frame)
            }
            (Some(Err(error)), _) => Err(BodyError::Upstream(error.into())),
            (None, Some(missing)) if missing > 0 => Err(BodyError::Short { missing }),
            (None, _) => return Poll::Ready(None),
        };
        Poll::Ready(Some(piece.map_err(|error| this.broken(error))))
    }

    fn is_end_stream(&self) -> bool {
        self.upstream.is_end_stream() && self.missing.unwrap_or(0) == 0
    }

    fn size_hint(&self) -> SizeHint {
        self.missing
            .map_or_else(|| self.upstream.size_hint(), SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http_body_util::BodyExt as _;
    use service_kit::context::ServiceContext;

    use super::*;

    /// What the store does next.
    enum Step {
        Piece(&'static [u8]),
        Fail,
        Wait(Duration),
    }

    struct Scripted {
        steps: VecDeque<Step>,
        pause: Option<Pin<Box<Sleep>>>,
    }

    impl Body for Scripted {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
            loop {
                if let Some(pause) = &mut self.pause {
                    std::task::ready!(pause.as_mut().poll(context));
                    self.pause = None;
                }
                return Poll::Ready(match self.steps.pop_front() {
                    Some(Step::Piece(bytes)) => Some(Ok(Frame::data(Bytes::from_static(bytes)))),
                    Some(Step::Fail) => Some(Err(std::io::ErrorKind::ConnectionReset.into())),
                    Some(Step::Wait(duration)) => {
                        self.pause = Some(Box::pin(tokio::time::sleep(duration)));
                        continue;
                    }
                    None => None,
                });
            }
        }
    }

    fn body(length: u64, steps: impl Into<VecDeque<Step>>) -> RelayedBody<Scripted> {
        let upstream = Scripted {
            steps: steps.into(),
            pause: None,
        };
        let stream = Stream {
            video: Uuid::nil(),
            player: None,
        };
        let meters = Meters::new(&ServiceContext::new("video-streaming").metrics);
        RelayedBody::new(upstream, Some(length), stream, &meters)
    }

    async fn read(body: RelayedBody<Scripted>) -> Result<Bytes, BodyError> {
        body.collect()
            .await
            .map(http_body_util::Collected::to_bytes)
    }

    #[tokio::test]
    async fn a_body_of_the_announced_length_is_passed_on_whole() {
        let bytes = read(body(5, [Step::Piece(b"ab"), Step::Piece(b"cde")])).await;
        assert_eq!(bytes.unwrap(), "abcde");
    }

    #[tokio::test]
    async fn a_body_that_ends_too_early_is_an_error() {
        let error = read(body(5, [Step::Piece(b"ab")])).await.unwrap_err();
        assert!(matches!(error, BodyError::Short { missing: 3 }), "{error}");
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_is_an_error() {
        let error = read(body(1, [Step::Piece(b"ab")])).await.unwrap_err();
        assert!(matches!(error, BodyError::Long), "{error}");
    }

    #[tokio::test]
    async fn a_failure_of_the_store_is_passed_on() {
        let error = read(body(5, [Step::Piece(b"ab"), Step::Fail]))
            .await
            .unwrap_err();
        assert!(matches!(error, BodyError::Upstream(_)), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_slow_but_not_silent_may_take_its_time() {
        let almost = UPSTREAM_IDLE.saturating_sub(Duration::from_millis(1));
        let steps = [
            Step::Wait(almost),
            Step::Piece(b"a"),
            Step::Wait(almost),
            Step::Piece(b"b"),
        ];
        assert_eq!(read(body(2, steps)).await.unwrap(), "ab");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_store_is_given_up() {
        let steps = [
            Step::Piece(b"a"),
            Step::Wait(UPSTREAM_IDLE * 2),
            Step::Piece(b"b"),
        ];
        let error = read(body(2, steps)).await.unwrap_err();
        assert!(matches!(error, BodyError::Silent), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_pauses_of_a_slow_client_are_not_the_silence_of_the_store() {
        let steps = [
            Step::Wait(Duration::from_secs(1)),
            Step::Piece(b"a"),
            Step::Wait(Duration::from_secs(1)),
            Step::Piece(b"b"),
        ];
        let mut body = body(2, steps);
        assert!(body.frame().await.unwrap().is_ok());
        tokio::time::advance(UPSTREAM_IDLE * 10).await;
        assert!(body.frame().await.unwrap().is_ok());
        assert!(body.frame().await.is_none());
    }
}
