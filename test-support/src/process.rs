//! Programs that a test starts: their output is kept, and they never outlive the test.

use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A running program. It is killed (SIGKILL) when this is dropped.
#[derive(Debug)]
pub struct ChildProcess {
    program: String,
    child: Child,
    output: Output,
    /// Read standard output and standard error until their ends; aborted on drop.
    readers: JoinSet<()>,
}

#[derive(Clone, Debug)]
struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    /// Counts the lines, and is closed when the program has closed its output.
    count: watch::Receiver<usize>,
}

impl ChildProcess {
    /// Starts the command with an empty standard input and its output captured.
    ///
    /// # Panics
    /// When the program cannot be started.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let program = command
            .as_std()
            .get_program()
            .to_string_lossy()
            .into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("starting {program}: {error}"));
        let lines = Arc::default();
        let (counter, count) = watch::channel(0);
        let counter = Arc::new(counter);
        let mut readers = JoinSet::new();
        let stdout = child.stdout.take().expect("standard output is piped");
        let stderr = child.stderr.take().expect("standard error is piped");
        readers.spawn(collect(stdout, Arc::clone(&lines), Arc::clone(&counter)));
        readers.spawn(collect(stderr, Arc::clone(&lines), counter));
        Self {
            program,
            child,
            output: Output { lines, count },
            readers,
        }
    }

    /// The process id, or `None` once the program has ended.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Every line of both outputs so far, in the order of their arrival.
    pub fn lines(&self) -> Vec<String> {
        self.output.lines()
    }

    /// Waits for a line that contains `part`, and answers it; a line that came earlier counts.
    ///
    /// # Panics
    /// With the whole output, when `deadline` passes or the program ends before.
    pub async fn wait_for_line(&self, part: &str, deadline: Duration) -> String {
        let mut count = self.output.count.clone();
        let search = async {
            loop {
                let seen = *count.borrow_and_update();
                let found = self.lines().into_iter().find(|line| line.contains(part));
                if found.is_some() {
                    return found;
                }
                if count.changed().await.is_err() && *count.borrow() == seen {
                    return None;
                }
            }
        };
        let Ok(found) = timeout(deadline, search).await else {
            self.complain(&format!("wrote no line with {part:?} within {deadline:?}"))
        };
        found.unwrap_or_else(|| self.complain(&format!("ended without a line with {part:?}")))
    }

    /// Asks the program to stop (SIGTERM).
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks the program to stop as Ctrl-C does (SIGINT).
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Kills the program (SIGKILL) and waits until it is gone.
    ///
    /// # Panics
    /// When the program cannot be killed.
    pub async fn kill9(&mut self) {
        self.child
            .kill()
            .await
            .unwrap_or_else(|error| panic!("killing {}: {error}", self.program));
    }

    /// Waits until the program has ended and all of its output was read.
    ///
    /// # Panics
    /// With the whole output, when `deadline` passes before.
    pub async fn wait_for_exit(&mut self, deadline: Duration) -> ExitStatus {
        let ended = timeout(deadline, async {
            let status = self.child.wait().await;
            while self.readers.join_next().await.is_some() {}
            status
        })
        .await;
        let Ok(status) = ended else {
            self.complain(&format!("did not end within {deadline:?}"))
        };
        status.unwrap_or_else(|error| panic!("waiting for {}: {error}", self.program))
    }

    fn complain(&self, what: &str) -> ! {
        panic!("{} {what}:\n{}", self.program, self.lines().join("\n"))
    }

    fn signal(&self, signal: Signal) {
        // A program that has ended and was waited for has no id: there is nothing to signal.
        let Some(id) = self.id() else { return };
        let pid = i32::try_from(id)
            .ok()
            .and_then(Pid::from_raw)
            .expect("process ids are positive");
        kill_process(pid, signal)
            .unwrap_or_else(|error| panic!("signalling {}: {error}", self.program));
    }
}

impl Output {
    fn lines(&self) -> Vec<String> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn collect(
    stream: impl AsyncRead + Unpin,
    lines: Arc<Mutex<Vec<String>>>,
    counter: Arc<watch::Sender<usize>>,
) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    // Bytes and not `lines()`: output that is no UTF-8 must not end the reading.
    while let Ok(1..) = reader.read_until(b'\n', &mut line).await {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text);
        counter.send_modify(|count| *count += 1);
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> ChildProcess {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        ChildProcess::start(command)
    }

    #[tokio::test]
    async fn a_line_is_found_whether_it_came_before_or_comes_after_the_question() {
        let mut process = shell("echo early; echo late >&2");
        assert_eq!(process.wait_for_line("lat", SOON).await, "late");
        assert_eq!(process.wait_for_line("ear", SOON).await, "early");
        assert!(process.wait_for_exit(SOON).await.success());
    }

    #[tokio::test]
    #[should_panic(expected = "ended without a line")]
    async fn a_program_that_ends_without_the_line_fails_at_once_and_not_at_the_deadline() {
        shell("echo other")
            .wait_for_line("wanted", Duration::from_hours(1))
            .await;
    }

    #[tokio::test]
    async fn a_program_can_be_asked_to_stop_and_tells_its_exit_code() {
        let mut process = shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done");
        process.wait_for_line("ready", SOON).await;
        process.terminate();
        assert_eq!(process.wait_for_exit(SOON).await.code(), Some(7));
    }

    #[tokio::test]
    async fn a_killed_program_is_gone() {
        let mut process = shell("trap '' TERM; echo ready; exec sleep 600");
        process.wait_for_line("ready", SOON).await;
        process.kill9().await;
        assert_eq!(process.id(), None);
    }
}
