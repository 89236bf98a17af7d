//! Programs that are started, signalled and ended together with the programs that they start.
//!
//! Each gets a process group of its own. Cargo's compilers die with it, and a Ctrl-C at the terminal
//! reaches this program alone, which then decides.

use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

/// A running program at the head of a process group. What is left of the group is killed when this
/// is dropped.
#[derive(Debug)]
pub(crate) struct ProcessGroup {
    child: Child,
    head: Pid,
    /// Its standard output, until somebody takes it.
    pub(crate) stdout: Option<ChildStdout>,
    /// Its standard error, until somebody takes it.
    pub(crate) stderr: Option<ChildStderr>,
}

impl ProcessGroup {
    /// Starts the program, with nothing on its standard input.
    pub(crate) fn start(mut command: std::process::Command) -> io::Result<Self> {
        command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = Command::from(command).spawn()?;
        let head = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::other("a program was started that has no id"))?;
        Ok(Self {
            head,
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            child,
        })
    }

    /// The id of the program and of its group.
    pub(crate) fn id(&self) -> i32 {
        self.head.as_raw_nonzero().get()
    }

    /// Sends a signal to the program alone.
    pub(crate) fn signal(&self, signal: Signal) {
        // Once it was waited for, its id may be another's.
        if self.child.id().is_some() {
            // It may be a zombie that nobody has waited for; then there is nothing to do.
            let _ = kill_process(self.head, signal);
        }
    }

    /// Waits until the program has ended. May be dropped and called again.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Ends the whole group: asks first, and kills what is there after `grace`.
    pub(crate) async fn end(mut self, grace: Duration) {
        let _ = kill_process_group(self.head, Signal::TERM);
        // Killed in any case by the drop, children that outlive the program included.
        let _ = tokio::time::timeout(grace, self.wait()).await;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // A group keeps its id as long as it has a member, so no other can be hit; an empty one is
        // an error that says so.
        let _ = kill_process_group(self.head, Signal::KILL);
    }
}

/// The exit code that a shell would give: that of the program, or 128 and the signal's number.
pub(crate) fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

/// Says how a program ended.
pub(crate) fn outcome(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> std::process::Command {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        assert_eq!(exit_code(ExitStatus::from_raw(7 << 8)), 7);
        assert_eq!(exit_code(ExitStatus::from_raw(15)), 143);
    }

    #[tokio::test]
    async fn a_group_ends_with_its_children() {
        use tokio::io::AsyncBufReadExt as _;
        let mut group = ProcessGroup::start(shell("sleep 600 & echo $!; wait")).unwrap();
        let mut lines = tokio::io::BufReader::new(group.stdout.take().unwrap()).lines();
        let child: i32 = lines.next_line().await.unwrap().unwrap().parse().unwrap();
        group.end(SOON).await;
        let child = Pid::from_raw(child).unwrap();
        test_support::eventually(SOON, || async {
            // A zombie that its new parent has not waited for yet is as good as gone.
            let state = std::fs::read_to_string(format!("/proc/{}/stat", child.as_raw_nonzero()));
            state
                .map_or(true, |state| state.contains(") Z "))
                .then_some(())
        })
        .await;
    }

    #[tokio::test]
    async fn a_group_that_does_not_listen_is_killed() {
        let mut group = ProcessGroup::start(shell("trap '' TERM; echo deaf; sleep 600")).unwrap();
        let mut stdout = group.stdout.take().unwrap();
        let mut word = [0; 4];
        tokio::io::AsyncReadExt::read_exact(&mut stdout, &mut word)
            .await
            .unwrap();
        group.end(Duration::from_millis(50)).await;
        let mut rest = Vec::new();
        // The end of its output is the end of all who hold it.
        let read = tokio::io::AsyncReadExt::read_to_end(&mut stdout, &mut rest);
        tokio::time::timeout(SOON, read).await.unwrap().unwrap();
    }
}
