//! Moving between two folders; other engines are moved between in `flixtube`'s tests.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::*;
use crate::digest::hex;
use crate::idempotency::KeyHash;
use crate::media::Container;
use crate::record::UploadRecord;

/// A store as `video-storage` leaves it.
struct Filled {
    folder: TempDir,
    store: Store,
    records: Records,
}

impl Filled {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open_store(&url(&folder)).await;
        Self {
            records: Records::new(store.clone()),
            store,
            folder,
        }
    }

    fn url(&self) -> StoreUrl {
        url(&self.folder)
    }

    async fn blobs(&self) -> Blobs {
        Blobs::open(&self.url(), &StoreSettings::default())
            .await
            .unwrap()
    }

    /// A complete upload of these bytes.
    async fn add(&self, bytes: &'static [u8]) -> Uuid {
        let id = Uuid::now_v7();
        let video = Object::video(id);
        let bytes = Bytes::from_static(bytes);
        self.store.put(&video, bytes.clone()).await.unwrap();
        let (_, meta) = self.store.get(&video).await.unwrap().unwrap();
        let record = UploadRecord {
            id,
            title: "A day".to_owned(),
            container: Container::WebM,
            size_bytes: bytes.len() as u64,
            sha256: hex(&Sha256::digest(&bytes)),
            duration_ms: None,
            picture_size: None,
            uploaded_at: now(),
            store_tag: meta.e_tag,
            key: None,
        };
        self.records.save(&record).await.unwrap();
        id
    }

    async fn put(&self, object: Object, bytes: &'static [u8]) {
        let bytes = Bytes::from_static(bytes);
        self.store.put(&object, bytes).await.unwrap();
    }
}

fn url(folder: &TempDir) -> StoreUrl {
    StoreUrl::File(folder.path().join("videos"))
}

async fn open_store(url: &StoreUrl) -> Store {
    Store::open(url, &StoreSettings::default()).await.unwrap()
}

async fn target(folder: &TempDir) -> Target {
    Target::open(&url(folder), &StoreSettings::default())
        .await
        .unwrap()
}

async fn take(source: &Filled, target: &Target, id: Uuid) -> (Moved, u64) {
    let read = AtomicU64::new(0);
    let progress = |bytes| {
        read.fetch_add(bytes, Ordering::Relaxed);
    };
    let stop = CancellationToken::new();
    let blobs = source.blobs().await;
    let moved = target.take(&blobs, id, Standing::Listed, &progress, &stop);
    (moved.await.unwrap(), read.load(Ordering::Relaxed))
}

async fn compared(source: &Filled, target: &Target) -> Comparison {
    let stop = CancellationToken::new();
    compare(&source.blobs().await, target.blobs(), &|_| {}, &stop)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_video_is_moved_once_with_its_poster_beside_the_service_that_owns_it() {
    let source = Filled::new().await;
    let id = source.add(b"some bytes").await;
    source.put(Object::poster(id), b"a picture").await;
    let folder = tempfile::tempdir().unwrap();
    let target = target(&folder).await;
    assert_eq!(take(&source, &target, id).await, (Moved::Copied, 10));
    assert_eq!(take(&source, &target, id).await, (Moved::AlreadyThere, 10));
    let poster = target.blobs.read(&Object::poster(id)).await.unwrap();
    assert_eq!(poster.unwrap().as_ref(), b"a picture");
    let record = target.records.read(id).await.unwrap().unwrap();
    let bytes = target
        .blobs
        .head(&Object::video(id))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(record.store_tag, bytes.e_tag, "the target's own tag");
    assert!(target.store.intents().await.unwrap().is_empty());
    let survey = target.blobs().survey().await.unwrap();
    assert_eq!((survey.videos, survey.bytes), (1, 10));
    let found = compared(&source, &target).await;
    assert_eq!((found.equal, found.bytes), (1, 10));
    assert!(found.different.is_empty() && found.extra == 0);
    // Another picture of the same length, a moment later.
    source.put(Object::poster(id), b"a fresher").await;
    assert_eq!(compared(&source, &target).await.different, [id]);
    take(&source, &target, id).await;
    assert_eq!(compared(&source, &target).await.equal, 1);
}

#[tokio::test]
async fn what_an_interrupted_move_left_is_completed() {
    let source = Filled::new().await;
    let id = source.add(b"some bytes").await;
    let folder = tempfile::tempdir().unwrap();
    let target = target(&folder).await;
    // Killed after the bytes and before the record; and with half of other bytes.
    for left in [&b"some bytes"[..], b"some b"] {
        video::write_intent(&target.store, id).await.unwrap();
        let bytes = Bytes::from_static(left);
        target.store.put(&Object::video(id), bytes).await.unwrap();
        let (moved, _) = take(&source, &target, id).await;
        let expected = match left.len() {
            10 => Moved::AlreadyThere,
            _ => Moved::Copied,
        };
        assert_eq!(moved, expected);
        assert_eq!(compared(&source, &target).await.equal, 1);
        assert!(target.store.intents().await.unwrap().is_empty());
        target.records.remove(id).await.unwrap();
    }
}

#[tokio::test]
async fn a_video_that_is_not_what_was_uploaded_is_told_and_leaves_nothing() {
    let source = Filled::new().await;
    let (other, short, missing, record) = (
        source.add(b"some bytes").await,
        source.add(b"some bytes").await,
        source.add(b"some bytes").await,
        source.add(b"some bytes").await,
    );
    source.put(Object::video(other), b"some b*tes").await;
    source.put(Object::video(short), b"some").await;
    source.store.remove(&Object::video(missing)).await.unwrap();
    source.put(Object::record(record), b"{}").await;
    let folder = tempfile::tempdir().unwrap();
    let target = target(&folder).await;
    for id in [other, short, missing, record] {
        let (moved, _) = take(&source, &target, id).await;
        assert!(matches!(moved, Moved::Damaged(_)), "{moved:?}");
        assert!(
            target
                .blobs
                .head(&Object::video(id))
                .await
                .unwrap()
                .is_none()
        );
    }
    assert_eq!(target.blobs().survey().await.unwrap(), Survey::default());
    assert!(target.store.intents().await.unwrap().is_empty());
    let found = compared(&source, &target).await;
    assert_eq!((found.damaged, found.different.len()), (4, 0));
}

#[tokio::test]
async fn damage_in_the_target_is_found_by_comparing_and_mended_by_moving_again() {
    let source = Filled::new().await;
    let id = source.add(b"some bytes").await;
    let folder = tempfile::tempdir().unwrap();
    let target = target(&folder).await;
    take(&source, &target, id).await;
    let wrong = Bytes::from_static(b"some b*tes");
    target.store.put(&Object::video(id), wrong).await.unwrap();
    assert_eq!(compared(&source, &target).await.different, [id]);
    assert_eq!(take(&source, &target, id).await.0, Moved::Copied);
    assert_eq!(compared(&source, &target).await.equal, 1);
}

#[tokio::test]
async fn deleted_videos_go_and_unlisted_ones_keep_an_intent_for_the_service() {
    let source = Filled::new().await;
    let (deleted, unlisted) = (source.add(b"one").await, source.add(b"two").await);
    let folder = tempfile::tempdir().unwrap();
    let target = target(&folder).await;
    take(&source, &target, deleted).await;
    let blobs = source.blobs().await;
    let stop = CancellationToken::new();
    for (id, standing, expected) in [
        (deleted, Standing::Deleted, Moved::Gone),
        (unlisted, Standing::Unlisted, Moved::Copied),
        (Uuid::now_v7(), Standing::Listed, Moved::Gone),
    ] {
        let moved = target.take(&blobs, id, standing, &|_| {}, &stop).await;
        assert_eq!(moved.unwrap(), expected);
    }
    assert_eq!(target.store.intents().await.unwrap(), [unlisted]);
    let left = ids(target.blobs().videos()).await.unwrap();
    assert_eq!(left, HashSet::from([unlisted]));
}

#[tokio::test]
async fn keys_are_moved_while_they_are_good() {
    let source = Filled::new().await;
    let id = source.add(b"some bytes").await;
    let old = now() - jiff::SignedDuration::from_hours(25);
    for (key, created_at) in [("good", now()), ("old", old)] {
        let hash = KeyHash::of(key.as_bytes()).unwrap();
        let document = KeyDocument::new(id, created_at);
        let object = Object::key(hash.as_hex());
        source.store.put_json(&object, &document).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let target = target(&folder).await;
    let stop = CancellationToken::new();
    let blobs = source.blobs().await;
    assert_eq!(target.take_keys(&blobs, &stop).await.unwrap(), 1);
    let hash = KeyHash::of(b"good").unwrap();
    let object = Object::key(hash.as_hex());
    let key = target.store.get_json::<KeyDocument>(&object);
    assert_eq!(key.await.unwrap().unwrap().video, id);
}

#[tokio::test]
async fn it_stops_when_it_is_told_to_and_refuses_what_is_no_store_or_in_use() {
    let source = Filled::new().await;
    let id = source.add(b"some bytes").await;
    let folder = tempfile::tempdir().unwrap();
    let held = target(&folder).await;
    let stop = CancellationToken::new();
    stop.cancel();
    let blobs = source.blobs().await;
    let moved = held
        .take(&blobs, id, Standing::Listed, &|_| {}, &stop)
        .await;
    assert!(matches!(moved, Err(TransferError::Stopped)), "{moved:?}");
    assert_eq!(held.blobs().survey().await.unwrap(), Survey::default());

    let refused = Target::open(&url(&folder), &StoreSettings::default())
        .await
        .unwrap_err();
    assert!(matches!(refused, TransferError::Open { .. }), "{refused:?}");
    held.release();
    target(&folder).await;
    let nothing = tempfile::tempdir().unwrap();
    let refused = Blobs::open(
        &StoreUrl::File(nothing.path().to_owned()),
        &StoreSettings::default(),
    )
    .await;
    assert!(matches!(refused, Err(TransferError::NoStore { .. })));
}

#[tokio::test]
async fn a_record_of_a_later_release_ends_the_move() {
    let source = Filled::new().await;
    let id = source.add(b"some bytes").await;
    let path = Object::record(id);
    let record = source.store.get(&path).await.unwrap().unwrap().0;
    let record = String::from_utf8(record.to_vec()).unwrap();
    let newer = record.replace("\"schema\":1", "\"schema\":2");
    source.store.put(&path, newer.into()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let target = target(&folder).await;
    let stop = CancellationToken::new();
    let blobs = source.blobs().await;
    let moved = target
        .take(&blobs, id, Standing::Listed, &|_| {}, &stop)
        .await;
    let newer = matches!(moved, Err(TransferError::Newer { schema: 2, .. }));
    assert!(newer, "{moved:?}");
}
