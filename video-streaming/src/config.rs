//! Settings: the only place that reads the environment.

use std::net::SocketAddr;

use clap::{Args, Parser};
use events::BusSource;
use service_kit::client::ServiceUrl;
use service_kit::guard::ServiceToken;
use service_kit::secret::SecretSource;
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
    pub events: BusSource,

    /// The file of the key that signs watch sessions, the same at every replica; made at the
    /// first start
    #[arg(
        long = "session-key-file",
        env = "SESSION_KEY_FILE",
        default_value = "./data/secrets/session.key"
    )]
    pub session_key: SecretSource,

    /// The file of the key that hashes the addresses of plain players, the same at every
    /// replica; made at the first start
    #[arg(
        long = "client-hash-key-file",
        env = "CLIENT_HASH_KEY_FILE",
        default_value = "./data/secrets/client-hash.key"
    )]
    pub client_hash_key: SecretSource,

    /// The bounds of the HTTP server.
    #[command(flatten)]
    pub server: ServerSettings,
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
