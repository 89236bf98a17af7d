//! What the blob stores have in common: a container or bucket, and a prefix in it for each test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::EngineProcess;
use super::child::ask;
use super::container::Container;
use super::program::Program;
use crate::{DataFolder, eventually};

/// Longer than a store takes to start on a busy machine.
const START: Duration = Duration::from_mins(3);

const HTTP_GREETING: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

/// How long a store may keep what it was told to itself, before it writes that down.
const SAVING: Duration = Duration::from_secs(6);

/// The container or bucket of a store that a test program has started.
pub(super) const BUCKET: &str = "flixtube-tests";

/// A blob store that tests may use.
#[derive(Debug)]
pub struct BlobServer {
    /// `azure://container` or `s3://bucket`, perhaps with a prefix.
    pub(super) url: String,
    /// The variables by which a process finds and may use it.
    pub(super) variables: Vec<(&'static str, String)>,
    /// `http://HOST:PORT`
    pub(super) endpoint: String,
    /// The variable of the environment that names it, for one that is not started here.
    pub(super) variable: &'static str,
    /// What this program has started itself; `None` for a store of the environment.
    pub(super) own: Option<OwnServer>,
}

#[derive(Debug)]
pub(super) struct OwnServer {
    home: Home,
    arguments: fn(port: u16, data: &Path) -> Vec<String>,
    variables: Vec<(&'static str, String)>,
    port: u16,
    /// The file in which the engine saves from time to time what it has acknowledged already;
    /// `None` for one that saves first.
    saved_in: Option<&'static str>,
    /// `None` while it is killed.
    process: Option<EngineProcess>,
    // Removed last: it stands behind the process.
    folder: DataFolder,
}

/// What runs a server.
#[derive(Debug)]
pub(super) enum Home {
    Program(Program),
    Container {
        container: Container,
        image: &'static str,
    },
}

impl BlobServer {
    /// What it is, for the list of engines that a test run prints.
    pub async fn description(&self) -> String {
        match self.own.as_ref().map(|own| &own.home) {
            None => {
                let address = self.endpoint.trim_start_matches("http://");
                let answer = ask(address, HTTP_GREETING).await.unwrap_or_default();
                let answer = String::from_utf8_lossy(&answer);
                let names = |line: &&str| line.to_ascii_lowercase().starts_with("server:");
                let server = answer.lines().find(names).unwrap_or_default();
                format!("{} ({})", server.trim(), self.variable)
            }
            Some(Home::Program(program)) => program.description(),
            Some(Home::Container { image, .. }) => format!("container {image}"),
        }
    }

    /// A place in the store that nobody else uses, as `azure://container/prefix` or
    /// `s3://bucket/prefix`.
    pub fn store_url(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_millis());
        let process = std::process::id();
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        format!("{}/{now:x}-{process:x}-{n}", self.url)
    }

    /// The environment of a process that is to use the store: endpoint and credentials.
    pub fn environment(&self) -> &[(&'static str, String)] {
        &self.variables
    }

    /// The origin at which it answers, such as `http://127.0.0.1:10000`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Every file in the data folder of a server of the caller's own, for what the store's own
    /// interface does not show.
    ///
    /// # Panics
    /// When it is not of the caller's own.
    pub fn files(&self) -> Vec<PathBuf> {
        let own = self.own.as_ref();
        let own = own.expect("the files of a store of the environment cannot be seen");
        let mut files = Vec::new();
        collect(&own.data(), &mut files);
        files
    }

    /// Waits until it has saved what it has acknowledged until now, if it is an emulator that
    /// acknowledges first: real stores do not forget, and their tests are not about that.
    pub async fn saved(&self) {
        if let Some(own) = &self.own {
            own.saved().await;
        }
    }

    /// Kills it (SIGKILL) when it has [saved](Self::saved), so that connections are refused.
    ///
    /// # Panics
    /// When it is not of the caller's own.
    pub async fn kill(&mut self) {
        self.saved().await;
        self.kill_at_once();
    }

    /// The same without waiting, for what must not go on meanwhile.
    ///
    /// # Panics
    /// When it is not of the caller's own.
    pub fn kill_at_once(&mut self) {
        let own = self.own.as_mut();
        let own = own.expect("a store of the environment is not the test's to kill");
        if let Some(process) = own.process.take() {
            process.kill();
        }
    }

    /// Starts it again after [`kill`](Self::kill), on the same port and data.
    ///
    /// # Panics
    /// When it is not of the caller's own, or does not start.
    pub async fn start_again(&mut self) {
        let own = self.own.as_mut();
        own.expect("a store of the environment is not the test's to start")
            .run()
            .await;
    }
}

impl OwnServer {
    pub(super) fn new(
        home: Home,
        port: u16,
        arguments: fn(u16, &Path) -> Vec<String>,
        variables: Vec<(&'static str, String)>,
        saved_in: Option<&'static str>,
        folder: DataFolder,
    ) -> Self {
        let own = Self {
            home,
            arguments,
            variables,
            port,
            saved_in,
            process: None,
            folder,
        };
        std::fs::create_dir_all(own.data()).expect("the folder is writable");
        own
    }

    pub(super) fn data(&self) -> PathBuf {
        Self::data_in(&self.folder)
    }

    /// Where a server with this folder has its data.
    pub(super) fn data_in(folder: &DataFolder) -> PathBuf {
        folder.join("data")
    }

    async fn saved(&self) {
        let Some(file) = self.saved_in else { return };
        let file = self.data().join(file);
        let asked = SystemTime::now();
        eventually(SAVING * 2, || async {
            let saved = std::fs::metadata(&file).and_then(|meta| meta.modified());
            let is_saved = saved.is_ok_and(|saved| saved > asked);
            // It does not save when nothing has changed.
            let waited = asked.elapsed().is_ok_and(|waited| waited > SAVING);
            (is_saved || waited).then_some(())
        })
        .await;
    }

    pub(super) async fn run(&mut self) {
        let folder = self.folder.path();
        let process = match &self.home {
            Home::Program(program) => {
                let mut command = Command::new(&program.path);
                command
                    .args((self.arguments)(self.port, &self.data()))
                    .envs(self.variables.iter().map(|(name, value)| (*name, value)));
                EngineProcess::start(command, folder)
            }
            Home::Container { container, .. } => EngineProcess::start_container(container, folder),
        };
        let process = self.process.insert(process);
        process.answers_on(self.port, HTTP_GREETING, START).await;
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    // A store may remove a folder while it is being read.
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
