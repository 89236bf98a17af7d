//! The collections of the view log.

use std::time::Duration;

use mongodb::Database;

use super::documents::Documents;
use super::entries::EntryDocument;
use super::forgetting::{TombstoneDocument, ViewerDocument};
use super::implicit::ClientDocument;
use super::sessions::SessionDocument;
use super::turns::Locks;
use super::views::ViewDocument;

/// All collections of the view log.
pub(super) struct Store {
    pub(super) sessions: Documents<SessionDocument>,
    pub(super) entries: Documents<EntryDocument>,
    pub(super) views: Documents<ViewDocument>,
    pub(super) clients: Documents<ClientDocument>,
    pub(super) viewers: Documents<ViewerDocument>,
    pub(super) tombstones: Documents<TombstoneDocument>,
    /// Turns for the document of one plain player.
    pub(super) client_turns: Locks<()>,
    /// Turns for the numbers of one video.
    pub(super) number_turns: Locks<()>,
    #[cfg(test)]
    pub(super) database: Database,
}

impl Store {
    /// With how long a command may take.
    pub(super) fn of(database: &Database, patience: Duration) -> Self {
        Self {
            sessions: Documents::of(database, patience),
            entries: Documents::of(database, patience),
            views: Documents::of(database, patience),
            clients: Documents::of(database, patience),
            viewers: Documents::of(database, patience),
            tombstones: Documents::of(database, patience),
            client_turns: Locks::default(),
            number_turns: Locks::default(),
            #[cfg(test)]
            database: database.clone(),
        }
    }

    /// How many documents there are of each kind.
    #[cfg(test)]
    pub(super) async fn count_of_all(&self) -> [usize; 6] {
        use super::documents::Query;
        let all = || Query {
            limit: 10_000,
            ..Query::default()
        };
        [
            self.sessions.keys(all()).await.unwrap().len(),
            self.entries.keys(all()).await.unwrap().len(),
            self.views.keys(all()).await.unwrap().len(),
            self.clients.keys(all()).await.unwrap().len(),
            self.viewers.keys(all()).await.unwrap().len(),
            self.tombstones.keys(all()).await.unwrap().len(),
        ]
    }

    /// Makes the test's interruption that of all collections.
    #[cfg(test)]
    pub(super) fn interrupt_with(&mut self, interruption: &super::tests::Interruption) {
        self.sessions.interruption = interruption.clone();
        self.entries.interruption = interruption.clone();
        self.views.interruption = interruption.clone();
        self.clients.interruption = interruption.clone();
        self.viewers.interruption = interruption.clone();
        self.tombstones.interruption = interruption.clone();
    }
}
