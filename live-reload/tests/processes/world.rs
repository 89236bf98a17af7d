//! A workspace of two services in a folder of its own, and a runner of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use test_support::eventually;
use test_support::process::ChildProcess;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

/// Long enough for builds beside other builds.
pub(crate) const SOON: Duration = Duration::from_mins(2);

const SERVICE: &str = include_str!("../fixture/service.rs");

pub(crate) struct World {
    _folder: tempfile::TempDir,
    pub(crate) root: PathBuf,
    pub(crate) runner: ChildProcess,
    pub(crate) greeter: SocketAddr,
    pub(crate) operators: SocketAddr,
    pub(crate) other: SocketAddr,
}

/// A command that starts the program under test.
pub(crate) fn live_reload() -> Command {
    Command::new(env!("CARGO_BIN_EXE_live-reload"))
}

pub(crate) fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Writes the workspace: `greeter` and `other` are built from `common`, and `greeter` alone from
/// `words`.
pub(crate) fn write_workspace(root: &Path) {
    let write = |name: &str, text: &str| {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"common\", \"greeter\", \"other\", \"words\"]\n\
         [profile.dev]\ndebug = false\n",
    );
    let package = |name: &str, dependencies: &str| {
        let text = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\n{dependencies}"
        );
        write(&format!("{name}/Cargo.toml"), &text);
    };
    let common = "common = { path = \"../common\" }\n";
    package("common", "");
    package("words", "");
    package(
        "greeter",
        &format!("{common}words = {{ path = \"../words\" }}\n"),
    );
    package("other", common);
    write("common/src/lib.rs", SERVICE);
    write("words/src/lib.rs", &greeting("one"));
    write(
        "greeter/src/main.rs",
        "fn main() { common::serve(words::GREETING) }\n",
    );
    write(
        "other/src/main.rs",
        "fn main() { common::serve(\"other\") }\n",
    );
}

/// The source of the crate `words`.
pub(crate) fn greeting(text: &str) -> String {
    format!("pub const GREETING: &str = \"{text}\";\n")
}

impl World {
    /// Starts `live-reload dev` and waits until both services answer.
    pub(crate) async fn start(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("workspace");
        write_workspace(&root);
        Self::start_in(folder, root, settings).await
    }

    pub(crate) async fn start_in(
        folder: tempfile::TempDir,
        root: PathBuf,
        settings: &[&str],
    ) -> Self {
        let (greeter, operators, other) = (free_address(), free_address(), free_address());
        let mut command = live_reload();
        command
            .arg("dev")
            .arg(format!("--service=greeter={greeter},{operators}"))
            .arg(format!("--service=other={other}"))
            .arg("--workspace")
            .arg(&root)
            .arg("--out")
            .arg(root.join("out"))
            .args(["--stop-grace-seconds", "4"])
            .args(settings)
            .env("CARGO_TARGET_DIR", root.join("target"));
        let world = Self {
            _folder: folder,
            root,
            runner: ChildProcess::start(command),
            greeter,
            operators,
            other,
        };
        world.answers("one").await;
        assert_eq!(get(other, "/").await.unwrap(), "other");
        for service in ["greeter", "other"] {
            world.is_done(service).await;
        }
        world
    }

    /// Waits until the greeter answers this.
    pub(crate) async fn answers(&self, text: &str) {
        let answered = || async {
            let answer = get(self.greeter, "/").await.ok()?;
            (answer == text).then_some(())
        };
        eventually(SOON, answered).await;
    }

    /// Waits until a builder or a runner has nothing more to do.
    pub(crate) async fn is_done(&self, about: &str) {
        let done = || async { (self.report(about)["state"] == "done").then_some(()) };
        eventually(SOON, done).await;
    }

    /// Saves a file as editors do: writes it beside, and renames it over the old one.
    pub(crate) fn save(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        let beside = path.with_extension("rs.new~");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, path).unwrap();
    }

    /// The report of this name.
    pub(crate) fn report(&self, about: &str) -> serde_json::Value {
        let path = self.root.join(format!("out/status/{about}.json"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    /// How many lines of the runner have this in them.
    pub(crate) fn said(&self, part: &str) -> usize {
        let lines = self.runner.lines();
        lines.iter().filter(|line| line.contains(part)).count()
    }
}

/// The body of the answer; an error if the connection is refused, cut, or the body is not whole.
pub(crate) async fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    let broken = || std::io::Error::other(format!("no whole answer: {answer:?}"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(broken)?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .and_then(|length| length.parse::<usize>().ok());
    let is_whole = head.starts_with("HTTP/1.1 200") && length == Some(body.len());
    if is_whole {
        Ok(body.to_owned())
    } else {
        Err(broken())
    }
}

/// Runs git in a folder.
pub(crate) async fn git(root: &Path, arguments: &[&str]) {
    let ended = Command::new("git")
        .current_dir(root)
        .args(["-c", "user.name=Test", "-c", "user.email=test@localhost"])
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await
        .unwrap();
    assert!(ended.success(), "git {arguments:?}");
}
