//! The settings of the whole system: each is a flag and an environment variable of the same name.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use events::BusUrl;
use gateway::PublicSettings;
use history::config::ViewLogUrl;
use metadata::config::CatalogUrl;
use service_kit::health;
use service_kit::settings::{ProcessSettings, ServerSettings, loopback};
use video_storage::reconcile::ReconcileArguments;
use video_storage::{StoreSettings, StoreUrl, UpkeepSettings};

use crate::{copy, dead_letters, samples};

/// FlixTube: videos of your own, on a machine of your own.
///
/// Without a command it runs the whole system until Ctrl-C or SIGTERM.
#[derive(Clone, Debug, Parser)]
#[command(name = "flixtube", version)]
pub struct Command {
    /// What to do instead of running the system.
    #[command(subcommand)]
    pub task: Option<Task>,

    /// How the process logs.
    #[command(flatten)]
    pub process: ProcessSettings,

    /// What the system needs.
    #[command(flatten)]
    pub config: Config,
}

/// What can be done besides running the system.
#[derive(Clone, Debug, Subcommand)]
pub enum Task {
    /// Ask the system that runs on this machine, at `ADMIN_LISTEN`, whether it is ready; exits with
    /// 0 if it is
    Health(health::Question),
    /// Put the sample videos (--samples) into a system that runs elsewhere, once
    PutSamples(samples::Errand),
    /// List, replay and discard the events that were given up
    DeadLetters {
        /// What to do with them.
        #[command(subcommand)]
        action: dead_letters::Action,
    },
    /// Copy everything from one set of engines to another: to grow, to back up, to restore
    Copy(Box<copy::Settings>),
    /// Compare the store with the catalogue, finish what is half done, and report what is wrong
    ///
    /// The FlixTube that runs on the data folder does it; if none does, one is started for it.
    /// Exit code: 0 when nothing is wrong, 1 when it could not be done, 3 when something is wrong.
    Reconcile(ReconcileArguments),
}

/// What the system needs.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// The address to listen on; one that others can reach needs an owner token as well
    #[arg(long, env = "BIND", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub bind: IpAddr,

    /// The port to listen on; 0 takes a free one
    #[arg(long, env = "PORT", default_value_t = 4000)]
    pub port: u16,

    /// Where operators are answered (/livez, /readyz, /metrics, /version); by default the next port
    /// on 127.0.0.1, or a free one when that is taken
    #[arg(long, env = "ADMIN_LISTEN")]
    pub admin_listen: Option<SocketAddr>,

    /// The folder that holds everything: videos, catalogue, history, events, keys
    #[arg(long, env = "DATA", default_value = "./data", global = true)]
    pub data: PathBuf,

    /// A folder with sample videos, which are put in on the first start
    #[arg(long, env = "SAMPLES")]
    pub samples: Option<PathBuf>,

    /// Where the catalogue is kept; by default metadata.db below the data folder
    #[arg(long, env = "CATALOG_URL", hide_env_values = true)]
    pub catalog_url: Option<CatalogUrl>,

    /// Where the history is kept; by default history.db below the data folder
    #[arg(long, env = "VIEW_LOG_URL", hide_env_values = true)]
    pub view_log_url: Option<ViewLogUrl>,

    /// The event bus; by default events.db below the data folder
    #[arg(long, env = "EVENTS_URL", hide_env_values = true, global = true)]
    pub events_url: Option<BusUrl>,

    /// Where the videos are kept; by default videos below the data folder
    #[arg(long, env = "STORE_URL", value_parser = StoreUrl::quiet_parser())]
    pub store_url: Option<StoreUrl>,

    /// How a store in a cloud is reached.
    #[command(flatten)]
    pub store_settings: StoreSettings,

    /// The largest video that is taken, in bytes
    #[arg(long, env = "MAX_VIDEO_BYTES", default_value_t = 16 << 30, value_parser = clap::value_parser!(u64).range(1..))]
    pub max_video_bytes: u64,

    /// How many videos are taken in at once; further uploads are asked to come again
    #[arg(long, env = "MAX_CONCURRENT_UPLOADS", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub max_concurrent_uploads: u16,

    /// Who may reach and change this server.
    #[command(flatten)]
    pub public: PublicSettings,

    /// Keeping store and catalogue together.
    #[command(flatten)]
    pub upkeep: UpkeepSettings,

    /// The bounds of the HTTP servers.
    #[command(flatten)]
    pub server: ServerSettings,
}

impl Config {
    /// Where the public is answered.
    pub fn listen(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port)
    }

    /// Where operators are answered, if that port was free when the system started.
    pub fn operators(&self) -> SocketAddr {
        let next = self.port.checked_add(1).unwrap_or_default();
        self.admin_listen.unwrap_or_else(|| loopback(next))
    }

    /// The event bus.
    pub fn events(&self) -> BusUrl {
        let default = || BusUrl::Embedded(self.data.join("events.db"));
        self.events_url.clone().unwrap_or_else(default)
    }

    /// Where the catalogue is kept.
    pub fn catalog(&self) -> CatalogUrl {
        let default = || CatalogUrl::Sqlite(self.data.join("metadata.db"));
        self.catalog_url.clone().unwrap_or_else(default)
    }

    /// Where the history is kept.
    pub fn view_log(&self) -> ViewLogUrl {
        let default = || ViewLogUrl::Sqlite(self.data.join("history.db"));
        self.view_log_url.clone().unwrap_or_else(default)
    }

    /// Where the videos are kept.
    pub fn store(&self) -> StoreUrl {
        let default = || StoreUrl::File(self.data.join("videos"));
        self.store_url.clone().unwrap_or_else(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_settings_everything_lies_below_the_data_folder_and_is_for_this_machine_only() {
        let config = Command::parse_from(["flixtube"]).config;
        assert_eq!(config.listen().to_string(), "127.0.0.1:4000");
        assert_eq!(config.events().to_string(), "embedded:./data/events.db");
        assert_eq!(
            config.catalog(),
            CatalogUrl::Sqlite("./data/metadata.db".into())
        );
        assert_eq!(config.store(), StoreUrl::File("./data/videos".into()));
    }

    #[test]
    fn a_bad_port_is_refused_with_what_is_accepted() {
        let refused = Command::try_parse_from(["flixtube", "--port", "70000"]).unwrap_err();
        assert!(refused.to_string().contains("0..=65535"), "{refused}");
    }
}
