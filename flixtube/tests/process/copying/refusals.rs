//! What is not copied, and says why.

use events::{BusUrl, Envelope};
use uuid::Uuid;

use super::*;

async fn refused(command: Command, says: &str) {
    let (code, said) = finish(command).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(says), "{said}");
}

fn from_to(from: &Path, to: &Path) -> Command {
    let embedded = Engines::default();
    copy_command((from, &embedded), (to, &embedded))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_in_use_or_holds_something_else_is_refused_and_unchanged() {
    let folder = DataFolder::new();
    let (one, other) = (folder.join("one"), folder.join("other"));
    let first = FlixTube::start(&one, &[]).await;
    first.upload("One", FASTSTART.bytes.to_vec()).await;
    let second = FlixTube::start(&other, &[]).await;
    second.upload("Other", FASTSTART.bytes.to_vec()).await;
    refused(
        from_to(&one, &other),
        "another FlixTube uses the data folder",
    )
    .await;
    stop(second).await;
    // Its keys are others, and without them its catalogue is another's.
    refused(from_to(&one, &other), "is another key than the source's").await;
    let mut without_keys = from_to(&one, &other);
    without_keys.args(["--only", "catalogue,blobs,history"]);
    refused(without_keys, "which the source never had").await;
    let second = FlixTube::start(&other, &[]).await;
    let videos = crate::killing::all_videos(&second.client()).await;
    assert_eq!(videos.len(), 1);
    assert_eq!(videos[0]["title"], "Other");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_nobody_will_take_are_not_left_behind_silently() {
    let folder = DataFolder::new();
    let (one, copy) = (folder.join("one"), folder.join("copy"));
    let first = FlixTube::start(&one, &[]).await;
    first.upload("One", FASTSTART.bytes.to_vec()).await;
    stop(first).await;
    let url = BusUrl::Embedded(one.join("events.db"));
    let bus = events::open(&url).await.unwrap();
    let event = json!({
        "type": "video.deleted",
        "version": 1,
        "id": Uuid::now_v7(),
        "time": "2026-01-01T00:00:00Z",
        "data": { "video": Uuid::now_v7(), "deleted_at": "2026-01-01T00:00:00Z" },
    });
    let event: Envelope = serde_json::from_value(event).unwrap();
    bus.publish(event).await.unwrap();
    drop(bus);
    refused(from_to(&one, &copy), "--without-events").await;
    assert!(!copy.exists());
    let mut without = from_to(&one, &copy);
    without.arg("--without-events");
    let said = succeed(without).await;
    assert!(said.contains("2 were waiting at the source"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_not_there_is_refused_and_not_made() {
    let folder = DataFolder::new();
    let (none, copy) = (folder.join("none"), folder.join("copy"));
    refused(from_to(&none, &copy), "there is no data folder").await;
    let mut by_url = Command::new(env!("CARGO_BIN_EXE_flixtube"));
    let url = |folder: &Path| format!("file:{}", folder.display());
    by_url.args(["copy", "--only", "blobs", "--from-store-url", &url(&none)]);
    by_url.args(["--to-store-url", &url(&copy)]);
    refused(by_url, "there are no videos").await;
    assert!(!none.exists());
}
