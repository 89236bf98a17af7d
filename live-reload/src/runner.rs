//! The loop of a runner: a new program, a new process, the hand-over.
//!
//! The old process serves until the new one is ready. From then on both accept, each connection by
//! one of them, and the old one is asked to stop: it accepts no more, answers what it has begun
//! however long that takes, and ends. A new process that ends or is not ready in time is given up,
//! and nothing was changed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::RunSettings;
use crate::folder::{Folder, Problem, Report, State};
use crate::generation::{Generation, Service, ended_with};
use crate::process_group::exit_code;
use crate::terminal::say;

/// How often it is looked whether there is a new program: one small file is read.
const POLL: Duration = Duration::from_millis(50);

/// The pause before a service that has ended by itself is started again; each further one is twice
/// as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// A service that lived this long was well: the pauses begin anew.
const LONG_LIFE: Duration = Duration::from_secs(30);

/// Runs a service.
pub(crate) struct Runner {
    service: Service,
    settings: RunSettings,
    folder: Folder,
    /// Tells the listener for operators which process serves.
    serving: watch::Sender<Option<SocketAddr>>,
    /// Where the programs that run are kept, whatever is published meanwhile.
    kept: TempDir,
    report: Report,
    last_number: u32,
    current: Option<Current>,
    /// Earlier processes that answer what they have begun. Each hands its program back.
    draining: JoinSet<()>,
    stopped: CancellationToken,
    pause: Duration,
}

struct Current {
    generation: Generation,
    program: PathBuf,
    since: Instant,
}

/// What happens while a process serves.
enum Event {
    Published(String),
    Ended(io::Result<ExitStatus>),
    Stop,
}

impl Runner {
    pub(crate) fn new(
        service: Service,
        settings: RunSettings,
        folder: Folder,
        serving: watch::Sender<Option<SocketAddr>>,
    ) -> anyhow::Result<Self> {
        let rooms = folder.hidden("run");
        fs::create_dir_all(&rooms)?;
        let kept = tempfile::Builder::new()
            .prefix(&format!("{}.", service.name))
            .tempdir_in(rooms)
            .context("there is no place for the programs that run")?;
        let report = Report {
            about: service.name.clone(),
            state: State::Working,
            problems: Vec::new(),
            versions: BTreeMap::new(),
        };
        Ok(Self {
            service,
            settings,
            folder,
            serving,
            kept,
            report,
            last_number: 0,
            current: None,
            draining: JoinSet::new(),
            stopped: CancellationToken::new(),
            pause: FIRST_PAUSE,
        })
    }

    /// Runs the service until it is told to stop; answers the exit code of the last process.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<u8> {
        self.tell(State::Working, Vec::new())?;
        let mut given_up: Option<String> = None;
        loop {
            while self.draining.try_join_next().is_some() {}
            let event = self.next(&stop, given_up.as_deref()).await;
            match event {
                Event::Stop => break,
                Event::Published(version) => {
                    if !self.take(version.clone(), &stop).await? {
                        given_up = Some(version);
                    }
                }
                Event::Ended(ended) => self.restart(ended, &stop).await?,
            }
            if self.current.is_none() && given_up.is_some() {
                // Nothing serves, so the same is tried again: what it needs may be there then.
                stop.run_until_cancelled(self.rest()).await;
                given_up = None;
            }
        }
        self.stop().await
    }

    /// Waits for the next thing to do.
    async fn next(&mut self, stop: &CancellationToken, given_up: Option<&str>) -> Event {
        let running = self
            .current
            .as_ref()
            .map(|current| current.generation.version.clone());
        let (folder, name) = (self.folder.clone(), self.service.name.clone());
        let published = async {
            loop {
                if let Some(version) = folder.version(&name)
                    && running.as_ref() != Some(&version)
                    && given_up != Some(&version)
                {
                    return version;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Event::Stop,
            ended = ended(&mut self.current) => Event::Ended(ended),
            version = published => Event::Published(version),
        }
    }

    /// Starts a new version and lets it take over; `false` if that failed.
    async fn take(&mut self, version: String, stop: &CancellationToken) -> anyhow::Result<bool> {
        let began = Instant::now();
        self.last_number += 1;
        let program = match self.keep(self.last_number) {
            Ok(program) => program,
            Err(error) => {
                let problem = Problem::new(
                    format!("The program of {} cannot be read", self.service.name),
                    error.to_string(),
                );
                self.tell(State::Failed, vec![problem])?;
                return Ok(false);
            }
        };
        self.tell(State::Working, self.report.problems.clone())?;
        match self.start(&program, version, stop).await {
            Ok(None) => Ok(true),
            Ok(Some(generation)) => {
                self.promote(generation, program, began)?;
                Ok(true)
            }
            Err(problem) => {
                // A second look at what failed needs a new build of it.
                let _ = fs::remove_file(program);
                say(&problem.title);
                self.tell(State::Failed, vec![problem])?;
                Ok(false)
            }
        }
    }

    /// Starts a process and waits until it is ready; nothing if the runner is stopped meanwhile.
    async fn start(
        &mut self,
        program: &Path,
        version: String,
        stop: &CancellationToken,
    ) -> Result<Option<Generation>, Problem> {
        let name = self.service.name.clone();
        let number = self.last_number;
        let takes_over = self.current.is_some() || !self.draining.is_empty();
        let started = Generation::start(&self.service, program, number, version, takes_over);
        let mut generation = started.map_err(|error| {
            Problem::new(format!("{name} cannot be started"), error.to_string())
        })?;
        let ready = generation.becomes_ready(self.settings.ready_within);
        match stop.run_until_cancelled(ready).await {
            None => Ok(None),
            Some(Ok(())) => Ok(Some(generation)),
            Some(Err(why)) => {
                let goes_on = match &self.current {
                    Some(current) => {
                        format!("; generation {} goes on", current.generation.number)
                    }
                    None => String::new(),
                };
                let title = format!("{name}, generation {number}, {why}{goes_on}");
                Err(Problem::new(title, generation.last_lines().await))
            }
        }
    }

    /// The new process is the one that serves; the old one answers what it has begun, and ends.
    fn promote(
        &mut self,
        generation: Generation,
        program: PathBuf,
        began: Instant,
    ) -> anyhow::Result<()> {
        let name = &self.service.name;
        say(&format!(
            "{name}: generation {} (process {}) serves after {:.2} s",
            generation.number,
            generation.id(),
            began.elapsed().as_secs_f64()
        ));
        self.serving.send_replace(Some(generation.operators));
        self.report.versions = BTreeMap::from([(name.clone(), generation.version.clone())]);
        let old = self.current.replace(Current {
            generation,
            program,
            since: Instant::now(),
        });
        if let Some(old) = old {
            self.draining.spawn(drain(
                old,
                name.clone(),
                self.stopped.clone(),
                self.settings.stop_grace,
            ));
        }
        self.tell(State::Done, Vec::new())
    }

    /// Starts a service again that has ended by itself.
    async fn restart(
        &mut self,
        ended: io::Result<ExitStatus>,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let Some(dead) = self.current.take() else {
            return Ok(());
        };
        if dead.since.elapsed() >= LONG_LIFE {
            self.pause = FIRST_PAUSE;
        }
        let name = self.service.name.clone();
        let title = format!(
            "{name}, generation {}, {}; it is started again",
            dead.generation.number,
            ended_with(ended)
        );
        say(&title);
        let problem = Problem::new(title, dead.generation.last_lines().await);
        self.tell(State::Working, vec![problem.clone()])?;
        let version = dead.generation.version.clone();
        let folder = self.folder.clone();
        let newest = || folder.version(&name);
        while newest().is_none_or(|newest| newest == version) {
            if stop
                .run_until_cancelled(tokio::time::sleep(self.pause))
                .await
                .is_none()
            {
                return Ok(());
            }
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            let began = Instant::now();
            self.last_number += 1;
            match self.start(&dead.program, version.clone(), stop).await {
                Ok(None) => return Ok(()),
                Ok(Some(generation)) => return self.promote(generation, dead.program, began),
                Err(problem) => {
                    say(&problem.title);
                    self.tell(State::Failed, vec![problem])?;
                }
            }
        }
        Ok(())
    }

    async fn rest(&mut self) {
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// Stops all processes, and answers the exit code of the one that served.
    async fn stop(mut self) -> anyhow::Result<u8> {
        self.stopped.cancel();
        let grace = self.settings.stop_grace;
        let code = match self.current.take() {
            None => 0,
            Some(mut current) => exit_code(end(&mut current.generation, grace).await?),
        };
        while self.draining.join_next().await.is_some() {}
        Ok(code)
    }

    /// Keeps a program as it is now. Costs nothing where the file system can give a file a second
    /// name.
    fn keep(&self, number: u32) -> io::Result<PathBuf> {
        let published = self.folder.program(&self.service.name);
        let room = self.kept.path().join(number.to_string());
        fs::create_dir(&room)?;
        let kept = room.join(&self.service.name);
        fs::hard_link(&published, &kept).or_else(|_| fs::copy(&published, &kept).map(drop))?;
        Ok(kept)
    }

    fn tell(&mut self, state: State, problems: Vec<Problem>) -> anyhow::Result<()> {
        self.report.state = state;
        self.report.problems = problems;
        self.folder
            .tell(&self.report)
            .context("the report of the service cannot be written")
    }
}

async fn ended(current: &mut Option<Current>) -> io::Result<ExitStatus> {
    match current {
        Some(current) => current.generation.ended().await,
        None => std::future::pending().await,
    }
}

/// Lets an old process answer what it has begun, without a deadline until the runner is stopped.
async fn drain(mut old: Current, name: String, stopped: CancellationToken, grace: Duration) {
    old.generation.terminate();
    let number = old.generation.number;
    let ended = stopped.run_until_cancelled(old.generation.ended()).await;
    if ended.is_some() {
        say(&format!(
            "{name}: generation {number} has answered all and ended"
        ));
    } else {
        // Killed with its group by the drop if it does not listen.
        let _ = end(&mut old.generation, grace).await;
    }
    // It may be in nobody's way if it stays.
    let _ = fs::remove_file(&old.program);
}

/// Ends a process: asks, asks again to cut what still runs, and kills.
async fn end(generation: &mut Generation, grace: Duration) -> io::Result<ExitStatus> {
    for _ in 0..2 {
        generation.terminate();
        if let Ok(ended) = tokio::time::timeout(grace / 2, generation.ended()).await {
            return ended;
        }
    }
    generation.signal(Signal::KILL);
    generation.ended().await
}
