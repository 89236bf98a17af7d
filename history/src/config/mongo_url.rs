//! The URL of a MongoDB database.

use std::fmt;
use std::str::FromStr;

use mongodb::options::ConnectionString;

/// The database where the URL names none.
const DEFAULT_DATABASE: &str = "flixtube-history";

/// A `mongodb://` or `mongodb+srv://` URL with the database in its path.
///
/// Its options are the driver's (`replicaSet`, `tls`, `maxPoolSize`, …); what the laws of the view
/// log rest on (majority writes, reading from the primary) cannot be set. Neither `Debug` nor
/// `Display` tells its user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct MongoUrl {
    url: String,
    database: String,
}

/// Says why a text is no [`MongoUrl`], without repeating it: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the MongoDB URL must look like mongodb://HOST:27017/DATABASE?OPTIONS")]
pub struct InvalidMongoUrl;

impl MongoUrl {
    /// The whole URL, with its password. For the driver only.
    pub(crate) fn connection_string(&self) -> &str {
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
        Ok(Self {
            url: url.to_owned(),
            database: database.unwrap_or_else(|| DEFAULT_DATABASE.to_owned()),
        })
    }
}

impl fmt::Debug for MongoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MongoUrl(…/{})", self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_the_path_or_the_default() {
        for (url, database) in [
            ("mongodb://db.example", "flixtube-history"),
            ("mongodb://db.example:27017/?tls=true", "flixtube-history"),
            ("mongodb://one,two/watched?replicaSet=rs", "watched"),
            ("mongodb+srv://cluster.example/watched", "watched"),
        ] {
            assert_eq!(url.parse::<MongoUrl>().unwrap().database(), database);
        }
    }

    #[test]
    fn no_password_is_told_by_a_url_or_by_its_refusal() {
        let url: MongoUrl = "mongodb://root:geheim@db/x".parse().unwrap();
        assert_eq!(format!("{url:?}"), "MongoUrl(…/x)");
        for wrong in [
            "mongodb://",
            "mongodb://root:gehe:im@db/x",
            "mongodb://root:geheim@db/x?w=-1",
            "mysql://root:geheim@db/x",
        ] {
            let refusal = wrong.parse::<MongoUrl>().unwrap_err();
            assert!(!refusal.to_string().contains("gehe"), "{refusal}");
        }
    }
}
