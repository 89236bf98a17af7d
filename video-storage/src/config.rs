//! Settings: each is a flag and an environment variable of the same name.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser};
use events::BusSource;
use service_kit::client::ServiceUrl;
use service_kit::guard::ServiceToken;
use service_kit::settings::{ServerSettings, loopback, seconds};

use crate::store::{StoreSettings, StoreUrl};

/// 16 GiB: a film in the best quality that is sold.
pub const DEFAULT_MAX_VIDEO_BYTES: u64 = 16 * 1024 * 1024 * 1024;
/// Uploads at the same time.
pub const DEFAULT_MAX_CONCURRENT_UPLOADS: usize = 16;

/// Everything that this service can be told.
#[derive(Clone, Debug, Parser)]
pub struct Config {
    /// Where to listen
    #[arg(long, env = "LISTEN", default_value_t = loopback(4020))]
    pub listen: SocketAddr,

    /// The token that all services of the system share
    #[arg(long, env = "SERVICE_TOKEN", hide_env_values = true)]
    pub service_token: ServiceToken,

    /// Where the bytes are kept
    #[arg(
        long,
        help = "Where the bytes are kept: file:FOLDER, azure://CONTAINER, s3://BUCKET or \
                gs://BUCKET, the last three perhaps with /PREFIX",
        env = "STORE_URL",
        default_value = "file:./data/videos",
        value_parser = StoreUrl::quiet_parser()
    )]
    pub store_url: StoreUrl,

    /// How a store in a cloud is reached
    #[command(flatten)]
    pub store: StoreSettings,

    /// Where the service `metadata` answers
    #[arg(long, env = "METADATA_URL", default_value = "http://127.0.0.1:4030")]
    pub metadata_url: ServiceUrl,

    /// The event bus
    #[arg(
        long = "events-url",
        env = "EVENTS_URL",
        hide_env_values = true,
        default_value = "embedded:./data/events.db"
    )]
    pub events: BusSource,

    /// The largest video that is taken, in bytes
    #[arg(long, env = "MAX_VIDEO_BYTES", default_value_t = DEFAULT_MAX_VIDEO_BYTES, value_parser = clap::value_parser!(u64).range(1..))]
    pub max_video_bytes: u64,

    /// Uploads at the same time; further ones are asked to come again
    #[arg(long, env = "MAX_CONCURRENT_UPLOADS", default_value_t = DEFAULT_MAX_CONCURRENT_UPLOADS, value_parser = places)]
    pub max_concurrent_uploads: usize,

    /// What is done beside serving
    #[command(flatten)]
    pub upkeep: UpkeepSettings,

    /// The bounds of the HTTP server
    #[command(flatten)]
    pub server: ServerSettings,
}

/// Keeping store and catalogue together.
#[derive(Clone, Debug, Args)]
pub struct UpkeepSettings {
    /// In a store that replicas share: after how many seconds without a sign of life an upload
    /// counts as dead and is taken away
    #[arg(long = "upload-lease-seconds", env = "UPLOAD_LEASE_SECONDS", default_value = "180", value_parser = a_second_or_more)]
    pub upload_lease: Duration,

    /// How often the whole store is compared with the catalogue, in seconds
    #[arg(long = "reconcile-period-seconds", env = "RECONCILE_PERIOD_SECONDS", default_value = "86400", value_parser = a_second_or_more)]
    pub reconcile_period: Duration,
}

impl Default for UpkeepSettings {
    fn default() -> Self {
        Self {
            upload_lease: Duration::from_mins(3),
            reconcile_period: Duration::from_hours(24),
        }
    }
}

fn a_second_or_more(text: &str) -> Result<Duration, String> {
    let duration = seconds(text)?;
    if duration < Duration::from_secs(1) {
        return Err("one second or more is needed".to_owned());
    }
    Ok(duration)
}

fn places(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|places| (1..=10_000).contains(places))
        .ok_or_else(|| "a number from 1 to 10000 is needed".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    const TOKEN: [&str; 3] = [
        "video-storage",
        "--service-token",
        "0123456789abcdef0123456789abcdef",
    ];

    #[test]
    fn the_flags_are_well_formed_and_have_defaults() {
        Config::command().debug_assert();
        let config = Config::try_parse_from(TOKEN).unwrap();
        assert_eq!(config.listen.port(), 4020);
        assert_eq!(config.max_video_bytes, 17_179_869_184);
        assert_eq!(config.store_url.to_string(), "file:./data/videos");
        let upkeep = UpkeepSettings::default();
        assert_eq!(config.upkeep.upload_lease, upkeep.upload_lease);
        assert_eq!(config.upkeep.reconcile_period, upkeep.reconcile_period);
    }

    #[test]
    fn a_password_in_the_url_of_the_store_is_refused_and_not_repeated() {
        let url = ["video-storage", "--store-url", "s3://key:geheim@bucket"];
        let refused = Config::try_parse_from(url).unwrap_err().to_string();
        assert!(refused.contains("s3://BUCKET"), "{refused}");
        assert!(!refused.contains("geheim"), "{refused}");
    }

    #[test]
    fn a_bad_setting_is_refused_with_what_is_accepted() {
        for (flag, value, says) in [
            (
                "--store-url",
                "ftp://videos",
                "a store is written as file:FOLDER",
            ),
            ("--max-concurrent-uploads", "0", "a number from 1 to 10000"),
            ("--service-token", "short", "at least 32"),
            ("--upload-lease-seconds", "0", "one second or more"),
        ] {
            let refused = Config::try_parse_from(["video-storage", flag, value]).unwrap_err();
            assert!(refused.to_string().contains(says), "{refused}");
        }
    }
}
