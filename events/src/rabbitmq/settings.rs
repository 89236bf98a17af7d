//! What an `amqp://` URL says.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use lapin::uri::AMQPUri;

/// What the spool takes unless the URL says otherwise: two million events or so.
const DEFAULT_SPOOL_BYTES: u64 = 1024 * 1024 * 1024;

/// How often the broker and this process tell each other that they are there, in seconds. A broker
/// or a network that has silently gone is noticed after two of them.
const HEARTBEAT_SECONDS: u16 = 10;

/// How long the network may take to connect, in milliseconds.
const CONNECTION_TIMEOUT_MS: u64 = 5_000;

/// A broker, a virtual host in it, who asks, and where events wait while it cannot be reached:
/// `amqp://USER:PASSWORD@HOST:PORT/VHOST?spool=PATH&spool_max_bytes=N`, or `amqps://` for TLS.
///
/// `%`-encoded where needed. Without a virtual host it is `/`. `heartbeat` (seconds) and
/// `connection_timeout` (milliseconds) are the broker's own parameters. The password is in no
/// `Debug` and no `Display`.
#[derive(Clone, Eq, PartialEq)]
pub struct RabbitMqUrl {
    uri: AMQPUri,
    spool: PathBuf,
    spool_max_bytes: u64,
}

/// Says why a text names no broker. The text is not repeated: it may hold a password.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidRabbitMqUrl {
    /// It is no URL of a broker.
    #[error("it is no amqp:// or amqps:// URL: {0}")]
    Malformed(String),
    /// It has a parameter that is not known.
    #[error(
        "it has the unknown parameter {0:?}; known are spool, spool_max_bytes, heartbeat and \
         connection_timeout"
    )]
    UnknownParameter(String),
    /// The spool's size is no number of bytes.
    #[error("its spool_max_bytes must be a number of bytes from 1")]
    SpoolSize,
    /// The spool has no path.
    #[error("its spool must be the path of a file")]
    SpoolPath,
}

impl RabbitMqUrl {
    /// Where events wait while the broker cannot be reached.
    pub fn spool(&self) -> &Path {
        &self.spool
    }

    /// How many bytes of events wait there at most.
    pub fn spool_max_bytes(&self) -> u64 {
        self.spool_max_bytes
    }

    pub(super) fn uri(&self) -> &AMQPUri {
        &self.uri
    }
}

impl FromStr for RabbitMqUrl {
    type Err = InvalidRabbitMqUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut uri: AMQPUri = text.parse().map_err(InvalidRabbitMqUrl::Malformed)?;
        if uri.vhost.is_empty() {
            // `amqp://host/` means the empty name by the letter of the URI specification, and the
            // default virtual host by the intention of whoever writes it.
            "/".clone_into(&mut uri.vhost);
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        uri.query
            .connection_timeout
            .get_or_insert(CONNECTION_TIMEOUT_MS);
        let mut url = Self {
            uri,
            spool: default_spool(),
            spool_max_bytes: DEFAULT_SPOOL_BYTES,
        };
        let query = text.split_once('?').map_or("", |(_, query)| query);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "spool" if value.is_empty() => return Err(InvalidRabbitMqUrl::SpoolPath),
                "spool" => url.spool = PathBuf::from(&*value),
                "spool_max_bytes" => {
                    let bytes = value.parse().ok().filter(|bytes| *bytes > 0);
                    url.spool_max_bytes = bytes.ok_or(InvalidRabbitMqUrl::SpoolSize)?;
                }
                "heartbeat" | "connection_timeout" => {}
                other => return Err(InvalidRabbitMqUrl::UnknownParameter(other.to_owned())),
            }
        }
        Ok(url)
    }
}

/// A file of this program's own, so that services which are started in one folder do not meet.
fn default_spool() -> PathBuf {
    let program = std::env::current_exe().ok();
    let program = program
        .as_deref()
        .and_then(Path::file_stem)
        .map_or("events".into(), |name| name.to_string_lossy());
    Path::new("data").join(format!("{program}-spool.db"))
}

impl fmt::Display for RabbitMqUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AMQPUri {
            scheme,
            authority,
            vhost,
            query: _,
        } = &self.uri;
        let vhost = form_urlencoded::byte_serialize(vhost.as_bytes()).collect::<String>();
        write!(
            f,
            "{scheme}://{}:{}/{vhost}",
            authority.host, authority.port
        )
    }
}

impl fmt::Debug for RabbitMqUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMqUrl")
            .field("broker", &self.to_string())
            .field("spool", &self.spool)
            .field("spool_max_bytes", &self.spool_max_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> RabbitMqUrl {
        text.parse().unwrap()
    }

    #[test]
    fn the_password_is_shown_nowhere() {
        let url = parsed("amqps://me:hunter2@broker:5671/house?spool=/var/spool/events.db");
        assert_eq!(url.uri().authority.userinfo.password, "hunter2");
        assert_eq!(url.to_string(), "amqps://broker:5671/house");
        let debugged = format!("{url:?}");
        assert!(!debugged.contains("hunter2"), "{debugged}");
        assert!(debugged.contains("/var/spool/events.db"));
        for bad in [
            "amqp://me:hunter2@host:port/",
            "amqp://me:hunter2@host/?a=b",
        ] {
            let error = bad.parse::<RabbitMqUrl>().unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        for text in ["amqp://broker", "amqp://broker/", "amqp://broker/%2f"] {
            let url = parsed(text);
            assert_eq!(url.uri().vhost, "/");
            assert_eq!(url.uri().authority.port, 5672);
            assert_eq!(url.uri().query.heartbeat, Some(10));
            assert_eq!(url.spool_max_bytes(), DEFAULT_SPOOL_BYTES);
            assert!(url.spool().to_string_lossy().ends_with("-spool.db"));
        }
        let url = parsed("amqp://broker/x?heartbeat=3&spool=s%20p.db&spool_max_bytes=7");
        assert_eq!(url.uri().vhost, "x");
        assert_eq!(url.uri().query.heartbeat, Some(3));
        assert_eq!(url.spool(), Path::new("s p.db"));
        assert_eq!(url.spool_max_bytes(), 7);
    }

    #[test]
    fn a_parameter_that_is_wrong_or_unknown_is_refused() {
        for (query, expected) in [
            (
                "spol=x",
                InvalidRabbitMqUrl::UnknownParameter("spol".to_owned()),
            ),
            ("spool=", InvalidRabbitMqUrl::SpoolPath),
            ("spool_max_bytes=0", InvalidRabbitMqUrl::SpoolSize),
            ("spool_max_bytes=1GB", InvalidRabbitMqUrl::SpoolSize),
        ] {
            let text = format!("amqp://broker/?{query}");
            assert_eq!(text.parse::<RabbitMqUrl>().unwrap_err(), expected);
        }
    }
}
