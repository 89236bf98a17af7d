//! The command `health`: asks the process that runs beside it whether it is ready or alive, for
//! container engines in whose images there is no curl and no shell.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgMatches, Args, Command};

/// The name of the command.
const NAME: &str = "health";

/// How long a step may take: container engines kill a check that takes longer than they wait.
const PATIENCE: Duration = Duration::from_secs(3);

/// An answer of the listener for operators is a few lines.
const LONGEST_ANSWER: u64 = 16 * 1024;

/// What is asked.
#[derive(Clone, Debug, Args)]
pub struct Question {
    /// Ask whether the process is alive (/livez), and not whether it is ready (/readyz)
    #[arg(long)]
    pub live: bool,

    /// A file that must be there as well, such as one that another container makes when it is done
    #[arg(long)]
    pub exists: Option<PathBuf>,
}

/// A question to a process, which its listener for operators answers.
#[derive(Clone, Debug)]
pub struct Check {
    admin: SocketAddr,
    question: Question,
}

/// Why there was no good answer.
#[derive(Debug, thiserror::Error)]
enum Unhealthy {
    /// Nobody answered.
    #[error("no answer from {address}: {source}")]
    Silent {
        address: SocketAddr,
        source: io::Error,
    },
    /// The process says what it waits for.
    #[error("{0}")]
    NotYet(String),
    /// A file is missing.
    #[error("{} is not there", .0.display())]
    Missing(PathBuf),
}

/// The command, to be added to those of a service.
pub(crate) fn command() -> Command {
    let command = Command::new(NAME).about(
        "Asks the service that runs on this machine, at ADMIN_LISTEN, whether it is ready; exits \
         with 0 if it is",
    );
    Question::augment_args(command)
}

impl Check {
    /// A question to the process that answers its operators at this address.
    pub fn new(admin: SocketAddr, question: Question) -> Self {
        Self { admin, question }
    }

    /// What a command line asks for that has this command.
    pub(crate) fn asked_for(matches: &ArgMatches) -> Option<Self> {
        let (NAME, asked) = matches.subcommand()? else {
            return None;
        };
        let question = Question {
            live: asked.get_flag("live"),
            exists: asked.get_one("exists").cloned(),
        };
        let admin = matches
            .get_one("admin_listen")
            .expect("each service has the setting ADMIN_LISTEN, and it has a default");
        Some(Self::new(*admin, question))
    }

    /// Asks, says what is wrong if something is, and returns the exit code.
    #[expect(
        clippy::print_stderr,
        reason = "this is what the container engine shows of the check"
    )]
    pub fn run(self) -> ExitCode {
        match self.ask() {
            Ok(()) => ExitCode::SUCCESS,
            Err(unhealthy) => {
                eprintln!("{unhealthy}");
                ExitCode::FAILURE
            }
        }
    }

    fn ask(self) -> Result<(), Unhealthy> {
        if let Some(file) = self.question.exists.as_ref().filter(|file| !file.exists()) {
            return Err(Unhealthy::Missing(file.clone()));
        }
        let address = reachable(self.admin);
        let answer = self
            .get(address)
            .map_err(|source| Unhealthy::Silent { address, source })?;
        if answer.starts_with("HTTP/1.1 200 ") {
            return Ok(());
        }
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.lines().next().unwrap_or_default();
        Err(Unhealthy::NotYet(format!("{status}: {}", body.trim())))
    }

    fn get(&self, address: SocketAddr) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "GET {self} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.take(LONGEST_ANSWER).read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.question.live {
            "/livez"
        } else {
            "/readyz"
        })
    }
}

/// The address at which this machine reaches a listener.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::admin::AdminServer;
    use crate::context::ServiceContext;
    use crate::settings::{ServerSettings, loopback};

    async fn ask(admin: SocketAddr, live: bool) -> Result<(), String> {
        let check = Check::new(admin, Question { live, exists: None });
        tokio::task::spawn_blocking(move || check.ask())
            .await
            .unwrap()
            .map_err(|unhealthy| unhealthy.to_string())
    }

    #[tokio::test]
    async fn a_service_that_waits_is_alive_and_says_what_it_waits_for() {
        let service = ServiceContext::new("some-service");
        let gate = service.readiness.gate("store");
        let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let server = AdminServer::bind(everywhere, &ServerSettings::default())
            .await
            .unwrap();
        let admin = server.local_addr();
        let shutdown = CancellationToken::new();
        let questions = async {
            let refusal = ask(admin, false).await.unwrap_err();
            assert!(refusal.contains("HTTP/1.1 503"), "{refusal}");
            assert!(refusal.contains("some-service: store"), "{refusal}");
            assert_eq!(ask(admin, true).await, Ok(()));
            gate.set(true);
            assert_eq!(ask(admin, false).await, Ok(()));
            shutdown.cancel();
        };
        let (ran, ()) = tokio::join!(server.run(vec![service], shutdown.clone()), questions);
        ran.unwrap();
    }

    #[tokio::test]
    async fn where_nobody_listens_the_answer_is_no() {
        // Bound and dropped: a port that is free at this moment.
        let free = TcpListener::bind(loopback(0))
            .unwrap()
            .local_addr()
            .unwrap();
        let refusal = ask(free, false).await.unwrap_err();
        assert!(refusal.contains(&free.to_string()), "{refusal}");
    }
}
