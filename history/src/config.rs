//! The settings of the service: each is a flag and an environment variable of the same name.

mod mongo_url;

pub use mongo_url::{InvalidMongoUrl, MongoUrl};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser};
use events::BusSource;
use service_kit::guard::ServiceToken;
use service_kit::settings::{ProcessSettings, ServerSettings, loopback};

/// The history of FlixTube: who watched what, where they stopped, which views count.
#[derive(Clone, Debug, Parser)]
#[command(name = "history", version)]
pub struct Command {
    /// The service's own settings.
    #[command(flatten)]
    pub config: Config,

    /// Address for operators: /livez, /readyz, /metrics, /version
    #[arg(long, env = "ADMIN_LISTEN", default_value_t = loopback(4041))]
    pub admin_listen: SocketAddr,

    /// Settings that every process has.
    #[command(flatten)]
    pub process: ProcessSettings,
}

/// What the service itself needs to know.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// Address to listen on
    #[arg(long, env = "LISTEN", default_value_t = loopback(4040))]
    pub listen: SocketAddr,

    /// Secret that all services of one system share, at least 32 characters
    #[arg(long, env = "SERVICE_TOKEN", hide_env_values = true)]
    pub service_token: ServiceToken,

    /// Where sessions, history and views are kept, e.g. sqlite:./data/history.db
    #[arg(
        long,
        help = "Where sessions, history and views are kept, e.g. sqlite:./data/history.db or \
                mongodb://HOST:27017/flixtube-history",
        env = "VIEW_LOG_URL",
        hide_env_values = true,
        default_value = "sqlite:./data/history.db"
    )]
    pub view_log_url: ViewLogUrl,

    /// The event bus, e.g. embedded:./data/events.db
    #[arg(
        long = "events-url",
        env = "EVENTS_URL",
        hide_env_values = true,
        default_value = "embedded:./data/events.db"
    )]
    pub events: BusSource,

    /// The bounds of the HTTP server.
    #[command(flatten)]
    pub server: ServerSettings,
}

/// The engine that keeps the view log, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewLogUrl {
    /// An SQLite file, written as `sqlite:PATH`.
    Sqlite(PathBuf),
    /// A MongoDB database, written as `mongodb://…` or `mongodb+srv://…`.
    Mongodb(MongoUrl),
}

/// Says why a text is no [`ViewLogUrl`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidViewLogUrl {
    /// It names no engine, or none that is known.
    #[error(
        "{given:?} names no view log; accepted is sqlite:PATH, such as sqlite:./data/history.db, \
         or mongodb://HOST:27017/DATABASE"
    )]
    Engine {
        /// What was given, without what may be secret.
        given: String,
    },
    /// It is for MongoDB, and wrong.
    #[error(transparent)]
    Mongodb(#[from] InvalidMongoUrl),
}

impl FromStr for ViewLogUrl {
    type Err = InvalidViewLogUrl;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(PathBuf::from(path))),
            Some(("mongodb" | "mongodb+srv", _)) => Ok(Self::Mongodb(url.parse()?)),
            // Another scheme may carry a password, which must not reach the log.
            Some((scheme, _)) => Err(InvalidViewLogUrl::Engine {
                given: format!("{scheme}:…"),
            }),
            None => Err(InvalidViewLogUrl::Engine {
                given: url.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn parse(flags: &[&str]) -> Result<Command, String> {
        let flags = ["history", "--service-token", TOKEN].iter().chain(flags);
        Command::try_parse_from(flags).map_err(|error| error.to_string())
    }

    #[test]
    fn without_settings_the_embedded_engines_below_data_are_used_on_loopback() {
        let command = parse(&[]).unwrap();
        assert_eq!(command.config.listen.to_string(), "127.0.0.1:4040");
        assert_eq!(command.admin_listen.to_string(), "127.0.0.1:4041");
        let expected = ViewLogUrl::Sqlite(PathBuf::from("./data/history.db"));
        assert_eq!(command.config.view_log_url, expected);
    }

    #[test]
    fn a_wrong_view_log_url_is_refused_with_what_is_accepted() {
        for url in ["", "history.db", "sqlite:", "mysql://root:geheim@db/x"] {
            let refusal = parse(&["--view-log-url", url]).unwrap_err();
            assert!(refusal.contains("sqlite:./data/history.db"), "{refusal}");
        }
    }

    #[test]
    fn a_mongodb_url_names_a_server_and_a_database() {
        for url in ["mongodb://db/x", "mongodb+srv://cluster.example/x"] {
            let command = parse(&["--view-log-url", url]).unwrap();
            let expected = ViewLogUrl::Mongodb(url.parse().unwrap());
            assert_eq!(command.config.view_log_url, expected);
        }
        let refusal = parse(&["--view-log-url", "mongodb://"]).unwrap_err();
        assert!(refusal.contains("mongodb://HOST"), "{refusal}");
    }

    #[test]
    fn the_reason_for_a_refused_url_does_not_repeat_its_password() {
        let refusal = "mysql://root:geheim@db/x"
            .parse::<ViewLogUrl>()
            .unwrap_err();
        assert!(!refusal.to_string().contains("geheim"));
    }
}
