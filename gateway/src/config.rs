//! The gateway's settings: flags, and environment variables of the same name.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Parser};
use service_kit::client::ServiceUrl;
use service_kit::guard::ServiceToken;
use service_kit::secret::SecretSource;
use service_kit::settings::{ProcessSettings, ServerSettings};

use crate::admission::{PublicHosts, TrustedProxies};
use crate::media_origin::MediaOrigin;
use crate::owner::OwnerToken;

/// The public edge of FlixTube: web pages, the viewer's cookie, the public API.
#[derive(Clone, Debug, Parser)]
#[command(name = "gateway", version, about)]
pub struct Command {
    /// What every process has.
    #[command(flatten)]
    pub process: ProcessSettings,

    /// Where operators are answered: /livez, /readyz, /metrics, /version
    #[arg(long, env = "ADMIN_LISTEN", default_value = "127.0.0.1:4001")]
    pub admin_listen: SocketAddr,

    /// What the service needs.
    #[command(flatten)]
    pub config: Config,
}

/// What the service needs.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// Where the public is answered
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:4000")]
    pub listen: SocketAddr,

    /// The secret that the services of one system share; `openssl rand -hex 32` makes one
    #[arg(long, env = "SERVICE_TOKEN", hide_env_values = true)]
    pub service_token: ServiceToken,

    /// The service `metadata`
    #[arg(long, env = "METADATA_URL", default_value = "http://127.0.0.1:4030")]
    pub metadata_url: ServiceUrl,

    /// The service `video-streaming`
    #[arg(
        long,
        env = "VIDEO_STREAMING_URL",
        default_value = "http://127.0.0.1:4010"
    )]
    pub video_streaming_url: ServiceUrl,

    /// The service `video-storage`
    #[arg(
        long,
        env = "VIDEO_STORAGE_URL",
        default_value = "http://127.0.0.1:4020"
    )]
    pub video_storage_url: ServiceUrl,

    /// The service `history`
    #[arg(long, env = "HISTORY_URL", default_value = "http://127.0.0.1:4040")]
    pub history_url: ServiceUrl,

    /// The file with the key of the cookies; made on the first start, the same for all replicas
    #[arg(
        long = "viewer-key-file",
        env = "VIEWER_KEY_FILE",
        default_value = "./data/secrets/viewer.key"
    )]
    pub viewer_key: SecretSource,

    /// The largest video that is taken, in bytes
    #[arg(long, env = "MAX_VIDEO_BYTES", default_value = "17179869184")]
    pub max_video_bytes: u64,

    /// For development only: the folder in which live-reload publishes. Its pages are served in
    /// place of the built-in ones, with a script that reloads them and shows what is broken
    #[arg(long, env = "DEVELOPMENT_FOLDER")]
    pub development_folder: Option<PathBuf>,

    /// Who may reach and change this server
    #[command(flatten)]
    pub public: PublicSettings,

    /// The bounds of the public server
    #[command(flatten)]
    pub server: ServerSettings,
}

/// Who may reach and change this server.
#[derive(Clone, Debug, Default, Args)]
pub struct PublicSettings {
    /// The secret that gives the right to upload, edit and delete; at least 32 bytes
    #[arg(long, env = "OWNER_TOKEN", hide_env_values = true)]
    pub owner_token: Option<OwnerToken>,

    /// Let everybody who reaches this server upload, edit and delete
    #[arg(
        long,
        env = "ALLOW_ANONYMOUS_WRITES",
        action = clap::ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true"
    )]
    pub allow_anonymous_writes: bool,

    /// The names, separated by commas, under which this server is called besides localhost
    #[arg(long, env = "PUBLIC_HOSTS", default_value = "")]
    pub public_hosts: PublicHosts,

    /// The addresses and networks, separated by commas, of proxies whose Forwarded,
    /// X-Forwarded-For and X-Forwarded-Proto headers are believed
    #[arg(long, env = "TRUSTED_PROXIES", default_value = "")]
    pub trusted_proxies: TrustedProxies,

    /// The origin of the blob store, such as <https://account.blob.core.windows.net>, if it serves
    /// the videos itself
    #[arg(long, env = "MEDIA_ORIGIN")]
    pub media_origin: Option<MediaOrigin>,

    /// How many requests a client may send per minute; 0 sets no limit
    #[arg(long, env = "RATE_LIMIT_PER_MINUTE", default_value = "0")]
    pub rate_limit_per_minute: u32,
}

/// Settings that are each right but do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// The server could be reached, and written to, by anybody.
    #[error(
        "{listen} can be reached from other machines, so somebody must own this server: set \
         OWNER_TOKEN to a secret of at least 32 bytes (`openssl rand -hex 32` makes one), or \
         ALLOW_ANONYMOUS_WRITES=true to let everybody upload, edit and delete, or listen on \
         127.0.0.1"
    )]
    NobodyOwns {
        /// The address that is not a loopback one.
        listen: SocketAddr,
    },
    /// Writes cannot need the token and be free for all.
    #[error(
        "OWNER_TOKEN and ALLOW_ANONYMOUS_WRITES=true contradict one another: set the token alone \
         to protect this server, or ALLOW_ANONYMOUS_WRITES=true alone to open it"
    )]
    OwnedByAll,
}

impl Config {
    /// Whether the settings go together.
    pub(crate) fn check(&self) -> Result<(), Contradiction> {
        let listen = self.listen;
        match (&self.public.owner_token, self.public.allow_anonymous_writes) {
            (Some(_), true) => Err(Contradiction::OwnedByAll),
            (None, false) if !listen.ip().to_canonical().is_loopback() => {
                Err(Contradiction::NobodyOwns { listen })
            }
            _ => Ok(()),
        }
    }
}

impl PublicSettings {
    pub(crate) fn requests_per_minute(&self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.rate_limit_per_minute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn parse(flags: &[&str]) -> Result<Config, clap::Error> {
        let program = ["gateway", "--service-token", TOKEN];
        Command::try_parse_from(program.iter().chain(flags)).map(|command| command.config)
    }

    fn check(flags: &[&str]) -> Result<(), Contradiction> {
        parse(flags).unwrap().check()
    }

    #[test]
    fn without_settings_it_listens_on_this_machine_only() {
        let config = parse(&[]).unwrap();
        assert!(config.listen.ip().is_loopback());
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn nothing_for_development_is_there_by_itself() {
        assert_eq!(parse(&[]).unwrap().development_folder, None);
    }

    #[test]
    fn on_another_address_somebody_must_own_it() {
        let open = ["--listen", "0.0.0.0:4000"];
        let refusal = check(&open).unwrap_err().to_string();
        for remedy in ["OWNER_TOKEN", "ALLOW_ANONYMOUS_WRITES=true", "127.0.0.1"] {
            assert!(refusal.contains(remedy), "{refusal}");
        }
        assert!(check(&["--listen", "[::]:4000"]).is_err());
        assert_eq!(check(&["--listen", "[::1]:4000"]), Ok(()));
        let owned = [&open[..], &["--owner-token", TOKEN]].concat();
        assert_eq!(check(&owned), Ok(()));
        let anonymous = [&open[..], &["--allow-anonymous-writes"]].concat();
        assert_eq!(check(&anonymous), Ok(()));
        let refused = [&open[..], &["--allow-anonymous-writes=false"]].concat();
        assert!(check(&refused).is_err());
    }

    #[test]
    fn a_token_and_open_writes_contradict_one_another() {
        let flags = ["--owner-token", TOKEN, "--allow-anonymous-writes"];
        assert_eq!(check(&flags), Err(Contradiction::OwnedByAll));
    }

    #[test]
    fn a_bad_setting_is_refused_with_what_is_accepted() {
        for (flag, value, accepted) in [
            ("--owner-token", "short", "at least 32"),
            ("--public-hosts", "http://x", "videos.example.org"),
            ("--trusted-proxies", "proxy", "10.0.0.0/8"),
            ("--media-origin", "https://*", "https://HOST"),
            ("--metadata-url", "ftp://x", "http://"),
        ] {
            let error = parse(&[flag, value]).unwrap_err().to_string();
            assert!(error.contains(accepted), "{error}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let config = parse(&["--owner-token", TOKEN]).unwrap();
        assert!(!format!("{config:?}").contains(TOKEN));
    }
}
