//! Which engine, and where.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use object_store::path::Path;

/// Where the bytes are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// `file:FOLDER`: a folder on this machine, made when it is not there.
    File(PathBuf),
    /// `azure://CONTAINER[/PREFIX]`: a container in an account of Azure Blob Storage.
    Azure(Bucket),
    /// `s3://BUCKET[/PREFIX]`: a bucket of Amazon S3, or of a server that speaks its language.
    S3(Bucket),
    /// `gs://BUCKET[/PREFIX]`: a bucket of Google Cloud Storage.
    Gcs(Bucket),
}

/// A container or bucket, and the folder in it that is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    name: String,
    prefix: Path,
}

/// Says why a text is no store. The text is not repeated: somebody may have written a password
/// into it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a store is written as file:FOLDER, such as file:./data/videos, or as azure://CONTAINER, \
     s3://BUCKET or gs://BUCKET, perhaps with /PREFIX; names have the characters a-z 0-9 . _ - \
     only, prefixes also A-Z; credentials are settings of their own"
)]
pub struct InvalidStoreUrl;

impl FromStr for StoreUrl {
    type Err = InvalidStoreUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once(':').ok_or(InvalidStoreUrl)?;
        if scheme == "file" {
            return folder(rest).map(Self::File);
        }
        let bucket = rest.strip_prefix("//").ok_or(InvalidStoreUrl)?.parse();
        match scheme {
            "azure" => bucket.map(Self::Azure),
            "s3" => bucket.map(Self::S3),
            "gs" => bucket.map(Self::Gcs),
            _ => Err(InvalidStoreUrl),
        }
    }
}

fn folder(text: &str) -> Result<PathBuf, InvalidStoreUrl> {
    let folder = match text.strip_prefix("//") {
        // `file://host/…` would name a folder on another machine.
        Some(absolute) if absolute.starts_with('/') => absolute,
        Some(_) => return Err(InvalidStoreUrl),
        None => text,
    };
    if folder.is_empty() {
        return Err(InvalidStoreUrl);
    }
    Ok(PathBuf::from(folder))
}

impl FromStr for Bucket {
    type Err = InvalidStoreUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, prefix) = text.split_once('/').unwrap_or((text, ""));
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let is_name =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let is_segment = |segment: &str| {
            !["", ".", ".."].contains(&segment)
                && segment
                    .bytes()
                    .all(|byte| is_name(byte) || byte.is_ascii_uppercase())
        };
        let is_valid = (3..=222).contains(&name.len())
            && name.bytes().all(is_name)
            && (prefix.is_empty() || prefix.split('/').all(is_segment));
        if !is_valid {
            return Err(InvalidStoreUrl);
        }
        Ok(Self {
            name: name.to_owned(),
            prefix: Path::from(prefix),
        })
    }
}

impl Bucket {
    /// The name of the container or bucket.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The folder in it that is ours; empty for all of it.
    pub(crate) fn prefix(&self) -> &Path {
        &self.prefix
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(folder) => write!(f, "file:{}", folder.display()),
            Self::Azure(container) => write!(f, "azure://{container}"),
            Self::S3(bucket) => write!(f, "s3://{bucket}"),
            Self::Gcs(bucket) => write!(f, "gs://{bucket}"),
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.prefix.as_ref().is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        Ok(())
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
    fn a_bucket_may_be_shared_by_a_prefix() {
        for (url, name, prefix) in [
            ("azure://videos", "videos", ""),
            ("s3://my.videos", "my.videos", ""),
            ("gs://my_videos/", "my_videos", ""),
            ("s3://videos/house/One", "videos", "house/One"),
        ] {
            let store: StoreUrl = url.parse().unwrap();
            let (StoreUrl::Azure(bucket) | StoreUrl::S3(bucket) | StoreUrl::Gcs(bucket)) = &store
            else {
                panic!("{url} is a bucket");
            };
            assert_eq!(
                (bucket.name(), bucket.prefix().as_ref()),
                (name, prefix),
                "{url}"
            );
            assert_eq!(store.to_string(), url.trim_end_matches('/'));
        }
    }

    #[test]
    fn anything_else_is_refused_and_not_repeated() {
        for url in [
            "",
            "file:",
            "./data",
            "file://host/videos",
            "ftp:x",
            "s3:bucket",
            "s3://",
            "s3://ab",
            "s3://Bucket",
            "s3://key:geheim@bucket",
            "azure://videos//x",
            "gs://videos/../x",
            "gs://videos/a b",
            "https://account.blob.core.windows.net/videos",
        ] {
            let refused = url.parse::<StoreUrl>().unwrap_err();
            assert!(!refused.to_string().contains("geheim"), "{url}");
        }
    }
}
