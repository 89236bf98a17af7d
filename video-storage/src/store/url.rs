//! Which engine, and where.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the bytes are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// `file:FOLDER`: a folder on this machine, made when it is not there.
    File(PathBuf),
}

/// Says why a text is no store.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a store is written as file:FOLDER, such as file:./data/videos or file:/var/lib/videos")]
pub struct InvalidStoreUrl;

impl FromStr for StoreUrl {
    type Err = InvalidStoreUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let folder = text.strip_prefix("file:").ok_or(InvalidStoreUrl)?;
        let folder = match folder.strip_prefix("//") {
            // `file://host/…` would name a folder on another machine.
            Some(absolute) if absolute.starts_with('/') => absolute,
            Some(_) => return Err(InvalidStoreUrl),
            None => folder,
        };
        if folder.is_empty() {
            return Err(InvalidStoreUrl);
        }
        Ok(Self::File(PathBuf::from(folder)))
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(folder) => write!(f, "file:{}", folder.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_may_be_relative_or_absolute() {
        for (url, folder) in [
            ("file:./data/videos", "./data/videos"),
            ("file:videos", "videos"),
            ("file:/var/lib/videos", "/var/lib/videos"),
            ("file:///var/lib/videos", "/var/lib/videos"),
        ] {
            assert_eq!(url.parse(), Ok(StoreUrl::File(folder.into())));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for url in [
            "",
            "file:",
            "./data",
            "file://host/videos",
            "s3://bucket",
            "ftp:x",
        ] {
            assert_eq!(url.parse::<StoreUrl>(), Err(InvalidStoreUrl), "{url}");
        }
    }
}
