//! The URL of a MongoDB database.

use std::fmt;
use std::str::FromStr;

use mongodb::options::ConnectionString;

/// The database where the URL names none.
const DEFAULT_DATABASE: &str = "flixtube-metadata";

/// The longest name of a database in bytes.
const LONGEST_NAME: usize = 63;

/// A `mongodb://` or `mongodb+srv://` URL with the name of the database as its path.
///
/// Its options are the driver's (`replicaSet`, `tls`, `maxPoolSize`, …). Those that the laws of the
/// catalogue rest on, writing to a majority and reading from the primary, are set by the service
/// whatever the URL says. `Debug` tells neither user nor password.
#[derive(Clone)]
pub struct MongoUrl {
    url: String,
    database: String,
    /// Hears of every command that is sent.
    #[cfg(test)]
    pub(crate) commands:
        Option<mongodb::event::EventHandler<mongodb::event::command::CommandEvent>>,
}

/// Says why a text is no [`MongoUrl`], without repeating it: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a MongoDB database is named by mongodb://HOST:27017/DATABASE?OPTIONS or \
     mongodb+srv://NAME/DATABASE?OPTIONS; special characters in a password are percent-encoded"
)]
pub struct InvalidMongoUrl;

impl MongoUrl {
    /// The whole URL with its password, for the driver only.
    pub(crate) fn as_str(&self) -> &str {
        &self.url
    }

    /// The name of the database.
    pub(crate) fn database(&self) -> &str {
        &self.database
    }
}

impl FromStr for MongoUrl {
    type Err = InvalidMongoUrl;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        // The driver's reason may repeat a part of the URL.
        let parsed = ConnectionString::parse(url).map_err(|_| InvalidMongoUrl)?;
        let database = parsed.default_database;
        let database = database.unwrap_or_else(|| DEFAULT_DATABASE.to_owned());
        // The server would refuse it, but only once it is there.
        let is_forbidden = |character: char| r#"/\. "$*<>:|?"#.contains(character);
        if database.len() > LONGEST_NAME || database.contains(is_forbidden) {
            return Err(InvalidMongoUrl);
        }
        Ok(Self {
            url: url.to_owned(),
            database,
            #[cfg(test)]
            commands: None,
        })
    }
}

impl PartialEq for MongoUrl {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

impl Eq for MongoUrl {}

impl fmt::Debug for MongoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MongoUrl(…/{})", self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_names_the_database_and_there_is_one_by_default() {
        for (url, database) in [
            ("mongodb://one.example", "flixtube-metadata"),
            ("mongodb://one.example:27017/?tls=true", "flixtube-metadata"),
            ("mongodb://one,two:27018/films?replicaSet=rs", "films"),
            ("mongodb+srv://cluster.example.org/films", "films"),
        ] {
            let url: MongoUrl = url.parse().unwrap();
            assert_eq!(url.database(), database);
        }
    }

    #[test]
    fn neither_a_url_nor_its_refusal_tells_the_password() {
        let url: MongoUrl = "mongodb://root:secret@one/films".parse().unwrap();
        assert_eq!(format!("{url:?}"), "MongoUrl(…/films)");
        for wrong in [
            "mongodb://",
            "mongodb://root:secret:x@one/films",
            "mongodb://root:secret@one/films?w=-1",
            "mongodb://root:secret@one/fi.lms",
        ] {
            let refusal = wrong.parse::<MongoUrl>().unwrap_err().to_string();
            assert!(!refusal.contains("secret"), "{refusal}");
        }
    }
}
