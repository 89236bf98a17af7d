//! Settings: the only place that reads the environment.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use clap::{Args, Parser};
use events::{BusUrl, EventBus};
use service_kit::client::ServiceUrl;
use service_kit::guard::ServiceToken;
use service_kit::secret::{Secret, SecretError};
use service_kit::settings::{ProcessSettings, ServerSettings};

/// Plays videos: byte ranges and watch sessions.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub struct Command {
    /// What every process has.
    #[command(flatten)]
    pub process: ProcessSettings,

    /// Where operators are answered: /livez, /readyz, /metrics, /version
    #[arg(long, env = "ADMIN_LISTEN", default_value = "127.0.0.1:4011")]
    pub admin_listen: SocketAddr,

    /// What the service needs.
    #[command(flatten)]
    pub config: Config,
}

/// What the service needs.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// Where the other services are answered
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:4010")]
    pub listen: SocketAddr,

    /// The secret that all services share, 32 characters or more
    #[arg(long, env = "SERVICE_TOKEN", hide_env_values = true)]
    pub service_token: ServiceToken,

    /// The catalogue
    #[arg(long, env = "METADATA_URL", default_value = "http://127.0.0.1:4030")]
    pub metadata_url: ServiceUrl,

    /// The store of the videos' bytes
    #[arg(
        long,
        env = "VIDEO_STORAGE_URL",
        default_value = "http://127.0.0.1:4020"
    )]
    pub video_storage_url: ServiceUrl,

    /// The event bus, such as embedded:./data/events.db
    #[arg(
        long = "events-url",
        env = "EVENTS_URL",
        hide_env_values = true,
        default_value = "embedded:./data/events.db"
    )]
    pub events: EventsSource,

    /// The file of the key that signs watch sessions, the same at every replica; made at the
    /// first start
    #[arg(
        long = "session-key-file",
        env = "SESSION_KEY_FILE",
        default_value = "./data/secrets/session.key"
    )]
    pub session_key: KeySource,

    /// The file of the key that hashes the addresses of plain players, the same at every
    /// replica; made at the first start
    #[arg(
        long = "client-hash-key-file",
        env = "CLIENT_HASH_KEY_FILE",
        default_value = "./data/secrets/client-hash.key"
    )]
    pub client_hash_key: KeySource,

    /// The bounds of the HTTP server.
    #[command(flatten)]
    pub server: ServerSettings,
}

/// Where the event bus comes from.
#[derive(Clone)]
pub enum EventsSource {
    /// Opened by the service.
    Url(BusUrl),
    /// Opened already, by whoever runs several services in one process.
    Opened(Arc<dyn EventBus>),
}

impl FromStr for EventsSource {
    type Err = <BusUrl as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self::Url)
    }
}

impl fmt::Debug for EventsSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A URL may hold a password.
        formatter.write_str(match self {
            Self::Url(_) => "Url(…)",
            Self::Opened(_) => "Opened(…)",
        })
    }
}

/// Where a key comes from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// This file, which is made when it is not there.
    File(PathBuf),
    /// The key itself.
    Given(Secret),
}

impl KeySource {
    pub(crate) async fn load(self) -> Result<Secret, SecretError> {
        match self {
            Self::File(path) => Secret::load_or_create(path).await,
            Self::Given(secret) => Ok(secret),
        }
    }
}

impl FromStr for KeySource {
    type Err = Infallible;

    fn from_str(path: &str) -> Result<Self, Infallible> {
        Ok(Self::File(path.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "--service-token=0123456789abcdef0123456789abcdef";

    #[test]
    fn only_the_service_token_has_no_default() {
        assert!(Command::try_parse_from(["video-streaming", TOKEN]).is_ok());
        let refused = Command::try_parse_from(["video-streaming"]).unwrap_err();
        assert!(refused.to_string().contains("--service-token"), "{refused}");
    }

    #[test]
    fn a_bad_setting_is_refused_with_what_is_accepted() {
        let refused =
            Command::try_parse_from(["video-streaming", TOKEN, "--metadata-url=somewhere"])
                .unwrap_err()
                .to_string();
        assert!(refused.contains("http://HOST:PORT"), "{refused}");
    }

    #[test]
    fn settings_can_be_shown_without_their_secrets() {
        let command = Command::try_parse_from(["video-streaming", TOKEN]).unwrap();
        assert!(!format!("{command:?}").contains("0123456789abcdef"));
    }
}
