//! Watch sessions as they are moved.

use mongodb::bson::Bson;
use service_kit::merge::Page;

use super::stored::StoredSession;
use crate::view_log::ViewLogError;
use crate::view_log::beat_runs::BeatRuns;
use crate::view_log::mongodb::documents::next_revision;
use crate::view_log::mongodb::store::Store;
use crate::view_log::mongodb::transfer::put_all;
use crate::view_log::mongodb::values::id;
use crate::view_log::transfer::{Kept, KeptSession, Key};
use crate::watch_session;

pub(in crate::view_log::mongodb) async fn export(
    store: &Store,
    after: Option<Key>,
    limit: usize,
) -> Result<Page<Key, Kept>, ViewLogError> {
    let after = match after {
        Some(Key::Session(session)) => Some(Bson::from(id(session))),
        _ => None,
    };
    let documents = store.sessions.range(after, limit + 1).await?;
    let items = documents.into_iter().map(|document| {
        let StoredSession {
            session,
            duration_ms,
            duration_seq,
            runs,
            swept_seq,
            counted: _,
            stored_at,
            read: _,
            changed: _,
            to_show: _,
        } = document.try_into()?;
        let kept = Kept::Session(KeptSession {
            session,
            duration_ms,
            duration_seq,
            runs: runs.runs().to_vec(),
            swept_seq,
            stored_at,
        });
        Ok((kept.key(), kept))
    });
    let items = items.collect::<Result<_, ViewLogError>>()?;
    Ok(Page::of_one_more(items, limit))
}

/// Whether a session that is no view by its time is one all the same, the views say, which are
/// put after it.
pub(in crate::view_log::mongodb) async fn put(
    store: &Store,
    sessions: Vec<KeptSession>,
) -> Result<(), ViewLogError> {
    let documents = sessions.into_iter().map(|kept| {
        let KeptSession {
            session,
            duration_ms,
            duration_seq,
            runs,
            swept_seq,
            stored_at,
        } = kept;
        let runs = BeatRuns::new(runs);
        let stored = StoredSession {
            session,
            duration_ms,
            duration_seq,
            counted: watch_session::is_view(runs.watched_ms(), duration_ms),
            runs,
            swept_seq,
            stored_at,
            read: None,
            changed: true,
            to_show: Vec::new(),
        };
        stored.document(next_revision(None))
    });
    put_all(&store.sessions, &documents.collect::<Vec<_>>()).await
}
