//! Services that do not outlive their runner, not even one that is killed: they would go on holding
//! its ports, and nobody would know of them.
//!
//! Only a process itself can ask to be killed with its parent. So the runner starts this program
//! again, which asks for that and then becomes the service.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// A command that starts a program bound to this process.
pub(crate) fn command(program: &Path, arguments: &[String]) -> Command {
    if !cfg!(target_os = "linux") {
        let mut command = Command::new(program);
        command.args(arguments);
        return command;
    }
    // Not its path: there may be a newer one by now.
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["become", "--runner", &std::process::id().to_string(), "--"])
        .arg(program)
        .args(arguments);
    command
}

/// Becomes the program; returns only if that fails.
pub(crate) fn become_it(runner: u32, program: &Path, arguments: &[OsString]) -> io::Error {
    match bind_to(runner) {
        Ok(()) => Command::new(program).args(arguments).exec(),
        Err(error) => error,
    }
}

#[cfg(target_os = "linux")]
fn bind_to(runner: u32) -> io::Result<()> {
    use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before that was asked for.
    let parent = getppid().map(Pid::as_raw_nonzero);
    if parent.and_then(|id| u32::try_from(id.get()).ok()) == Some(runner) {
        Ok(())
    } else {
        Err(io::Error::other("the runner has ended"))
    }
}

#[cfg(not(target_os = "linux"))]
fn bind_to(_runner: u32) -> io::Result<()> {
    Ok(())
}
