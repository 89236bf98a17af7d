//! Implicit sessions as they are moved.

use mongodb::bson::Bson;
use service_kit::merge::Page;

use super::{ClientDocument, ClientKey, ImplicitSession};
use crate::view_log::ViewLogError;
use crate::view_log::mongodb::documents::next_revision;
use crate::view_log::mongodb::store::Store;
use crate::view_log::mongodb::transfer::put_all;
use crate::view_log::mongodb::values::{id, uuid};
use crate::view_log::transfer::{Kept, KeptClient, Key};

pub(in crate::view_log::mongodb) async fn export(
    store: &Store,
    after: Option<Key>,
    limit: usize,
) -> Result<Page<Key, Kept>, ViewLogError> {
    let after = match after {
        Some(Key::Client(video, client)) => Some(Bson::from(ClientKey {
            video: id(video),
            client,
        })),
        _ => None,
    };
    let documents = store.clients.range(after, limit + 1).await?;
    let items = documents.into_iter().map(|document| {
        let ClientKey { video, client } = document.id.clone();
        let mut sessions: Vec<_> = document
            .into_sessions()?
            .into_iter()
            .map(|session| (session.session, session.span))
            .collect();
        sessions.sort_by_key(|(session, span)| (span.first_byte_at(), *session));
        let kept = Kept::Client(KeptClient {
            video: uuid(video),
            client,
            sessions,
        });
        Ok((kept.key(), kept))
    });
    let items = items.collect::<Result<_, ViewLogError>>()?;
    Ok(Page::of_one_more(items, limit))
}

pub(in crate::view_log::mongodb) async fn put(
    store: &Store,
    clients: Vec<KeptClient>,
) -> Result<(), ViewLogError> {
    let documents = clients.into_iter().filter_map(|kept| {
        let KeptClient {
            video,
            client,
            sessions,
        } = kept;
        let sessions = sessions.into_iter().map(|(session, span)| ImplicitSession {
            session,
            span,
            counted: span.is_view(),
            // Joined where it came from, and settled there.
            joined: Vec::new(),
        });
        let key = ClientKey {
            video: id(video),
            client,
        };
        ClientDocument::new(key, next_revision(None), &sessions.collect::<Vec<_>>())
    });
    put_all(&store.clients, &documents.collect::<Vec<_>>()).await
}
