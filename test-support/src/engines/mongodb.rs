//! MongoDB: the server that `MONGODB_URL` names; else a `mongod` of this machine; else the image
//! `mongo:8` if Docker has it; else the project's own stand-in, mongo-java-server
//! (`test-support/mongo-server`), which a JDK and Maven build at its first use.

mod greeting;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::OnceCell;

use super::child::ask;
use super::container::{Container, Recipe, ask_image, has_image};
use super::ports::free_port;
use super::program::{self, output, version_in};
use super::{Availability, EngineProcess, programs_are_wanted, setting};
use crate::DataFolder;

const IMAGE: &str = "mongo:8";

/// Longer than any of the servers takes to start on a busy machine.
const START: Duration = Duration::from_mins(3);

/// What to do where there is no server.
const HOW_TO_GET: &str = "Set MONGODB_URL, or install mongod \
    (https://www.mongodb.com/docs/manual/installation/), or run: docker pull mongo:8; or install \
    a JDK of version 17 or later and Maven (Debian, Ubuntu: apt-get install default-jdk-headless \
    maven).";

/// A MongoDB server that tests may use.
#[derive(Debug)]
pub struct MongoServer {
    /// Where it is, with a place for the name of a database.
    url: UrlParts,
    /// What this program has started itself; `None` for a server of the environment.
    own: Option<OwnServer>,
}

#[derive(Debug)]
struct OwnServer {
    program: Program,
    port: u16,
    user: Option<User>,
    /// `None` while it is killed.
    process: Option<EngineProcess>,
    // Removed last: they stand behind the process.
    container: Option<Container>,
    folder: DataFolder,
}

/// Who may use a server of one's own.
#[derive(Clone, Copy, Debug)]
struct User {
    name: &'static str,
    password: &'static str,
}

#[derive(Clone, Debug)]
enum Program {
    Mongod(program::Program),
    Container {
        version: String,
    },
    /// The stand-in, built in this folder.
    StandIn(PathBuf),
}

/// The server that all tests of this program share, or `None` after having said that there is none.
pub async fn shared() -> Option<&'static MongoServer> {
    available().await.or_left_out("MongoDB")
}

/// The same for who wants to know why there is none.
pub async fn available() -> Availability<&'static MongoServer> {
    static SHARED: OnceCell<Availability<MongoServer>> = OnceCell::const_new();
    let found = SHARED.get_or_init(|| async {
        match setting("MONGODB_URL") {
            Some(url) => Availability::Running(MongoServer {
                url: UrlParts::of(&url),
                own: None,
            }),
            None => start(None).await,
        }
    });
    match found.await {
        Availability::Running(server) => Availability::Running(server),
        Availability::Missing(how) => Availability::Missing(how.clone()),
    }
}

/// A server of the caller's own, which it may kill and start again.
pub async fn own() -> Option<MongoServer> {
    start(None).await.or_left_out("MongoDB")
}

/// A stand-in of the caller's own that asks for a user and a password; its URLs hold them.
pub async fn own_with_password() -> Option<MongoServer> {
    let user = User {
        name: "flixtube",
        password: "p%40ss",
    };
    start(Some(user)).await.or_left_out("MongoDB")
}

impl MongoServer {
    /// The URL of a database that nobody else uses. It does not exist until something is written.
    pub fn database_url(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_millis());
        let process = std::process::id();
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        self.url
            .with_database(&format!("flixtube-test-{now:x}-{process:x}-{n}"))
    }

    /// Whether it is the project's stand-in, which has no `explain`, reads no index but unique
    /// ones, and knows neither transactions nor change streams.
    pub fn is_stand_in(&self) -> bool {
        let own = self.own.as_ref();
        own.is_some_and(|own| matches!(own.program, Program::StandIn(_)))
    }

    /// What it is, for the list of engines that a test run prints.
    pub async fn description(&self) -> String {
        match self.own.as_ref().map(|own| &own.program) {
            None => {
                let answer = ask(self.url.first_host(), &greeting::build_info()).await;
                let version = answer.and_then(|answer| greeting::version_in(&answer));
                format!("{} (MONGODB_URL)", version.unwrap_or_default())
            }
            Some(Program::Mongod(found)) => found.description(),
            Some(Program::Container { version }) => format!("{version} (container {IMAGE})"),
            Some(Program::StandIn(built)) => format!(
                "only a stand-in: mongo-java-server {} (no mongod and no image {IMAGE} found); \
                 it has no explain and uses no index but unique ones",
                stand_in_version(built).unwrap_or_default()
            ),
        }
    }

    /// Kills it (SIGKILL), so that connections are refused.
    ///
    /// # Panics
    /// When it is not of the caller's own.
    pub fn kill(&mut self) {
        let own = self.own.as_mut();
        let own = own.expect("a server of the environment is not the test's to kill");
        if let Some(process) = own.process.take() {
            process.kill();
        }
    }

    /// Starts it again after [`kill`](Self::kill), on the same port and data.
    ///
    /// # Panics
    /// When it is not of the caller's own, or does not start.
    pub async fn start_again(&mut self) {
        let own = self.own.as_mut();
        own.expect("a server of the environment is not the test's to start")
            .run()
            .await;
    }
}

impl OwnServer {
    async fn run(&mut self) {
        let folder = self.folder.path();
        let process = match (&self.program, &self.container) {
            (Program::Container { .. }, Some(container)) => {
                EngineProcess::start_container(container, folder)
            }
            (Program::StandIn(built), _) => EngineProcess::start(self.stand_in(built), folder),
            _ => EngineProcess::start(self.mongod(), folder),
        };
        let process = self.process.insert(process);
        let greeting = greeting::build_info();
        process.answers_on(self.port, &greeting, START).await;
    }

    fn mongod(&self) -> Command {
        let mut command = Command::new("mongod");
        let data = self.folder.join("data");
        std::fs::create_dir_all(&data).expect("the folder is writable");
        command
            .args(["--bind_ip", "127.0.0.1", "--nounixsocket", "--port"])
            .arg(self.port.to_string())
            .arg("--dbpath")
            .arg(data);
        command
    }

    fn stand_in(&self, built: &Path) -> Command {
        let mut command = Command::new("java");
        let classes = built.display();
        command
            // Starts a second sooner; tests end before better code would pay.
            .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m"])
            .args(["-cp", &format!("{classes}:{classes}/*"), "MongoServer"])
            .args(["127.0.0.1", &self.port.to_string()])
            .arg(self.folder.join("data.mv.db"))
            .env_remove("JAVA_TOOL_OPTIONS");
        if let Some(User { name, password }) = self.user {
            command.env("MONGO_USER", name);
            command.env("MONGO_PASSWORD", password.replace("%40", "@"));
        }
        command
    }
}

fn container(port: u16, user: Option<User>) -> Container {
    let password = user.map(|user| user.password.replace("%40", "@"));
    let mut variables = Vec::new();
    if let (Some(user), Some(password)) = (user, &password) {
        variables.push(("MONGO_INITDB_ROOT_USERNAME", user.name));
        variables.push(("MONGO_INITDB_ROOT_PASSWORD", password.as_str()));
    }
    Container::create(&Recipe {
        image: IMAGE,
        ports: &[(port, 27_017)],
        variables: &variables,
        folder: None,
        arguments: &[],
    })
}

async fn start(user: Option<User>) -> Availability<MongoServer> {
    if let Some(why) = super::unwanted() {
        return Availability::Missing(why);
    }
    let program = match find(user.is_some()).await {
        Availability::Running(program) => program,
        Availability::Missing(how) => return Availability::Missing(how),
    };
    let port = free_port();
    let is_container = matches!(program, Program::Container { .. });
    let mut own = OwnServer {
        program,
        port,
        user,
        process: None,
        container: is_container.then(|| container(port, user)),
        folder: DataFolder::new(),
    };
    own.run().await;
    let user = user.map_or_else(String::new, |User { name, password }| {
        format!("{name}:{password}@")
    });
    Availability::Running(MongoServer {
        url: UrlParts::of(&format!("mongodb://{user}127.0.0.1:{port}")),
        own: Some(own),
    })
}

/// A program to start. A `mongod` makes its users only once it runs, so one that must ask for a
/// password runs in a container, where that is done, or is the stand-in.
async fn find(with_password: bool) -> Availability<Program> {
    if !with_password && let Some(found) = program::find("mongod", None, None) {
        return Availability::Running(Program::Mongod(found));
    }
    // An image may carry the name and be something else.
    if has_image(IMAGE)
        && let Some(said) = ask_image(IMAGE, "mongod", &["--version"])
    {
        let version = version_in(&said).unwrap_or_default().to_owned();
        return Availability::Running(Program::Container { version });
    }
    if !programs_are_wanted() {
        return Availability::Missing(format!("LIVE_ENGINES=containers; docker pull {IMAGE}"));
    }
    let has = |program: &str| output(Command::new(program).arg("-version")).is_some();
    if !has("javac") || !has("mvn") {
        return Availability::Missing(HOW_TO_GET.to_owned());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("mongo-server/build");
    let built = tokio::process::Command::new(&script)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap_or_else(|error| panic!("starting {}: {error}", script.display()));
    if !built.status.success() {
        let said = String::from_utf8_lossy(&built.stderr);
        return Availability::Missing(format!(
            "{HOW_TO_GET} Maven and the JDK are there but {} failed: {said}",
            script.display()
        ));
    }
    let folder = String::from_utf8_lossy(&built.stdout).trim_end().to_owned();
    Availability::Running(Program::StandIn(PathBuf::from(folder)))
}

/// The version in the name of the stand-in's library.
fn stand_in_version(built: &Path) -> Option<String> {
    let files = std::fs::read_dir(built).ok()?;
    let mut names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
    names.find_map(|name| {
        let rest = name.strip_prefix("mongo-java-server-h2-backend-")?;
        Some(rest.strip_suffix(".jar")?.to_owned())
    })
}

/// A URL taken apart around the name of the database.
#[derive(Debug, PartialEq, Eq)]
struct UrlParts {
    /// Scheme, credentials and hosts.
    server: String,
    /// The options with their `?`, or nothing.
    options: String,
}

impl UrlParts {
    fn of(url: &str) -> Self {
        let (before, options) = match url.split_once('?') {
            Some((before, options)) => (before, format!("?{options}")),
            None => (url, String::new()),
        };
        let hosts = before.find("://").map_or(0, |at| at + 3);
        let (server, database) = match before[hosts..].find('/') {
            Some(at) => (&before[..hosts + at], &before[hosts + at + 1..]),
            None => (before, ""),
        };
        // Users are looked up in the database of the URL unless it says otherwise, and that name
        // is about to change.
        let source = if server.contains('@') && !options.contains("authSource=") {
            let separator = if options.is_empty() { '?' } else { '&' };
            let source = if database.is_empty() {
                "admin"
            } else {
                database
            };
            format!("{separator}authSource={source}")
        } else {
            String::new()
        };
        Self {
            server: server.to_owned(),
            options: options + &source,
        }
    }

    /// As `HOST:PORT`.
    fn first_host(&self) -> String {
        let server = self.server.rsplit(['/', '@']).next().unwrap_or_default();
        let host = server.split(',').next().unwrap_or_default();
        if host.contains(':') {
            host.to_owned()
        } else {
            format!("{host}:27017")
        }
    }

    fn with_database(&self, name: &str) -> String {
        let Self { server, options } = self;
        format!("{server}/{name}{options}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_database_is_put_into_any_url() {
        for (url, expected) in [
            ("mongodb://host", "mongodb://host/x"),
            ("mongodb://host:1,host:2/", "mongodb://host:1,host:2/x"),
            ("mongodb://host/db?tls=true", "mongodb://host/x?tls=true"),
            (
                "mongodb+srv://a:b@host",
                "mongodb+srv://a:b@host/x?authSource=admin",
            ),
            (
                "mongodb://a:b@host/db?tls=true",
                "mongodb://a:b@host/x?tls=true&authSource=db",
            ),
            (
                "mongodb://a:b@host/db?authSource=users",
                "mongodb://a:b@host/x?authSource=users",
            ),
        ] {
            assert_eq!(UrlParts::of(url).with_database("x"), expected);
        }
        let parts = UrlParts::of("mongodb://a:b@one,two:2/db");
        assert_eq!(parts.first_host(), "one:27017");
        assert_eq!(UrlParts::of("mongodb://one:2").first_host(), "one:2");
    }

    #[tokio::test]
    async fn each_test_has_a_database_of_its_own_in_the_shared_server() {
        let Some(server) = shared().await else { return };
        assert_ne!(server.database_url(), server.database_url());
    }

    #[tokio::test]
    async fn a_server_of_ones_own_can_be_killed_and_started_again_on_its_port() {
        let Some(mut server) = own().await else {
            return;
        };
        let port = server.own.as_ref().unwrap().port;
        let connect = || tokio::net::TcpStream::connect(("127.0.0.1", port));
        assert!(connect().await.is_ok());
        server.kill();
        assert!(connect().await.is_err());
        server.start_again().await;
        assert!(connect().await.is_ok());
    }
}
