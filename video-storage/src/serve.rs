//! Serving bytes by the byte contract: conditional, ranged, never the wrong ones, never fewer than
//! were promised without the connection breaking.

mod body;
mod read_ahead;
mod redirect;
mod verification;

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED,
};
use axum::http::{HeaderMap, Method, StatusCode, response};
use axum::response::Response;
use object_store::GetResult;
use service_kit::problem::Problem;
use service_kit::telemetry;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::byte_range::{ByteRange, Selection};
use crate::error::{no_such_video, store_problem};
use crate::measures::Measures;
use crate::preconditions::{Validators, Verdict, judge};
use crate::record::UploadRecord;
use crate::records::Records;
use crate::store::{Object, Opened, Store};

use read_ahead::Source;
pub(crate) use redirect::Redirects;
pub(crate) use verification::Verification;
use verification::Verified;

/// Private, because a proxy must not keep what its owner may delete; every use is asked about
/// again, which costs a 304.
const CACHE_POLICY: &str = "private, no-cache";

/// Reads videos.
#[derive(Debug)]
pub(crate) struct Reads {
    pub(crate) store: Store,
    pub(crate) records: Records,
    pub(crate) verification: Arc<Verification>,
    pub(crate) tasks: TaskTracker,
    pub(crate) redirects: Redirects,
    pub(crate) measures: Measures,
}

/// What is served: its type, its validators and its length.
pub(crate) struct Representation {
    pub(crate) content_type: &'static str,
    pub(crate) validators: Validators,
    pub(crate) length: u64,
}

/// What a handler must bring for the answer.
pub(crate) enum Wanted {
    /// HEAD: nothing, but what is served must be there.
    Nothing,
    /// These bytes.
    Bytes(Range<u64>),
}

impl Reads {
    /// Answers a GET or HEAD for a video.
    pub(crate) async fn video(
        &self,
        id: Uuid,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Response, Problem> {
        let record = self.records.get(id).await;
        let record = record
            .map_err(|error| store_problem(&error))?
            .ok_or_else(no_such_video)?;
        let length = record.size_bytes;
        if let Some(good_for) = self.redirects.applies(method, headers, length)
            && let Some(redirect) = self.redirect(&record, good_for).await?
        {
            return Ok(redirect);
        }
        let representation = Representation {
            content_type: record.container.content_type(),
            validators: Validators::new(&record.sha256, record.uploaded_at),
            length,
        };
        respond(method, headers, &representation, async |wanted| {
            self.open(record, wanted).await
        })
        .await
    }

    /// The redirect to the blob, if it is there and the one of the record; `None` if the bytes have
    /// to go through here.
    async fn redirect(
        &self,
        record: &UploadRecord,
        good_for: Duration,
    ) -> Result<Option<Response>, Problem> {
        if self.try_open(record, &Wanted::Nothing).await?.is_none() {
            return Ok(None);
        }
        let object = Object::video(record.id);
        let media_type = record.container.content_type();
        match self.store.link(&object, media_type, good_for).await {
            Ok(link) => Ok(link.as_ref().and_then(redirect::to)),
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::warn!(error, "nobody can be redirected to the store");
                Ok(None)
            }
        }
    }

    async fn open(&self, record: Arc<UploadRecord>, wanted: Wanted) -> Result<Body, Problem> {
        let found = if let Some(found) = self.try_open(&record, &wanted).await? {
            found
        } else {
            let record = self.verified(&record).await?;
            // Changed again: somebody is writing to the store behind our back.
            let again = self.try_open(&record, &wanted).await?;
            again.ok_or_else(still_verifying)?
        };
        match wanted {
            Wanted::Nothing => Ok(Body::empty()),
            Wanted::Bytes(_) => {
                let source = Source {
                    store: self.store.clone(),
                    object: Object::video(record.id),
                    tag: found.meta.e_tag.clone(),
                };
                let body = body::of(*found, source, &self.tasks, &self.measures).await;
                body.map_err(|error| {
                    tracing::warn!(video.id = %record.id, %error, "cannot read a video");
                    Problem::unavailable(
                        "The store of the videos is not available. Try again soon.",
                    )
                })
            }
        }
    }

    /// The blob, if it is the one of the record; `None` if its tag or its size is another.
    async fn try_open(
        &self,
        record: &UploadRecord,
        wanted: &Wanted,
    ) -> Result<Option<Box<GetResult>>, Problem> {
        let object = Object::video(record.id);
        let tag = record.store_tag.as_deref();
        let opened = match wanted {
            Wanted::Nothing => self.store.find(&object, tag).await,
            Wanted::Bytes(range) => {
                self.store
                    .open_range(&object, Some(range.clone()), tag)
                    .await
            }
        };
        match opened.map_err(|error| store_problem(&error))? {
            Opened::Found(found) if found.meta.size == record.size_bytes => Ok(Some(found)),
            Opened::Found(_) | Opened::Changed => Ok(None),
            Opened::Missing => Err(self.missing(record.id)),
        }
    }

    /// The store is there and the bytes are not: the video was deleted a moment ago, or somebody
    /// removed the file. Neither heals by waiting, as 503 would say, nor is it our fault, as 500
    /// would: there is no such video any more.
    fn missing(&self, id: Uuid) -> Problem {
        self.records.forget(id);
        tracing::warn!(video.id = %id, "the bytes of a video are not in the store");
        no_such_video()
    }

    async fn verified(&self, record: &Arc<UploadRecord>) -> Result<Arc<UploadRecord>, Problem> {
        match self.verification.of(record).await {
            Verified::Same(record) => Ok(record),
            Verified::Different => Err(Problem::internal()),
            Verified::Missing => Err(self.missing(record.id)),
            Verified::Running => Err(still_verifying()),
            Verified::Failed(error) => Err(store_problem(&error)),
        }
    }
}

fn still_verifying() -> Problem {
    Problem::unavailable("The bytes are being compared with what was uploaded. Try again soon.")
        .retry_after(Duration::from_secs(5))
}

/// Judges the conditions of a request and builds the answer; `open` brings the bytes.
pub(crate) async fn respond<F>(
    method: &Method,
    headers: &HeaderMap,
    representation: &Representation,
    open: impl FnOnce(Wanted) -> F,
) -> Result<Response, Problem>
where
    F: Future<Output = Result<Body, Problem>>,
{
    let length = representation.length;
    let validators = &representation.validators;
    let part = match judge(method, headers, validators, length) {
        Verdict::PreconditionFailed => {
            return Err(Problem::precondition_failed(
                "The video is not the one that the request's conditions name.",
            ));
        }
        Verdict::NotModified => {
            return finish(
                validated(StatusCode::NOT_MODIFIED, validators),
                Body::empty(),
            );
        }
        Verdict::Send(Selection::Unsatisfiable) => {
            return Err(Problem::range_not_satisfiable(length));
        }
        Verdict::Send(Selection::Part(part)) => Some(part),
        Verdict::Send(Selection::Whole) => None,
    };
    let wanted = match part {
        _ if method == Method::HEAD => Wanted::Nothing,
        Some(part) => Wanted::Bytes(part.first()..part.last() + 1),
        None => Wanted::Bytes(0..length),
    };
    let body = open(wanted).await?;
    let status = match part {
        Some(_) => StatusCode::PARTIAL_CONTENT,
        None => StatusCode::OK,
    };
    let mut answer = validated(status, validators)
        .header(ACCEPT_RANGES, "bytes")
        .header(CONTENT_TYPE, representation.content_type)
        // The type was sniffed here; a browser has nothing better to guess.
        .header("x-content-type-options", "nosniff")
        .header(CONTENT_LENGTH, part.map_or(length, ByteRange::len));
    if let Some(part) = part {
        answer = answer.header(CONTENT_RANGE, part.content_range(length));
    }
    finish(answer, body)
}

fn validated(status: StatusCode, validators: &Validators) -> response::Builder {
    Response::builder()
        .status(status)
        .header(ETAG, validators.entity_tag())
        .header(LAST_MODIFIED, validators.last_modified())
        .header(CACHE_CONTROL, CACHE_POLICY)
}

fn finish(answer: response::Builder, body: Body) -> Result<Response, Problem> {
    answer.body(body).map_err(|error| {
        tracing::error!(%error, "an answer could not be built");
        Problem::internal()
    })
}
