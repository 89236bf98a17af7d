//! Comparing the store with the catalogue. What comes of it with the real catalogue is told by the
//! tests of the whole system.

use std::fs;

use axum::http::StatusCode;
use serde_json::json;
use test_support::TestClient;
use test_support::media::FASTSTART;
use uuid::Uuid;

use crate::world::{Mood, World, files_of, id_of};

#[tokio::test]
async fn an_upload_that_the_catalogue_lost_is_put_back_and_a_dry_run_only_says_so() {
    let world = World::new().await;
    let upload = world
        .upload("A", FASTSTART.bytes)
        .header("idempotency-key", "key");
    let id = id_of(&upload.await.expect(StatusCode::CREATED).value());
    let before = world.catalogue.video(&id).unwrap();
    let files = world.files();
    world.catalogue.lose(&id);

    let dry = world.reconcile(json!({ "dry_run": true })).await;
    assert_eq!(dry["report"]["adopted"], json!({ "count": 1, "ids": [id] }));
    assert_eq!(world.catalogue.video(&id), None);

    let run = world.reconcile(json!({})).await;
    assert_eq!(run["report"]["adopted"]["count"], 1, "{run}");
    assert_eq!(world.catalogue.video(&id), Some(before));
    assert_eq!(world.files(), files);
    let run = world.reconcile(json!({})).await;
    assert_eq!(run["report"]["adopted"]["count"], 0, "{run}");
    assert_eq!(run["report"]["checked"]["entries"], 1, "{run}");
}

/// Its key stands for another upload by now.
#[tokio::test]
async fn an_upload_that_is_put_back_does_not_give_way_to_a_later_one_with_its_key() {
    let world = World::new().await;
    let upload = || {
        world
            .upload("A", FASTSTART.bytes)
            .header("idempotency-key", "key")
    };
    let first = id_of(&upload().await.expect(StatusCode::CREATED).value());
    let key = world
        .files()
        .into_iter()
        .find(|file| file.starts_with("keys/"));
    fs::remove_file(world.store().join(key.unwrap())).unwrap();
    let second = id_of(&upload().await.expect(StatusCode::CREATED).value());
    assert_ne!(first, second);
    world.catalogue.lose(&first);
    world.reconcile(json!({})).await;
    for id in [first, second] {
        assert!(world.catalogue.video(&id).is_some());
        let served = world.client().get(&format!("/videos/{id}")).await;
        served.expect(StatusCode::OK);
    }
}

#[tokio::test]
async fn what_a_broken_upload_left_goes_and_what_nobody_knows_stays_until_it_is_asked_for() {
    let world = World::new().await;
    let kept = id_of(&world.uploaded(FASTSTART.bytes).await);
    let [broken, blob, poster] = [(); 3].map(|()| Uuid::now_v7());
    let store = world.store();
    for folder in ["intents", "posters"] {
        fs::create_dir_all(store.join(folder)).unwrap();
    }
    let intent = format!(r#"{{"schema":1,"id":"{broken}","begun_at":"2026-01-01T00:00:00Z"}}"#);
    fs::write(store.join(format!("intents/{broken}.json")), intent).unwrap();
    for id in [broken, blob] {
        fs::write(store.join(format!("videos/{id}")), "bytes").unwrap();
    }
    fs::write(store.join(format!("posters/{poster}")), "picture").unwrap();

    let run = world.reconcile(json!({})).await;
    assert_eq!(run["report"]["broken_uploads_removed"], 1, "{run}");
    let strays = json!({ "count": 2, "ids": [blob, poster] });
    assert_eq!(run["report"]["strays"], strays, "{run}");
    assert_eq!(world.files().len(), 4);
    let run = world
        .reconcile(json!({ "remove_strays": true, "dry_run": true }))
        .await;
    assert_eq!(run["report"]["strays"], strays, "{run}");
    assert_eq!(world.files().len(), 4);

    let run = world.reconcile(json!({ "remove_strays": true })).await;
    assert_eq!(run["report"]["strays_removed"], strays, "{run}");
    assert_eq!(run["report"]["strays"]["count"], 0, "{run}");
    world.has_files(&files_of(&kept)).await;
}

#[tokio::test]
async fn an_upload_that_waits_for_the_catalogue_is_under_way_and_no_finding() {
    let world = World::new().await;
    world.catalogue.set(Mood::Down);
    let id = id_of(&world.uploaded(FASTSTART.bytes).await);
    let failed = world.reconcile(json!({})).await;
    assert_eq!(failed["state"], "failed");
    assert!(
        failed["reason"].as_str().unwrap().contains("catalogue"),
        "{failed}"
    );
    world.catalogue.set(Mood::Up);
    world.catalogue.lists(&id).await;
    let run = world.reconcile(json!({})).await;
    assert_eq!(run["report"]["strays"]["count"], 0, "{run}");
}

#[tokio::test]
async fn a_store_that_is_away_is_not_compared() {
    let world = World::new().await;
    world.uploaded(FASTSTART.bytes).await;
    let away = world.store().with_file_name("away");
    fs::rename(world.store(), &away).unwrap();
    let failed = world.reconcile(json!({ "remove_strays": true })).await;
    assert_eq!(failed["state"], "failed", "{failed}");
    assert!(!world.store().exists());
    fs::rename(&away, world.store()).unwrap();
    let run = world.reconcile(json!({})).await;
    assert_eq!(run["report"]["entries_without_bytes"]["count"], 0, "{run}");
}

#[tokio::test]
async fn runs_are_asked_for_by_services_only_and_found_by_their_id() {
    let world = World::new().await;
    let stranger = TestClient::at(world.address());
    let asked = stranger.post("/reconciliations").json(&json!({}));
    asked.await.expect(StatusCode::UNAUTHORIZED);
    let asked = world.client().post("/reconciliations");
    let asked = asked.json(&json!({ "dry_run": "perhaps" })).await;
    asked.expect(StatusCode::BAD_REQUEST);
    for id in ["nonsense", "01990000-0000-7000-8000-000000000001"] {
        let found = world.client().get(&format!("/reconciliations/{id}")).await;
        found.expect(StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn when_and_what_was_compared_is_remembered_for_other_replicas() {
    let world = World::new().await;
    let id = id_of(&world.uploaded(FASTSTART.bytes).await);
    fs::remove_file(world.store().join("videos").join(&id)).unwrap();
    let run = world.reconcile(json!({})).await;
    let kept = fs::read_to_string(world.store().join("reconciliation.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept["report"], run["report"]);
    let lost = json!({ "count": 1, "ids": [id] });
    assert_eq!(kept["report"]["entries_without_bytes"], lost);
}
