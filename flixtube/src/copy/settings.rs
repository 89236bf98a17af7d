//! From where to where.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use history::config::ViewLogUrl;
use metadata::config::CatalogUrl;
use video_storage::{StoreSettings, StoreUrl};

/// Copies everything from one set of engines to another.
///
/// Each side is a data folder, or the URLs of its engines, or a data folder with some engines
/// elsewhere. URLs with passwords are better given as variables, which other users do not see.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Exit codes: 0 everything is there and verified; 1 it failed; 2 the settings are wrong; 3 it went \
through, and something is not as it should be, which the report names; 130 it was interrupted. After \
1, 3 and 130 the same command goes on from where it was.")]
pub struct Settings {
    /// The data folder to copy from; what runs on it may go on
    #[arg(long, env = "COPY_FROM", value_name = "DATA_FOLDER")]
    pub from: Option<PathBuf>,

    /// The catalogue to copy from, if it is not in the data folder: sqlite: or mongodb://
    #[arg(
        long,
        env = "COPY_FROM_CATALOG_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub from_catalog_url: Option<CatalogUrl>,

    /// The history to copy from, if it is not in the data folder: sqlite: or mongodb://
    #[arg(
        long,
        env = "COPY_FROM_VIEW_LOG_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub from_view_log_url: Option<ViewLogUrl>,

    /// The videos to copy from, if they are not in the data folder: a store's URL
    #[arg(
        long,
        env = "COPY_FROM_STORE_URL",
        value_name = "URL",
        value_parser = StoreUrl::quiet_parser()
    )]
    pub from_store_url: Option<StoreUrl>,

    /// A file of lines NAME=VALUE with what it takes to reach the store to copy from, such as
    /// `AWS_ACCESS_KEY_ID`; what it does not name is as in the environment
    #[arg(long, env = "COPY_FROM_STORE_SETTINGS", value_name = "FILE")]
    pub from_store_settings: Option<PathBuf>,

    /// How stores in a cloud are reached, unless a side has a file of its own.
    #[command(flatten)]
    pub stores: StoreSettings,

    /// The folder with viewer.key, session.key and client-hash.key to copy, if it is not secrets in
    /// the data folder
    #[arg(long, env = "COPY_FROM_KEYS", value_name = "FOLDER")]
    pub from_keys: Option<PathBuf>,

    /// The data folder to copy into; nothing may run on it
    #[arg(long, env = "COPY_TO", value_name = "DATA_FOLDER")]
    pub to: Option<PathBuf>,

    /// The catalogue to copy into, if it is not in the data folder
    #[arg(
        long,
        env = "COPY_TO_CATALOG_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub to_catalog_url: Option<CatalogUrl>,

    /// The history to copy into, if it is not in the data folder
    #[arg(
        long,
        env = "COPY_TO_VIEW_LOG_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub to_view_log_url: Option<ViewLogUrl>,

    /// The store to copy the videos into, if it is not in the data folder
    #[arg(
        long,
        env = "COPY_TO_STORE_URL",
        value_name = "URL",
        value_parser = StoreUrl::quiet_parser()
    )]
    pub to_store_url: Option<StoreUrl>,

    /// The same of the store to copy into
    #[arg(long, env = "COPY_TO_STORE_SETTINGS", value_name = "FILE")]
    pub to_store_settings: Option<PathBuf>,

    /// The folder to copy the keys into, if it is not secrets in the data folder
    #[arg(long, env = "COPY_TO_KEYS", value_name = "FOLDER")]
    pub to_keys: Option<PathBuf>,

    /// Only these parts, by commas
    #[arg(long, env = "COPY_ONLY", value_delimiter = ',', value_enum)]
    pub only: Vec<Part>,

    /// Copy nothing: compare both sides, every byte of them
    #[arg(long)]
    pub verify_only: bool,

    /// Copy although events wait at the source that nobody will take any more
    #[arg(long)]
    pub without_events: bool,
}

/// What is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// What is signed and hashed with: cookies, sessions, plain players
    Keys,
    /// What videos there are, and which are deleted
    Catalogue,
    /// The videos themselves, with posters
    Blobs,
    /// Who watched what, and the counted views
    History,
}

const ALL: [Part; 4] = [Part::Keys, Part::Catalogue, Part::Blobs, Part::History];

/// Says why the settings do not say what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A side has no place for a part.
    #[error(
        "it is not said {direction} where the {part} is copied: name a data folder with --{side}, or \
         {flag}, or leave it out with --only"
    )]
    Nowhere {
        /// The part, to be read in a sentence.
        part: &'static str,
        /// From or to, to be read in a sentence.
        direction: &'static str,
        /// The flag of the data folder.
        side: &'static str,
        /// The flag of the part.
        flag: String,
    },
    /// A file of store settings cannot be read, or names what is no setting. What is in it is not
    /// repeated: it holds credentials.
    #[error(
        "{} does not hold lines NAME=VALUE with settings of a store, such as \
         AZURE_STORAGE_ACCOUNT_NAME, AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS",
        path.display()
    )]
    StoreSettings {
        /// The file.
        path: PathBuf,
    },
    /// Both sides are the same.
    #[error("the {part} would be copied onto itself")]
    Itself {
        /// The part.
        part: &'static str,
    },
}

/// A store with what it takes to reach it.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) url: StoreUrl,
    pub(super) settings: StoreSettings,
}

/// What is to be done; a part that is `None` is left out.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) from_data: Option<PathBuf>,
    pub(super) to_data: Option<PathBuf>,
    pub(super) keys: Option<(PathBuf, PathBuf)>,
    pub(super) catalogue: Option<(CatalogUrl, CatalogUrl)>,
    pub(super) videos: Option<(Store, Store)>,
    pub(super) history: Option<(ViewLogUrl, ViewLogUrl)>,
    pub(super) verify_only: bool,
}

impl Settings {
    pub(super) fn plan(&self) -> Result<Plan, SettingsError> {
        let from = |name: &str| self.from.as_ref().map(|folder| folder.join(name));
        let to = |name: &str| self.to.as_ref().map(|folder| folder.join(name));
        let keys = self.pair(
            Part::Keys,
            ("keys", "keys"),
            self.from_keys.clone().or_else(|| from("secrets")),
            self.to_keys.clone().or_else(|| to("secrets")),
        )?;
        let catalogue = self.pair(
            Part::Catalogue,
            ("catalogue", "catalog-url"),
            (self.from_catalog_url.clone()).or_else(|| from("metadata.db").map(CatalogUrl::Sqlite)),
            (self.to_catalog_url.clone()).or_else(|| to("metadata.db").map(CatalogUrl::Sqlite)),
        )?;
        let videos = self.pair(
            Part::Blobs,
            ("store of the videos", "store-url"),
            (self.from_store_url.clone()).or_else(|| from("videos").map(StoreUrl::File)),
            (self.to_store_url.clone()).or_else(|| to("videos").map(StoreUrl::File)),
        )?;
        let history = self.pair(
            Part::History,
            ("history", "view-log-url"),
            (self.from_view_log_url.clone()).or_else(|| from("history.db").map(ViewLogUrl::Sqlite)),
            (self.to_view_log_url.clone()).or_else(|| to("history.db").map(ViewLogUrl::Sqlite)),
        )?;
        let store = |url, file: &Option<PathBuf>| {
            let settings = settings_of(file.as_deref(), &self.stores)?;
            Ok(Store { url, settings })
        };
        let videos = videos.map(|(from, to)| {
            Ok((
                store(from, &self.from_store_settings)?,
                store(to, &self.to_store_settings)?,
            ))
        });
        Ok(Plan {
            from_data: self.from.clone(),
            to_data: self.to.clone(),
            keys,
            catalogue,
            videos: videos.transpose()?,
            history,
            verify_only: self.verify_only,
        })
    }

    fn is_wanted(&self, part: Part) -> bool {
        let wanted = if self.only.is_empty() {
            &ALL[..]
        } else {
            &self.only
        };
        wanted.contains(&part)
    }

    fn pair<T: PartialEq>(
        &self,
        part: Part,
        (name, flag): (&'static str, &'static str),
        from: Option<T>,
        to: Option<T>,
    ) -> Result<Option<(T, T)>, SettingsError> {
        if !self.is_wanted(part) {
            return Ok(None);
        }
        let nowhere = |side, direction| SettingsError::Nowhere {
            part: name,
            direction,
            side,
            flag: format!("its own place with --{side}-{flag}"),
        };
        let from = from.ok_or_else(|| nowhere("from", "from"))?;
        let to = to.ok_or_else(|| nowhere("to", "to"))?;
        if from == to {
            return Err(SettingsError::Itself { part: name });
        }
        Ok(Some((from, to)))
    }
}

/// What the file says, or the environment where there is none.
fn settings_of(
    file: Option<&Path>,
    environment: &StoreSettings,
) -> Result<StoreSettings, SettingsError> {
    let Some(path) = file else {
        return Ok(environment.clone());
    };
    let unusable = || SettingsError::StoreSettings {
        path: path.to_owned(),
    };
    let text = std::fs::read_to_string(path).map_err(|_| unusable())?;
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let variables = lines
        .map(|line| line.split_once('=').ok_or_else(unusable))
        .collect::<Result<Vec<_>, _>>()?;
    StoreSettings::of_variables(variables).map_err(|_| unusable())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        settings: Settings,
    }

    fn plan(flags: &[&str]) -> Result<Plan, SettingsError> {
        let flags = ["copy"].iter().chain(flags);
        Command::try_parse_from(flags).unwrap().settings.plan()
    }

    #[test]
    fn a_data_folder_names_everything_and_a_url_takes_its_place() {
        let plan = plan(&[
            "--from",
            "/data",
            "--to",
            "/backup",
            "--to-catalog-url",
            "mongodb://db/films",
        ])
        .unwrap();
        let (from, to) = plan.catalogue.unwrap();
        assert_eq!(from, CatalogUrl::Sqlite("/data/metadata.db".into()));
        assert!(matches!(to, CatalogUrl::Mongodb(_)));
        let (from, to) = plan.videos.unwrap();
        assert_eq!(from.url, StoreUrl::File("/data/videos".into()));
        assert_eq!(to.url, StoreUrl::File("/backup/videos".into()));
        let keys = ("/data/secrets".into(), "/backup/secrets".into());
        assert_eq!(plan.keys, Some(keys));
        assert!(plan.history.is_some());
    }

    #[test]
    fn only_what_is_wanted_needs_a_place() {
        let nowhere = plan(&["--from", "/data", "--to-catalog-url", "mongodb://db/films"]);
        let refusal = nowhere.unwrap_err().to_string();
        assert!(refusal.contains("--to-keys"), "{refusal}");
        let plan = plan(&[
            "--from",
            "/data",
            "--to-catalog-url",
            "mongodb://db/films",
            "--only",
            "catalogue",
        ])
        .unwrap();
        assert!(plan.keys.is_none() && plan.videos.is_none() && plan.history.is_none());
        assert!(plan.catalogue.is_some());
    }

    #[test]
    fn each_side_may_have_its_own_credentials_and_a_bad_file_is_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("from.env");
        std::fs::write(&file, "# mine\nAWS_REGION=eu-central-1\n\n").unwrap();
        let flags = [
            "--from-store-url",
            "s3://here",
            "--to-store-url",
            "s3://there",
            "--only",
            "blobs",
            "--from-store-settings",
            file.to_str().unwrap(),
        ];
        let (from, to) = plan(&flags).unwrap().videos.unwrap();
        assert_eq!(from.settings.s3.region.as_deref(), Some("eu-central-1"));
        assert_eq!(to.settings.s3.region, None);
        std::fs::write(&file, "AWS_REGON=geheim").unwrap();
        let refusal = plan(&flags).unwrap_err().to_string();
        assert!(refusal.contains("from.env"), "{refusal}");
        assert!(!refusal.contains("geheim"), "{refusal}");
    }

    #[test]
    fn nothing_is_copied_onto_itself() {
        let refusal = plan(&["--from", "/data", "--to", "/data"]).unwrap_err();
        assert_eq!(refusal, SettingsError::Itself { part: "keys" });
    }
}
