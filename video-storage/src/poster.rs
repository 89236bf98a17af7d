//! Posters: one small picture for a video. Its tag and its type are taken from the bytes each time
//! they are read, so that nothing about it is stored twice.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use service_kit::problem::Problem;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::digest::hex;
use crate::error::{no_such_video, store_problem};
use crate::measures::Measures;
use crate::media::Picture;
use crate::preconditions::Validators;
use crate::records::Records;
use crate::serve::{Representation, Wanted, respond};
use crate::store::{Object, Store, written_at};

/// The largest picture that is taken.
const MAX_BYTES: usize = 1024 * 1024;
/// Characters of the hash that make a version.
const VERSION_LENGTH: usize = 16;

/// Takes and serves posters.
#[derive(Debug)]
pub(crate) struct Posters {
    pub(crate) store: Store,
    pub(crate) records: Records,
    pub(crate) measures: Measures,
}

impl Posters {
    /// Takes a picture for a video, in place of any that it has, and answers its version.
    pub(crate) async fn take(
        &self,
        id: Uuid,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<String, Problem> {
        self.check_video(id).await?;
        let declared = declared_picture(headers).ok_or_else(no_picture)?;
        let bytes = collect(headers, body).await?;
        if Picture::sniff(&bytes) != Some(declared) {
            return Err(no_picture());
        }
        let version = hex(&Sha256::digest(&bytes))[..VERSION_LENGTH].to_owned();
        let object = Object::poster(id);
        let put = self.store.put(&object, bytes).await;
        put.map_err(|error| store_problem(&error))?;
        // A video that was deleted meanwhile must not leave its poster behind.
        if let Err(gone) = self.check_video(id).await {
            let removed = self.store.remove(&object).await;
            removed.map_err(|error| store_problem(&error))?;
            return Err(gone);
        }
        Ok(version)
    }

    async fn check_video(&self, id: Uuid) -> Result<(), Problem> {
        let record = self.records.read(id).await;
        let record = record.map_err(|error| store_problem(&error))?;
        record.map(drop).ok_or_else(no_such_video)
    }

    /// Answers a GET or HEAD for a poster by the byte contract.
    pub(crate) async fn serve(
        &self,
        id: Uuid,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Response, Problem> {
        let found = self.store.get(&Object::poster(id)).await;
        let (bytes, meta) = found
            .map_err(|error| store_problem(&error))?
            .ok_or_else(|| Problem::not_found("There is no poster for this video."))?;
        let Some(picture) = Picture::sniff(&bytes) else {
            tracing::error!(video.id = %id, "a poster is no picture");
            return Err(Problem::internal());
        };
        let representation = Representation {
            content_type: picture.content_type(),
            validators: Validators::new(&hex(&Sha256::digest(&bytes)), written_at(&meta)),
            length: bytes.len() as u64,
        };
        respond(method, headers, &representation, async |wanted| {
            Ok(match wanted {
                Wanted::Nothing => Body::empty(),
                Wanted::Bytes(range) => {
                    self.measures.sent.inc_by(range.end - range.start);
                    Body::from(part(&bytes, range))
                }
            })
        })
        .await
    }
}

fn part(bytes: &Bytes, range: std::ops::Range<u64>) -> Bytes {
    let at = |offset| usize::try_from(offset).map_or(bytes.len(), |at| at.min(bytes.len()));
    bytes.slice(at(range.start)..at(range.end))
}

fn declared_picture(headers: &HeaderMap) -> Option<Picture> {
    let declared = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = declared.split(';').next().unwrap_or_default().trim();
    [Picture::Jpeg, Picture::Png, Picture::WebP]
        .into_iter()
        .find(|picture| essence.eq_ignore_ascii_case(picture.content_type()))
}

async fn collect(headers: &HeaderMap, mut body: Body) -> Result<Bytes, Problem> {
    let declared = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if declared.is_some_and(|declared| declared > MAX_BYTES) {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            tracing::debug!(%error, "a poster was broken off");
            Problem::bad_request("The body was broken off before its end.")
        })?;
        let Some(piece) = frame.data_ref() else {
            continue;
        };
        if bytes.len() + piece.len() > MAX_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(piece);
    }
    Ok(bytes.freeze())
}

fn too_large() -> Problem {
    Problem::payload_too_large("A poster may have 1 MiB at most.")
}

fn no_picture() -> Problem {
    Problem::unsupported_media_type(
        "A poster is a JPEG, PNG or WebP picture, and its Content-Type says which: image/jpeg, image/png or image/webp.",
    )
}
