use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::net::TcpStream;

use crate::eventually;

/// Kills the engine's process group and removes its folder once standard input ends, which it does
/// however the test program ends; a line on it says that there is nothing left to do.
const LEASH: &str =
    r#"read -r _ && exit; kill -s KILL -- "-$1" 2>/dev/null; sleep 0.2; rm -rf -- "$2""#;

/// An engine as a child process, with its data in one folder.
///
/// It is killed with all of its own children when this is dropped. Engines that all tests of a
/// program share stand in statics, which are never dropped: a second child process watches over
/// the test program, kills the engine at its end, and removes its folder then.
#[derive(Debug)]
pub struct EngineProcess {
    engine: Child,
    leash: Child,
    log: PathBuf,
}

impl EngineProcess {
    /// Starts an engine whose data and output (`output.log`) are below `folder`.
    ///
    /// # Panics
    /// When the program cannot be started.
    #[must_use]
    pub fn start(mut command: Command, folder: &Path) -> Self {
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
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("starting the leash of {program}: {error}"));
        Self { engine, leash, log }
    }

    /// Waits until the engine takes connections on this loopback port.
    ///
    /// # Panics
    /// With its output, when it ends before; and when `deadline` passes.
    pub async fn listens_on(&mut self, port: u16, deadline: Duration) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let engine = &mut self.engine;
        let log = &self.log;
        eventually(deadline, || {
            if let Ok(Some(status)) = engine.try_wait() {
                let output = std::fs::read_to_string(log).unwrap_or_default();
                panic!("the engine ended at its start with {status}:\n{output}");
            }
            async move { TcpStream::connect(address).await.ok().map(drop) }
        })
        .await;
    }

    /// Kills the engine and its children (SIGKILL) and waits until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
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
