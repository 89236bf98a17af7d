//! The command `reconcile`, while the system runs and while it does not.

use std::path::Path;

use test_support::media::{FASTSTART, mp4_of};
use test_support::process::ChildProcess;
use test_support::{DataFolder, eventually};

use crate::{FlixTube, SOON};

/// The exit code, and what was said.
async fn reconcile(data: &Path, flags: &[&str]) -> (Option<i32>, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_flixtube"));
    command.arg("--data").arg(data).arg("reconcile").args(flags);
    let mut process = ChildProcess::start(command);
    let code = process.wait_for_exit(SOON).await.code();
    (code, process.lines().join("\n"))
}

#[tokio::test]
async fn the_command_compares_a_running_system_and_one_that_does_not_run() {
    let folder = DataFolder::new();
    let data = folder.join("data");
    let (code, said) = reconcile(&data, &[]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("there is no data folder"), "{said}");
    assert!(!data.exists());

    let mut flixtube = FlixTube::start(&data, &[]).await;
    let video = flixtube.upload("A", FASTSTART.bytes.to_vec()).await;
    let lost = flixtube.upload("B", mp4_of(20_000)).await;
    let (code, said) = reconcile(&data, &[]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Compared 2 videos"), "{said}");

    std::fs::remove_file(data.join("videos/videos").join(&lost)).unwrap();
    let stray = data.join("videos/videos/01990000-0000-7000-8000-000000000001");
    std::fs::write(&stray, "nobody's").unwrap();
    let (code, said) = reconcile(&data, &[]).await;
    assert_eq!(code, Some(3), "{said}");
    for id in [&*lost, "01990000-0000-7000-8000-000000000001"] {
        assert!(said.contains(id), "{said}");
    }
    let metrics = flixtube.operators_metrics().await;
    for line in [
        "video_entries_without_bytes{service=\"video-storage\"} 1",
        "video_strays{service=\"video-storage\"} 1",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    // Its control file is left, and nobody runs.
    flixtube.process.kill9().await;
    let (code, said) = reconcile(&data, &["--remove-strays", "--dry-run"]).await;
    assert_eq!(code, Some(3), "{said}");
    assert!(stray.exists());
    let (code, said) = reconcile(&data, &["--remove-strays"]).await;
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("1 strays: removed"), "{said}");
    assert!(!stray.exists());

    let flixtube = FlixTube::start(&data, &[]).await;
    let gone = flixtube.client().delete(&format!("/api/videos/{lost}"));
    gone.await.expect(hyper::StatusCode::NO_CONTENT);
    eventually(SOON, || async {
        let (code, _) = reconcile(&data, &[]).await;
        (code == Some(0)).then_some(())
    })
    .await;
    let kept = flixtube
        .client()
        .get(&format!("/api/videos/{video}/stream"));
    assert_eq!(
        kept.await.expect(hyper::StatusCode::OK).body,
        FASTSTART.bytes
    );
}
