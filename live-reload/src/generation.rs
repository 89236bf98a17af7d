//! One process of a service, with its sockets.
//!
//! The service's own socket is held by the runner and shared by all generations. The one for its
//! operators is each generation's own: otherwise nobody could tell which of two processes says that
//! it is ready. Both are handed over by the protocol of systemd's socket activation.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio_util::task::TaskTracker;

use crate::bound;
use crate::health::{Readiness, ask};
use crate::process_group::{ProcessGroup, outcome};
use crate::terminal::{plain, show};

/// How often a new process is asked whether it is ready.
const POLL: Duration = Duration::from_millis(20);

/// How long a process must live on once it is ready, before the old one is let go.
const PROBATION: Duration = Duration::from_millis(200);

/// Lines of a process that are kept, to be shown when it fails.
const KEPT_LINES: usize = 60;

/// What the last lines of a process may take from its pipe to this program.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A year: the old process ends when its last request has, and not before.
const NO_DEADLINE_SECONDS: &str = "31536000";

/// What all generations of a service have in common.
#[derive(Debug)]
pub(crate) struct Service {
    /// The name of its program.
    pub(crate) name: String,
    /// What it is started with.
    pub(crate) arguments: Vec<String>,
    /// The socket on which it is answered.
    pub(crate) listener: TcpListener,
    /// Whether its lines are marked with its name.
    pub(crate) is_one_of_many: bool,
}

/// A process of a service.
#[derive(Debug)]
pub(crate) struct Generation {
    /// Its number, from 1.
    pub(crate) number: u32,
    /// The version of its program.
    pub(crate) version: String,
    /// Where its operators are answered.
    pub(crate) operators: SocketAddr,
    process: ProcessGroup,
    lines: Lines,
    /// They read what the process and its children write, until the last of them has ended.
    readers: TaskTracker,
}

/// The last lines that a process wrote.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<VecDeque<String>>>);

impl Generation {
    /// Starts a process of the service. `takes_over` says that an earlier one still lives.
    pub(crate) fn start(
        service: &Service,
        program: &Path,
        number: u32,
        version: String,
        takes_over: bool,
    ) -> io::Result<Self> {
        let listen = service.listener.local_addr()?;
        let for_operators = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let operators = for_operators.local_addr()?;
        let mut command = bound::command(program, &service.arguments);
        command
            .env("LISTEN", listen.to_string())
            .env("ADMIN_LISTEN", operators.to_string())
            .env("LISTEN_FDS", "2")
            // It would have to name a process that is not there yet.
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDS_FIRST_FD")
            .env("DRAIN_GRACE_SECONDS", NO_DEADLINE_SECONDS)
            .env("DRAIN_IDLE_SECONDS", NO_DEADLINE_SECONDS)
            .env("TAKE_OVER", takes_over.to_string());
        let mapping = |listener: TcpListener, child_fd| FdMapping {
            parent_fd: listener.into(),
            child_fd,
        };
        let sockets = vec![
            mapping(service.listener.try_clone()?, 3),
            mapping(for_operators, 4),
        ];
        command
            .fd_mappings(sockets)
            .map_err(|error| io::Error::other(error.to_string()))?;
        let mut process = ProcessGroup::start(command)?;
        let (lines, readers) = (Lines::default(), TaskTracker::new());
        let mark = if service.is_one_of_many {
            format!("{:<15} | ", service.name)
        } else {
            String::new()
        };
        readers.spawn(pass_on(process.stdout.take(), mark.clone(), lines.clone()));
        readers.spawn(pass_on(process.stderr.take(), mark, lines.clone()));
        readers.close();
        Ok(Self {
            number,
            version,
            operators,
            process,
            lines,
            readers,
        })
    }

    /// Waits until it is ready and has stayed so for a moment. The error says why it will not be.
    pub(crate) async fn becomes_ready(&mut self, within: Duration) -> Result<(), String> {
        let operators = self.operators;
        let said = Mutex::new(String::new());
        let ready = async {
            loop {
                match ask(operators).await {
                    Readiness::Ready => break,
                    Readiness::NotReady(why) => {
                        *said.lock().unwrap_or_else(PoisonError::into_inner) = why;
                    }
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let too_late = tokio::select! {
            ended = self.process.wait() => return Err(ended_with(ended)),
            ready = tokio::time::timeout(within, ready) => ready.is_err(),
        };
        if too_late {
            let said = said.into_inner().unwrap_or_else(PoisonError::into_inner);
            let seconds = within.as_secs_f64();
            return Err(format!("was not ready within {seconds} s: {said}"));
        }
        tokio::select! {
            ended = self.process.wait() => Err(ended_with(ended)),
            () = tokio::time::sleep(PROBATION) => Ok(()),
        }
    }

    /// Asks it to stop; it answers what it has begun.
    pub(crate) fn terminate(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits until it has ended. May be dropped and called again.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> i32 {
        self.process.id()
    }

    /// What it wrote last; what it wrote just before its end is waited for.
    pub(crate) async fn last_lines(&self) -> String {
        // Not for longer: it may live, and so may its children.
        let _ = tokio::time::timeout(LAST_WORDS, self.readers.wait()).await;
        let lines = self.lines.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect::<Vec<_>>().join("\n")
    }
}

/// Says how a process ended.
pub(crate) fn ended_with(ended: io::Result<ExitStatus>) -> String {
    match ended {
        Ok(status) => outcome(status),
        Err(error) => format!("cannot be waited for: {error}"),
    }
}

async fn pass_on(stream: Option<impl AsyncRead + Unpin>, mark: String, lines: Lines) {
    let Some(stream) = stream else { return };
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    // Bytes and not `lines()`: a service that writes no UTF-8 must not be left with a full pipe.
    while let Ok(1..) = reader.read_until(b'\n', &mut line).await {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        show(&format!("{mark}{text}"));
        let mut kept = lines.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT_LINES {
            kept.pop_front();
        }
        kept.push_back(plain(text));
        drop(kept);
        line.clear();
    }
}
