//! MongoDB: the server that `MONGODB_URL` names; else a `mongod` of this machine; else the
//! project's own stand-in, mongo-java-server (`test-support/mongo-server`), which a JDK and Maven
//! build at its first use.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::OnceCell;

use super::{Availability, EngineProcess, free_port, setting};
use crate::DataFolder;

/// Longer than any of the servers takes to start on a busy machine.
const START: Duration = Duration::from_mins(1);

/// What to do where there is no server.
const HOW_TO_GET: &str = "Set MONGODB_URL, or install mongod \
    (https://www.mongodb.com/docs/manual/installation/), or a JDK of version 17 or later and Maven \
    (Debian, Ubuntu: apt-get install default-jdk-headless maven).";

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
    // Removed last: it stands behind the process.
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
    Mongod,
    /// The stand-in, built in this folder.
    StandIn(PathBuf),
}

/// The server that all tests of this program share, or `None` after having said that there is none.
pub async fn shared() -> Option<&'static MongoServer> {
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
        Availability::Running(server) => Some(server),
        Availability::Missing(how) => Availability::Missing(how.clone()).or_left_out("MongoDB"),
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
        let mut command = match &self.program {
            Program::Mongod => {
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
            Program::StandIn(built) => {
                let mut command = Command::new("java");
                let classes = built.display();
                command
                    // Starts a second sooner; tests end before better code would pay.
                    .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m"])
                    .args(["-cp", &format!("{classes}:{classes}/*"), "MongoServer"])
                    .args(["127.0.0.1", &self.port.to_string()])
                    .arg(self.folder.join("data.mv.db"));
                if let Some(User { name, password }) = self.user {
                    command.env("MONGO_USER", name);
                    command.env("MONGO_PASSWORD", password.replace("%40", "@"));
                }
                command
            }
        };
        command.env_remove("JAVA_TOOL_OPTIONS");
        let process = EngineProcess::start(command, self.folder.path());
        let process = self.process.insert(process);
        process.listens_on(self.port, START).await;
    }
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
    let mut own = OwnServer {
        program,
        port,
        user,
        process: None,
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
/// password is the stand-in.
async fn find(with_password: bool) -> Availability<Program> {
    if !with_password && answers("mongod", "--version") {
        return Availability::Running(Program::Mongod);
    }
    if !answers("javac", "-version") || !answers("mvn", "-version") {
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

fn answers(program: &str, question: &str) -> bool {
    let asked = Command::new(program)
        .arg(question)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
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
