//! How replicas that share a store know which uploads somebody still works on.
//!
//! An upload renews its intent while it runs, and one whose intent was not renewed for the length
//! of the lease is anybody's to take away. How old an intent is, is told by the clock of the store
//! alone. A lease that has run out proves nothing: a process that stood still may go on. So what
//! takes an upload away first abandons it ([`Records::abandon`](crate::records::Records::abandon)),
//! which succeeds only if the upload is not complete and keeps it from becoming so.
//!
//! A store that is not shared needs no lease: what this process does not work on, nobody does.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use service_kit::telemetry;

use crate::record::{IntentDocument, now};
use crate::store::{Object, Store, StoreError};

/// Renewals within the length of a lease: some may fail.
const RENEWALS: u32 = 6;
/// How long it is remembered that an upload was abandoned. A process that stood still for longer
/// has lost its client, and every connection to the store.
const MEMORY: SignedDuration = SignedDuration::from_hours(1);

/// The length of the leases, where there are any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    length: Option<Duration>,
}

impl Lease {
    /// The leases of uploads to this store.
    pub(crate) fn on(store: &Store, length: Duration) -> Self {
        Self {
            length: store.is_shared().then_some(length),
        }
    }

    /// Writes the intent of an upload: from now on it is held.
    pub(crate) async fn take(
        &self,
        store: &Store,
        intent: &IntentDocument,
    ) -> Result<(), StoreError> {
        store.put_json(&Object::intent(intent.id()), intent).await
    }

    /// Renews an intent for as long as this is polled. Never ends.
    pub(crate) async fn keep(
        &self,
        store: &Store,
        intent: &IntentDocument,
    ) -> std::convert::Infallible {
        let Some(length) = self.length else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(length / RENEWALS).await;
            if let Err(error) = self.take(store, intent).await {
                let (id, error) = (intent.id(), telemetry::chain(&error));
                tracing::warn!(video.id = %id, error, "the intent of an upload was not renewed");
            }
        }
    }

    /// Whether an intent that was last written then is anybody's, at this time of the store.
    pub(crate) fn is_over(&self, renewed_at: Timestamp, clock: Timestamp) -> bool {
        let Some(length) = self.length else {
            return true;
        };
        // Where the store dates to the second, it may say a second too early.
        let length = length + Duration::from_secs(1);
        clock.duration_since(renewed_at) >= SignedDuration::try_from(length).unwrap_or(MEMORY)
    }

    /// Whether nobody can be working any more on an upload that was abandoned then.
    pub(crate) fn is_forgotten(&self, abandoned_at: Timestamp, clock: Timestamp) -> bool {
        self.length.is_none() || clock.duration_since(abandoned_at) >= MEMORY
    }

    /// How often it is looked for leases that have run out.
    pub(crate) fn review(&self, otherwise: Duration) -> Duration {
        self.length
            .map_or(otherwise, |length| (length / 2).min(otherwise))
    }

    /// An intent as it is written when an upload begins.
    pub(crate) fn intent(id: uuid::Uuid) -> IntentDocument {
        IntentDocument::new(id, now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    #[test]
    fn an_intent_is_anybodys_when_it_was_not_renewed_for_the_length_of_the_lease() {
        let lease = Lease {
            length: Some(Duration::from_mins(3)),
        };
        assert!(!lease.is_over(at(0), at(180)));
        assert!(lease.is_over(at(0), at(181)));
        // Written after the clock was read.
        assert!(!lease.is_over(at(5), at(0)));
        assert!(!lease.is_forgotten(at(0), at(3_599)));
        assert!(lease.is_forgotten(at(0), at(3_600)));
    }

    #[test]
    fn without_others_nothing_is_waited_for() {
        let lease = Lease { length: None };
        assert!(lease.is_over(at(0), at(0)));
        assert!(lease.is_forgotten(at(0), at(0)));
        let minutes = Duration::from_mins(10);
        assert_eq!(lease.review(minutes), minutes);
    }
}
