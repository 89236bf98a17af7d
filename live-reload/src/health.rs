//! Asking a service whether it is ready, and answering probes.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long one question may take; the next one follows.
const PATIENCE: Duration = Duration::from_secs(2);

/// An answer is a sentence; more of it is not read, in bytes.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// What a service says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Readiness {
    /// It does its work.
    Ready,
    /// It does not, or not yet; with what it says of that.
    NotReady(String),
}

/// Asks `/readyz` of a service's listener for operators.
pub(crate) async fn ask(operators: SocketAddr) -> Readiness {
    match tokio::time::timeout(PATIENCE, exchange(operators)).await {
        Ok(Ok(answer)) => understand(&answer),
        Ok(Err(error)) => Readiness::NotReady(format!("it cannot be asked: {error}")),
        Err(_) => Readiness::NotReady("it does not answer".to_owned()),
    }
}

async fn exchange(operators: SocketAddr) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(operators).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {operators}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    connection
        .take(LONGEST_ANSWER)
        .read_to_end(&mut answer)
        .await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn understand(answer: &str) -> Readiness {
    let status = answer.split(' ').nth(1).unwrap_or_default();
    if status == "200" {
        return Readiness::Ready;
    }
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let problem: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let detail = problem
        .as_ref()
        .and_then(|problem| problem["detail"].as_str())
        .unwrap_or(body);
    Readiness::NotReady(format!("{status} {detail}").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_ready_or_says_what_is_missing() {
        assert_eq!(
            understand("HTTP/1.1 200 OK\r\n\r\nready\n"),
            Readiness::Ready
        );
        let waiting = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: x\r\n\r\n\
                       {\"detail\":\"Not ready yet; waiting for metadata: catalogue.\"}";
        let Readiness::NotReady(why) = understand(waiting) else {
            panic!("it is not ready")
        };
        assert_eq!(why, "503 Not ready yet; waiting for metadata: catalogue.");
        assert_eq!(understand(""), Readiness::NotReady(String::new()));
    }
}
