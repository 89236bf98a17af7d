//! The commands and their settings: each is a flag, and an environment variable where containers
//! need one.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Builds what has changed and lets the new process take over from the old one, without failing a
/// request.
#[derive(Clone, Debug, Parser)]
#[command(name = "live-reload", version)]
pub(crate) enum Command {
    /// Watch the sources, build all services at each change, and publish them in a folder
    Build {
        #[command(flatten)]
        build: BuildSettings,
    },
    /// Run one service from such a folder, and each new build of it after the other
    Run {
        /// The service, which is the name of its program
        service: String,

        /// The folder in which `live-reload build` publishes
        #[arg(long, env = "LIVE_RELOAD_FROM")]
        from: PathBuf,

        /// Where the service is answered; the runner opens it and hands it to each process
        #[arg(long, env = "LISTEN")]
        listen: SocketAddr,

        /// Where its operators are answered, whichever process it is
        #[arg(long, env = "ADMIN_LISTEN")]
        admin_listen: Option<SocketAddr>,

        #[command(flatten)]
        run: RunSettings,

        /// What the service is started with
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Build and run in one process
    Dev {
        /// A service and where it is answered: NAME=ADDRESS or NAME=ADDRESS,OPERATORS
        #[arg(long = "service", required = true)]
        services: Vec<Place>,

        #[command(flatten)]
        build: BuildSettings,

        #[command(flatten)]
        run: RunSettings,
    },
    /// Ask whether there is something to use; the exit code is the answer
    #[command(subcommand)]
    Health(HealthQuestion),
    /// Become a program that is killed when the runner ends: how the runner starts services
    #[command(hide = true)]
    Become {
        #[arg(long)]
        runner: u32,

        program: PathBuf,

        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// What can be asked.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum HealthQuestion {
    /// Whether a first build was published
    Build {
        /// The folder in which `live-reload build` publishes
        #[arg(long = "out", env = "LIVE_RELOAD_OUT")]
        folder: PathBuf,
    },
    /// Whether the service is ready
    Run {
        /// Where its operators are answered
        #[arg(long, env = "ADMIN_LISTEN")]
        admin_listen: SocketAddr,
    },
}

/// What is built, and how changes are heard of.
#[derive(Clone, Debug, Args)]
pub(crate) struct BuildSettings {
    /// The services to build, besides those that are run: names of programs of the workspace
    pub(crate) programs: Vec<String>,

    /// The folder to publish in
    #[arg(long, env = "LIVE_RELOAD_OUT")]
    pub(crate) out: PathBuf,

    /// The folder of the Cargo workspace
    #[arg(long, env = "LIVE_RELOAD_WORKSPACE", default_value = ".")]
    pub(crate) workspace: PathBuf,

    /// The folder of the front end, whose npm script `pages` builds it into `--outDir`
    #[arg(long, env = "LIVE_RELOAD_WEB")]
    pub(crate) web: Option<PathBuf>,

    /// A folder to which the front end is copied, and where its packages are installed and it is
    /// built: for sources that belong to another user or another system
    #[arg(long, env = "LIVE_RELOAD_WEB_COPY", requires = "web")]
    pub(crate) web_copy: Option<PathBuf>,

    /// How changes are heard of
    #[arg(long, env = "LIVE_RELOAD_WATCH", value_enum, default_value_t = Watching::Auto)]
    pub(crate) watch: Watching,

    /// Milliseconds between two looks, where changes are looked for
    #[arg(long = "poll-ms", env = "LIVE_RELOAD_POLL_MS", default_value = "500", value_parser = milliseconds)]
    pub(crate) poll: Duration,

    /// Milliseconds without a further change after which a build begins
    #[arg(long = "quiet-ms", env = "LIVE_RELOAD_QUIET_MS", default_value = "60", value_parser = milliseconds)]
    pub(crate) quiet: Duration,
}

/// How changes are heard of.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Watching {
    /// By the system's events, unless the files lie where those are known to fail
    Auto,
    /// By the system's events
    Events,
    /// By looking again and again
    Poll,
}

/// How processes are started, judged and stopped.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunSettings {
    /// Seconds within which a new process must say that it is ready; else the old one goes on
    #[arg(long = "ready-within-seconds", env = "LIVE_RELOAD_READY_WITHIN_SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) ready_within: Duration,

    /// Seconds that processes get when this program is stopped, before they are killed
    #[arg(long = "stop-grace-seconds", env = "LIVE_RELOAD_STOP_GRACE_SECONDS", default_value = "8", value_parser = seconds)]
    pub(crate) stop_grace: Duration,
}

/// A service and its addresses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    /// The name of its program.
    pub(crate) service: String,
    /// Where it is answered.
    pub(crate) listen: SocketAddr,
    /// Where its operators are answered.
    pub(crate) admin_listen: Option<SocketAddr>,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let accepted = "NAME=ADDRESS or NAME=ADDRESS,OPERATORS is needed, such as \
                        gateway=127.0.0.1:4000,127.0.0.1:4001";
        let read = || {
            let (service, addresses) = text.split_once('=')?;
            let (listen, admin) = match addresses.split_once(',') {
                Some((listen, admin)) => (listen, Some(admin.parse().ok()?)),
                None => (addresses, None),
            };
            (!service.is_empty()).then_some(Self {
                service: service.to_owned(),
                listen: listen.parse().ok()?,
                admin_listen: admin,
            })
        };
        read().ok_or_else(|| accepted.to_owned())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse::<f64>()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "a number of seconds is needed, such as 30 or 0.5".to_owned())
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .map(Duration::from_millis)
        .ok_or_else(|| "a number of milliseconds above 0 is needed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        use clap::CommandFactory as _;
        Command::command().debug_assert();
    }

    #[test]
    fn a_place_is_a_name_and_one_or_two_addresses() {
        let place: Place = "gateway=127.0.0.1:4000,127.0.0.1:4001".parse().unwrap();
        assert_eq!(place.service, "gateway");
        assert_eq!(place.listen.port(), 4000);
        assert_eq!(place.admin_listen.unwrap().port(), 4001);
        let place: Place = "gateway=[::1]:0".parse().unwrap();
        assert_eq!(place.admin_listen, None);
        for wrong in ["gateway", "=127.0.0.1:1", "a=b", "a=127.0.0.1:1,", ""] {
            let refused = wrong.parse::<Place>().unwrap_err();
            assert!(refused.contains("gateway=127.0.0.1:4000"), "{wrong}");
        }
    }

    #[test]
    fn what_a_service_is_started_with_stands_behind_two_dashes() {
        let command = [
            "live-reload",
            "run",
            "gateway",
            "--from",
            "out",
            "--listen",
            "127.0.0.1:4000",
            "--",
            "--log-format",
            "json",
        ];
        let Command::Run { arguments, .. } = Command::parse_from(command) else {
            panic!("this is the command run")
        };
        assert_eq!(arguments, ["--log-format", "json"]);
    }
}
