mod engines;
mod outages;

use super::*;

pub(crate) async fn opened() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let url = StoreUrl::File(folder.path().join("store"));
    let store = Store::open(&url, &StoreSettings::default()).await.unwrap();
    (folder, store)
}

#[tokio::test]
async fn a_store_that_is_not_mounted_is_down_and_not_empty() {
    let (folder, store) = opened().await;
    let video = Object::video(Uuid::nil());
    assert!(matches!(
        store.find(&video, None).await,
        Ok(Opened::Missing)
    ));
    std::fs::rename(folder.path().join("store"), folder.path().join("away")).unwrap();
    assert!(matches!(
        store.find(&video, None).await,
        Err(StoreError::Missing)
    ));
    assert!(matches!(
        store.remove(&video).await,
        Err(StoreError::Missing)
    ));
    assert!(store.check().await.is_err());
    std::fs::rename(folder.path().join("away"), folder.path().join("store")).unwrap();
    assert!(store.check().await.is_ok());
}

#[tokio::test]
async fn creating_twice_keeps_the_first_document() {
    let (_folder, store) = opened().await;
    let key = Object::key("ab");
    assert_eq!(store.create_json(&key, &1).await.unwrap(), Created::Yes);
    assert_eq!(store.create_json(&key, &2).await.unwrap(), Created::Existed);
    assert_eq!(store.get_json::<u32>(&key).await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_document_that_cannot_be_read_names_its_object() {
    let (_folder, store) = opened().await;
    let key = Object::key("ab");
    store.put(&key, Bytes::from_static(b"{")).await.unwrap();
    let error = store.get_json::<u32>(&key).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot understand keys/ab.json");
}

#[tokio::test]
async fn a_read_with_another_tag_is_refused() {
    let (_folder, store) = opened().await;
    let video = Object::video(Uuid::nil());
    store
        .put(&video, Bytes::from_static(b"bytes"))
        .await
        .unwrap();
    let tagged = store
        .open_range(&video, Some(1..3), Some("\"other\""))
        .await;
    assert!(matches!(tagged, Ok(Opened::Changed)));
    let Ok(Opened::Found(found)) = store.open_range(&video, Some(1..3), None).await else {
        panic!("the video is there");
    };
    assert_eq!(found.bytes().await.unwrap(), "yt");
}

#[test]
fn a_full_disk_is_told_from_other_failures() {
    let object = Object::video(Uuid::nil());
    let of = |kind| object_store::Error::Generic {
        store: "test",
        source: Box::new(io::Error::from(kind)),
    };
    let full = failed("write", &object, of(io::ErrorKind::StorageFull));
    assert!(matches!(full, StoreError::Full { .. }));
    let other = failed("write", &object, of(io::ErrorKind::TimedOut));
    assert!(matches!(other, StoreError::Unavailable { .. }));
}
