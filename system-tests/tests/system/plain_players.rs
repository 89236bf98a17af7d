//! Players that know nothing of watch sessions: curl, VLC, a TV.

use std::time::{Duration, Instant};

use http::StatusCode;
use system_tests::{Engines, Rig, SOON, on_all_engines};
use test_support::eventually;
use test_support::media::FASTSTART;

on_all_engines!(
    many_ranges_over_the_time_of_a_view_are_one_view,
    a_download_in_a_moment_is_no_view,
);

async fn views(rig: &Rig, id: &str) -> u64 {
    let video = rig.plain().get(&format!("/api/videos/{id}")).await.value();
    video["views"].as_u64().unwrap()
}

async fn many_ranges_over_the_time_of_a_view_are_one_view(engines: Engines) {
    let rig = Rig::start(engines).await;
    let video = rig.upload("Plain", &FASTSTART).await;
    let id = video["id"].as_str().unwrap();
    let path = format!("/api/videos/{id}/stream");
    let player = rig.plain().with_header("user-agent", "a plain player");
    // Half of the two seconds makes a view; it plays for as long as the view needs to arrive.
    let mut first = 0;
    let viewed = || {
        let range = format!("bytes={first}-{}", first + 99);
        first += 100;
        let (player, path, rig) = (&player, &path, &rig);
        async move {
            let part = player.get(path).header("range", &range).await;
            part.expect(StatusCode::PARTIAL_CONTENT);
            (views(rig, id).await == 1).then_some(())
        }
    };
    eventually(SOON, viewed).await;
    // It stays one, however long it goes on.
    let began = Instant::now();
    let for_long = || async {
        let part = player.get(&path).header("range", "bytes=0-9").await;
        part.expect(StatusCode::PARTIAL_CONTENT);
        (began.elapsed() > Duration::from_secs(7)).then_some(())
    };
    eventually(SOON, for_long).await;
    assert_eq!(views(&rig, id).await, 1);
}

async fn a_download_in_a_moment_is_no_view(engines: Engines) {
    let rig = Rig::start(engines).await;
    let video = rig.upload("Downloaded", &FASTSTART).await;
    let id = video["id"].as_str().unwrap();
    let path = format!("/api/videos/{id}/stream");
    rig.plain().get(&path).await.expect(StatusCode::OK);
    let engines = rig.stop_all().await;
    let rig = Rig::start(engines).await;
    assert_eq!(views(&rig, id).await, 0);
}
