//! The form in which catalogues are compared: one line of JSON for each id, the same for every
//! engine and release. Its version is in each line; a change of the form is another version.

use serde::Serialize;
use uuid::Uuid;

use crate::catalog::transfer::Kept;
use crate::video::{Facts, PosterVersion, Text, Tombstone, Video};

/// The version of the form.
const FORM: u32 = 1;

#[derive(Serialize)]
struct Line<'a> {
    form: u32,
    id: Uuid,
    #[serde(flatten)]
    state: State<'a>,
}

#[derive(Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum State<'a> {
    Awaited {
        views: u64,
    },
    Present {
        content_type: &'a str,
        size_bytes: u64,
        sha256: &'a str,
        duration_ms: Option<u64>,
        width: Option<u32>,
        height: Option<u32>,
        uploaded_at_ms: i64,
        title: &'a str,
        description: &'a str,
        tags: &'a [String],
        views: u64,
        poster: Option<&'a str>,
    },
    Deleted {
        deleted_at_ms: i64,
        confirmed: bool,
    },
}

/// Appends the line of an id.
pub(super) fn write(kept: &Kept, lines: &mut Vec<u8>) {
    let state = match kept {
        Kept::Awaited { video: _, views } => State::Awaited { views: *views },
        Kept::Present(video) => present(video),
        Kept::Deleted {
            tombstone:
                Tombstone {
                    video: _,
                    deleted_at,
                },
            confirmed,
        } => State::Deleted {
            deleted_at_ms: deleted_at.as_millisecond(),
            confirmed: *confirmed,
        },
    };
    let line = Line {
        form: FORM,
        id: kept.id(),
        state,
    };
    serde_json::to_writer(&mut *lines, &line).expect("memory takes all, and keys are strings");
    lines.push(b'\n');
}

fn present(video: &Video) -> State<'_> {
    let Video {
        facts,
        text,
        views,
        poster,
    } = video;
    let Facts {
        id: _,
        content_type,
        size_bytes,
        etag,
        duration_ms,
        width,
        height,
        uploaded_at,
    } = facts;
    let Text {
        title,
        description,
        tags,
    } = text;
    State::Present {
        content_type: content_type.as_str(),
        size_bytes: *size_bytes,
        sha256: etag.as_str(),
        duration_ms: *duration_ms,
        width: *width,
        height: *height,
        uploaded_at_ms: uploaded_at.as_millisecond(),
        title: title.as_str(),
        description: description.as_str(),
        tags: tags.as_slice(),
        views: *views,
        poster: poster.as_ref().map(PosterVersion::as_str),
    }
}
