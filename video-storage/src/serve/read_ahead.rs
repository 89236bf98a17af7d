//! Reading over a network: a little ahead of the client, and going on where a read broke off.
//!
//! A task reads from the store while the client is sent what came before. What it may be ahead is
//! bounded, so a client that reads slowly slows the store down and holds no more memory for it.
//! When the store breaks off or falls silent, the rest is asked for again, with the same tag: what
//! the client gets is one version of the object, or it sees the connection break.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::store::{Object, Opened, Store};

/// How far a read may be ahead of its client. One piece of the store comes on top.
const AHEAD_BYTES: usize = 512 * 1024;
/// A store that sends nothing for this long is asked again.
const SILENCE: Duration = Duration::from_secs(8);
/// How often in a row the rest is asked for again before the read is given up.
const TRIES: u32 = 4;
/// Before the first new try; the pauses double. All of it together is less than the half minute
/// that the services in front wait for the next byte.
const PAUSE: Duration = Duration::from_millis(200);

type Pieces = BoxStream<'static, object_store::Result<Bytes>>;

/// What is read.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) store: Store,
    pub(super) object: Object,
    /// The tag that the object must have when it is asked for again; the one that it had at first.
    pub(super) tag: Option<String>,
}

/// The bytes of a range, as the client takes them. Dropping it ends the read.
#[derive(Debug)]
pub(super) struct ReadAhead {
    pieces: mpsc::UnboundedReceiver<io::Result<Piece>>,
    _reader: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    /// Its room in what may be ahead, given back when the client takes it.
    _room: OwnedSemaphorePermit,
}

impl ReadAhead {
    /// Goes on with a read that began.
    pub(super) fn begin(
        source: Source,
        range: Range<u64>,
        pieces: Pieces,
        tasks: &TaskTracker,
    ) -> Self {
        // Bounded by the room, and not by the number of pieces: their sizes are the store's.
        let (sender, receiver) = mpsc::unbounded_channel();
        let reader = Reader {
            source,
            range,
            pieces,
            failures: 0,
            room: Arc::new(Semaphore::new(AHEAD_BYTES)),
        };
        Self {
            pieces: receiver,
            _reader: AbortOnDropHandle::new(tasks.spawn(reader.run(sender))),
        }
    }
}

impl Stream for ReadAhead {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.pieces.poll_recv(cx));
        Poll::Ready(next.map(|piece| piece.map(|piece| piece.bytes)))
    }
}

struct Reader {
    source: Source,
    /// What is still to come.
    range: Range<u64>,
    pieces: Pieces,
    /// In a row, without a byte in between.
    failures: u32,
    room: Arc<Semaphore>,
}

impl Reader {
    async fn run(mut self, sender: mpsc::UnboundedSender<io::Result<Piece>>) {
        while self.range.start < self.range.end {
            let piece = self.next().await;
            let is_last = piece.is_err();
            if sender.send(piece).is_err() || is_last {
                return;
            }
        }
    }

    /// The next piece, once there is room for it.
    async fn next(&mut self) -> io::Result<Piece> {
        let bytes = loop {
            match tokio::time::timeout(SILENCE, self.pieces.next()).await {
                Ok(Some(Ok(bytes))) if bytes.is_empty() => {}
                Ok(Some(Ok(bytes))) => break bytes,
                Ok(Some(Err(error))) => self.again(io::Error::other(error)).await?,
                Ok(None) => self.again(io::ErrorKind::UnexpectedEof.into()).await?,
                Err(_) => self.again(io::ErrorKind::TimedOut.into()).await?,
            }
        };
        self.failures = 0;
        self.range.start += bytes.len() as u64;
        let room = bytes.len().min(AHEAD_BYTES);
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(room).await;
        let room = room.map_err(io::Error::other)?;
        Ok(Piece { bytes, _room: room })
    }

    /// Asks for the rest, or gives up with the error that broke the read.
    async fn again(&mut self, error: io::Error) -> io::Result<()> {
        if self.failures == TRIES {
            return Err(error);
        }
        tokio::time::sleep(PAUSE * 2_u32.pow(self.failures)).await;
        self.failures += 1;
        let Source { store, object, tag } = &self.source;
        let opened = store
            .open_range(object, Some(self.range.clone()), tag.as_deref())
            .await;
        self.pieces = match opened {
            Ok(Opened::Found(found)) => {
                tracing::debug!(%error, "a read goes on where it broke off");
                found.into_stream()
            }
            Ok(Opened::Changed | Opened::Missing) => return Err(error),
            // The next look at it finds an end that comes too early.
            Err(_) => stream::empty().boxed(),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use test_support::eventually;
    use uuid::Uuid;

    use super::*;
    use crate::store::{Fault, FaultyStore};

    const PATIENCE: Duration = Duration::from_secs(20);

    struct Read {
        objects: FaultyStore,
        store: Store,
        object: Object,
        whole: Bytes,
    }

    impl Read {
        async fn new(length: usize) -> Self {
            let objects = FaultyStore::default();
            let store = Store::on(Arc::new(objects.clone())).await;
            let object = Object::video(Uuid::nil());
            let whole: Bytes = (0..=250).cycle().take(length).collect();
            store.put(&object, whole.clone()).await.unwrap();
            Self {
                objects,
                store,
                object,
                whole,
            }
        }

        /// Begins while the store has this fault.
        async fn begin(&self, fault: Fault) -> ReadAhead {
            self.objects.set(fault);
            let range = 0..self.whole.len() as u64;
            let opened = self
                .store
                .open_range(&self.object, Some(range.clone()), None);
            let Ok(Opened::Found(found)) = opened.await else {
                panic!("the object is there");
            };
            let source = Source {
                store: self.store.clone(),
                object: self.object.clone(),
                tag: found.meta.e_tag.clone(),
            };
            ReadAhead::begin(source, range, found.into_stream(), &TaskTracker::new())
        }
    }

    async fn collect(mut read: ReadAhead) -> (Vec<u8>, bool) {
        let mut taken = Vec::new();
        while let Some(piece) = read.next().await {
            match piece {
                Ok(bytes) => taken.extend_from_slice(&bytes),
                Err(_) => return (taken, false),
            }
        }
        (taken, true)
    }

    #[tokio::test]
    async fn a_read_that_broke_off_goes_on_where_it_was() {
        let of = Read::new(1_000_000).await;
        let read = of.begin(Fault::HalfRead).await;
        of.objects.set(Fault::None);
        let (taken, is_whole) = collect(read).await;
        assert!(is_whole && taken == of.whole);
    }

    #[tokio::test]
    async fn a_store_that_stays_away_ends_the_read_with_an_error() {
        let of = Read::new(1_000).await;
        let read = of.begin(Fault::HalfRead).await;
        of.objects.set(Fault::Read);
        let (taken, is_whole) = collect(read).await;
        assert!(!is_whole);
        assert_eq!(taken, of.whole[..500]);
    }

    #[tokio::test]
    async fn a_store_that_falls_silent_is_asked_again() {
        let of = Read::new(1_000).await;
        let read = of.begin(Fault::SilentRead).await;
        of.objects.set(Fault::None);
        let (taken, is_whole) = collect(read).await;
        assert!(is_whole && taken == of.whole);
    }

    #[tokio::test]
    async fn an_object_that_was_replaced_meanwhile_is_not_gone_on_with() {
        let of = Read::new(1_000).await;
        let read = of.begin(Fault::HalfRead).await;
        of.objects.set(Fault::None);
        let other = Bytes::from(vec![0; 1_000]);
        of.store.put(&of.object, other).await.unwrap();
        let (taken, is_whole) = collect(read).await;
        assert!(!is_whole);
        assert_eq!(taken, of.whole[..500]);
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_holds_little_and_its_read_ends_with_it() {
        const PIECE: usize = 64 * 1024;
        let of = Read::new(1).await;
        let produced = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&produced);
        let endless = stream::repeat_with(move || {
            counted.fetch_add(PIECE, Ordering::SeqCst);
            Ok(Bytes::from(vec![0; PIECE]))
        });
        let source = Source {
            store: of.store,
            object: of.object,
            tag: None,
        };
        let tasks = TaskTracker::new();
        let mut read = ReadAhead::begin(source, 0..u64::MAX, endless.boxed(), &tasks);
        eventually(PATIENCE, || async {
            (produced.load(Ordering::SeqCst) > AHEAD_BYTES).then_some(())
        })
        .await;
        read.next().await.unwrap().unwrap();
        let held = || produced.load(Ordering::SeqCst) - PIECE;
        eventually(PATIENCE, || async { (held() > AHEAD_BYTES).then_some(()) }).await;
        // Nothing more comes, however often the task gets its turn.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(held(), AHEAD_BYTES + PIECE);
        tasks.close();
        drop(read);
        tasks.wait().await;
    }
}
