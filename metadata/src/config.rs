//! The settings of the service: each is a flag and an environment variable of the same name.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser};
use events::BusSource;
use service_kit::guard::ServiceToken;
use service_kit::settings::{ProcessSettings, ServerSettings, loopback};

mod mongo_url;

pub use mongo_url::{InvalidMongoUrl, MongoUrl};

/// The catalogue of FlixTube: titles, search, lists, deletions.
#[derive(Clone, Debug, Parser)]
#[command(name = "metadata", version)]
pub struct Command {
    /// Settings that every process has.
    #[command(flatten)]
    pub process: ProcessSettings,

    /// Where operators are answered: /livez, /readyz, /metrics, /version
    #[arg(long, env = "ADMIN_LISTEN", default_value_t = loopback(4031))]
    pub admin_listen: SocketAddr,

    /// What the service needs.
    #[command(flatten)]
    pub config: Config,
}

/// What the service needs.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// Where the other services are answered
    #[arg(long, env = "LISTEN", default_value_t = loopback(4030))]
    pub listen: SocketAddr,

    /// The secret that the services of one system share; `openssl rand -hex 32` makes one
    #[arg(long, env = "SERVICE_TOKEN", hide_env_values = true)]
    pub service_token: ServiceToken,

    /// Where the catalogue is kept, e.g. sqlite:./data/metadata.db or
    /// `mongodb://HOST:27017/flixtube-metadata`
    #[arg(
        long,
        env = "CATALOG_URL",
        hide_env_values = true,
        default_value = "sqlite:./data/metadata.db"
    )]
    pub catalog_url: CatalogUrl,

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

/// The engine that keeps the catalogue, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogUrl {
    /// An SQLite file, written as `sqlite:PATH`.
    Sqlite(PathBuf),
    /// A MongoDB database, written as `mongodb://…` or `mongodb+srv://…`.
    Mongodb(MongoUrl),
}

/// Says why a text is no [`CatalogUrl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCatalogUrl {
    /// It names no engine, or none that is known.
    #[error(
        "a catalogue is named by sqlite:PATH, such as sqlite:./data/metadata.db, or by \
         mongodb://HOST:27017/DATABASE"
    )]
    Engine,
    /// It is for MongoDB, and wrong.
    #[error(transparent)]
    Mongodb(#[from] InvalidMongoUrl),
}

impl FromStr for CatalogUrl {
    type Err = InvalidCatalogUrl;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(PathBuf::from(path))),
            Some(("mongodb" | "mongodb+srv", _)) => Ok(Self::Mongodb(url.parse()?)),
            _ => Err(InvalidCatalogUrl::Engine),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn parse(flags: &[&str]) -> Result<Command, String> {
        let flags = ["metadata", "--service-token", TOKEN].iter().chain(flags);
        Command::try_parse_from(flags).map_err(|error| error.to_string())
    }

    #[test]
    fn without_settings_the_embedded_engines_below_data_are_used_on_loopback() {
        let command = parse(&[]).unwrap();
        let config = command.config;
        assert_eq!(config.listen.to_string(), "127.0.0.1:4030");
        assert_eq!(command.admin_listen.to_string(), "127.0.0.1:4031");
        let expected = CatalogUrl::Sqlite(PathBuf::from("./data/metadata.db"));
        assert_eq!(config.catalog_url, expected);
    }

    #[test]
    fn a_wrong_catalogue_url_is_refused_with_what_is_accepted() {
        for url in ["", "metadata.db", "sqlite:", "mysql://db/x"] {
            let refusal = parse(&["--catalog-url", url]).unwrap_err();
            assert!(refusal.contains("sqlite:./data/metadata.db"), "{refusal}");
        }
    }

    #[test]
    fn a_mongodb_url_is_taken_whole_and_a_wrong_one_is_refused_with_what_is_accepted() {
        for url in ["mongodb://db/films", "mongodb+srv://cluster.example.org/"] {
            let command = parse(&["--catalog-url", url]).unwrap();
            let expected = CatalogUrl::Mongodb(url.parse().unwrap());
            assert_eq!(command.config.catalog_url, expected);
        }
        let refusal = parse(&["--catalog-url", "mongodb://a:b:c@db"]).unwrap_err();
        assert!(refusal.contains("percent-encoded"), "{refusal}");
    }

    #[test]
    fn a_short_service_token_is_refused() {
        let refusal = Command::try_parse_from(["metadata", "--service-token", "x"]).unwrap_err();
        assert!(refusal.to_string().contains("at least 32"));
    }
}
