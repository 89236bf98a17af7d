//! The real program as a child process: started, stopped, killed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod copying;
mod errands;
mod killing;
mod lifecycle;
mod reconciling;
mod serving;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use test_support::TestClient;
use test_support::media::{FASTSTART, POSTER_JPEG};
use test_support::process::ChildProcess;
use tokio::process::Command;

/// Long enough for a machine that builds something else meanwhile.
const SOON: Duration = Duration::from_secs(30);

/// A running FlixTube, on a free port.
struct FlixTube {
    process: ChildProcess,
    base: String,
}

impl FlixTube {
    /// Starts it and waits until it says that it is ready.
    async fn start(data: &Path, flags: &[&str]) -> Self {
        let mut command = command(data);
        command.args(["--drain-grace-seconds", "2"]).args(flags);
        let process = ChildProcess::start(command);
        let line = process.wait_for_line("FlixTube is ready", SOON).await;
        let base = line.split_whitespace().last().unwrap().to_owned();
        Self { process, base }
    }

    fn client(&self) -> TestClient {
        TestClient::new(&self.base)
    }

    async fn operators_metrics(&self) -> String {
        let line = self.process.wait_for_line("for operators:", SOON).await;
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("http://"));
        let base = url.unwrap().split("/metrics").next().unwrap();
        let metrics = TestClient::new(base).get("/metrics").await;
        metrics.expect(hyper::StatusCode::OK).text()
    }

    async fn upload(&self, title: &str, bytes: Vec<u8>) -> String {
        let upload = self.client().post(&format!("/api/videos?title={title}"));
        let video = upload.body("video/mp4", bytes).await;
        id_of(&video.expect(hyper::StatusCode::CREATED).value())
    }
}

fn command(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flixtube"));
    command.args(["--port", "0", "--data"]).arg(data);
    command
}

fn id_of(video: &Value) -> String {
    video["id"].as_str().unwrap().to_owned()
}

/// A folder with one sample, below this one.
fn folder_of_samples(below: &Path) -> PathBuf {
    let samples = below.join("samples");
    std::fs::create_dir(&samples).unwrap();
    std::fs::write(samples.join("one.mp4"), FASTSTART.bytes).unwrap();
    std::fs::write(samples.join("one.jpg"), POSTER_JPEG).unwrap();
    let list = r#"[{"file": "one.mp4", "poster": "one.jpg", "title": "Tag & Nacht",
                    "description": "A sample.", "tags": ["sample"]}]"#;
    std::fs::write(samples.join("samples.json"), list).unwrap();
    samples
}
