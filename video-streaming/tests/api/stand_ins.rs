//! Stand-ins for `metadata` and `video-storage` that can be slow, down, or die in mid-sentence.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use service_kit::problem::Problem;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The tag and the date of every video in the store.
pub(crate) const ETAG: &str =
    "\"5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8\"";
pub(crate) const LAST_MODIFIED: &str = "Tue, 02 Jun 2026 10:00:00 GMT";

/// How long a stream is that never ends: nobody has that much memory.
pub(crate) const ENDLESS: u64 = 1 << 40;

/// A server of a test; it ends when it is dropped.
pub(crate) struct StandIn<T> {
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<T>,
    _serving: JoinSet<()>,
}

impl<T> StandIn<T> {
    async fn start(state: Arc<T>, router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("the port");
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            axum::serve(listener, router).await.expect("serving");
        });
        Self {
            address,
            state,
            _serving: serving,
        }
    }
}

/// What the catalogue does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetadataMood {
    Answers,
    Status(StatusCode),
    Hangs,
    Rambles,
}

/// `metadata`, with the durations of the videos that it knows.
pub(crate) struct Metadata {
    pub(crate) videos: Mutex<HashMap<String, Option<u64>>>,
    pub(crate) mood: Mutex<MetadataMood>,
    pub(crate) asked: AtomicUsize,
}

impl Metadata {
    pub(crate) async fn start() -> StandIn<Self> {
        let state = Arc::new(Self {
            videos: Mutex::default(),
            mood: Mutex::new(MetadataMood::Answers),
            asked: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/videos/{id}", get(Self::record))
            .with_state(Arc::clone(&state));
        StandIn::start(state, router).await
    }

    pub(crate) fn is(&self, mood: MetadataMood) {
        *self.mood.lock().expect("the mood") = mood;
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn record(State(state): State<Arc<Self>>, Path(id): Path<String>) -> Response {
        state.asked.fetch_add(1, Ordering::SeqCst);
        let mood = *state.mood.lock().expect("the mood");
        match mood {
            MetadataMood::Answers => {
                let videos = state.videos.lock().expect("the videos");
                match videos.get(&id) {
                    Some(duration_ms) => Json(json!({
                        "id": id, "title": "A title", "duration_ms": duration_ms, "width": 96,
                    }))
                    .into_response(),
                    None => Problem::not_found("No such video.").into_response(),
                }
            }
            MetadataMood::Status(status) => status.into_response(),
            MetadataMood::Hangs => std::future::pending().await,
            MetadataMood::Rambles => Json(json!(["what?"])).into_response(),
        }
    }
}

/// What the store does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StorageMood {
    Serves,
    Status(StatusCode),
    /// Announces the whole video, and breaks off after this many bytes.
    BreaksOff(usize),
    /// Sends for as long as somebody reads.
    Endless,
    /// Sends the first piece of an endless body, and nothing after it.
    Stalls,
    /// Does not say how long the video is.
    NoLength,
    /// Redirects whoever may be redirected, and serves everybody else.
    Redirects,
    /// Redirects also who may not be.
    RedirectsAll,
}

/// Where redirects go.
pub(crate) const ELSEWHERE: &str = "https://blobs.example.org/videos/x?signature=y";

/// `video-storage`, with one video's bytes under every id.
pub(crate) struct Storage {
    pub(crate) bytes: Bytes,
    pub(crate) mood: Mutex<StorageMood>,
    /// The headers of the last request.
    pub(crate) headers: Mutex<HeaderMap>,
    /// How much of endless bodies was read.
    pub(crate) pieces_read: Arc<AtomicU64>,
    /// How many endless bodies are being read.
    pub(crate) open: Arc<AtomicUsize>,
}

/// The size of a piece of an endless body.
pub(crate) const PIECE: usize = 64 * 1024;

impl Storage {
    pub(crate) async fn start() -> StandIn<Self> {
        let bytes: Vec<u8> = (0..300_000_u32).map(|place| (place % 251) as u8).collect();
        let state = Arc::new(Self {
            bytes: bytes.into(),
            mood: Mutex::new(StorageMood::Serves),
            headers: Mutex::default(),
            pieces_read: Arc::default(),
            open: Arc::default(),
        });
        let router = Router::new()
            .route("/videos/{id}", get(Self::serve))
            .with_state(Arc::clone(&state));
        StandIn::start(state, router).await
    }

    pub(crate) fn is(&self, mood: StorageMood) {
        *self.mood.lock().expect("the mood") = mood;
    }

    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.pieces_read.load(Ordering::SeqCst) * PIECE as u64
    }

    pub(crate) fn last_header(&self, name: &str) -> Option<String> {
        let headers = self.headers.lock().expect("the headers");
        Some(headers.get(name)?.to_str().expect("ASCII").to_owned())
    }

    #[expect(clippy::unused_async, reason = "handlers are asynchronous")]
    async fn serve(State(state): State<Arc<Self>>, method: Method, headers: HeaderMap) -> Response {
        *state.headers.lock().expect("the headers") = headers.clone();
        let mood = *state.mood.lock().expect("the mood");
        match mood {
            StorageMood::Serves => state.content(&method, &headers),
            StorageMood::Status(status) => {
                let problem = Problem::new(status, "some-kind", "No", "Not now.");
                problem.retry_after(Duration::from_secs(7)).into_response()
            }
            StorageMood::BreaksOff(after) => {
                let piece = Ok(state.bytes.slice(..after));
                let pieces = stream::iter([piece]).chain(stream::once(async {
                    // What was sent goes out before the end comes.
                    tokio::task::yield_now().await;
                    Err(std::io::Error::other("the disk died"))
                }));
                let body = Body::from_stream(pieces);
                whole(state.bytes.len() as u64, body)
            }
            StorageMood::Endless => whole(ENDLESS, state.endless_body(u64::MAX)),
            StorageMood::Stalls => whole(ENDLESS, state.endless_body(1)),
            StorageMood::Redirects if !headers.contains_key("x-redirect") => {
                state.content(&method, &headers)
            }
            StorageMood::Redirects | StorageMood::RedirectsAll => {
                let headers = [(header::LOCATION, ELSEWHERE), (header::CONTENT_LENGTH, "0")];
                (StatusCode::TEMPORARY_REDIRECT, headers).into_response()
            }
            StorageMood::NoLength => {
                Body::from_stream(stream::iter([Ok::<_, std::io::Error>(state.bytes.clone())]))
                    .into_response()
            }
        }
    }

    /// Judges `If-None-Match`, `If-Match` and `Range` as far as the tests need it.
    fn content(&self, method: &Method, headers: &HeaderMap) -> Response {
        let length = self.bytes.len();
        let is = |name: header::HeaderName| headers.get(name).map(|value| value == ETAG);
        if is(header::IF_MATCH) == Some(false) {
            return Problem::precondition_failed("It has changed.").into_response();
        }
        if is(header::IF_NONE_MATCH) == Some(true) {
            return (StatusCode::NOT_MODIFIED, [(header::ETAG, ETAG)]).into_response();
        }
        let range = headers
            .get(header::RANGE)
            .filter(|_| method == Method::GET)
            .and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-'));
        let Some((first, last)) = range else {
            return whole(length as u64, Body::from(self.bytes.clone()));
        };
        let first: usize = first.parse().expect("a test's range");
        let last = last.parse().unwrap_or(length - 1);
        if first >= length {
            return Problem::range_not_satisfiable(length as u64).into_response();
        }
        let mut response = whole(
            (last + 1 - first) as u64,
            Body::from(self.bytes.slice(first..=last)),
        );
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let content_range = format!("bytes {first}-{last}/{length}");
        response.headers_mut().insert(
            header::CONTENT_RANGE,
            content_range.parse().expect("a header"),
        );
        response
    }

    /// A body of many pieces, and perhaps a silence after them, that says when it is dropped.
    fn endless_body(&self, pieces: u64) -> Body {
        struct Open(Arc<AtomicUsize>);
        impl Drop for Open {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.open.fetch_add(1, Ordering::SeqCst);
        let open = Open(Arc::clone(&self.open));
        let read = Arc::clone(&self.pieces_read);
        let piece = Bytes::from(vec![7; PIECE]);
        Body::from_stream(stream::unfold((pieces, open), move |(left, open)| {
            let (read, piece) = (Arc::clone(&read), piece.clone());
            async move {
                if left == 0 {
                    std::future::pending::<()>().await;
                }
                read.fetch_add(1, Ordering::SeqCst);
                Some((Ok::<_, std::io::Error>(piece), (left - 1, open)))
            }
        }))
    }
}

fn whole(length: u64, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "video/mp4".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, ETAG.to_owned()),
        (header::LAST_MODIFIED, LAST_MODIFIED.to_owned()),
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
        (header::SERVER, "not the client's business".to_owned()),
    ];
    (headers, body).into_response()
}
