//! The duties of process 1 in a container.
//!
//! Whoever is orphaned in a container becomes a child of process 1, which has to wait for it when it
//! ends, or it stays as a zombie. Waiting for any child would take the exit codes away from the
//! runner, which waits for its own ones. So process 1 does this alone, and the runner is its child.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// What is passed on to the runner; it knows what to do.
const PASSED_ON: [Signal; 6] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
];

/// Whether this is process 1.
pub(crate) fn is_needed() -> bool {
    std::process::id() == 1
}

/// Runs this program again as a child, passes signals on, waits for everybody, and ends as the
/// child does.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(attend())
}

async fn attend() -> anyhow::Result<ExitCode> {
    let (heard, mut signals) = mpsc::unbounded_channel();
    let mut listeners = tokio::task::JoinSet::new();
    for passed_on in PASSED_ON {
        let mut stream = signal(SignalKind::from_raw(passed_on.as_raw()))?;
        let heard = heard.clone();
        listeners.spawn(async move {
            while stream.recv().await.is_some() && heard.send(passed_on).is_ok() {}
        });
    }
    let mut ended = signal(SignalKind::child())?;
    let program = std::env::current_exe().context("this program cannot be found")?;
    let child = Command::new(program)
        .args(std::env::args_os().skip(1))
        // A Ctrl-C at the terminal of the container comes from here, and once.
        .process_group(0)
        .spawn()
        .context("this program cannot be started again")?;
    let runner = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .context("a program was started that has no id")?;
    loop {
        tokio::select! {
            Some(heard) = signals.recv() => {
                // It may be gone by now; that is heard of next.
                let _ = kill_process(runner, heard);
            }
            _ = ended.recv() => {
                if let Some(code) = wait_for_all(runner) {
                    return Ok(code);
                }
            }
        }
    }
}

/// Waits for all who have ended; answers the exit code of the runner if it is among them.
fn wait_for_all(runner: Pid) -> Option<ExitCode> {
    let mut code = None;
    // An error says that there is no child at all.
    while let Ok(Some((who, status))) = wait(WaitOptions::NOHANG) {
        if who == runner {
            code = Some(exit_code(status));
        }
    }
    code
}

fn exit_code(status: WaitStatus) -> ExitCode {
    let code = status
        .exit_status()
        .or_else(|| status.terminating_signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
