use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// Long enough for a busy machine; a test that reaches it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A plain TCP connection, for what no HTTP client would send: slow, broken off and malformed
/// requests, and readers that stop reading.
#[derive(Debug)]
pub struct RawConnection {
    stream: TcpStream,
    /// Bytes that came together with what was asked for, and are answered by the next read.
    pending: Vec<u8>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The server closed it in good order.
    Closed,
    /// The server aborted it: reset, or broken in the middle.
    Reset,
}

impl RawConnection {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address)
            .await
            .unwrap_or_else(|error| panic!("connecting to {address}: {error}"));
        Self::over(stream)
    }

    /// Connects with a receive buffer of a few KiB, so that a reader that stops is felt by the
    /// server after little data and not after the megabytes that the kernel would take for it.
    ///
    /// # Panics
    /// When nobody listens there.
    pub async fn open_with_small_window(address: SocketAddr) -> Self {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }
        .expect("a socket can be made");
        socket
            .set_recv_buffer_size(4096)
            .expect("a receive buffer can be small");
        let stream = socket
            .connect(address)
            .await
            .unwrap_or_else(|error| panic!("connecting to {address}: {error}"));
        Self::over(stream)
    }

    fn over(stream: TcpStream) -> Self {
        // Each write of a test is meant to leave at once, as a segment of its own.
        stream
            .set_nodelay(true)
            .expect("a fresh connection takes options");
        Self {
            stream,
            pending: Vec::new(),
        }
    }

    /// Sends the bytes.
    ///
    /// # Panics
    /// When the server no longer takes them; see [`RawConnection::try_write`].
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_write(bytes)
            .await
            .expect("the server takes the bytes");
    }

    /// Sends the bytes to a server that may have hung up.
    pub async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        timeout(PATIENCE, self.stream.write_all(bytes.as_ref()))
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
    }

    /// Says that nothing more will be sent, and goes on reading.
    pub async fn finish_writing(&mut self) {
        // The server may have closed first, which is the same to the caller.
        let _ = self.stream.shutdown().await;
    }

    /// Reads up to and including `marker`, and answers all of it.
    ///
    /// # Panics
    /// When the connection ends, or half a minute passes, before the marker came.
    pub async fn read_until(&mut self, marker: impl AsRef<[u8]>) -> Vec<u8> {
        let marker = marker.as_ref();
        loop {
            if let Some(start) = find(&self.pending, marker) {
                let rest = self.pending.split_off(start + marker.len());
                return std::mem::replace(&mut self.pending, rest);
            }
            let ending = self.fill().await;
            assert!(
                ending.is_none(),
                "{ending:?} before {:?} came, after {:?}",
                String::from_utf8_lossy(marker),
                String::from_utf8_lossy(&self.pending),
            );
        }
    }

    /// Reads the status line and headers of an answer, with the empty line.
    ///
    /// # Panics
    /// As [`RawConnection::read_until`].
    pub async fn read_head(&mut self) -> String {
        String::from_utf8_lossy(&self.read_until("\r\n\r\n").await).into_owned()
    }

    /// Reads exactly `length` bytes.
    ///
    /// # Panics
    /// When the connection ends, or half a minute passes, before.
    pub async fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        while self.pending.len() < length {
            let ending = self.fill().await;
            assert!(
                ending.is_none(),
                "{ending:?} after {} of {length} bytes",
                self.pending.len()
            );
        }
        let rest = self.pending.split_off(length);
        std::mem::replace(&mut self.pending, rest)
    }

    /// Reads until the server ends the connection, and says how it did.
    ///
    /// # Panics
    /// When the server sends nothing for half a minute, yet keeps the connection.
    pub async fn read_to_end(&mut self) -> (Vec<u8>, Ending) {
        loop {
            if let Some(ending) = self.fill().await {
                return (std::mem::take(&mut self.pending), ending);
            }
        }
    }

    /// Hangs up without a farewell: the server sees a reset, as from a client that was killed.
    ///
    /// # Panics
    /// When the option cannot be set.
    pub fn reset(self) {
        self.stream
            .set_zero_linger()
            .expect("an open connection takes options");
    }

    async fn fill(&mut self) -> Option<Ending> {
        self.pending.reserve(16 * 1024);
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.pending)).await;
        let Ok(read) = read else {
            panic!(
                "the server sent nothing for {PATIENCE:?}, after {:?}",
                String::from_utf8_lossy(&self.pending)
            )
        };
        match read {
            Ok(0) => Some(Ending::Closed),
            Ok(_) => None,
            Err(_) => Some(Ending::Reset),
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
