//! The address for operators, which outlives each process: what comes to it is passed on to the
//! process that serves at the moment.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// The answer as long as no process has ever been ready.
const NOBODY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n\
    Content-Length: 104\r\nRetry-After: 1\r\nConnection: close\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Not ready\",\"status\":503,\"detail\":\"No process of the service serves yet.\"}";

/// What a connection to an old process may still say, before it is cut to meet the new one. Probes
/// and scrapes take milliseconds.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// When the system has no descriptor left, or a client was gone already.
const PAUSE: Duration = Duration::from_millis(100);

/// Passes connections on for ever.
pub(crate) async fn serve(
    listener: TcpListener,
    serving: watch::Receiver<Option<SocketAddr>>,
    tasks: TaskTracker,
) {
    loop {
        match listener.accept().await {
            Ok((connection, _)) => {
                tasks.spawn(pass_on(connection, serving.clone()));
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn pass_on(mut client: TcpStream, mut serving: watch::Receiver<Option<SocketAddr>>) {
    let place = *serving.borrow_and_update();
    let reached = match place {
        Some(place) => TcpStream::connect(place).await.ok(),
        None => None,
    };
    // Whoever goes away in the middle is of no concern to anybody else.
    if let Some(mut service) = reached {
        let replaced = async {
            if serving.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(LAST_WORDS).await;
        };
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut service) => {}
            () = replaced => {}
        }
    } else {
        let mut request = [0; 4096];
        let _ = client.read(&mut request).await;
        let _ = client.write_all(NOBODY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Readiness, ask};

    #[test]
    fn the_length_of_the_answer_is_right() {
        let text = std::str::from_utf8(NOBODY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}", body.len())),
            "{}",
            body.len()
        );
    }

    #[tokio::test]
    async fn without_a_process_it_says_so() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_nobody, serving) = watch::channel(None);
        let answer = tokio::select! {
            answer = ask(address) => answer,
            () = serve(listener, serving, TaskTracker::new()) => unreachable!("it serves for ever"),
        };
        let expected = "503 No process of the service serves yet.";
        assert_eq!(answer, Readiness::NotReady(expected.to_owned()));
    }
}
