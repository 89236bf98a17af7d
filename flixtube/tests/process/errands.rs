//! What the program does besides running the system, and what containers need of it.

use std::path::Path;

use hyper::StatusCode;
use test_support::DataFolder;
use test_support::media::FASTSTART;
use test_support::process::ChildProcess;
use tokio::process::Command;

use crate::{FlixTube, SOON, command, folder_of_samples, id_of};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// The program with these words, without the flags of a system of its own.
fn program(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flixtube"));
    command.args(words);
    command
}

/// Runs to the end; the last words are in the `Err`.
async fn done(command: Command) -> Result<(), String> {
    let mut errand = ChildProcess::start(command);
    if errand.wait_for_exit(SOON).await.success() {
        return Ok(());
    }
    Err(errand.lines().join("\n"))
}

fn put_samples(samples: &Path, mark: &Path, base: &str, more: &[&str]) -> Command {
    let mut command = program(&["--samples", samples.to_str().unwrap()]);
    command.args(["put-samples", "--gateway-url", base]);
    command.args(["--mark", mark.to_str().unwrap()]).args(more);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_are_put_into_another_system_once_and_stay_deleted() {
    let folder = DataFolder::new();
    let samples = folder_of_samples(folder.path());
    let mark = folder.join("mark");
    let flags = ["--owner-token", TOKEN];
    let system = FlixTube::start(&folder.join("data"), &flags).await;
    let titles = || async {
        let list = system.client().get("/api/videos").await.value();
        let videos = list["videos"].as_array().unwrap().clone();
        videos.iter().map(id_of).collect::<Vec<_>>()
    };

    let put = || {
        let mut command = put_samples(&samples, &mark, &system.base, &[]);
        command.env("OWNER_TOKEN", TOKEN);
        command
    };
    done(put()).await.unwrap();
    let [sample] = titles().await.try_into().unwrap();
    done(put()).await.unwrap();
    assert_eq!(titles().await, std::slice::from_ref(&sample));
    let delete = system.client().delete(&format!("/api/videos/{sample}"));
    let delete = delete.header("authorization", &format!("Bearer {TOKEN}"));
    delete.await.expect(StatusCode::NO_CONTENT);
    done(put()).await.unwrap();
    assert!(titles().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_samples_only_the_mark_is_made() {
    let folder = DataFolder::new();
    let mark = folder.join("mark");
    // Nobody listens there, and nobody is asked.
    let nobody = "http://127.0.0.1:1";
    let put = put_samples(folder.path(), &mark, nobody, &["--add", "false"]);
    done(put).await.unwrap();
    assert!(mark.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_can_be_the_content_of_a_file() {
    let data = DataFolder::new();
    let file = data.join("owner-token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let mut starting = command(&data.join("data"));
    starting.env("OWNER_TOKEN_FILE", &file);
    let process = ChildProcess::start(starting);
    let line = process.wait_for_line("FlixTube is ready", SOON).await;
    let base = line.split_whitespace().last().unwrap().to_owned();
    let system = FlixTube { process, base };
    let upload = || {
        let upload = system.client().post("/api/videos?title=Mine");
        upload.body("video/mp4", FASTSTART.bytes)
    };
    upload().await.expect(StatusCode::UNAUTHORIZED);
    let owned = upload().header("authorization", &format!("Bearer {TOKEN}"));
    owned.await.expect(StatusCode::CREATED);

    let mut twice = command(&data.join("other"));
    twice
        .env("OWNER_TOKEN_FILE", &file)
        .env("OWNER_TOKEN", TOKEN);
    let refusal = done(twice).await.unwrap_err();
    assert!(refusal.contains("both set"), "{refusal}");
    assert!(!refusal.contains(TOKEN), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_health_is_the_exit_code_of_a_command() {
    let data = DataFolder::new();
    let system = FlixTube::start(data.path(), &[]).await;
    let line = system.process.wait_for_line("for operators", SOON).await;
    let url = line
        .split_whitespace()
        .find(|word| word.contains("/metrics"));
    let admin = url.unwrap().trim_start_matches("http://");
    let admin = admin.trim_end_matches("/metrics;");
    done(program(&["--admin-listen", admin, "health"]))
        .await
        .unwrap();
    let asked = program(&["--admin-listen", admin, "health", "--live"]);
    done(asked).await.unwrap();
    let missing = data.join("mark");
    let with = |file: &Path| {
        let file = file.to_str().unwrap();
        program(&["--admin-listen", admin, "health", "--exists", file])
    };
    let refusal = done(with(&missing)).await.unwrap_err();
    assert!(refusal.contains("mark"), "{refusal}");
    std::fs::write(&missing, "").unwrap();
    done(with(&missing)).await.unwrap();
    // A port on which nobody listens.
    let refusal = done(program(&["--admin-listen", "127.0.0.1:1", "health"])).await;
    assert!(refusal.unwrap_err().contains("127.0.0.1:1"));
}
