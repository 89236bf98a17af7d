use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use events::bus::BusError;
use events::{DeadLetter, Event as _, Queue, SubscribeError, Subscription};
use test_support::{DataFolder, eventually};
use uuid::Uuid;

use super::*;
use crate::catalog::SqliteCatalog;
use crate::catalog::conformance::{id, new_video, time};

/// A bus that remembers what it took and can be down.
#[derive(Debug, Default)]
struct RecordingBus {
    is_down: AtomicBool,
    taken: Mutex<Vec<Envelope>>,
    refused: AtomicBool,
}

impl RecordingBus {
    fn taken(&self) -> Vec<Uuid> {
        let taken = self.taken.lock().unwrap();
        taken
            .iter()
            .map(|envelope| envelope.decode::<VideoDeleted>().unwrap().video)
            .collect()
    }
}

#[async_trait]
impl EventBus for RecordingBus {
    async fn publish(&self, event: Envelope) -> Result<(), PublishError> {
        if self.is_down.load(Ordering::SeqCst) {
            self.refused.store(true, Ordering::SeqCst);
            return Err(PublishError::Full);
        }
        self.taken.lock().unwrap().push(event);
        Ok(())
    }

    async fn subscribe(&self, _: Queue) -> Result<Box<dyn Subscription>, SubscribeError> {
        unreachable!("deletions are published only")
    }

    async fn dead_letters(&self, _: Queue, _: usize) -> Result<Vec<DeadLetter>, BusError> {
        unreachable!("deletions are published only")
    }

    async fn replay(&self, _: Queue, _: Uuid) -> Result<bool, BusError> {
        unreachable!("deletions are published only")
    }

    async fn discard(&self, _: Queue, _: Uuid) -> Result<bool, BusError> {
        unreachable!("deletions are published only")
    }
}

async fn catalog_with_deleted(folder: &DataFolder, numbers: &[u32]) -> SqliteCatalog {
    let catalog = SqliteCatalog::open(&folder.join("metadata.db"))
        .await
        .unwrap();
    for n in numbers {
        catalog.register(new_video(*n, "Title")).await.unwrap();
        delete(&catalog, *n).await;
    }
    catalog
}

async fn delete(catalog: &dyn Catalog, n: u32) {
    let tombstone = Tombstone {
        video: id(n),
        deleted_at: time(i64::from(n)),
    };
    assert!(catalog.delete(tombstone).await.unwrap());
}

#[tokio::test]
async fn what_was_pending_at_the_start_is_published_and_confirmed() {
    let folder = DataFolder::new();
    let catalog = catalog_with_deleted(&folder, &[1, 2]).await;
    let bus = RecordingBus::default();
    publish_pending(&catalog, &bus).await.unwrap();
    assert_eq!(bus.taken(), [id(1), id(2)]);
    assert!(catalog.pending_deletions(10).await.unwrap().is_empty());

    publish_pending(&catalog, &bus).await.unwrap();
    assert_eq!(
        bus.taken().len(),
        2,
        "what is confirmed is not published again"
    );
    let event = bus.taken.lock().unwrap()[0].clone();
    let told = VideoDeleted {
        video: id(1),
        deleted_at: time(1),
    };
    assert_eq!(event.id, told.id());
    assert_eq!(event.decode::<VideoDeleted>().unwrap(), told);
}

#[tokio::test]
async fn a_deletion_waits_for_a_bus_that_is_down_and_is_published_once_it_is_back() {
    let folder = DataFolder::new();
    let catalog = catalog_with_deleted(&folder, &[1]).await;
    let bus = RecordingBus::default();
    bus.is_down.store(true, Ordering::SeqCst);
    let pending = PendingDeletions::default();
    let stop = CancellationToken::new();
    let publishing = pending.publish_all(&catalog, &bus, stop.clone());
    let outage = async {
        let second = Duration::from_secs(20);
        let refused = || async { bus.refused.load(Ordering::SeqCst).then_some(()) };
        eventually(second, refused).await;
        assert_eq!(catalog.pending_deletions(10).await.unwrap().len(), 1);
        bus.is_down.store(false, Ordering::SeqCst);
        eventually(second, || async { (!bus.taken().is_empty()).then_some(()) }).await;
        stop.cancel();
    };
    tokio::join!(publishing, outage);
    assert_eq!(bus.taken(), [id(1)]);
    assert!(catalog.pending_deletions(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_deletion_that_is_announced_is_published_at_once() {
    let folder = DataFolder::new();
    let catalog = catalog_with_deleted(&folder, &[1]).await;
    let bus = RecordingBus::default();
    let pending = PendingDeletions::default();
    let stop = CancellationToken::new();
    let publishing = pending.publish_all(&catalog, &bus, stop.clone());
    let deleting = async {
        let soon = REVIEW / 2;
        eventually(soon, || async { (bus.taken().len() == 1).then_some(()) }).await;
        catalog.register(new_video(2, "Title")).await.unwrap();
        delete(&catalog, 2).await;
        pending.announce();
        eventually(soon, || async { (bus.taken().len() == 2).then_some(()) }).await;
        stop.cancel();
    };
    tokio::join!(publishing, deleting);
}

#[tokio::test]
async fn a_deletion_just_before_the_end_is_still_published() {
    let folder = DataFolder::new();
    let catalog = catalog_with_deleted(&folder, &[1]).await;
    let bus = RecordingBus::default();
    let stop = CancellationToken::new();
    stop.cancel();
    let pending = PendingDeletions::default();
    pending.publish_all(&catalog, &bus, stop).await;
    assert_eq!(bus.taken(), [id(1)]);
}
