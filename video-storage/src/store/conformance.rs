//! What holds on every engine, as tests. Each law gets an empty store of its own:
//!
//! 1. *Writes are seen.* After a write or a removal has answered, every read and list shows it.
//! 2. *Creating is atomic.* Of all who create one object, exactly one makes it.
//! 3. *All at once.* An object that is written in parts appears whole, or never.
//! 4. *Tags.* An object carries a tag that changes with every write. A read that names a tag
//!    yields bytes of the object with that tag, or none.
//! 5. *Ranges are exact.*
//! 6. *Nothing is not a failure.* An object that is not there is missing; removing it succeeds.
//! 7. *Prefixes separate.* Stores in one bucket do not see each other.
//!
//! ```ignore
//! macro_rules! obeys { ($($law:ident)+) => { $(#[tokio::test] async fn $law() { … }) + } }
//! for_each_law!(obeys);
//! ```

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::{MultipartUpload, PutPayload};
use uuid::Uuid;

use super::{Created, Folder, Object, Opened, Store};

/// Calls a macro with the names of all laws.
macro_rules! for_each_law {
    ($call:ident) => {
        $call! {
            what_was_written_is_read_listed_and_gone_when_it_is_removed
            a_document_is_created_once_whoever_races
            what_is_not_there_is_missing_and_can_be_removed
            an_object_in_parts_appears_at_once_and_is_whole
            an_object_in_parts_that_is_aborted_never_was
            an_object_in_parts_may_have_one_small_part
            the_tag_of_a_completed_object_is_the_one_that_reads_show
            a_read_with_another_tag_is_refused
            every_range_has_exactly_its_bytes
            a_read_beside_a_replacement_never_mixes_two_versions
            a_list_has_its_own_folder_only
            an_object_says_when_it_was_written
        }
    };
}
pub(super) use for_each_law;

fn video(n: u128) -> Object {
    Object::video(Uuid::from_u128(n))
}

/// Bytes that are different at every place, and for every seed.
pub(super) fn bytes(seed: u32, length: usize) -> Bytes {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let byte = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(byte).take(length).collect()
}

async fn begin(store: &Store, object: &Object) -> Box<dyn MultipartUpload> {
    store.begin(object, "video/mp4").await.unwrap()
}

async fn read(store: &Store, object: &Object) -> Option<Bytes> {
    store.get(object).await.unwrap().map(|(bytes, _)| bytes)
}

async fn is_missing(store: &Store, object: &Object) -> bool {
    matches!(store.find(object, None).await.unwrap(), Opened::Missing)
}

async fn tag(store: &Store, object: &Object) -> String {
    match store.find(object, None).await.unwrap() {
        Opened::Found(found) => found.meta.e_tag.expect("every engine has tags"),
        other => panic!("not there: {other:?}"),
    }
}

pub(super) async fn what_was_written_is_read_listed_and_gone_when_it_is_removed(store: &Store) {
    let intent = Object::intent(Uuid::from_u128(1));
    store.put_json(&intent, &1).await.unwrap();
    assert_eq!(store.get_json::<u32>(&intent).await.unwrap(), Some(1));
    store.put_json(&intent, &2).await.unwrap();
    assert_eq!(store.get_json::<u32>(&intent).await.unwrap(), Some(2));
    assert_eq!(store.intents().await.unwrap(), [Uuid::from_u128(1)]);
    store.remove(&intent).await.unwrap();
    assert_eq!(store.get_json::<u32>(&intent).await.unwrap(), None);
    assert!(store.intents().await.unwrap().is_empty());
}

pub(super) async fn a_document_is_created_once_whoever_races(store: &Store) {
    let key = Object::key("ab");
    let racers = join_all((0..8).map(|n| {
        let key = key.clone();
        async move { store.create_json(&key, &n).await.unwrap() }
    }));
    let outcomes = racers.await;
    let winners = outcomes.iter().filter(|made| **made == Created::Yes);
    assert_eq!(winners.count(), 1, "{outcomes:?}");
    let winner = outcomes.iter().position(|made| *made == Created::Yes);
    assert_eq!(store.get_json::<usize>(&key).await.unwrap(), winner);
    let late = store.create_json(&key, &9).await.unwrap();
    assert_eq!(late, Created::Existed);
}

pub(super) async fn what_is_not_there_is_missing_and_can_be_removed(store: &Store) {
    let object = video(1);
    assert!(is_missing(store, &object).await);
    assert_eq!(read(store, &object).await, None);
    let range = store.open_range(&object, Some(0..1), Some("\"x\"")).await;
    assert!(matches!(range.unwrap(), Opened::Missing));
    store.remove(&object).await.unwrap();
    store.put(&object, bytes(1, 9)).await.unwrap();
    store.remove(&object).await.unwrap();
    store.remove(&object).await.unwrap();
    assert!(is_missing(store, &object).await);
}

pub(super) async fn an_object_in_parts_appears_at_once_and_is_whole(store: &Store) {
    let object = video(1);
    let part_bytes = store.part_bytes(0);
    let whole = bytes(1, 2 * part_bytes + 7);
    let mut upload = begin(store, &object).await;
    let mut parts: Vec<_> = (0..3)
        .map(|n| {
            let end = whole.len().min((n + 1) * part_bytes);
            upload.put_part(PutPayload::from_bytes(whole.slice(n * part_bytes..end)))
        })
        .collect();
    // The last one arrives first.
    parts.reverse();
    for part in parts {
        part.await.unwrap();
        assert!(is_missing(store, &object).await);
    }
    upload.complete().await.unwrap();
    assert!(read(store, &object).await.unwrap() == whole);
}

pub(super) async fn an_object_in_parts_that_is_aborted_never_was(store: &Store) {
    let object = video(1);
    let mut upload = begin(store, &object).await;
    let part = bytes(1, store.part_bytes(0));
    upload.put_part(PutPayload::from_bytes(part)).await.unwrap();
    upload.abort().await.unwrap();
    assert!(is_missing(store, &object).await);
    // And it is no obstacle.
    let mut upload = begin(store, &object).await;
    let part = bytes(2, 10);
    let put = upload.put_part(PutPayload::from_bytes(part.clone()));
    put.await.unwrap();
    upload.complete().await.unwrap();
    assert_eq!(read(store, &object).await, Some(part));
}

pub(super) async fn an_object_in_parts_may_have_one_small_part(store: &Store) {
    let object = video(1);
    let mut upload = begin(store, &object).await;
    let part = PutPayload::from_bytes(bytes(1, 1));
    upload.put_part(part).await.unwrap();
    upload.complete().await.unwrap();
    assert_eq!(read(store, &object).await, Some(bytes(1, 1)));
}

pub(super) async fn the_tag_of_a_completed_object_is_the_one_that_reads_show(store: &Store) {
    let object = video(1);
    let whole = bytes(1, store.part_bytes(0) + 5);
    let mut upload = begin(store, &object).await;
    for part in [
        whole.slice(..store.part_bytes(0)),
        whole.slice(store.part_bytes(0)..),
    ] {
        upload.put_part(PutPayload::from_bytes(part)).await.unwrap();
    }
    let put = upload.complete().await.unwrap();
    let completed = put.e_tag.expect("every engine has tags");
    assert_eq!(tag(store, &object).await, completed);
    for range in [None, Some(0..1), Some(3..whole.len() as u64)] {
        let opened = store
            .open_range(&object, range.clone(), Some(&completed))
            .await;
        let Opened::Found(found) = opened.unwrap() else {
            panic!("{range:?} is not found by the object's own tag");
        };
        assert_eq!(found.meta.e_tag.as_ref(), Some(&completed));
        assert_eq!(found.meta.size, whole.len() as u64);
    }
    let found = store.find(&object, Some(&completed)).await.unwrap();
    assert!(matches!(found, Opened::Found(_)));
}

pub(super) async fn a_read_with_another_tag_is_refused(store: &Store) {
    let object = video(1);
    store.put(&object, bytes(1, 100)).await.unwrap();
    let old = tag(store, &object).await;
    store.put(&object, bytes(2, 100)).await.unwrap();
    assert_ne!(tag(store, &object).await, old);
    for range in [None, Some(0..100), Some(40..50)] {
        let opened = store.open_range(&object, range.clone(), Some(&old)).await;
        assert!(matches!(opened.unwrap(), Opened::Changed), "{range:?}");
    }
    let found = store.find(&object, Some(&old)).await.unwrap();
    assert!(matches!(found, Opened::Changed));
}

pub(super) async fn every_range_has_exactly_its_bytes(store: &Store) {
    let object = video(1);
    let length = 3 * 65_536 + 11;
    let whole = bytes(1, length);
    store.put(&object, whole.clone()).await.unwrap();
    for range in [
        0..1,
        0..length,
        length - 1..length,
        65_535..65_537,
        65_536..131_072,
        length - 65_536..length,
    ] {
        let wanted = range.start as u64..range.end as u64;
        let opened = store.open_range(&object, Some(wanted.clone()), None).await;
        let Opened::Found(found) = opened.unwrap() else {
            panic!("the object is there");
        };
        assert_eq!(found.range, wanted);
        assert!(
            found.bytes().await.unwrap() == whole.slice(range),
            "{wanted:?}"
        );
    }
}

pub(super) async fn a_read_beside_a_replacement_never_mixes_two_versions(store: &Store) {
    let object = video(1);
    // More than the buffers on the way hold, so that the read is not over when it is replaced.
    let length = 24 * 1024 * 1024;
    let (old, new) = (bytes(1, length), bytes(2, length));
    store.put(&object, old.clone()).await.unwrap();
    let tag = tag(store, &object).await;
    let opened = store.open_range(&object, None, Some(&tag)).await.unwrap();
    let Opened::Found(found) = opened else {
        panic!("the object is there");
    };
    let mut stream = found.into_stream();
    let mut taken = stream.next().await.unwrap().unwrap().to_vec();
    store.put(&object, new).await.unwrap();
    while let Some(Ok(piece)) = stream.next().await {
        taken.extend_from_slice(&piece);
    }
    // It may have broken off.
    assert!(taken == old[..taken.len()], "{} bytes", taken.len());
}

pub(super) async fn a_list_has_its_own_folder_only(store: &Store) {
    store.put_json(&Object::key("ab"), &1).await.unwrap();
    let ids: Vec<Uuid> = (1..=5).map(Uuid::from_u128).collect();
    for id in &ids {
        store.put_json(&Object::intent(*id), &1).await.unwrap();
        store.put_json(&Object::record(*id), &1).await.unwrap();
    }
    let mut listed = store.intents().await.unwrap();
    listed.sort_unstable();
    assert_eq!(listed, ids);
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(10);
    let keys = async |before| store.keys_before(before).try_collect::<Vec<_>>().await;
    assert_eq!(keys(soon).await.unwrap(), ["ab"]);
    let earlier = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(10);
    assert!(keys(earlier).await.unwrap().is_empty());
    let records = store.list_in_order(Folder::Records).await.unwrap();
    assert_eq!(records.try_collect::<Vec<_>>().await.unwrap(), ids);
}

pub(super) async fn an_object_says_when_it_was_written(store: &Store) {
    let object = video(1);
    store.put(&object, bytes(1, 10)).await.unwrap();
    let (_, meta) = store.get(&object).await.unwrap().unwrap();
    let age = jiff::Timestamp::now().duration_since(super::written_at(&meta));
    // Some stores tell whole seconds, and the clocks of two machines differ.
    assert!(age.abs() < jiff::SignedDuration::from_mins(5), "{age}");
}
