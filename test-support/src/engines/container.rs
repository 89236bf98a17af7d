use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, test_kill_process};

use super::program::output;

/// On each container of a test program: `HOST:PROCESS`.
const LABEL: &str = "flixtube-test";

/// A container in which an engine runs, with ports on the loopback address only. It is removed with
/// its data when this is dropped, by the leash of its [`EngineProcess`](super::EngineProcess) when
/// the test program ends, and by the next test program if neither came to it.
#[derive(Debug)]
pub(super) struct Container {
    pub name: String,
}

/// What is to run, and how it is reached.
pub(super) struct Recipe<'a> {
    pub image: &'a str,
    /// Each port of this machine, with the engine's own.
    pub ports: &'a [(u16, u16)],
    pub variables: &'a [(&'a str, &'a str)],
    /// A folder of this machine, with its place in the container; the engine then runs as the user
    /// of the tests, who can remove what it wrote.
    pub folder: Option<(&'a Path, &'a str)>,
    /// What the image is told to run; nothing for what it runs by itself.
    pub arguments: &'a [&'a str],
}

/// Whether Docker works and has the image. It is not pulled here: a test should not begin with a
/// download of hundreds of megabytes.
pub(super) fn has_image(image: &str) -> bool {
    output(Command::new("docker").args(["image", "inspect", image])).is_some()
}

/// What a program in the image writes, or `None` if the image has no such program.
pub(super) fn ask_image(image: &str, program: &str, arguments: &[&str]) -> Option<String> {
    let run = ["run", "--rm", "--network=none", "--entrypoint", program];
    output(Command::new("docker").args(run).arg(image).args(arguments))
}

impl Container {
    /// Makes the container; [`start`](Self::start) starts it.
    ///
    /// # Panics
    /// When Docker does not make it.
    pub(super) fn create(recipe: &Recipe<'_>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        remove_leftovers();
        let process = std::process::id();
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let this = Self {
            name: format!("flixtube-test-{process}-{n}"),
        };
        let mut command = Command::new("docker");
        command.args(["create", "--name", &this.name, "--label"]);
        command.arg(format!("{LABEL}={}:{process}", host()));
        for (outside, inside) in recipe.ports {
            command.args(["--publish", &format!("127.0.0.1:{outside}:{inside}")]);
        }
        for (name, value) in recipe.variables {
            command.args(["--env", &format!("{name}={value}")]);
        }
        if let Some((folder, place)) = recipe.folder {
            let user = rustix::process::getuid().as_raw();
            let group = rustix::process::getgid().as_raw();
            command.args(["--user", &format!("{user}:{group}")]);
            command.args(["--volume", &format!("{}:{place}", folder.display())]);
            // Where SELinux guards the folder's label.
            command.args(["--security-opt", "label=disable"]);
        }
        command.arg(recipe.image).args(recipe.arguments);
        let made = command.output();
        let made = made.unwrap_or_else(|error| panic!("starting docker: {error}"));
        let complaint = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "making {}: {complaint}", this.name);
        this
    }

    /// The command that runs it until it ends, and shows what it writes.
    pub(super) fn start(&self) -> Command {
        let mut command = Command::new("docker");
        command.args(["start", "--attach", &self.name]);
        command
    }

    /// Runs a program in it.
    ///
    /// # Panics
    /// When that fails.
    pub(super) fn run(&self, program: &[&str]) {
        self.docker(&["exec"], program);
    }

    /// Stops all of its processes where they are, or lets them go on.
    ///
    /// # Panics
    /// When it does not run.
    pub(super) fn freeze(&self, is_frozen: bool) {
        self.docker(&[if is_frozen { "pause" } else { "unpause" }], &[]);
    }

    fn docker(&self, action: &[&str], more: &[&str]) {
        let mut command = Command::new("docker");
        let done = command.args(action).arg(&self.name).args(more).output();
        let done = done.unwrap_or_else(|error| panic!("starting docker: {error}"));
        let complaint = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "docker {action:?}: {complaint}");
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Removes what test programs of this machine left that were killed together with their leashes.
fn remove_leftovers() {
    let label = format!("{{{{.Names}}}} {{{{.Label \"{LABEL}\"}}}}");
    let filter = format!("label={LABEL}");
    let list = ["ps", "--all", "--filter", &filter, "--format", &label];
    let listed = output(Command::new("docker").args(list)).unwrap_or_default();
    for line in listed.lines() {
        if let Some((name, owner)) = line.split_once(' ')
            && is_ownerless(owner)
        {
            remove(name);
        }
    }
}

/// Whether the test program is gone. Those of other machines that share the Docker cannot be seen
/// from here, and are theirs.
fn is_ownerless(owner: &str) -> bool {
    let Some((host_of_owner, process)) = owner.rsplit_once(':') else {
        return false;
    };
    let process = process.parse().ok().and_then(Pid::from_raw);
    host_of_owner == host()
        && process.is_some_and(|process| {
            // Only "no such process" says that it is gone; others may not be signalled.
            test_kill_process(process) == Err(rustix::io::Errno::SRCH)
        })
}

/// The same for all test programs of this machine, or of this container: process numbers mean
/// nothing elsewhere.
fn host() -> String {
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    name.trim().to_owned()
}

fn remove(name: &str) {
    // It may be gone already.
    let _ = output(Command::new("docker").args(["rm", "--force", "--volumes", name]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_program_of_this_machine_left_is_removed() {
        let alive = std::process::id();
        let mut ended = Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        let ended = ended.id();
        assert!(is_ownerless(&format!("{}:{ended}", host())));
        assert!(!is_ownerless(&format!("{}:{alive}", host())));
        assert!(!is_ownerless(&format!("another-{}:{ended}", host())));
        assert!(!is_ownerless("who knows"));
    }
}
