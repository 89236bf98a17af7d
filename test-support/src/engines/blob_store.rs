//! What the blob stores have in common: a container or bucket, and a prefix in it for each test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{EngineProcess, setting};
use crate::{DataFolder, eventually};

/// Longer than a store takes to start on a busy machine.
const START: Duration = Duration::from_mins(1);

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
    /// What this program has started itself; `None` for a store of the environment.
    pub(super) own: Option<OwnServer>,
}

#[derive(Debug)]
pub(super) struct OwnServer {
    program: PathBuf,
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

impl BlobServer {
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

    /// Kills it (SIGKILL), so that connections are refused. An emulator that acknowledges before
    /// it saves is left to save first what it has acknowledged until now: real stores do not
    /// forget, and their tests are not about that.
    ///
    /// # Panics
    /// When it is not of the caller's own.
    pub async fn kill(&mut self) {
        let own = self.own.as_mut();
        let own = own.expect("a store of the environment is not the test's to kill");
        if let Some(process) = own.process.take() {
            own.saved().await;
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
        program: PathBuf,
        port: u16,
        arguments: fn(u16, &Path) -> Vec<String>,
        variables: Vec<(&'static str, String)>,
        saved_in: Option<&'static str>,
    ) -> Self {
        let folder = DataFolder::new();
        let own = Self {
            program,
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
        self.folder.join("data")
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
        let mut command = Command::new(&self.program);
        command
            .args((self.arguments)(self.port, &self.data()))
            .envs(self.variables.iter().map(|(name, value)| (*name, value)));
        let process = EngineProcess::start(command, self.folder.path());
        let process = self.process.insert(process);
        process.listens_on(self.port, START).await;
    }
}

/// A program of the search path, or at one of these places below the project's cache
/// (`$XDG_CACHE_HOME/flixtube`, else `~/.cache/flixtube`) or below the home folder.
pub(super) fn find(program: &str, in_cache: &str, at_home: Option<&str>) -> Option<PathBuf> {
    let home = setting("HOME").map(PathBuf::from);
    let cache = setting("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(home.as_ref()?.join(".cache")));
    let cached = cache.map(|cache| cache.join("flixtube").join(in_cache).join(program));
    let own = at_home.and_then(|folder| Some(home.as_ref()?.join(folder).join(program)));
    [Some(PathBuf::from(program)), cached, own]
        .into_iter()
        .flatten()
        .find(|program| starts(program))
}

fn starts(program: &Path) -> bool {
    let asked = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
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
