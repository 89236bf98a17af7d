//! RabbitMQ: the broker that `RABBITMQ_URL` names (with its management API at
//! `RABBITMQ_MANAGEMENT_URL`, or at port 15672 of the same host); else a `rabbitmq-server` of this
//! machine; else the image `rabbitmq:4-management` if Docker has it.
//!
//! The tests of one program share one broker, and each test owns a virtual host in it: exchanges
//! and queues of the same names do not meet there.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use super::container::{Container, Recipe, has_image};
use super::ports::free_port;
use super::{Availability, EngineProcess, programs_are_wanted, setting};
use crate::{DataFolder, eventually};

const IMAGE: &str = "rabbitmq:4-management";

/// Who may use a broker of one's own.
const USER: &str = "guest";
const PASSWORD: &str = "guest";

/// Longer than a broker takes to start on a busy machine.
const START: Duration = Duration::from_mins(4);

/// How each client begins; the broker answers with what it can do.
const AMQP_GREETING: &[u8] = b"AMQP\0\0\x09\x01";
const HTTP_GREETING: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

/// What to do where there is no broker.
const HOW_TO_GET: &str = "Install rabbitmq-server 3.10 or later (Debian, Ubuntu: \
    apt-get install rabbitmq-server; https://www.rabbitmq.com/docs/download), or run: \
    docker pull rabbitmq:4-management; or set RABBITMQ_URL and RABBITMQ_MANAGEMENT_URL.";

/// Erlang's threads spin while they wait, unless told so; on a small machine that starves the test.
const PATIENT_THREADS: &str = "+sbwt none +sbwtdcpu none +sbwtdio none";

/// Where the broker's own scripts are, if they are not in `PATH`. What Debian has in `PATH` is a
/// wrapper that only its own user may run.
const FOLDERS: [&str; 3] = [
    "/usr/lib/rabbitmq/bin",
    "/opt/rabbitmq/sbin",
    "/opt/homebrew/opt/rabbitmq/sbin",
];

/// A broker that tests may use.
#[derive(Debug)]
pub struct RabbitServer {
    /// Without a virtual host.
    url: String,
    management: Management,
    /// What this program has started itself; `None` for a broker of the environment.
    own: Option<OwnServer>,
}

#[derive(Debug)]
struct OwnServer {
    home: Home,
    ports: Ports,
    /// `None` while it is killed.
    process: Option<EngineProcess>,
    // Removed last: it stands behind the process.
    folder: DataFolder,
}

/// What runs the broker.
#[derive(Debug)]
enum Home {
    /// The folder of its scripts, with a `/` behind it.
    Scripts(String),
    Container(Container),
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    amqp: u16,
    management: u16,
    /// Between nodes and for `rabbitmqctl`.
    distribution: u16,
    /// Erlang's port mapper. Each broker brings its own, so that none outlives it.
    mapper: u16,
}

#[derive(Debug)]
struct Management {
    /// `HOST:PORT`.
    address: String,
    user: String,
    password: String,
}

/// The broker that all tests of this program share, or `None` after having said that there is none.
pub async fn shared() -> Option<&'static RabbitServer> {
    available().await.or_left_out("RabbitMQ")
}

/// The same for who wants to know why there is none.
pub async fn available() -> Availability<&'static RabbitServer> {
    static SHARED: OnceCell<Availability<RabbitServer>> = OnceCell::const_new();
    let found = SHARED.get_or_init(|| async {
        match setting("RABBITMQ_URL") {
            Some(url) => Availability::Running(RabbitServer::at(&url)),
            None => start().await,
        }
    });
    match found.await {
        Availability::Running(server) => Availability::Running(server),
        Availability::Missing(how) => Availability::Missing(how.clone()),
    }
}

/// A broker of the caller's own, which it may kill, start again and make run out of memory.
pub async fn own() -> Option<RabbitServer> {
    start().await.or_left_out("RabbitMQ")
}

impl RabbitServer {
    /// Makes a virtual host that nobody else uses, and answers its `amqp://` URL.
    ///
    /// # Panics
    /// When the management API does not make it.
    pub async fn virtual_host(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_millis());
        let process = std::process::id();
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("flixtube-test-{now:x}-{process:x}-{n}");
        let user = &self.management.user;
        let rights = r#"{"configure":".*","write":".*","read":".*"}"#;
        // The API answers before it can do its work while the broker starts.
        eventually(START, || async {
            let host = format!("/api/vhosts/{name}");
            let permissions = format!("/api/permissions/{name}/{user}");
            let is_made = self.management.put(&host, "{}").await?
                && self.management.put(&permissions, rights).await?;
            is_made.then_some(())
        })
        .await;
        format!("{}/{name}", self.url)
    }

    /// Kills it (SIGKILL), so that connections break off and are refused.
    ///
    /// # Panics
    /// When it is not of the caller's own.
    pub async fn kill(&mut self) {
        let own = self.own.as_mut();
        let own = own.expect("a broker of the environment is not the test's to kill");
        if let Some(process) = own.process.take() {
            process.kill();
        }
        // The broker itself is a grandchild, which cannot be waited for.
        let address = (Ipv4Addr::LOCALHOST, own.ports.amqp);
        eventually(START, || async {
            TcpStream::connect(address).await.is_err().then_some(())
        })
        .await;
    }

    /// Starts it again after [`kill`](Self::kill), on the same ports and data.
    ///
    /// # Panics
    /// When it is not of the caller's own, or does not start.
    pub async fn start_again(&mut self) {
        let own = self.own.as_mut();
        own.expect("a broker of the environment is not the test's to start")
            .run()
            .await;
    }

    /// Makes it believe that it has run out of memory, so that it takes nothing from those who
    /// publish; or ends that.
    ///
    /// # Panics
    /// When it is not of the caller's own, or does not do it.
    pub async fn set_memory_alarm(&self, is_on: bool) {
        let own = self.own.as_ref();
        let own = own.expect("a broker of the environment is not the test's to starve");
        let share = if is_on { "0" } else { "0.8" };
        own.ctl(&["set_vm_memory_high_watermark", share]).await;
    }

    /// Stops its process (SIGSTOP): connections stay, and nobody answers.
    ///
    /// # Panics
    /// When it is not of the caller's own.
    pub fn freeze(&self) {
        self.set_frozen(true);
    }

    /// Lets it go on after [`freeze`](Self::freeze).
    ///
    /// # Panics
    /// When it is not of the caller's own.
    pub fn thaw(&self) {
        self.set_frozen(false);
    }

    /// What it is, for the list of engines that a test run prints.
    pub async fn description(&self) -> String {
        let overview = self.management.ask("GET", "/api/overview", "").await;
        let version = overview.and_then(|(_, body)| {
            let body: serde_json::Value = serde_json::from_str(&body).ok()?;
            Some(body["rabbitmq_version"].as_str()?.to_owned())
        });
        let home = match self.own.as_ref().map(|own| &own.home) {
            None => "RABBITMQ_URL".to_owned(),
            Some(Home::Scripts(_)) => "rabbitmq-server".to_owned(),
            Some(Home::Container(_)) => format!("container {IMAGE}"),
        };
        format!("{} ({home})", version.unwrap_or_default())
    }

    fn set_frozen(&self, is_frozen: bool) {
        let own = self.own.as_ref();
        let own = own.expect("a broker of the environment is not the test's to stop");
        if let Home::Container(container) = &own.home {
            return container.freeze(is_frozen);
        }
        let signal = if is_frozen {
            Signal::STOP
        } else {
            Signal::CONT
        };
        let id = std::fs::read_to_string(own.folder.join("pid")).expect("the broker writes its id");
        let id = id.trim().parse().ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process id"), signal).expect("the broker runs");
    }

    fn at(url: &str) -> Self {
        let parts = UrlParts::of(url);
        let address = setting("RABBITMQ_MANAGEMENT_URL").map_or_else(
            || format!("{}:15672", parts.host),
            |url| {
                let address = url.trim_start_matches("http://");
                address.trim_end_matches('/').to_owned()
            },
        );
        Self {
            url: parts.server,
            management: Management {
                address,
                user: parts.user,
                password: parts.password,
            },
            own: None,
        }
    }
}

impl OwnServer {
    async fn run(&mut self) {
        let process = match &self.home {
            Home::Container(container) => {
                EngineProcess::start_container(container, self.folder.path())
            }
            Home::Scripts(scripts) => {
                EngineProcess::start(self.command(scripts), self.folder.path())
            }
        };
        let process = self.process.insert(process);
        let Ports {
            amqp, management, ..
        } = self.ports;
        process.answers_on(management, HTTP_GREETING, START).await;
        process.answers_on(amqp, AMQP_GREETING, START).await;
    }

    fn command(&self, scripts: &str) -> Command {
        let Ports {
            amqp,
            management,
            mapper,
            ..
        } = self.ports;
        let config = format!(
            "listeners.tcp.default = 127.0.0.1:{amqp}\n\
             management.tcp.ip = 127.0.0.1\n\
             management.tcp.port = {management}\n\
             management.disable_stats = true\n\
             disk_free_limit.absolute = 1MB\n\
             log.console = true\n\
             log.console.level = warning\n\
             log.file = false\n"
        );
        let file = |name: &str, text: &str| {
            std::fs::write(self.folder.join(name), text).expect("the folder is writable");
        };
        file("rabbitmq.conf", &config);
        file("enabled_plugins", "[rabbitmq_management].\n");
        // One process group, so that the port mapper ends with its broker; and it must be there
        // first, or the broker starts one that does not.
        let script = format!(
            "epmd -port {mapper} -address 127.0.0.1 & \
             until epmd -port {mapper} -names >/dev/null 2>&1; do sleep 0.05; done; \
             exec {scripts}rabbitmq-server"
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]);
        self.environment(&mut command);
        command
    }

    /// What the broker and its tools must agree on. Nothing of it is the machine's own broker's.
    fn environment(&self, command: &mut Command) {
        let folder = &self.folder;
        let ports = self.ports;
        command
            // The secret between nodes (`.erlang.cookie`) is made here.
            .env("HOME", folder.path())
            .env("RABBITMQ_NODENAME", format!("test{}@localhost", ports.amqp))
            .env("RABBITMQ_NODE_PORT", ports.amqp.to_string())
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_DIST_PORT", ports.distribution.to_string())
            .env("ERL_EPMD_PORT", ports.mapper.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_MNESIA_BASE", folder.join("data"))
            .env("RABBITMQ_LOG_BASE", folder.join("log"))
            .env("RABBITMQ_PID_FILE", folder.join("pid"))
            .env(
                "RABBITMQ_ENABLED_PLUGINS_FILE",
                folder.join("enabled_plugins"),
            )
            .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", PATIENT_THREADS)
            .stdin(Stdio::null());
    }

    async fn ctl(&self, arguments: &[&str]) {
        let scripts = match &self.home {
            Home::Scripts(scripts) => scripts,
            Home::Container(container) => {
                return container.run(&[&["rabbitmqctl", "--quiet"], arguments].concat());
            }
        };
        let mut command = Command::new(format!("{scripts}rabbitmqctl"));
        command.arg("--quiet").args(arguments);
        self.environment(&mut command);
        let done = tokio::process::Command::from(command).output().await;
        let done = done.unwrap_or_else(|error| panic!("starting rabbitmqctl: {error}"));
        assert!(
            done.status.success(),
            "rabbitmqctl {arguments:?}: {}{}",
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
    }
}

async fn start() -> Availability<RabbitServer> {
    if let Some(why) = super::unwanted() {
        return Availability::Missing(why);
    }
    let ports = Ports {
        amqp: free_port(),
        management: free_port(),
        distribution: free_port(),
        mapper: free_port(),
    };
    let home = if let Some(scripts) = find() {
        Home::Scripts(scripts)
    } else if has_image(IMAGE) {
        Home::Container(container(ports))
    } else {
        return Availability::Missing(HOW_TO_GET.to_owned());
    };
    let mut own = OwnServer {
        home,
        ports,
        process: None,
        folder: DataFolder::new(),
    };
    own.run().await;
    Availability::Running(RabbitServer {
        url: format!(
            "amqp://{USER}:{PASSWORD}@{}:{}",
            Ipv4Addr::LOCALHOST,
            ports.amqp
        ),
        management: Management {
            address: format!("{}:{}", Ipv4Addr::LOCALHOST, ports.management),
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
        },
        own: Some(own),
    })
}

fn container(ports: Ports) -> Container {
    Container::create(&Recipe {
        image: IMAGE,
        ports: &[(ports.amqp, 5_672), (ports.management, 15_672)],
        variables: &[
            // Named, they may be used from outside of the container too.
            ("RABBITMQ_DEFAULT_USER", USER),
            ("RABBITMQ_DEFAULT_PASS", PASSWORD),
            ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", PATIENT_THREADS),
        ],
        folder: None,
        arguments: &[],
    })
}

/// The folder of the broker's scripts, if there is a broker. No script is asked: each that is run
/// without its own settings starts a port mapper, which stays.
fn find() -> Option<String> {
    if !programs_are_wanted() {
        return None;
    }
    let path = setting("PATH").unwrap_or_default();
    let folders = FOLDERS.into_iter().chain(path.split(':'));
    folders
        .filter(|folder| !folder.is_empty())
        .find(|folder| Path::new(folder).join("rabbitmq-server").exists())
        .map(|folder| format!("{folder}/"))
}

impl Management {
    /// Puts; `None` when there was no answer, `false` when it was no success.
    async fn put(&self, path: &str, body: &str) -> Option<bool> {
        let (status, _) = self.ask("PUT", path, body).await?;
        Some(status == 201 || status == 204)
    }

    /// The status and the body that are answered.
    async fn ask(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let Self {
            address,
            user,
            password,
        } = self;
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.0\r\nhost: {address}\r\nauthorization: Basic {credentials}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\
             \r\n{body}"
        );
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split_whitespace().nth(1)?.parse().ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some((status, body.to_owned()))
    }
}

/// A broker's URL taken apart.
#[derive(Debug, PartialEq, Eq)]
struct UrlParts {
    /// Everything before the virtual host.
    server: String,
    host: String,
    user: String,
    password: String,
}

impl UrlParts {
    fn of(url: &str) -> Self {
        let hosts = url.find("://").map_or(0, |at| at + 3);
        let end = url[hosts..]
            .find(['/', '?'])
            .map_or(url.len(), |at| hosts + at);
        let authority = &url[hosts..end];
        let (credentials, place) = authority
            .rsplit_once('@')
            .unwrap_or(("guest:guest", authority));
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        let host = place.rsplit_once(':').map_or(place, |(host, _)| host);
        Self {
            server: url[..end].to_owned(),
            host: host.to_owned(),
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_the_environment_is_taken_apart() {
        let parts = UrlParts::of("amqp://me:secret@broker:5673/host?heartbeat=5");
        assert_eq!(
            parts,
            UrlParts {
                server: "amqp://me:secret@broker:5673".to_owned(),
                host: "broker".to_owned(),
                user: "me".to_owned(),
                password: "secret".to_owned(),
            }
        );
        assert_eq!(UrlParts::of("amqp://broker").user, "guest");
    }

    #[tokio::test]
    async fn a_broker_of_ones_own_can_be_killed_and_started_again_on_its_ports() {
        let Some(mut server) = own().await else {
            return;
        };
        assert_ne!(server.virtual_host().await, server.virtual_host().await);
        let port = server.own.as_ref().unwrap().ports.amqp;
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        assert!(connect().await.is_ok());
        server.kill().await;
        assert!(connect().await.is_err());
        server.start_again().await;
        assert!(connect().await.is_ok());
    }
}
