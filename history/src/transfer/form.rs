//! The form in which view logs are compared: one line of JSON for each item, the same for every
//! engine and release. Its version is in each line; a change of the form is another version.

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::view_log::beat_runs::Run;
use crate::view_log::transfer::{
    Holder, Kept, KeptClient, KeptEntry, KeptSession, KeptShown, KeptView,
};
use crate::watch_session::{Beat, PlaybackState, WatchSession};

/// The version of the form.
const FORM: u32 = 1;

#[derive(Serialize)]
struct Line {
    form: u32,
    #[serde(flatten)]
    item: Item,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Item {
    Session {
        session: Uuid,
        viewer: Uuid,
        video: Uuid,
        started_at_ms: i64,
        duration_ms: Option<u64>,
        duration_seq: u64,
        runs: Vec<RunForm>,
        swept_seq: u64,
        stored_at_ms: i64,
    },
    Client {
        video: Uuid,
        client: String,
        sessions: Vec<SpanForm>,
    },
    Entry {
        viewer: Uuid,
        video: Uuid,
        forgotten_until_ms: Option<i64>,
        shown: Option<ShownForm>,
    },
    View {
        video: Uuid,
        number: u64,
        counted: Option<CountedForm>,
    },
    Viewer {
        viewer: Uuid,
        forgotten_until_ms: i64,
    },
    DeletedVideo {
        video: Uuid,
        deleted_at_ms: i64,
    },
}

#[derive(Serialize)]
struct RunForm {
    first: BeatForm,
    last: BeatForm,
    watched_ms: u64,
}

#[derive(Serialize)]
struct BeatForm {
    seq: u64,
    position_ms: u64,
    state: &'static str,
    received_at_ms: i64,
}

#[derive(Serialize)]
struct SpanForm {
    session: Uuid,
    first_byte_at_ms: i64,
    last_byte_at_ms: i64,
    covers_start: bool,
    duration_ms: Option<u64>,
}

#[derive(Serialize)]
struct ShownForm {
    session: Uuid,
    started_at_ms: i64,
    beat: BeatForm,
    watched_ms: u64,
    duration_ms: Option<u64>,
}

#[derive(Serialize)]
struct CountedForm {
    session: Uuid,
    counted_at_ms: i64,
    published: bool,
}

/// Appends the line of an item.
pub(super) fn write(kept: &Kept, lines: &mut Vec<u8>) {
    let line = Line {
        form: FORM,
        item: item(kept),
    };
    serde_json::to_writer(&mut *lines, &line).expect("memory takes all, and keys are strings");
    lines.push(b'\n');
}

fn item(kept: &Kept) -> Item {
    match kept {
        Kept::Session(kept) => session(kept),
        Kept::Client(KeptClient {
            video,
            client,
            sessions,
        }) => Item::Client {
            video: *video,
            client: client.clone(),
            sessions: sessions
                .iter()
                .map(|(session, span)| SpanForm {
                    session: *session,
                    first_byte_at_ms: ms(span.first_byte_at()),
                    last_byte_at_ms: ms(span.last_byte_at()),
                    covers_start: span.covers_start(),
                    duration_ms: span.duration_ms(),
                })
                .collect(),
        },
        Kept::Entry(KeptEntry {
            viewer,
            video,
            forgotten_until,
            shown,
        }) => Item::Entry {
            viewer: *viewer,
            video: *video,
            forgotten_until_ms: forgotten_until.map(ms),
            shown: shown.as_ref().map(shown_form),
        },
        Kept::View(KeptView {
            video,
            number,
            counted,
        }) => Item::View {
            video: *video,
            number: *number,
            counted: counted.as_ref().map(|counted| {
                let Holder {
                    session,
                    counted_at,
                    published,
                } = counted;
                CountedForm {
                    session: *session,
                    counted_at_ms: ms(*counted_at),
                    published: *published,
                }
            }),
        },
        Kept::Viewer {
            viewer,
            forgotten_until,
        } => Item::Viewer {
            viewer: *viewer,
            forgotten_until_ms: ms(*forgotten_until),
        },
        Kept::DeletedVideo { video, deleted_at } => Item::DeletedVideo {
            video: *video,
            deleted_at_ms: ms(*deleted_at),
        },
    }
}

fn session(kept: &KeptSession) -> Item {
    let KeptSession {
        session:
            WatchSession {
                id,
                viewer,
                video,
                started_at,
            },
        duration_ms,
        duration_seq,
        runs,
        swept_seq,
        stored_at,
    } = kept;
    Item::Session {
        session: *id,
        viewer: *viewer,
        video: *video,
        started_at_ms: ms(*started_at),
        duration_ms: *duration_ms,
        duration_seq: *duration_seq,
        runs: runs.iter().map(run).collect(),
        swept_seq: *swept_seq,
        stored_at_ms: ms(*stored_at),
    }
}

fn run(run: &Run) -> RunForm {
    let Run {
        first,
        last,
        watched_ms,
    } = run;
    RunForm {
        first: beat(first),
        last: beat(last),
        watched_ms: *watched_ms,
    }
}

fn beat(beat: &Beat) -> BeatForm {
    let Beat {
        seq,
        position_ms,
        state,
        received_at,
    } = beat;
    BeatForm {
        seq: *seq,
        position_ms: *position_ms,
        state: match state {
            PlaybackState::Playing => "playing",
            PlaybackState::Paused => "paused",
            PlaybackState::Ended => "ended",
        },
        received_at_ms: ms(*received_at),
    }
}

fn shown_form(shown: &KeptShown) -> ShownForm {
    let KeptShown {
        started_at,
        session,
        beat: shown,
        watched_ms,
        duration_ms,
    } = shown;
    ShownForm {
        session: *session,
        started_at_ms: ms(*started_at),
        beat: beat(shown),
        watched_ms: *watched_ms,
        duration_ms: *duration_ms,
    }
}

fn ms(time: Timestamp) -> i64 {
    time.as_millisecond()
}
