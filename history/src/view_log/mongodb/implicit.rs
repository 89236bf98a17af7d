//! Implicit sessions: reports of one video and client, folded into intervals as they arrive.
//!
//! The sessions of one video and client are one document, so that joining them is one write. A
//! session that joined others remembers those of them that were views: theirs are given back, by
//! whoever joined them and by whoever counts one of them at that moment. The one writes the
//! document before it looks for the view, the other the view before it looks at the document.

pub(super) mod moving;

use jiff::Timestamp;
use mongodb::bson::{Bson, DateTime, Document, doc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::documents::{Guarded, Query, STEP, Stored, Tries, next_revision};
use super::forgetting;
use super::store::Store;
use super::values::{Id, count, date, id, time, uncount_known, uuid};
use super::views::{self, Counting};
use crate::implicit_session::{ByteSpan, StreamReport};
use crate::view_log::{Outcome, Recorded, STREAM_RETENTION, ViewLogError};

/// The sessions of one plain player of one video. They never touch each other, so thirty days
/// hold 1,440 of them at most.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ClientDocument {
    #[serde(rename = "_id")]
    id: ClientKey,
    revision: i64,
    /// The earliest last byte of them all: when something can be swept.
    earliest_end: DateTime,
    sessions: Vec<ImplicitSessionDocument>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct ClientKey {
    video: Id,
    client: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ImplicitSessionDocument {
    session: Id,
    first_byte_at: DateTime,
    last_byte_at: DateTime,
    covers_start: bool,
    duration_ms: Option<i64>,
    counted: bool,
    joined: Vec<Id>,
}

impl From<ClientKey> for Bson {
    fn from(ClientKey { video, client }: ClientKey) -> Self {
        doc! { "video": video, "client": client }.into()
    }
}

impl Stored for ClientDocument {
    const COLLECTION: &'static str = "implicit_sessions";
}

impl Guarded for ClientDocument {
    fn key(&self) -> Bson {
        self.id.clone().into()
    }

    fn revision(&self) -> i64 {
        self.revision
    }
}

#[derive(Clone, Debug)]
struct ImplicitSession {
    session: Uuid,
    span: ByteSpan,
    /// Whether it is a view. That stays, whatever arrives.
    counted: bool,
    /// Sessions that were views and are a part of this one now.
    joined: Vec<Uuid>,
}

impl TryFrom<ImplicitSessionDocument> for ImplicitSession {
    type Error = ViewLogError;

    fn try_from(document: ImplicitSessionDocument) -> Result<Self, ViewLogError> {
        let ImplicitSessionDocument {
            session,
            first_byte_at,
            last_byte_at,
            covers_start,
            duration_ms,
            counted,
            joined,
        } = document;
        Ok(Self {
            session: uuid(session),
            span: ByteSpan::new(
                time(first_byte_at)?,
                time(last_byte_at)?,
                covers_start,
                uncount_known(duration_ms)?,
            ),
            counted,
            joined: joined.into_iter().map(uuid).collect(),
        })
    }
}

impl From<&ImplicitSession> for ImplicitSessionDocument {
    fn from(session: &ImplicitSession) -> Self {
        let ImplicitSession {
            session,
            span,
            counted,
            joined,
        } = session;
        Self {
            session: id(*session),
            first_byte_at: date(span.first_byte_at()),
            last_byte_at: date(span.last_byte_at()),
            covers_start: span.covers_start(),
            duration_ms: span.duration_ms().map(count),
            counted: *counted,
            joined: joined.iter().copied().map(id).collect(),
        }
    }
}

impl ClientDocument {
    fn new(id: ClientKey, revision: i64, sessions: &[ImplicitSession]) -> Option<Self> {
        let ends = sessions.iter().map(|session| session.span.last_byte_at());
        Some(Self {
            id,
            revision,
            earliest_end: date(ends.min()?),
            sessions: sessions.iter().map(ImplicitSessionDocument::from).collect(),
        })
    }

    fn into_sessions(self) -> Result<Vec<ImplicitSession>, ViewLogError> {
        let sessions = self.sessions.into_iter().map(ImplicitSession::try_from);
        sessions.collect()
    }
}

/// Joins a report with the sessions that it reaches.
pub(super) async fn record(
    store: &Store,
    report: &StreamReport,
    at: Timestamp,
) -> Result<Recorded, ViewLogError> {
    if report.span.last_byte_at() < at - STREAM_RETENTION {
        return Ok(without_view(Outcome::TooLate));
    }
    let key = ClientKey {
        video: id(report.video),
        client: report.client.clone(),
    };
    let _turn = store.client_turns.lock(&key).await;
    let mut tries = Tries::default();
    loop {
        let (found, deleted) = tokio::try_join!(
            store.clients.get(key.clone()),
            forgetting::is_deleted(store, report.video),
        )?;
        if deleted {
            // An earlier delivery may have been cut off before it saw that.
            forgetting::remove_video(store, report.video).await?;
            return Ok(without_view(Outcome::VideoDeleted));
        }
        let read = found.as_ref().map(|document| document.revision);
        let sessions = found.map_or_else(|| Ok(Vec::new()), ClientDocument::into_sessions)?;
        let (reached, mut others): (Vec<_>, Vec<_>) = sessions
            .into_iter()
            .partition(|session| session.span.joins(&report.span));
        let whole = join(store, report, &reached).await?;

        let unchanged = matches!(
            reached.as_slice(),
            [only] if only.span == whole.span && only.counted == whole.counted
        );
        let joined = whole.clone();
        if !unchanged {
            others.push(whole);
            others.sort_by_key(|session| session.span.first_byte_at());
            let revision = next_revision(read);
            let document = ClientDocument::new(key.clone(), revision, &others)
                .expect("the session of the report is among them");
            if !store.clients.replace(&document, read).await? {
                tries.lost().await?;
                continue;
            }
        }
        for session in &joined.joined {
            views::give_back(store, *session).await?;
        }
        let mut counting = None;
        if joined.counted {
            let counted = views::count_session(store, report.video, joined.session, at).await?;
            if counted.fresh && was_joined_meanwhile(store, &key, joined.session).await? {
                // Somebody joined it to an earlier view, and may have looked for this one too
                // early. From the start, as if the report came again.
                views::give_back(store, joined.session).await?;
                tries.lost().await?;
                continue;
            }
            counting = Some(counted);
        }
        let wrote = !unchanged || counting.as_ref().is_some_and(|counting| counting.fresh);
        if wrote && forgetting::was_deleted_meanwhile(store, report.video).await? {
            return Ok(without_view(Outcome::VideoDeleted));
        }
        let outcome = if unchanged {
            Outcome::Duplicate
        } else {
            Outcome::Stored
        };
        return Ok(recorded(outcome, counting.as_ref()));
    }
}

/// The session that the report and those that it reaches are together.
///
/// Of those that are views it keeps the one with the smallest number; a view that is only about
/// to get its number has none that was told to anybody. Without any view it is the earliest, and
/// the report itself where it reaches none.
async fn join(
    store: &Store,
    report: &StreamReport,
    reached: &[ImplicitSession],
) -> Result<ImplicitSession, ViewLogError> {
    let counted: Vec<_> = reached.iter().filter(|session| session.counted).collect();
    let mut kept = counted.first().map(|session| session.session);
    if counted.len() > 1 {
        let mut smallest = None;
        for session in &counted {
            let Some(stored) = views::of_session(store, session.session).await? else {
                continue;
            };
            if smallest.is_none_or(|smallest| stored.view.number < smallest) {
                smallest = Some(stored.view.number);
                kept = Some(session.session);
            }
        }
    }
    let span = reached
        .iter()
        .fold(report.span, |span, session| span.union(&session.span));
    let earliest = reached.first().map(|session| session.session);
    let session = kept.or(earliest).unwrap_or(report.report);
    let surplus = counted.iter().map(|counted| counted.session);
    let before = reached.iter().flat_map(|reached| reached.joined.iter());
    Ok(ImplicitSession {
        session,
        span,
        counted: kept.is_some() || span.is_view(),
        joined: before
            .copied()
            .chain(surplus.filter(|surplus| *surplus != session))
            .collect(),
    })
}

async fn was_joined_meanwhile(
    store: &Store,
    key: &ClientKey,
    session: Uuid,
) -> Result<bool, ViewLogError> {
    let Some(document) = store.clients.get(key.clone()).await? else {
        return Ok(false);
    };
    let sessions = document.into_sessions()?;
    Ok(sessions.iter().any(|other| other.joined.contains(&session)))
}

fn without_view(outcome: Outcome) -> Recorded {
    recorded(outcome, None)
}

fn recorded(outcome: Outcome, counting: Option<&Counting>) -> Recorded {
    Recorded {
        outcome,
        counted: counting.is_some_and(|counting| counting.fresh),
        unpublished: counting.and_then(|counting| counting.stored.unpublished()),
    }
}

/// Removes implicit sessions that ended more than their retention before `now`.
pub(super) async fn sweep(store: &Store, now: Timestamp) -> Result<usize, ViewLogError> {
    let before = now - STREAM_RETENTION;
    let mut swept = 0;
    loop {
        let documents = store.clients.find(Query {
            filter: doc! { "earliest_end": { "$lt": date(before) } },
            sort: doc! { "earliest_end": 1 },
            limit: STEP,
        });
        let documents = documents.await?;
        if documents.is_empty() {
            return Ok(swept);
        }
        for document in documents {
            swept += sweep_client(store, document, before).await?;
        }
    }
}

/// Removes what is over of one document. One that has changed meanwhile is found again.
async fn sweep_client(
    store: &Store,
    document: ClientDocument,
    before: Timestamp,
) -> Result<usize, ViewLogError> {
    let mut sessions = document.clone().into_sessions()?;
    let all = sessions.len();
    sessions.retain(|session| session.span.last_byte_at() >= before);
    let read = Some(document.revision);
    let left = ClientDocument::new(document.id.clone(), next_revision(read), &sessions);
    let changed = match left {
        Some(left) => store.clients.replace(&left, read).await?,
        None => store.clients.remove_unchanged(&document).await?,
    };
    Ok(if changed { all - sessions.len() } else { 0 })
}

/// What selects the implicit sessions of a video.
pub(super) fn of_video(video: Uuid) -> Document {
    doc! { "_id.video": id(video) }
}
