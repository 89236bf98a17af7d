use std::fs::File;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::time::timeout;

use super::container::Container;
use crate::eventually;

/// Kills the engine's process group, and removes its container and its folder, once standard input
/// ends, which it does however the test program ends; a line on it says that there is nothing left
/// to do. Signals to the test program's group (Ctrl-C, a closed terminal) do not stop it.
const LEASH: &str = r#"trap '' HUP INT TERM
read -r _ && exit
kill -s KILL -- "-$1" 2>/dev/null
[ -z "$3" ] || docker rm --force --volumes "$3"
sleep 0.2
rm -rf -- "$2""#;

/// How long an answer may take before it is asked for again.
const ANSWER: Duration = Duration::from_secs(5);

/// An engine as a child process, with its data in one folder, or in a container that is attached
/// to a child process.
///
/// It is killed with all of its own children when this is dropped. Engines that all tests of a
/// program share stand in statics, which are never dropped: a second child process watches over
/// the test program, kills the engine at its end, and removes its folder and container then.
#[derive(Debug)]
pub struct EngineProcess {
    engine: Child,
    leash: Child,
    log: PathBuf,
    container: Option<String>,
}

impl EngineProcess {
    /// Starts an engine whose data and output (`output.log`) are below `folder`.
    ///
    /// # Panics
    /// When the program cannot be started.
    #[must_use]
    pub fn start(command: Command, folder: &Path) -> Self {
        Self::start_with(command, folder, None)
    }

    /// Starts an engine in its container; its output goes to `output.log` below `folder`.
    pub(super) fn start_container(container: &Container, folder: &Path) -> Self {
        Self::start_with(container.start(), folder, Some(container.name.clone()))
    }

    fn start_with(mut command: Command, folder: &Path, container: Option<String>) -> Self {
        let program = command.get_program().to_string_lossy().into_owned();
        let log = folder.join("output.log");
        let output = File::options()
            .append(true)
            .create(true)
            .open(&log)
            .and_then(|file| Ok((file.try_clone()?, file)));
        let (stdout, stderr) =
            output.unwrap_or_else(|error| panic!("opening {}: {error}", log.display()));
        let engine = command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("starting {program}: {error}"));
        let leash = Command::new("sh")
            .args(["-c", LEASH, "leash", &engine.id().to_string()])
            .arg(folder)
            .arg(container.as_deref().unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("starting the leash of {program}: {error}"));
        Self {
            engine,
            leash,
            log,
            container,
        }
    }

    /// Waits until the engine takes connections on this loopback port and answers a greeting in
    /// its protocol. In front of a container Docker takes connections before the engine does.
    ///
    /// # Panics
    /// With its output, when it ends before; and when `deadline` passes.
    pub async fn answers_on(&mut self, port: u16, greeting: &[u8], deadline: Duration) {
        let engine = &mut self.engine;
        let log = &self.log;
        eventually(deadline, || {
            if let Ok(Some(status)) = engine.try_wait() {
                let output = std::fs::read_to_string(log).unwrap_or_default();
                panic!("the engine ended at its start with {status}:\n{output}");
            }
            async move {
                let answer = ask((Ipv4Addr::LOCALHOST, port), greeting).await;
                answer.filter(|answer| !answer.is_empty())
            }
        })
        .await;
    }

    /// Kills the engine and its children (SIGKILL) and waits until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(name) = &self.container {
            // One that has ended cannot be killed, and need not be.
            let _ = super::program::output(Command::new("docker").args(["kill", name]));
        }
        let group = i32::try_from(self.engine.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            // A group whose processes have ended cannot be signalled, and need not be.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.engine.wait();
        if let Some(mut stdin) = self.leash.stdin.take() {
            let _ = stdin.write_all(b"done\n");
        }
        let _ = self.leash.wait();
    }
}

impl Drop for EngineProcess {
    fn drop(&mut self) {
        self.end();
    }
}

/// The first bytes that a server answers to a greeting: none when it hangs up, `None` when it is
/// not there or says nothing.
pub(super) async fn ask(address: impl ToSocketAddrs, greeting: &[u8]) -> Option<Vec<u8>> {
    let asking = async {
        let mut connection = TcpStream::connect(address).await?;
        connection.write_all(greeting).await?;
        let mut answer = vec![0; 4_096];
        let length = connection.read(&mut answer).await?;
        answer.truncate(length);
        Ok::<_, std::io::Error>(answer)
    };
    timeout(ANSWER, asking).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use rustix::process::test_kill_process_group;

    use super::*;
    use crate::DataFolder;

    const SOON: Duration = Duration::from_secs(10);

    fn group_of(process: &EngineProcess) -> Pid {
        let id = i32::try_from(process.engine.id()).unwrap();
        Pid::from_raw(id).unwrap()
    }

    /// A program with a child process.
    fn start(folder: &DataFolder) -> EngineProcess {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & wait"]);
        EngineProcess::start(command, folder.path())
    }

    #[tokio::test]
    async fn an_engine_is_killed_with_its_children_when_it_is_dropped() {
        let folder = DataFolder::new();
        let process = start(&folder);
        let group = group_of(&process);
        assert!(test_kill_process_group(group).is_ok());
        drop(process);
        // Its orphan is buried by the system, a moment later.
        eventually(SOON, || async {
            test_kill_process_group(group).is_err().then_some(())
        })
        .await;
        assert!(folder.path().exists());
    }

    #[tokio::test]
    async fn the_end_of_the_test_program_kills_its_engines_and_removes_their_folders() {
        let folder = DataFolder::new();
        let mut process = start(&folder);
        let group = group_of(&process);
        // What the system does with the files of a program that ends.
        drop(process.leash.stdin.take());
        eventually(SOON, || {
            // The engine is a child of this program, which still lives and has to bury it.
            let _ = process.engine.try_wait();
            let is_gone = test_kill_process_group(group).is_err() && !folder.path().exists();
            async move { is_gone.then_some(()) }
        })
        .await;
    }
}
