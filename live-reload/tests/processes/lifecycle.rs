//! Signals, exit codes, orphans, and the life as process 1.

use std::path::Path;

use test_support::eventually;
use test_support::process::ChildProcess;
use tokio::process::Command;

use crate::world::{SOON, World, free_address, greeting, live_reload};

/// A service as a script: ready when it is asked, and it ends as it is told.
const SCRIPT: &str = r#"#!/usr/bin/env python3
import signal, socket, subprocess, sys, threading
orphan = subprocess.Popen(["sh", "-c", "sleep 0.2 & echo"], stdout=subprocess.DEVNULL)
orphan.wait()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
operators = socket.socket(fileno=4)
operators.setblocking(True)
print("serving", flush=True)
def answer():
    while True:
        connection, _ = operators.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.close()
threading.Thread(target=answer, daemon=True).start()
while True:
    signal.pause()
"#;

/// A folder as a builder publishes it.
fn publish(out: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(out.join("status")).unwrap();
    std::fs::write(out.join("script"), SCRIPT).unwrap();
    std::fs::set_permissions(out.join("script"), PermissionsExt::from_mode(0o755)).unwrap();
    let report = r#"{"about":"build","state":"done","problems":[],"versions":{"script":"1"}}"#;
    std::fs::write(out.join("status/build.json"), report).unwrap();
}

fn run(mut command: Command, out: &Path) -> ChildProcess {
    command
        .args(["run", "script", "--listen"])
        .arg(free_address().to_string())
        .arg("--from")
        .arg(out);
    ChildProcess::start(command)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_is_passed_on_and_the_exit_code_is_that_of_the_service() {
    let folder = tempfile::tempdir().unwrap();
    publish(folder.path());
    for interrupts in [false, true] {
        let mut runner = run(live_reload(), folder.path());
        runner.wait_for_line("generation 1", SOON).await;
        if interrupts {
            runner.interrupt();
        } else {
            runner.terminate();
        }
        assert_eq!(runner.wait_for_exit(SOON).await.code(), Some(7));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_when_the_runner_was_stopped() {
    let mut world = World::start(&[]).await;
    world.runner.terminate();
    assert_eq!(world.runner.wait_for_exit(SOON).await.code(), Some(0));
    for address in [world.greeter, world.other, world.operators] {
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
    }
    let mut kept = std::fs::read_dir(world.root.join("out/.run")).unwrap();
    assert!(kept.next().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_when_the_runner_was_killed() {
    let mut world = World::start(&[]).await;
    world.save("words/src/lib.rs", &greeting("two"));
    world.answers("two").await;
    world.runner.kill9().await;
    for address in [world.greeter, world.other, world.operators] {
        let gone = || async {
            let reached = tokio::net::TcpStream::connect(address).await;
            reached.is_err().then_some(())
        };
        eventually(SOON, gone).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = live_reload();
    command
        .args(["run", "script", "--listen"])
        .arg(taken.local_addr().unwrap().to_string())
        .arg("--from")
        .arg(folder.path());
    let mut runner = ChildProcess::start(command);
    assert_eq!(runner.wait_for_exit(SOON).await.code(), Some(1));
    runner
        .wait_for_line("another program may hold the port", SOON)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_whether_there_is_something_to_use() {
    let folder = tempfile::tempdir().unwrap();
    let ask = || async {
        let mut command = live_reload();
        command
            .args(["health", "build", "--out"])
            .arg(folder.path());
        ChildProcess::start(command)
            .wait_for_exit(SOON)
            .await
            .code()
    };
    assert_eq!(ask().await, Some(1));
    publish(folder.path());
    assert_eq!(ask().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn as_process_1_it_passes_signals_on_and_leaves_no_zombie() {
    let folder = tempfile::tempdir().unwrap();
    publish(folder.path());
    let mut command = Command::new("unshare");
    // Killed with the process that made it, so that nothing is left of a test that fails.
    command
        .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(env!("CARGO_BIN_EXE_live-reload"));
    let mut runner = run(command, folder.path());
    runner.wait_for_line("generation 1", SOON).await;
    let init = || async { children(runner.id()?).first().copied() };
    let init = eventually(SOON, init).await;
    // The orphan of the script becomes a child of process 1 and is waited for: the runner is the
    // only child that is left.
    let alone = || async { (children(init).len() == 1).then_some(()) };
    eventually(SOON, alone).await;
    let pid = rustix::process::Pid::from_raw(i32::try_from(init).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(runner.wait_for_exit(SOON).await.code(), Some(7));
}

fn children(of: u32) -> Vec<u32> {
    let path = format!("/proc/{of}/task/{of}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace()
        .map(|id| id.parse().unwrap())
        .collect()
}
