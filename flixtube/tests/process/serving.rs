//! Bytes that flow while something breaks.

use std::path::{Path, PathBuf};

use test_support::DataFolder;
use test_support::eventually;
use test_support::media::mp4_of;

use crate::{FlixTube, SOON};

const LENGTH: usize = 64 * 1024 * 1024;

fn blob(data: &Path, id: &str) -> PathBuf {
    data.join("videos/videos").join(id)
}

/// Whether the process has the file open.
fn has_open(process: u32, file: &Path) -> bool {
    let file = file.canonicalize().unwrap();
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    open.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .any(|target| target == file)
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_client_hangs_up_the_read_of_the_file_ends() {
    let data = DataFolder::new();
    let flixtube = FlixTube::start(data.path(), &[]).await;
    let id = flixtube.upload("Long", mp4_of(LENGTH)).await;
    let file = blob(data.path(), &id);
    let process = flixtube.process.id().unwrap();
    let stream = flixtube.client().get(&format!("/api/videos/{id}/stream"));
    let mut body = stream.open().await;
    body.next_piece().await.unwrap();
    // Back-pressure: nobody has read the rest ahead of a client that does not read.
    assert!(has_open(process, &file));
    drop(body);
    let closed = || async { (!has_open(process, &file)).then_some(()) };
    eventually(SOON, closed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_file_ends_early_the_client_does_not_take_it_for_complete() {
    let data = DataFolder::new();
    let flixtube = FlixTube::start(data.path(), &[]).await;
    let id = flixtube.upload("Cut", mp4_of(LENGTH)).await;
    let stream = flixtube.client().get(&format!("/api/videos/{id}/stream"));
    let mut body = stream.open().await;
    body.next_piece().await.unwrap();
    let file = std::fs::File::options()
        .write(true)
        .open(blob(data.path(), &id))
        .unwrap();
    file.set_len(LENGTH as u64 / 2).unwrap();
    assert!(body.attempt_read().await.is_err());
}
