//! Which bus a setting names.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use service_kit::sqlite::DatabaseError;

use crate::bus::EventBus;
use crate::embedded::EmbeddedBus;
use crate::rabbitmq::{InvalidRabbitMqUrl, RabbitMqBus, RabbitMqUrl};
use crate::spool::SpoolError;

/// The value of `EVENTS_URL`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BusUrl {
    /// `embedded:PATH`: an SQLite file on this machine.
    Embedded(PathBuf),
    /// `amqp://…` or `amqps://…`: a RabbitMQ broker.
    RabbitMq(Box<RabbitMqUrl>),
}

/// Says why a text names no event bus. The text is not repeated: it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum InvalidBusUrl {
    /// It is of no kind that there is.
    #[error(
        "an event bus is named by embedded:PATH, such as embedded:./data/events.db, or by \
         amqp://USER:PASSWORD@HOST:PORT/VHOST?spool=PATH"
    )]
    Unknown,
    /// It names no broker.
    #[error("{0}; a broker is named by amqp://USER:PASSWORD@HOST:PORT/VHOST?spool=PATH")]
    RabbitMq(InvalidRabbitMqUrl),
}

impl FromStr for BusUrl {
    type Err = InvalidBusUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("embedded", path)) if !path.is_empty() => Ok(Self::Embedded(path.into())),
            Some(("amqp" | "amqps", _)) => match text.parse() {
                Ok(url) => Ok(Self::RabbitMq(Box::new(url))),
                Err(error) => Err(InvalidBusUrl::RabbitMq(error)),
            },
            _ => Err(InvalidBusUrl::Unknown),
        }
    }
}

impl fmt::Display for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(path) => write!(f, "embedded:{}", path.display()),
            Self::RabbitMq(url) => url.fmt(f),
        }
    }
}

/// Why a bus could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file of the embedded bus cannot be used.
    #[error("cannot open the event bus {url}")]
    Embedded {
        /// The bus.
        url: BusUrl,
        /// What is wrong with the file.
        source: Box<DatabaseError>,
    },
    /// The file cannot be used in which events wait for the broker.
    #[error("cannot open the spool of the event bus {url}")]
    Spool {
        /// The bus.
        url: BusUrl,
        /// What is wrong with the spool.
        source: Box<SpoolError>,
    },
}

impl OpenError {
    /// Whether opening may succeed later.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Embedded { source, .. } => source.is_unavailable(),
            Self::Spool { source, .. } => source.is_unavailable(),
        }
    }
}

/// Opens the bus that the URL names. A broker need not be there yet:
/// [`EventBus::status`] tells whether it is.
pub async fn open(url: &BusUrl) -> Result<Arc<dyn EventBus>, OpenError> {
    match url {
        BusUrl::Embedded(path) => match EmbeddedBus::open(path).await {
            Ok(bus) => Ok(Arc::new(bus)),
            Err(source) => Err(OpenError::Embedded {
                url: url.clone(),
                source: Box::new(source),
            }),
        },
        BusUrl::RabbitMq(broker) => match RabbitMqBus::open(broker).await {
            Ok(bus) => Ok(Arc::new(bus)),
            Err(source) => Err(OpenError::Spool {
                url: url.clone(),
                source: Box::new(source),
            }),
        },
    }
}

/// Where a service's bus comes from.
#[derive(Clone, Debug)]
pub enum BusSource {
    /// The service opens it.
    Url(BusUrl),
    /// It is open already: the services of one process share it.
    Open(Arc<dyn EventBus>),
}

impl BusSource {
    /// The bus, opened if it is not.
    pub async fn open(&self) -> Result<Arc<dyn EventBus>, OpenError> {
        match self {
            Self::Url(url) => open(url).await,
            Self::Open(bus) => Ok(Arc::clone(bus)),
        }
    }
}

impl FromStr for BusSource {
    type Err = InvalidBusUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self::Url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_another_kind_is_refused_with_what_is_accepted() {
        let error = "kafka://somewhere".parse::<BusUrl>().unwrap_err();
        assert!(error.to_string().contains("embedded:PATH"));
        assert!(error.to_string().contains("amqp://"));
        assert!("embedded:".parse::<BusUrl>().is_err());
    }

    #[test]
    fn a_brokers_password_is_shown_by_neither_url_nor_source() {
        let source: BusSource = "amqp://me:hunter2@broker/house".parse().unwrap();
        assert!(!format!("{source:?}").contains("hunter2"));
        let BusSource::Url(url) = source else {
            panic!("a URL is parsed")
        };
        assert_eq!(url.to_string(), "amqp://broker:5672/house");
    }
}
