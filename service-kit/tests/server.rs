//! The server as a client sees it: what it bounds, and how it stops.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use futures_util::stream;
use serde::Deserialize;
use service_kit::context::ServiceContext;
use service_kit::extract::Json;
use service_kit::problem::Problem;
use service_kit::server::{HttpServer, ServerSettings};
use service_kit::settings::loopback;
use test_support::{Ending, RawConnection, TestClient, eventually};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(20);

struct Running {
    address: SocketAddr,
    context: ServiceContext,
    shutdown: CancellationToken,
    tasks: JoinSet<std::io::Result<()>>,
}

impl Running {
    async fn serve(router: Router, settings: ServerSettings) -> Self {
        let server = HttpServer::bind(loopback(0), &settings).await.unwrap();
        let address = server.local_addr();
        let context = ServiceContext::new("test");
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (its_context, its_shutdown) = (context.clone(), shutdown.clone());
        tasks.spawn(async move { server.run(router, &its_context, its_shutdown).await });
        Self {
            address,
            context,
            shutdown,
            tasks,
        }
    }

    fn client(&self) -> TestClient {
        TestClient::at(self.address)
    }

    async fn ended(&mut self) {
        let ended = tokio::time::timeout(SOON, self.tasks.join_next()).await;
        ended.unwrap().unwrap().unwrap().unwrap();
    }
}

/// A body that never ends, and tells when it is dropped.
struct Endless(Arc<AtomicBool>);

impl Drop for Endless {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn endless(dropped: Arc<AtomicBool>) -> Body {
    let guard = Endless(dropped);
    Body::from_stream(stream::repeat_with(move || {
        let _alive = &guard;
        Ok::<_, Infallible>(Bytes::from_static(&[7; 16 * 1024]))
    }))
}

fn endless_router(dropped: &Arc<AtomicBool>) -> Router {
    let dropped = Arc::clone(dropped);
    Router::new().route("/endless", get(async move || endless(Arc::clone(&dropped))))
}

#[derive(Deserialize)]
struct Named {
    #[expect(dead_code, reason = "it only has to be there")]
    name: String,
}

fn plain_router() -> Router {
    Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/panic", get(panics))
        .route("/json", post(|Json(_): Json<Named>| async {}))
        .route(
            "/refuse",
            post(|_: Request| async { Problem::payload_too_large("Never.") }),
        )
}

async fn panics() -> &'static str {
    panic!("on purpose")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_router_itself_refuses_is_a_problem() {
    let server = Running::serve(plain_router(), ServerSettings::default()).await;
    let client = server.client();
    let unknown = client.get("/nothing").await.expect(StatusCode::NOT_FOUND);
    assert_eq!(unknown.problem_kind(), "not-found");
    let wrong = client
        .delete("/hello")
        .await
        .expect(StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(wrong.header("allow"), Some("GET,HEAD"));
    let panicked = client
        .get("/panic")
        .await
        .expect(StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(panicked.problem_kind(), "internal");
    // The connection and the service outlive the panic.
    client.get("/hello").await.expect(StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_wrong_says_what_is_wrong() {
    let server = Running::serve(plain_router(), ServerSettings::default()).await;
    let client = server.client();
    for (content_type, body, status, says) in [
        (
            "text/plain",
            r#"{"name":"x"}"#,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "application/json",
        ),
        (
            "application/json",
            r#"{"name":"#,
            StatusCode::BAD_REQUEST,
            "EOF",
        ),
        (
            "application/json",
            r#"{"name":7}"#,
            StatusCode::BAD_REQUEST,
            "name",
        ),
        (
            "application/json",
            r#"["x"]"#,
            StatusCode::BAD_REQUEST,
            "object",
        ),
    ] {
        let refused = client
            .post("/json")
            .body(content_type, body)
            .await
            .expect(status);
        assert!(refused.text().contains(says), "{}", refused.text());
    }
    let huge = format!(r#"{{"name":"{}"}}"#, "x".repeat(70_000));
    client
        .post("/json")
        .body("application/json", huge)
        .await
        .expect(StatusCode::PAYLOAD_TOO_LARGE);
    client
        .post("/json")
        .body("application/json", r#"{"name":"x","more":1}"#)
        .await
        .expect(StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_on_after_a_refusal_still_gets_the_answer() {
    let server = Running::serve(plain_router(), ServerSettings::default()).await;
    // Sends everything before it looks at the answer, as browsers do.
    let mut connection = RawConnection::open(server.address).await;
    let length = 6 * 1024 * 1024;
    let head =
        format!("POST /refuse HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    connection.write(head).await;
    for _ in 0..length / (64 * 1024) {
        connection.write(vec![0; 64 * 1024]).await;
    }
    let head = connection.read_head().await;
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_to_be_asked_for_its_body_is_refused_without_it() {
    let server = Running::serve(plain_router(), ServerSettings::default()).await;
    let mut connection = RawConnection::open(server.address).await;
    connection
        .write("POST /refuse HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
        .await;
    let head = connection.read_head().await;
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_silent_in_its_headers_is_dropped() {
    let settings = ServerSettings {
        header_timeout: Duration::from_millis(300),
        ..ServerSettings::default()
    };
    let server = Running::serve(plain_router(), settings).await;
    let mut connection = RawConnection::open(server.address).await;
    connection.write("GET /hello HTTP/1.1\r\nHo").await;
    let began = Instant::now();
    connection.read_to_end().await;
    assert!(began.elapsed() < SOON);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_advance_is_given_up() {
    let settings = ServerSettings {
        body_idle_timeout: Duration::from_millis(300),
        ..ServerSettings::default()
    };
    let router = Router::new().route(
        "/take",
        post(|body: Bytes| async move { format!("{} bytes", body.len()) }),
    );
    let server = Running::serve(router, settings).await;
    let mut connection = RawConnection::open(server.address).await;
    connection
        .write("POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
        .await;
    let (answer, _) = connection.read_to_end().await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_dropped() {
    let settings = ServerSettings {
        write_idle_timeout: Duration::from_millis(500),
        ..ServerSettings::default()
    };
    let dropped = Arc::default();
    let server = Running::serve(endless_router(&dropped), settings).await;
    let mut connection = RawConnection::open_with_small_window(server.address).await;
    connection
        .write("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    let gone = || async { dropped.load(Ordering::SeqCst).then_some(()) };
    eventually(SOON, gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_ends_the_body() {
    let dropped = Arc::default();
    let server = Running::serve(endless_router(&dropped), ServerSettings::default()).await;
    let mut body = server.client().get("/endless").open().await;
    body.next_piece().await.unwrap();
    assert!(!dropped.load(Ordering::SeqCst));
    drop(body);
    let gone = || async { dropped.load(Ordering::SeqCst).then_some(()) };
    eventually(SOON, gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_cuts_an_open_body_at_the_deadline_and_not_before() {
    let grace = Duration::from_millis(700);
    let settings = ServerSettings {
        drain_grace: grace,
        ..ServerSettings::default()
    };
    let dropped = Arc::default();
    let mut server = Running::serve(endless_router(&dropped), settings).await;
    let mut body = server.client().get("/endless").open().await;
    body.next_piece().await.unwrap();

    let began = Instant::now();
    server.shutdown.cancel();
    let not_ready = || async { (!server.context.readiness.is_ready()).then_some(()) };
    eventually(SOON, not_ready).await;
    // It still flows while the server drains, and it breaks off; it does not end.
    let cut = body.attempt_read().await;
    assert!(cut.is_err());
    assert!(began.elapsed() >= grace);
    server.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_not_read_all_is_told_by_a_reset_that_it_is_cut() {
    let settings = ServerSettings {
        drain_grace: Duration::from_millis(300),
        ..ServerSettings::default()
    };
    let mut server = Running::serve(endless_router(&Arc::default()), settings).await;
    let mut connection = RawConnection::open_with_small_window(server.address).await;
    connection
        .write("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    connection.read_head().await;
    server.shutdown.cancel();
    server.ended().await;
    // An end in good order would stand behind all that the server's system still has to deliver.
    let (_, ending) = connection.read_to_end().await;
    assert_eq!(ending, Ending::Reset);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_lets_a_running_request_end_and_accepts_no_new_connection() {
    let (go, wait) = tokio::sync::watch::channel(false);
    let begun = Arc::new(AtomicBool::new(false));
    let begins = Arc::clone(&begun);
    let handler = move || {
        let mut wait = wait.clone();
        begins.store(true, Ordering::SeqCst);
        async move {
            wait.wait_for(|go| *go).await.unwrap();
            "done".into_response()
        }
    };
    let router = Router::new().route("/slow", get(handler));
    let mut server = Running::serve(router, ServerSettings::default()).await;
    let client = server.client();
    let mut running = JoinSet::new();
    running.spawn(async move { client.get("/slow").await });
    let is_running = || async { begun.load(Ordering::SeqCst).then_some(()) };
    eventually(SOON, is_running).await;
    server.shutdown.cancel();
    let refused = || async {
        let connection = tokio::net::TcpStream::connect(server.address).await;
        connection.err()
    };
    eventually(SOON, refused).await;
    go.send(true).unwrap();
    let answer = running.join_next().await.unwrap().unwrap();
    assert_eq!(answer.expect(StatusCode::OK).text(), "done");
    server.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_fails_in_the_middle_is_cut_and_does_not_look_complete() {
    let router = Router::new().route(
        "/breaks",
        get(|| async {
            let pieces = [
                Ok(Bytes::from_static(b"half of it")),
                Err(std::io::Error::other("the source is gone")),
            ];
            Body::from_stream(stream::iter(pieces))
        }),
    );
    let server = Running::serve(router, ServerSettings::default()).await;
    let mut connection = RawConnection::open(server.address).await;
    connection
        .write("GET /breaks HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    let (answer, ending) = connection.read_to_end().await;
    // A chunked body that is complete ends with an empty chunk.
    assert!(!answer.ends_with(b"0\r\n\r\n"));
    assert!(matches!(ending, Ending::Closed | Ending::Reset));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_or_too_large_a_one_is_refused_with_a_problem() {
    let server = Running::serve(plain_router(), ServerSettings::default()).await;
    let long = "a".repeat(200_000);
    let many = "X: y\r\n".repeat(500);
    for (request, status) in [
        (format!("GET /hello HTTP/1.1\r\nX: {long}\r\n\r\n"), "431"),
        (format!("GET /hello HTTP/1.1\r\n{many}\r\n"), "431"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", &long[..66_000]), "414"),
        ("nonsense\r\n\r\n".to_owned(), "400"),
        (
            "GET /hello HTTP/1.1\r\nContent-Length: abc\r\n\r\n".to_owned(),
            "400",
        ),
    ] {
        let mut connection = RawConnection::open(server.address).await;
        // The server may have closed before it was sent all.
        let _ = connection.try_write(request).await;
        let (answer, _) = connection.read_to_end().await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(
            answer.contains("content-type: application/problem+json"),
            "{answer}"
        );
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["status"].to_string(), status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_may_bring_a_last_request_while_the_server_drains() {
    let settings = ServerSettings {
        drain_idle: SOON,
        ..ServerSettings::default()
    };
    let mut server = Running::serve(plain_router(), settings).await;
    let request = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut connection = RawConnection::open(server.address).await;
    connection.write(request).await;
    let head = connection.read_head().await.to_ascii_lowercase();
    assert!(!head.contains("connection: close"), "{head}");
    connection.read_until("hello").await;

    server.shutdown.cancel();
    let refused = || async {
        let connection = tokio::net::TcpStream::connect(server.address).await;
        connection.err()
    };
    eventually(SOON, refused).await;
    connection.write(request).await;
    let (answer, ending) = connection.read_to_end().await;
    let answer = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(matches!(ending, Ending::Closed));
    drop(connection);
    server.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_waits_until_an_answer_has_arrived() {
    let mut server = Running::serve(plain_router(), ServerSettings::default()).await;
    let mut connection = RawConnection::open(server.address).await;
    connection
        .write("GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await;
    connection.read_until("hello").await;
    server.shutdown.cancel();
    let refused = || async {
        let connection = tokio::net::TcpStream::connect(server.address).await;
        connection.err()
    };
    eventually(SOON, refused).await;
    // For all the server knows, the client has yet to read.
    let ended = tokio::time::timeout(Duration::from_millis(300), server.ended()).await;
    assert!(ended.is_err(), "the server ended before its client did");
    drop(connection);
    server.ended().await;
}
