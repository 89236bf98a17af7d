//! The checking client itself: what it lets pass, and what it complains of.

use std::net::SocketAddr;

use test_support::{RawConnection, TestClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A server that gives one fixed answer to every connection, and how it is reached.
struct FixedServer {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl FixedServer {
    async fn answering(head: &str, body: &str) -> Self {
        let answer = format!(
            "HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Self::sending(answer).await
    }

    async fn sending(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self {
            address,
            _tasks: tasks,
        }
    }

    fn client(&self) -> TestClient {
        TestClient::at(self.address)
    }
}

const PROBLEM: &str = r#"{"type":"urn:x:problem:not-found","title":"Not found","status":404,"detail":"There is no such thing."}"#;

#[tokio::test]
async fn a_problem_that_keeps_the_contract_passes() {
    let head = "404 Not Found\r\ncontent-type: application/problem+json";
    let server = FixedServer::answering(head, PROBLEM).await;
    let answer = server.client().get("/nowhere").await;
    assert_eq!(answer.problem_kind(), "not-found");
}

#[tokio::test]
#[should_panic(expected = "must be problem+json")]
async fn an_error_of_another_media_type_is_complained_of() {
    let head = "404 Not Found\r\ncontent-type: text/plain";
    let server = FixedServer::answering(head, "no").await;
    server.client().get("/nowhere").await;
}

#[tokio::test]
#[should_panic(expected = "the problem's status is another")]
async fn a_problem_whose_status_differs_from_the_answers_is_complained_of() {
    let head = "400 Bad Request\r\ncontent-type: application/problem+json";
    let server = FixedServer::answering(head, PROBLEM).await;
    server.client().get("/nowhere").await;
}

#[tokio::test]
#[should_panic(expected = "without retry-after")]
async fn a_503_that_does_not_say_when_to_come_back_is_complained_of() {
    let head = "503 Service Unavailable\r\ncontent-type: application/problem+json";
    let server = FixedServer::answering(head, "{}").await;
    server.client().get("/").await;
}

#[tokio::test]
#[should_panic(expected = "test_client.rs")]
async fn a_complaint_names_the_line_of_the_request() {
    let server = FixedServer::answering("401 Unauthorized", "").await;
    server.client().get("/").await;
}

#[tokio::test]
async fn cookies_are_kept_sent_and_forgotten_as_the_server_says() {
    let setting = FixedServer::answering("200 OK\r\nset-cookie: viewer=abc; HttpOnly", "").await;
    let client = setting.client().with_cookies();
    client.get("/").await;
    assert_eq!(client.cookie("viewer").as_deref(), Some("abc"));

    let clearing = FixedServer::answering("200 OK\r\nset-cookie: a=; Max-Age=0", "").await;
    let client = clearing.client().with_cookies();
    client.get("/").await;
    assert_eq!(client.cookie("a"), None);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_answer() {
    let broken = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort".to_owned();
    let server = FixedServer::sending(broken).await;
    let outcome = server.client().get("/").attempt().await;
    assert!(outcome.is_err());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let outcome = TestClient::at(address).get("/").attempt().await;
    assert!(outcome.is_err());
}

#[tokio::test]
async fn a_raw_connection_reads_up_to_a_marker_and_keeps_the_rest() {
    let server = FixedServer::answering("200 OK", "the body").await;
    let mut connection = RawConnection::open(server.address).await;
    connection.write("GET / HTTP/1.1\r\n\r\n").await;
    let head = connection.read_head().await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(connection.read_exactly(4).await, b"the ");
    let (rest, _) = connection.read_to_end().await;
    assert_eq!(rest, b"body");
}
