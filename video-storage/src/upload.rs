//! Taking a video in.
//!
//! The request is judged by its head, then by its first bytes, and only then is anything written.
//! The handler reads the body, because it is dropped with the connection: a body that another task
//! reads can look as if it had ended when the client hung up. A task of its own does everything
//! that touches the store. It completes an upload only on an explicit word that the body ended
//! well, and then also when the client has gone; without that word it takes away what it wrote.

mod commit;
mod parts;
mod request;

pub(crate) use parts::PartWriter;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use service_kit::problem::Problem;
use service_kit::telemetry;
use service_kit::trace_context::TraceContext;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::completion::{Completed, Completion};
use crate::error::{no_room, store_problem};
use crate::idempotency::KeyHash;
use crate::keys::Keys;
use crate::lease::Lease;
use crate::measures::{Measures, Outcome};
use crate::media::{Container, HEAD_BYTES, Sniffed, sniff};
use crate::record::UploadRecord;
use crate::records::Records;
use crate::running::Running;
use crate::store::Store;

use commit::{Commit, CommitError, Piece};
pub(crate) use request::UploadRequest;

/// Pieces that wait for the store: each is at most what a connection buffers.
const PIECES_IN_FLIGHT: usize = 4;
/// How long an upload with a key waits for the start to learn of the keys of the last run.
const RECOVERY_PATIENCE: Duration = Duration::from_secs(2);
/// When to ask again while all places are taken.
const BUSY_RETRY: Duration = Duration::from_secs(5);

/// Takes videos in.
#[derive(Debug)]
pub(crate) struct Uploads {
    pub(crate) store: Store,
    pub(crate) records: Records,
    pub(crate) keys: Arc<Keys>,
    pub(crate) lease: Lease,
    pub(crate) completion: Arc<Completion>,
    pub(crate) running: Running,
    pub(crate) measures: Measures,
    pub(crate) tasks: TaskTracker,
    pub(crate) places: Arc<Semaphore>,
    pub(crate) max_bytes: u64,
}

/// Counts an upload when it ends, however it does.
struct Ending<'a> {
    measures: &'a Measures,
    outcome: Outcome,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.measures.upload_ended(self.outcome);
    }
}

/// Why an upload was not taken.
struct Refusal {
    outcome: Outcome,
    problem: Problem,
}

impl Uploads {
    /// Takes the body of a request whose head is in order, or finds the upload that it repeats.
    pub(crate) async fn take(
        &self,
        request: UploadRequest,
        body: Body,
    ) -> Result<UploadRecord, Problem> {
        // Counted when dropped: the handler of a connection that broke gets no further than that.
        let mut ending = Ending {
            measures: &self.measures,
            outcome: Outcome::Broken,
        };
        match self.try_take(request, body).await {
            Ok((outcome, record)) => {
                ending.outcome = outcome;
                Ok(record)
            }
            Err(Refusal { outcome, problem }) => {
                ending.outcome = outcome;
                Err(problem)
            }
        }
    }

    async fn try_take(
        &self,
        request: UploadRequest,
        mut body: Body,
    ) -> Result<(Outcome, UploadRecord), Refusal> {
        if let Some(key) = &request.key
            && let Some(record) = self.repeated(key).await?
        {
            return Ok((Outcome::Repeated, record));
        }
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let busy = Problem::unavailable("As many uploads as there are places run already.");
            failed(busy.retry_after(BUSY_RETRY))
        })?;
        self.store
            .check()
            .await
            .map_err(|error| failed(store_problem(&error)))?;
        self.check_room(&request).await?;

        let (container, head) = self.read_head(&mut body).await?;
        let id = Uuid::now_v7();
        let (pieces, taken) = mpsc::channel(PIECES_IN_FLIGHT);
        let (done, outcome) = oneshot::channel();
        let declared = request.declared_length;
        let commit = Commit {
            id,
            title: request.title,
            key: request.key,
            container,
            most_bytes: declared.unwrap_or(self.max_bytes),
            store: self.store.clone(),
            records: self.records.clone(),
            keys: Arc::clone(&self.keys),
            lease: self.lease,
            completion: Arc::clone(&self.completion),
            running: self.running.note(id),
            place,
        };
        self.tasks
            .spawn(TraceContext::carried(commit.run(taken, done)));
        self.relay(head, body, declared, pieces).await?;
        outcome
            .await
            .unwrap_or(Err(CommitError::Lost))
            .map(|record| (Outcome::Completed, record))
            .map_err(|error| answer(id, &error))
    }

    async fn repeated(&self, key: &KeyHash) -> Result<Option<UploadRecord>, Refusal> {
        if !self.completion.recovered_within(RECOVERY_PATIENCE).await {
            return Err(failed(Problem::unavailable(
                "The uploads of the last run are being looked through. Try again soon.",
            )));
        }
        let unavailable = |error| failed(store_problem(&error));
        let Some(record) = self.keys.upload_of(key).await.map_err(unavailable)? else {
            return Ok(None);
        };
        // Its video may have been deleted, and its bytes not yet: then this is a new upload.
        Ok(match self.completion.complete(&record).await {
            Completed::Deleted => None,
            Completed::Superseded(earlier) => Some(*earlier),
            Completed::Listed | Completed::Pending => Some(record),
        })
    }

    async fn check_room(&self, request: &UploadRequest) -> Result<(), Refusal> {
        let (Some(wanted), Some(available)) =
            (request.declared_length, self.store.available_bytes().await)
        else {
            return Ok(());
        };
        if wanted > available {
            tracing::warn!(wanted, available, "no room for an upload");
            return Err(failed(no_room()));
        }
        Ok(())
    }

    /// Reads until the kind of the file is clear. Nothing has been written by then.
    async fn read_head(&self, body: &mut Body) -> Result<(Container, Vec<Bytes>), Refusal> {
        let mut head = Vec::new();
        let mut pieces = Vec::new();
        loop {
            let piece = next_piece(body).await?;
            let last = piece.is_none();
            if let Some(piece) = piece {
                let room = HEAD_BYTES - head.len();
                head.extend_from_slice(&piece[..piece.len().min(room)]);
                pieces.push(piece);
            }
            match sniff(&head, last || head.len() == HEAD_BYTES) {
                Sniffed::Video(container) => return Ok((container, pieces)),
                Sniffed::NotVideo if head.is_empty() => {
                    return Err(refused(Problem::bad_request(
                        "The body is empty; it must be the bytes of the video.",
                    )));
                }
                Sniffed::NotVideo => return Err(refused(not_a_video())),
                Sniffed::Undecided => {}
            }
        }
    }

    /// Hands the body over, piece by piece, and says at last that it ended well. Dropping the
    /// sender without that word breaks the upload off.
    async fn relay(
        &self,
        head: Vec<Bytes>,
        mut body: Body,
        declared: Option<u64>,
        pieces: mpsc::Sender<Piece>,
    ) -> Result<(), Refusal> {
        let mut size = 0;
        let mut head = head.into_iter();
        loop {
            let piece = match head.next() {
                Some(piece) => Some(piece),
                None => next_piece(&mut body).await?,
            };
            let Some(piece) = piece else {
                break;
            };
            size += piece.len() as u64;
            if size > self.max_bytes {
                return Err(refused(request::too_large(self.max_bytes)));
            }
            self.measures.received.inc_by(piece.len() as u64);
            if pieces.send(Piece::Bytes(piece)).await.is_err() {
                // The task has given up, and says why.
                return Ok(());
            }
        }
        if declared.is_some_and(|declared| declared != size) {
            return Err(broken(
                "The body is not as long as its Content-Length says.",
            ));
        }
        let _ = pieces.send(Piece::End).await;
        Ok(())
    }
}

/// The next bytes of a body, or its end.
async fn next_piece(body: &mut Body) -> Result<Option<Bytes>, Refusal> {
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                if let Ok(piece) = frame.into_data()
                    && !piece.is_empty()
                {
                    return Ok(Some(piece));
                }
            }
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::debug!(error, "an upload was broken off");
                return Err(broken("The body was broken off before its end."));
            }
        }
    }
    Ok(None)
}

fn not_a_video() -> Problem {
    Problem::unsupported_media_type(
        "This is no video that can be taken: its first bytes are not those of an MP4, QuickTime, WebM or Matroska file.",
    )
}

fn answer(id: Uuid, error: &CommitError) -> Refusal {
    match error {
        CommitError::NoPicture => refused(Problem::unsupported_media_type(
            "The file has no picture track, or ends before it says so: it is no video.",
        )),
        CommitError::Broken => broken("The body was broken off before its end."),
        CommitError::Store(error) => failed(store_problem(error)),
        CommitError::Abandoned => {
            tracing::warn!(video.id = %id, "an upload stood still and was taken away");
            failed(Problem::unavailable(
                "The upload stood still for too long. Send it again.",
            ))
        }
        CommitError::Lost => {
            tracing::error!(video.id = %id, "the task of an upload died");
            failed(Problem::internal())
        }
    }
}

fn refused(problem: Problem) -> Refusal {
    Refusal {
        outcome: Outcome::Refused,
        problem,
    }
}

fn broken(detail: &'static str) -> Refusal {
    Refusal {
        outcome: Outcome::Broken,
        problem: Problem::bad_request(detail),
    }
}

fn failed(problem: Problem) -> Refusal {
    Refusal {
        outcome: Outcome::Failed,
        problem,
    }
}
