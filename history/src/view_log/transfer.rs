//! The port for moving a whole view log from one store to another.
//!
//! It stands beside [`ViewLog`](super::ViewLog) and not in it: the service never needs it, and a
//! copy needs what no caller of the service sees (the beats of a session, when a number was
//! counted, what a viewer has forgotten).

use async_trait::async_trait;
use jiff::Timestamp;
use service_kit::merge::Page;
use uuid::Uuid;

use super::ViewLogError;
use super::beat_runs::Run;
use crate::implicit_session::ByteSpan;
use crate::watch_session::{Beat, WatchSession};

/// Reads a view log out, one part after the other and each in the order of its keys, and writes
/// it in.
///
/// # Laws
/// Each is a test in `view_log/conformance/transfers.rs` that every implementation passes, and
/// every pair of them.
///
/// 1. **Whole.** The pages of a log that does not change hold everything that its answers depend
///    on, once each and in the order of the keys. What is forgotten and only hidden yet is left out.
/// 2. **Bounded.** A page holds at most as many items as asked for.
/// 3. **Faithful.** What is put into an empty log is exported as it was put, whatever store it came
///    from; and what is recorded then is answered as it would have been where it came from.
/// 4. **Repeatable.** Putting the same twice is putting it once, and what was put in part is
///    completed by putting all of it. What is put replaces what was there.
/// 5. **Forgetting is put as well:** a viewer's mark removes the entries that it covers, a deleted
///    video everything of it.
///
/// A log that is put into must not be in use: what is put replaces what was recorded meanwhile.
#[async_trait]
pub(crate) trait ViewLogTransfer: Send + Sync {
    /// What a part holds after this key, which must be one of that part.
    async fn export(
        &self,
        part: Part,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Page<Key, Kept>, ViewLogError>;

    /// Takes these in.
    async fn put(&self, items: Vec<Kept>) -> Result<(), ViewLogError>;

    /// About how much a part holds, for whoever waits.
    async fn estimate(&self, part: Part) -> Result<u64, ViewLogError>;
}

/// A part of a view log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Watch sessions with their beats.
    Sessions,
    /// Implicit sessions, those of one video and client together.
    Streams,
    /// Entries of viewers, and which of them are forgotten.
    Entries,
    /// Holder views, and numbers that were given back.
    Views,
    /// Viewers who have forgotten everything.
    Viewers,
    /// Videos that were deleted.
    DeletedVideos,
}

impl Part {
    /// All parts, in the order in which a copy of a log in use is right whatever happens meanwhile.
    ///
    /// What causes comes before what it causes: a view without its session is found by the next
    /// beat, while a session that is a view already would be counted again without it. What
    /// removes comes last: a mark that is read after the entries removes those that were read
    /// before it was set.
    pub const ALL: [Self; 6] = [
        Self::Sessions,
        Self::Streams,
        Self::Entries,
        Self::Views,
        Self::Viewers,
        Self::DeletedVideos,
    ];
}

/// Where something stands in its part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// The session.
    Session(Uuid),
    /// Video and client.
    Client(Uuid, String),
    /// Viewer and video.
    Entry(Uuid, Uuid),
    /// Video and number.
    View(Uuid, u64),
    /// The viewer.
    Viewer(Uuid),
    /// The video.
    DeletedVideo(Uuid),
}

/// What is kept under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// A watch session.
    Session(KeptSession),
    /// The implicit sessions of a client.
    Client(KeptClient),
    /// An entry.
    Entry(KeptEntry),
    /// A number of a video.
    View(KeptView),
    /// A viewer who has forgotten everything until then.
    Viewer {
        /// The viewer.
        viewer: Uuid,
        /// Events received until then bring no entry back.
        forgotten_until: Timestamp,
    },
    /// A video that was deleted.
    DeletedVideo {
        /// The video.
        video: Uuid,
        /// When.
        deleted_at: Timestamp,
    },
}

/// A watch session with its beats. Whether it is a view is told by the views.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptSession {
    pub(crate) session: WatchSession,
    pub(crate) duration_ms: Option<u64>,
    pub(crate) duration_seq: u64,
    /// In the order of their numbers; no two touch.
    pub(crate) runs: Vec<Run>,
    pub(crate) swept_seq: u64,
    pub(crate) stored_at: Timestamp,
}

/// The implicit sessions of one video and client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptClient {
    pub(crate) video: Uuid,
    pub(crate) client: String,
    /// In the order of their first bytes.
    pub(crate) sessions: Vec<(Uuid, ByteSpan)>,
}

/// What is kept of one viewer and video: an entry, until when it is forgotten, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptEntry {
    pub(crate) viewer: Uuid,
    pub(crate) video: Uuid,
    pub(crate) forgotten_until: Option<Timestamp>,
    pub(crate) shown: Option<KeptShown>,
}

/// The beat that an entry shows, with the totals of its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptShown {
    pub(crate) started_at: Timestamp,
    pub(crate) session: Uuid,
    pub(crate) beat: Beat,
    pub(crate) watched_ms: u64,
    pub(crate) duration_ms: Option<u64>,
}

/// A number of a video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptView {
    pub(crate) video: Uuid,
    pub(crate) number: u64,
    /// Nothing if it was given back.
    pub(crate) counted: Option<Holder>,
}

/// Which session has a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) session: Uuid,
    pub(crate) counted_at: Timestamp,
    pub(crate) published: bool,
}

impl Kept {
    /// Where it stands.
    pub(crate) fn key(&self) -> Key {
        match self {
            Self::Session(kept) => Key::Session(kept.session.id),
            Self::Client(kept) => Key::Client(kept.video, kept.client.clone()),
            Self::Entry(kept) => Key::Entry(kept.viewer, kept.video),
            Self::View(kept) => Key::View(kept.video, kept.number),
            Self::Viewer { viewer, .. } => Key::Viewer(*viewer),
            Self::DeletedVideo { video, .. } => Key::DeletedVideo(*video),
        }
    }
}

impl KeptEntry {
    /// The entry as it is for a viewer who has forgotten everything until then; `None` when
    /// nothing of it is left.
    pub(crate) fn hidden_until(mut self, until: Timestamp) -> Option<Self> {
        let is_hidden = |shown: &KeptShown| shown.beat.received_at <= until;
        self.shown = self.shown.filter(|shown| !is_hidden(shown));
        self.forgotten_until = self.forgotten_until.filter(|own| *own > until);
        (self.shown.is_some() || self.forgotten_until.is_some()).then_some(self)
    }
}
