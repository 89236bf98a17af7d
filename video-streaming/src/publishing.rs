//! Beats become events.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use events::{Envelope, EventBus, PlaybackState, PublishError, VideoViewed, WatchProgressed};
use uuid::Uuid;

use crate::beats::Beat;
use crate::watch_token::WatchSession;

/// How many sessions are remembered as announced. Forgetting one costs one event more, which its
/// consumers know by its id.
const REMEMBERED_SESSIONS: usize = 100_000;

/// How long a player waits for its beat to be taken.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Publishes what watch sessions do.
pub(crate) struct Publisher {
    bus: Arc<dyn EventBus>,
    announced: Mutex<AnnouncedSessions>,
}

impl Publisher {
    /// A publisher that has announced nothing yet.
    pub(crate) fn new(bus: Arc<dyn EventBus>) -> Self {
        Self {
            bus,
            announced: Mutex::new(AnnouncedSessions::new(REMEMBERED_SESSIONS)),
        }
    }

    /// Publishes a beat, and before it that the session has started to play, unless this replica
    /// has said so already. `Ok` means that both are durable.
    ///
    /// Everything in `video.viewed` comes from the token, so that replicas which announce the
    /// same session publish the same event.
    pub(crate) async fn publish(
        &self,
        session: &WatchSession,
        beat: &Beat,
    ) -> Result<(), PublishError> {
        if beat.state() == PlaybackState::Playing && !self.announced().contains(session.session) {
            self.send(Envelope::of(&viewed(session))).await?;
            self.announced().insert(session.session);
        }
        self.send(Envelope::of(&progressed(session, beat))).await
    }

    /// Publishes one event. A bus that says nothing for [`TIMEOUT`] counts as down; should it have
    /// taken the event after all, the player's next try is the same event again.
    async fn send(&self, event: Envelope) -> Result<(), PublishError> {
        tokio::time::timeout(TIMEOUT, self.bus.publish(event))
            .await
            .unwrap_or_else(|silent| Err(PublishError::Unavailable(silent.into())))
    }

    fn announced(&self) -> MutexGuard<'_, AnnouncedSessions> {
        self.announced
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn viewed(session: &WatchSession) -> VideoViewed {
    let WatchSession {
        session,
        video,
        viewer,
        started_at,
        duration_ms,
    } = session.clone();
    VideoViewed {
        session,
        video,
        viewer,
        started_at,
        duration_ms,
    }
}

fn progressed(session: &WatchSession, beat: &Beat) -> WatchProgressed {
    let WatchSession {
        session,
        video,
        viewer,
        started_at,
        duration_ms,
    } = session.clone();
    WatchProgressed {
        session,
        video,
        viewer,
        started_at,
        seq: beat.seq(),
        position_ms: beat.position_ms(),
        state: beat.state(),
        received_at: beat.received_at(),
        duration_ms,
    }
}

/// The sessions announced last, as many as fit.
struct AnnouncedSessions {
    capacity: usize,
    known: HashSet<Uuid>,
    oldest_first: VecDeque<Uuid>,
}

impl AnnouncedSessions {
    fn new(capacity: usize) -> Self {
        Self {
            capacity,
            known: HashSet::new(),
            oldest_first: VecDeque::new(),
        }
    }

    fn contains(&self, session: Uuid) -> bool {
        self.known.contains(&session)
    }

    fn insert(&mut self, session: Uuid) {
        if !self.known.insert(session) {
            return;
        }
        self.oldest_first.push_back(session);
        if self.oldest_first.len() > self.capacity
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_session_is_forgotten_first() {
        let mut sessions = AnnouncedSessions::new(2);
        for number in [1, 2, 1, 3] {
            sessions.insert(Uuid::from_u128(number));
        }
        assert!(!sessions.contains(Uuid::from_u128(1)));
        assert!(sessions.contains(Uuid::from_u128(2)));
        assert!(sessions.contains(Uuid::from_u128(3)));
        assert_eq!(sessions.oldest_first.len(), 2);
    }
}
