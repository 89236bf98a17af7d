//! Store and catalogue that do not fit together: after restores from copies that were made at
//! different times, and beside uploads and deletions that go on.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use http::StatusCode;
use serde_json::{Value, json};
use system_tests::{Engines, Rig, SOON};
use test_support::eventually;
use test_support::media::{FASTSTART, POSTER_JPEG, mp4_of};

/// Has `video-storage` compare, and answers the report.
async fn reconcile(rig: &Rig, options: Value) -> Value {
    let client = rig.inner(rig.video_storage);
    let asked = client.post("/reconciliations").json(&options).await;
    let asked = asked.expect(StatusCode::ACCEPTED).value();
    let path = format!("/reconciliations/{}", id_of(&asked));
    eventually(SOON, || async {
        let run = client.get(&path).await.expect(StatusCode::OK).value();
        assert_ne!(run["state"], "failed", "{run}");
        (run["state"] == "done").then(|| run["report"].clone())
    })
    .await
}

fn id_of(video: &Value) -> String {
    video["id"].as_str().unwrap().to_owned()
}

fn found(ids: &[&String]) -> Value {
    json!({ "count": ids.len(), "ids": ids })
}

fn nothing() -> Value {
    json!({ "count": 0, "ids": [] })
}

async fn delete(rig: &Rig, id: &str) {
    let deleted = rig.plain().delete(&format!("/api/videos/{id}")).await;
    deleted.expect(StatusCode::NO_CONTENT);
}

/// What the store has of a video.
fn files_of(rig: &Rig, id: &str) -> Vec<String> {
    let folders = ["videos", "records", "posters", "intents"].into_iter();
    let names =
        folders.flat_map(|folder| [format!("{folder}/{id}"), format!("{folder}/{id}.json")]);
    let store = rig.engines().folder().join("videos");
    names.filter(|name| store.join(name).exists()).collect()
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_lost_blobs_is_reported_until_the_videos_are_deleted() {
    let rig = Rig::start(Engines::embedded()).await;
    let [kept, without_bytes, without_record] = [
        id_of(&rig.upload("Kept", &FASTSTART).await),
        id_of(&rig.upload("Lost", &FASTSTART).await),
        id_of(&rig.upload("Lost too", &FASTSTART).await),
    ];
    let fine = reconcile(&rig, json!({})).await;
    assert_eq!(fine["checked"]["entries"], 3);
    assert_eq!(fine["entries_without_bytes"], nothing());

    let store = rig.engines().folder().join("videos");
    fs::remove_file(store.join("videos").join(&without_bytes)).unwrap();
    fs::remove_file(store.join(format!("records/{without_record}.json"))).unwrap();
    let report = reconcile(&rig, json!({ "remove_strays": true })).await;
    let lost = found(&[&without_bytes, &without_record]);
    assert_eq!(report["entries_without_bytes"], lost, "{report}");
    // Bytes with an entry are no strays: their record may still be restored.
    assert_eq!(report["strays_removed"], nothing(), "{report}");
    assert_eq!(
        files_of(&rig, &without_record),
        [format!("videos/{without_record}")]
    );

    for id in [&without_bytes, &without_record] {
        delete(&rig, id).await;
    }
    let report = reconcile(&rig, json!({})).await;
    assert_eq!(report["entries_without_bytes"], nothing(), "{report}");
    for id in [&without_bytes, &without_record] {
        eventually(SOON, || async {
            files_of(&rig, id).is_empty().then_some(())
        })
        .await;
    }
    let stream = rig.plain().get(&format!("/api/videos/{kept}/stream")).await;
    assert_eq!(stream.expect(StatusCode::OK).body, FASTSTART.bytes);
    rig.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_lost_catalogue_entries_gets_them_back_from_the_store() {
    let rig = Rig::start(Engines::embedded()).await;
    let old = id_of(&rig.upload("In the copy", &FASTSTART).await);
    let deleted = id_of(&rig.upload("Deleted after the copy", &FASTSTART).await);
    let data = rig.stop_all().await;
    let copy = data.folder().join("copy.db");
    fs::copy(data.folder().join("metadata.db"), &copy).unwrap();

    let rig = Rig::start(data).await;
    let bytes = mp4_of(50_000);
    let new = rig
        .upload_bytes("Not in the copy", "video/mp4", bytes.clone())
        .await;
    delete(&rig, &deleted).await;
    eventually(SOON, || async {
        files_of(&rig, &deleted).is_empty().then_some(())
    })
    .await;
    let data = rig.stop_all().await;
    for left in ["metadata.db-wal", "metadata.db-shm"] {
        let _ = fs::remove_file(data.folder().join(left));
    }
    fs::rename(&copy, data.folder().join("metadata.db")).unwrap();

    let rig = Rig::start(data).await;
    let path = format!("/api/videos/{}", id_of(&new));
    rig.plain().get(&path).await.expect(StatusCode::NOT_FOUND);
    let report = reconcile(&rig, json!({ "remove_strays": true })).await;
    assert_eq!(report["adopted"], found(&[&id_of(&new)]), "{report}");
    // The tombstone is lost with the catalogue that had it.
    assert_eq!(
        report["entries_without_bytes"],
        found(&[&deleted]),
        "{report}"
    );
    let restored = rig.plain().get(&path).await.expect(StatusCode::OK).value();
    assert_eq!(restored, new);
    let stream = rig.plain().get(&format!("{path}/stream")).await;
    assert!(stream.expect(StatusCode::OK).body == bytes);
    let listed = rig.plain().get("/api/videos").await.value();
    assert_eq!(listed["videos"].as_array().unwrap().len(), 3);
    rig.plain()
        .get(&format!("/api/videos/{old}"))
        .await
        .expect(StatusCode::OK);
    rig.stop_all().await;
}

/// Tombstones outlive every copy of the store.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_of_an_old_store_brings_no_deleted_video_back() {
    let rig = Rig::start(Engines::embedded()).await;
    let kept = id_of(&rig.upload("Kept", &FASTSTART).await);
    let deleted = id_of(&rig.upload("Deleted", &FASTSTART).await);
    let poster = rig.plain().put(&format!("/api/videos/{deleted}/poster"));
    let poster = poster.body("image/jpeg", POSTER_JPEG).await;
    poster.expect(StatusCode::NO_CONTENT);
    let (store, copy) = (
        rig.engines().folder().join("videos"),
        rig.engines().folder().join("copy"),
    );
    copy_folder(&store, &copy);
    delete(&rig, &deleted).await;
    eventually(SOON, || async {
        files_of(&rig, &deleted).is_empty().then_some(())
    })
    .await;

    // A removal looks once more at the end; what is put back before that would be taken again.
    let data = rig.stop_all().await;
    copy_folder(&copy, &store);
    let rig = Rig::start(data).await;
    assert_eq!(files_of(&rig, &deleted).len(), 3);
    let dry = reconcile(&rig, json!({ "dry_run": true })).await;
    assert_eq!(dry["deletions_finished"], found(&[&deleted]), "{dry}");
    assert_eq!(files_of(&rig, &deleted).len(), 3);
    let report = reconcile(&rig, json!({})).await;
    assert_eq!(report["deletions_finished"], found(&[&deleted]), "{report}");
    assert!(files_of(&rig, &deleted).is_empty());
    let gone = rig
        .plain()
        .get(&format!("/api/videos/{deleted}/stream"))
        .await;
    gone.expect(StatusCode::NOT_FOUND);
    // Its file is another one now, so it is compared first, which may take longer than a client
    // waits.
    let stream = eventually(SOON, || async {
        let path = format!("/api/videos/{kept}/stream");
        let answer = rig.plain().get(&path).await;
        (answer.status == StatusCode::OK).then_some(answer)
    })
    .await;
    assert_eq!(stream.body, FASTSTART.bytes);
    rig.stop_all().await;
}

/// Runs that may remove everything they believe to be a stray, beside everything that goes on.
#[tokio::test(flavor = "multi_thread")]
async fn runs_beside_uploads_and_deletions_lose_and_keep_nothing_wrongly() {
    const UPLOADS: usize = 40;
    let rig = Rig::start(Engines::embedded()).await;
    let done = AtomicBool::new(false);
    let compare = async {
        let mut runs = 0;
        while !done.load(Ordering::Relaxed) {
            let report = reconcile(&rig, json!({ "remove_strays": true })).await;
            for kind in ["entries_without_bytes", "strays_removed", "adopted"] {
                assert_eq!(report[kind], nothing(), "{kind}: {report}");
            }
            runs += 1;
        }
        runs
    };
    let work = async {
        let uploader = async |lane: usize| {
            let (mut kept, mut deleted) = (Vec::new(), Vec::new());
            for number in 0..UPLOADS / 4 {
                let bytes = mp4_of(20_000 + 5_000 * lane + 7 * number);
                let title = format!("{lane}-{number}");
                let video = rig.upload_bytes(&title, "video/mp4", bytes.clone()).await;
                if number % 3 == 2 {
                    delete(&rig, &id_of(&video)).await;
                    deleted.push(id_of(&video));
                } else {
                    kept.push((id_of(&video), bytes));
                }
            }
            (kept, deleted)
        };
        let lanes = tokio::join!(uploader(0), uploader(1), uploader(2), uploader(3));
        done.store(true, Ordering::Relaxed);
        lanes
    };
    let (runs, lanes) = tokio::join!(compare, work);
    assert!(runs > 1, "{runs}");
    for (kept, deleted) in [lanes.0, lanes.1, lanes.2, lanes.3] {
        for (id, bytes) in kept {
            let stream = rig.plain().get(&format!("/api/videos/{id}/stream")).await;
            assert!(stream.expect(StatusCode::OK).body == bytes);
        }
        for id in deleted {
            let gone = rig.plain().get(&format!("/api/videos/{id}")).await;
            gone.expect(StatusCode::NOT_FOUND);
            eventually(SOON, || async {
                files_of(&rig, &id).is_empty().then_some(())
            })
            .await;
        }
    }
    let report = reconcile(&rig, json!({})).await;
    assert_eq!(
        report["checked"]["entries"], report["checked"]["blobs"],
        "{report}"
    );
    assert_eq!(report["underway"], 0, "{report}");
    rig.stop_all().await;
}
