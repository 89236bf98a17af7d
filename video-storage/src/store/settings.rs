//! How the cloud stores are reached and what this service shows them. The names are those of the
//! vendors' own tools, so that what a platform puts into the environment is understood as it is.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::str::FromStr;

use axum::http::Uri;
use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Args, Command, Parser};

/// Credentials and endpoints of the cloud stores; those of the engine that the URL names count.
#[derive(Clone, Debug, Default, Args)]
pub struct StoreSettings {
    /// For how many seconds a link to the store itself is good, to which browsers are redirected
    /// for whole and first-last reads; 0 lets all bytes pass through this service
    #[arg(
        long = "store-redirect-seconds",
        env = "STORE_REDIRECT_SECONDS",
        default_value_t = 0,
        value_parser = redirect_seconds
    )]
    pub redirect_seconds: u32,
    /// Whether a folder may be used beside the process that this one takes over from; the service
    /// takes this from `TAKE_OVER`.
    #[arg(skip)]
    pub take_over: bool,
    /// Azure Blob Storage.
    #[command(flatten)]
    pub azure: AzureSettings,
    /// Amazon S3 and what speaks its language.
    #[command(flatten)]
    pub s3: S3Settings,
    /// Google Cloud Storage.
    #[command(flatten)]
    pub google: GoogleSettings,
}

/// Half a day is what the keys of an identity may last.
fn redirect_seconds(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|seconds| *seconds == 0 || (60..=43_200).contains(seconds))
        .ok_or_else(|| "0, or a number from 60 to 43200 is needed".to_owned())
}

/// Azure Blob Storage: an account, and a key or an identity. Without a key the identity is that of
/// the workload (a federated token), of an application (a client secret), or of the instance.
#[derive(Clone, Debug, Default, Args)]
pub struct AzureSettings {
    /// The storage account of an azure:// store
    #[arg(
        long = "azure-storage-account-name",
        env = "AZURE_STORAGE_ACCOUNT_NAME"
    )]
    pub account_name: Option<String>,

    /// The account's key; better have an identity instead
    #[arg(
        long = "azure-storage-account-key",
        env = "AZURE_STORAGE_ACCOUNT_KEY",
        hide_env_values = true
    )]
    pub account_key: Option<Credential>,

    /// Where the account answers, if not at <https://ACCOUNT.blob.core.windows.net>
    #[arg(long = "azure-storage-endpoint", env = "AZURE_STORAGE_ENDPOINT", value_parser = unrepeated::<Endpoint>())]
    pub endpoint: Option<Endpoint>,

    /// Use the emulator Azurite with its published account, and make the container there
    #[arg(
        long = "azure-storage-use-emulator",
        env = "AZURE_STORAGE_USE_EMULATOR",
        action = clap::ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true"
    )]
    pub use_emulator: bool,

    /// Where the emulator answers, if not at <http://127.0.0.1:10000>
    #[arg(long = "azurite-blob-storage-url", env = "AZURITE_BLOB_STORAGE_URL", value_parser = unrepeated::<Endpoint>())]
    pub emulator_url: Option<Endpoint>,

    /// The application or the identity to be
    #[arg(long = "azure-client-id", env = "AZURE_CLIENT_ID")]
    pub client_id: Option<String>,

    /// The tenant of the application or identity
    #[arg(long = "azure-tenant-id", env = "AZURE_TENANT_ID")]
    pub tenant_id: Option<String>,

    /// The application's secret
    #[arg(
        long = "azure-client-secret",
        env = "AZURE_CLIENT_SECRET",
        hide_env_values = true
    )]
    pub client_secret: Option<Credential>,

    /// The file with the token of a Kubernetes workload
    #[arg(
        long = "azure-federated-token-file",
        env = "AZURE_FEDERATED_TOKEN_FILE"
    )]
    pub federated_token_file: Option<PathBuf>,

    /// Where tokens are given out, if not in the public cloud
    #[arg(long = "azure-authority-host", env = "AZURE_AUTHORITY_HOST")]
    pub authority_host: Option<String>,
}

/// Amazon S3: a pair of keys, or a web identity, or the identity of the container or instance.
#[derive(Clone, Debug, Default, Args)]
pub struct S3Settings {
    /// The public half of the keys of an s3:// store
    #[arg(
        long = "aws-access-key-id",
        env = "AWS_ACCESS_KEY_ID",
        hide_env_values = true
    )]
    pub access_key_id: Option<Credential>,

    /// The secret half of the keys
    #[arg(
        long = "aws-secret-access-key",
        env = "AWS_SECRET_ACCESS_KEY",
        hide_env_values = true
    )]
    pub secret_access_key: Option<Credential>,

    /// What temporary keys have besides
    #[arg(
        long = "aws-session-token",
        env = "AWS_SESSION_TOKEN",
        hide_env_values = true
    )]
    pub session_token: Option<Credential>,

    /// The region of the bucket; us-east-1 if none is given
    #[arg(long = "aws-region", env = "AWS_REGION")]
    pub region: Option<String>,

    /// Where the server answers, if not at Amazon; the bucket is then part of the path
    #[arg(long = "aws-endpoint-url", env = "AWS_ENDPOINT_URL", value_parser = unrepeated::<Endpoint>())]
    pub endpoint_url: Option<Endpoint>,

    /// The role of a Kubernetes workload
    #[arg(long = "aws-role-arn", env = "AWS_ROLE_ARN")]
    pub role_arn: Option<String>,

    /// The file with the token of a Kubernetes workload
    #[arg(
        long = "aws-web-identity-token-file",
        env = "AWS_WEB_IDENTITY_TOKEN_FILE"
    )]
    pub web_identity_token_file: Option<PathBuf>,

    /// Where a container of ECS gets its keys
    #[arg(
        long = "aws-container-credentials-relative-uri",
        env = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
    )]
    pub container_credentials_relative_uri: Option<String>,

    /// Where a pod of EKS gets its keys
    #[arg(
        long = "aws-container-credentials-full-uri",
        env = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
    )]
    pub container_credentials_full_uri: Option<String>,

    /// The file with what a pod of EKS shows there
    #[arg(
        long = "aws-container-authorization-token-file",
        env = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
    )]
    pub container_authorization_token_file: Option<PathBuf>,
}

/// Google Cloud Storage: a service account, or the identity of the instance or of the workload.
#[derive(Clone, Debug, Default, Args)]
pub struct GoogleSettings {
    /// The file with the service account of a gs:// store
    #[arg(
        long = "google-application-credentials",
        env = "GOOGLE_APPLICATION_CREDENTIALS"
    )]
    pub application_credentials: Option<PathBuf>,

    /// The service account itself, as JSON
    #[arg(
        long = "google-service-account-key",
        env = "GOOGLE_SERVICE_ACCOUNT_KEY",
        hide_env_values = true
    )]
    pub service_account_key: Option<Credential>,

    /// Where an emulator answers, which asks for no credentials
    #[arg(long = "storage-emulator-host", env = "STORAGE_EMULATOR_HOST", value_parser = unrepeated::<Endpoint>())]
    pub emulator_host: Option<Endpoint>,
}

impl super::StoreUrl {
    /// Parses the setting `STORE_URL` for clap, which would repeat a refused value, and with it a
    /// password that somebody wrote into the URL.
    pub fn quiet_parser() -> impl TypedValueParser<Value = Self> {
        unrepeated()
    }
}

/// Parses a value and, if it is refused, says what is accepted without repeating the value, as clap
/// does by itself: it may hold a password.
fn unrepeated<T>() -> Unrepeated<T> {
    Unrepeated(PhantomData)
}

/// See [`unrepeated`].
#[derive(Debug)]
struct Unrepeated<T>(PhantomData<fn() -> T>);

impl<T> Clone for Unrepeated<T> {
    fn clone(&self) -> Self {
        unrepeated()
    }
}

impl<T> TypedValueParser for Unrepeated<T>
where
    T: FromStr<Err: Display> + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        let name = argument.map_or_else(String::new, ToString::to_string);
        let refused = |why: &dyn Display| {
            let text = format!("the value of '{name}' is refused: {why}\n");
            clap::Error::raw(ErrorKind::ValueValidation, text).with_cmd(command)
        };
        let text = value.to_str().ok_or_else(|| refused(&"it is no text"))?;
        text.parse().map_err(|why: T::Err| refused(&why))
    }
}

#[derive(Debug, Parser)]
struct Standalone {
    #[command(flatten)]
    settings: StoreSettings,
}

impl StoreSettings {
    /// Reads the settings from variables that are not those of the process, such as the ones of a
    /// second store.
    pub fn of_variables<'a>(
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, clap::Error> {
        let flags = variables.into_iter().map(|(name, value)| {
            let flag = name.to_ascii_lowercase().replace('_', "-");
            format!("--{flag}={value}")
        });
        let program = std::iter::once("store".to_owned());
        Standalone::try_parse_from(program.chain(flags)).map(|parsed| parsed.settings)
    }
}

/// Something that must not be shown. Empty is as good as not there: an environment is often
/// written with variables that are not filled.
#[derive(Clone, Eq, PartialEq)]
pub struct Credential(String);

impl Credential {
    pub(super) fn given(setting: Option<&Self>) -> Option<&str> {
        setting
            .map(|credential| credential.0.as_str())
            .filter(|text| !text.is_empty())
    }
}

impl FromStr for Credential {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A file that a secret is read from often ends with a line break.
        Ok(Self(text.trim().to_owned()))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

/// Where a store answers. Empty is as good as not there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint(String);

/// Says why a text is no endpoint. It is not repeated.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "an endpoint is written as https://HOST[:PORT], such as http://127.0.0.1:10000, and holds no \
     credentials"
)]
pub struct InvalidEndpoint;

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Ok(Self(String::new()));
        }
        let uri: Uri = text.parse().map_err(|_| InvalidEndpoint)?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let has_host = uri
            .authority()
            .is_some_and(|authority| !authority.as_str().contains('@'));
        if is_http && has_host && uri.query().is_none() {
            Ok(Self(text.trim_end_matches('/').to_owned()))
        } else {
            Err(InvalidEndpoint)
        }
    }
}

impl Endpoint {
    pub(super) fn given(setting: Option<&Self>) -> Option<&str> {
        setting
            .map(|endpoint| endpoint.0.as_str())
            .filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_never_shown() {
        let settings = StoreSettings::of_variables([
            ("AWS_ACCESS_KEY_ID", "geheim-1"),
            ("AWS_SECRET_ACCESS_KEY", "geheim-2"),
            ("AZURE_STORAGE_ACCOUNT_KEY", "geheim-3"),
            ("GOOGLE_SERVICE_ACCOUNT_KEY", "geheim-4"),
        ]);
        let settings = settings.unwrap();
        let key = Credential::given(settings.s3.access_key_id.as_ref());
        assert_eq!(key, Some("geheim-1"));
        assert!(!format!("{settings:?}").contains("geheim"));
    }

    #[test]
    fn a_bad_endpoint_is_refused_with_what_is_accepted() {
        for endpoint in ["x", "ftp://x", "https://user:geheim@x", "http://x/?y"] {
            let refused = endpoint.parse::<Endpoint>().unwrap_err().to_string();
            assert!(refused.contains("https://HOST"), "{refused}");
            assert!(!refused.contains("geheim"), "{refused}");
        }
        for endpoint in ["http://127.0.0.1:10000/account", "https://s3.example.org/"] {
            assert!(endpoint.parse::<Endpoint>().is_ok(), "{endpoint}");
        }
    }

    #[test]
    fn a_refused_setting_is_named_and_not_repeated() {
        let variables = [("AWS_ENDPOINT_URL", "https://user:geheim@x")];
        let refused = StoreSettings::of_variables(variables)
            .unwrap_err()
            .to_string();
        assert!(refused.contains("--aws-endpoint-url"), "{refused}");
        assert!(!refused.contains("geheim"), "{refused}");
    }

    #[test]
    fn an_empty_variable_is_not_there() {
        let names = [
            "AWS_ACCESS_KEY_ID",
            "AWS_ENDPOINT_URL",
            "STORAGE_EMULATOR_HOST",
        ];
        let settings = StoreSettings::of_variables(names.map(|name| (name, ""))).unwrap();
        let (s3, google) = (&settings.s3, &settings.google);
        assert_eq!(Credential::given(s3.access_key_id.as_ref()), None);
        assert_eq!(Endpoint::given(s3.endpoint_url.as_ref()), None);
        assert_eq!(Endpoint::given(google.emulator_host.as_ref()), None);
    }
}
