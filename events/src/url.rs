//! Which bus a setting names.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use service_kit::sqlite::DatabaseError;

use crate::bus::EventBus;
use crate::embedded::EmbeddedBus;

/// The value of `EVENTS_URL`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BusUrl {
    /// `embedded:PATH`: an SQLite file on this machine.
    Embedded(PathBuf),
}

/// Says why a text names no event bus.
#[derive(Debug, thiserror::Error)]
#[error("an event bus is named by embedded:PATH, such as embedded:./data/events.db")]
pub struct InvalidBusUrl;

impl FromStr for BusUrl {
    type Err = InvalidBusUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("embedded", path)) if !path.is_empty() => Ok(Self::Embedded(path.into())),
            _ => Err(InvalidBusUrl),
        }
    }
}

impl fmt::Display for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(path) => write!(f, "embedded:{}", path.display()),
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
        source: DatabaseError,
    },
}

impl OpenError {
    /// Whether opening may succeed later.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Embedded { source, .. } => source.is_unavailable(),
        }
    }
}

/// Opens the bus that the URL names.
pub async fn open(url: &BusUrl) -> Result<Arc<dyn EventBus>, OpenError> {
    match url {
        BusUrl::Embedded(path) => match EmbeddedBus::open(path).await {
            Ok(bus) => Ok(Arc::new(bus)),
            Err(source) => Err(OpenError::Embedded {
                url: url.clone(),
                source,
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
        assert!("embedded:".parse::<BusUrl>().is_err());
    }
}
