//! Settings that every process has. Each is a flag and an environment variable of the same name.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::{Args, ValueEnum};

/// Where a process answers its operators, and how it logs.
#[derive(Clone, Debug, Args)]
pub struct ProcessSettings {
    /// How log lines are written to standard error
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// Which log lines are written, e.g. `info` or `info,hyper=debug`
    #[arg(long, env = "LOG_FILTER", default_value = "info,lapin=off")]
    pub log_filter: String,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object per line.
    Json,
}

/// The bounds of an HTTP server. The defaults suit a server on the open Internet.
#[derive(Clone, Debug, Args)]
pub struct ServerSettings {
    /// Connections that are served at once; further ones wait to be accepted
    #[arg(long, env = "MAX_CONNECTIONS", default_value = "1024")]
    pub max_connections: usize,

    /// Seconds between saying "not ready" and accepting no more, so that load balancers can react
    #[arg(long = "drain-delay-seconds", env = "DRAIN_DELAY_SECONDS", default_value = "0", value_parser = seconds)]
    pub drain_delay: Duration,

    /// Seconds that running requests get to end when the process stops
    #[arg(long = "drain-grace-seconds", env = "DRAIN_GRACE_SECONDS", default_value = "30", value_parser = seconds)]
    pub drain_grace: Duration,

    /// Seconds of the drain in which an idle connection may still bring one more request, which is
    /// answered with `Connection: close`; with 0 idle connections are closed at once
    #[arg(long = "drain-idle-seconds", env = "DRAIN_IDLE_SECONDS", default_value = "0", value_parser = seconds)]
    pub drain_idle: Duration,

    /// Seconds within which the headers of a request must arrive, and after which an idle
    /// connection is closed
    #[arg(long = "header-timeout-seconds", env = "HEADER_TIMEOUT_SECONDS", default_value = "15", value_parser = seconds)]
    pub header_timeout: Duration,

    /// Seconds after which a request body that does not advance is given up
    #[arg(long = "body-idle-timeout-seconds", env = "BODY_IDLE_TIMEOUT_SECONDS", default_value = "30", value_parser = seconds)]
    pub body_idle_timeout: Duration,

    /// Seconds after which a client that does not read its answer is dropped
    #[arg(long = "write-idle-timeout-seconds", env = "WRITE_IDLE_TIMEOUT_SECONDS", default_value = "60", value_parser = seconds)]
    pub write_idle_timeout: Duration,

    /// This process takes over from one that is still finishing its requests: what one process
    /// alone may do waits for the end of the other, instead of being an error
    #[arg(
        long,
        env = "TAKE_OVER",
        action = clap::ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true"
    )]
    pub take_over: bool,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            drain_delay: Duration::ZERO,
            drain_grace: Duration::from_secs(30),
            drain_idle: Duration::ZERO,
            header_timeout: Duration::from_secs(15),
            body_idle_timeout: Duration::from_secs(30),
            write_idle_timeout: Duration::from_mins(1),
            take_over: false,
        }
    }
}

/// Reads a duration in seconds; fractions are allowed.
pub fn seconds(text: &str) -> Result<Duration, String> {
    text.parse::<f64>()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "a number of seconds is needed, such as 30 or 0.5".to_owned())
}

/// An address on this machine that nobody else can reach.
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        server: ServerSettings,
    }

    #[test]
    fn the_defaults_in_code_are_those_of_the_flags() {
        let flags = Flags::parse_from(["test"]).server;
        assert_eq!(
            format!("{flags:?}"),
            format!("{:?}", ServerSettings::default())
        );
    }

    #[test]
    fn a_negative_duration_is_refused() {
        assert!(seconds("-1").is_err());
        assert!(seconds("soon").is_err());
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
    }
}
