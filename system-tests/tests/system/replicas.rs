//! Two processes of a service: they share the work, and either can be killed.

use system_tests::{Engines, Load, Processes, SOON};
use test_support::engines::azurite;
use test_support::eventually;

const REPLICATED: [(&str, usize); 4] = [
    ("metadata", 2),
    ("history", 2),
    ("video-storage", 2),
    ("video-streaming", 2),
];

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_the_work_and_one_that_is_killed_loses_nothing() {
    let Some(engines) = Engines::live().await else {
        return;
    };
    // Replicas of `video-storage` need a store that they share.
    let Some(blobs) = azurite::shared().await else {
        return;
    };
    let engines = engines.with_bytes_on(blobs);
    let mut system = Processes::start_replicated(engines, &REPLICATED).await;
    let load = Load::start(&system).await;
    for (service, counter) in [
        ("history", "history_events_stored_total"),
        ("video-streaming", "beats_accepted_total"),
    ] {
        let shared = || async {
            let counted = system.counted_by_replica(service, counter).await;
            counted.iter().all(|count| *count > 0).then_some(())
        };
        eventually(SOON, shared).await;
    }
    for (service, _) in REPLICATED {
        load.goes_on().await;
        system.kill_replica(service, 0).await;
        // The other one is enough.
        load.goes_on().await;
        system.launch(service);
        system.is_ready(service).await;
    }
    load.goes_on().await;
    load.finish(&system, "replicas-killed").await;
}
