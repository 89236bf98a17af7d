//! Starting and stopping.

use hyper::StatusCode;
use test_support::DataFolder;
use test_support::media::{FASTSTART, POSTER_JPEG, mp4_of};
use test_support::process::ChildProcess;

use crate::{FlixTube, SOON, command, folder_of_samples};

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_cleanly_when_it_is_asked_to_and_keeps_everything() {
    let data = DataFolder::new();
    let mut first = FlixTube::start(data.path(), &[]).await;
    let id = first.upload("Kept", FASTSTART.bytes.to_vec()).await;
    first.process.terminate();
    assert!(first.process.wait_for_exit(SOON).await.success());

    let mut second = FlixTube::start(data.path(), &[]).await;
    let stream = second
        .client()
        .get(&format!("/api/videos/{id}/stream"))
        .await;
    assert_eq!(stream.expect(StatusCode::OK).body, FASTSTART.bytes);
    second.process.interrupt();
    assert!(second.process.wait_for_exit(SOON).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_video_body_does_not_keep_it_from_stopping() {
    let data = DataFolder::new();
    let mut flixtube = FlixTube::start(data.path(), &[]).await;
    let id = flixtube.upload("Long", mp4_of(64 * 1024 * 1024)).await;
    let mut body = flixtube
        .client()
        .get(&format!("/api/videos/{id}/stream"))
        .open()
        .await;
    body.next_piece().await.unwrap();
    flixtube.process.terminate();
    // The client reads nothing more; the deadline of two seconds cuts it.
    assert!(flixtube.process.wait_for_exit(SOON).await.success());
    assert!(body.attempt_read().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_one_on_the_same_data_is_refused_with_a_sentence() {
    let data = DataFolder::new();
    let _first = FlixTube::start(data.path(), &[]).await;
    let mut second = ChildProcess::start(command(data.path()));
    assert!(!second.wait_for_exit(SOON).await.success());
    let said = second.lines().join("\n");
    assert!(
        said.contains("another FlixTube uses the data folder"),
        "{said}"
    );
    assert!(said.contains("--data"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_setting_is_refused_with_what_is_accepted() {
    let data = DataFolder::new();
    for (flags, says) in [
        (&["--bind", "0.0.0.0"][..], "OWNER_TOKEN"),
        (&["--catalog-url", "mysql://x"], "sqlite:PATH"),
        (&["--events-url", "kafka://x"], "embedded:PATH"),
        (&["--store-url", "ftp://x"], "file:"),
        (&["--owner-token", "short"], "32"),
        (&["--max-concurrent-uploads", "0"], "1..=10000"),
        (&["--port", "http"], "invalid"),
        (&["--log-filter", "=x=="], "LOG_FILTER"),
    ] {
        let mut command = command(data.path());
        command.args(flags);
        if flags[0] == "--port" {
            command = tokio::process::Command::new(env!("CARGO_BIN_EXE_flixtube"));
            command.args(flags);
        }
        let mut refused = ChildProcess::start(command);
        assert!(!refused.wait_for_exit(SOON).await.success(), "{flags:?}");
        let said = refused.lines().join("\n");
        assert!(said.contains(says), "{flags:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_are_put_in_once_and_stay_deleted() {
    let folder = DataFolder::new();
    let samples = folder_of_samples(folder.path());
    let data = folder.join("data");
    let flags = ["--samples", samples.to_str().unwrap()];

    let mut first = FlixTube::start(&data, &flags).await;
    let listed = first.client().get("/api/videos").await.value();
    let video = &listed["videos"][0];
    assert_eq!(video["title"], "Tag & Nacht");
    assert_eq!(video["tags"], serde_json::json!(["sample"]));
    let poster = first
        .client()
        .get(video["poster_url"].as_str().unwrap())
        .await;
    assert_eq!(poster.expect(StatusCode::OK).body, POSTER_JPEG);
    let path = format!("/api/videos/{}", crate::id_of(video));
    first
        .client()
        .delete(&path)
        .await
        .expect(StatusCode::NO_CONTENT);
    first.process.terminate();
    first.process.wait_for_exit(SOON).await;

    let second = FlixTube::start(&data, &flags).await;
    let listed = second.client().get("/api/videos").await.value();
    assert!(listed["videos"].as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_that_it_is_ready_and_what_it_does() {
    let data = DataFolder::new();
    let flixtube = FlixTube::start(data.path(), &[]).await;
    let line = flixtube.process.wait_for_line("for operators", SOON).await;
    let url = line
        .split_whitespace()
        .find(|word| word.contains("/metrics"))
        .unwrap();
    let base = url.trim_end_matches("/metrics;");
    let operators = test_support::TestClient::new(base);
    flixtube
        .client()
        .get("/api/videos")
        .await
        .expect(StatusCode::OK);
    operators.get("/livez").await.expect(StatusCode::OK);
    operators.get("/readyz").await.expect(StatusCode::OK);
    let version = operators.get("/version").await.expect(StatusCode::OK);
    assert!(version.text().contains(env!("CARGO_PKG_VERSION")));
    let metrics = operators
        .get("/metrics")
        .await
        .expect(StatusCode::OK)
        .text();
    assert!(
        metrics.contains(r#"http_requests_total{service="gateway""#),
        "{metrics}"
    );
    assert!(metrics.ends_with("# EOF\n"));
    // Nothing of it is on the public address.
    flixtube
        .client()
        .get("/metrics")
        .await
        .expect(StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let data = DataFolder::new();
    let _flixtube = FlixTube::start(data.path(), &[]).await;
    let mut keys = 0;
    for key in std::fs::read_dir(data.join("secrets")).unwrap() {
        let mode = key.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
        keys += 1;
    }
    assert_eq!(keys, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_and_looking_for_them_makes_nothing() {
    let folder = DataFolder::new();
    let data = folder.join("data");
    let tool = |flags: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_flixtube"));
        command
            .arg("dead-letters")
            .args(flags)
            .arg("--data")
            .arg(&data);
        ChildProcess::start(command)
    };
    let mut nothing = tool(&["list"]);
    assert!(!nothing.wait_for_exit(SOON).await.success());
    let said = nothing.lines().join("\n");
    assert!(said.contains("there is no event bus"), "{said}");
    assert!(!data.exists());

    let _flixtube = FlixTube::start(&data, &[]).await;
    let mut none = tool(&["list", "--queue", "history"]);
    assert!(none.wait_for_exit(SOON).await.success());
    assert_eq!(none.lines(), ["There are no dead letters."]);
    let event = "00000000-0000-5000-8000-000000000000";
    let mut unknown = tool(&["replay", "--queue", "history", event]);
    assert!(!unknown.wait_for_exit(SOON).await.success());
}
