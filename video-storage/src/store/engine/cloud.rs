//! Stores in a cloud: building their clients from the settings. Nothing is called here.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use super::{Built, Cloud, Engine, OpenError, azurite};
use crate::store::links::Links;
use crate::store::parts::Multipart;
use crate::store::settings::{AzureSettings, Credential, Endpoint, GoogleSettings, S3Settings};
use crate::store::url::Bucket;

/// A store is a network away, but not further.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long one request may take until the head of its answer, and how long its body may be silent.
/// A part of an upload has to get through in this time; reads have shorter times of their own.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Shorter than the stores keep idle connections, so that a request does not meet a closing one.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// The account that every emulator has; it is published and protects nothing.
const EMULATOR_ACCOUNT: &str = "devstoreaccount1";
const EMULATOR_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const EMULATOR_URL: &str = "http://127.0.0.1:10000";

/// A total time would cut long bodies off, so there is none.
fn client_options(endpoint: Option<&str>) -> ClientOptions {
    ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_read_timeout(IDLE_TIMEOUT)
        .with_pool_idle_timeout(POOL_IDLE_TIMEOUT)
        // Who writes http:// into an endpoint means it.
        .with_allow_http(endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")))
}

/// The budget for one request, tries and pauses together: a store that restarts is waited for, and
/// a writer hears of one that is gone while it still listens. Reads give up earlier (`Store`).
fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        },
        max_retries: 8,
        retry_timeout: Duration::from_secs(10),
    }
}

fn given(text: Option<&String>) -> Option<&String> {
    text.filter(|text| !text.is_empty())
}

pub(super) fn azure(container: &Bucket, settings: &AzureSettings) -> Result<Built, OpenError> {
    let (account, key, endpoint) = account(settings)?;
    let options = client_options(endpoint.as_deref());
    let mut builder = MicrosoftAzureBuilder::new()
        .with_container_name(container.name())
        .with_account(&account)
        .with_client_options(options.clone())
        .with_retry(retries());
    if let Some(endpoint) = &endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    if let Some(key) = &key {
        builder = builder.with_access_key(key);
    }
    if let Some(client) = given(settings.client_id.as_ref()) {
        builder = builder.with_client_id(client);
    }
    if let Some(tenant) = given(settings.tenant_id.as_ref()) {
        builder = builder.with_tenant_id(tenant);
    }
    if let Some(secret) = Credential::given(settings.client_secret.as_ref()) {
        builder = builder.with_client_secret(secret);
    }
    if let Some(file) = &settings.federated_token_file {
        builder = builder.with_federated_token_file(file.display().to_string());
    }
    if let Some(host) = given(settings.authority_host.as_ref()) {
        builder = builder.with_authority_host(host);
    }
    let store = builder.build().map_err(OpenError::Engine)?;
    let emulator = match (&key, &endpoint) {
        (Some(key), Some(endpoint)) if settings.use_emulator => {
            let url = format!("{endpoint}/{}", container.name());
            Some(azurite::Container::new(&account, key, url, options)?)
        }
        _ => None,
    };
    let cloud = Cloud {
        // Blocks that are not committed expire after a week, and cannot be removed before.
        multipart: None,
        links: Links::new(Arc::new(store.clone()), container.prefix().clone(), false),
        emulator,
    };
    Ok(built(store, container, cloud))
}

/// The account, its key if there is one, and where it answers if not at the usual place.
fn account(
    settings: &AzureSettings,
) -> Result<(String, Option<String>, Option<String>), OpenError> {
    let account = given(settings.account_name.as_ref()).cloned();
    let key = Credential::given(settings.account_key.as_ref()).map(str::to_owned);
    let endpoint = Endpoint::given(settings.endpoint.as_ref()).map(str::to_owned);
    if !settings.use_emulator {
        let account = account.ok_or(OpenError::Settings(
            "an azure:// store needs AZURE_STORAGE_ACCOUNT_NAME, or AZURE_STORAGE_USE_EMULATOR=true",
        ))?;
        return Ok((account, key, endpoint));
    }
    if endpoint.is_some() {
        return Err(OpenError::Settings(
            "AZURE_STORAGE_ENDPOINT and AZURE_STORAGE_USE_EMULATOR exclude each other; the place \
             of the emulator is AZURITE_BLOB_STORAGE_URL",
        ));
    }
    let account = account.unwrap_or_else(|| EMULATOR_ACCOUNT.to_owned());
    let key = key.unwrap_or_else(|| EMULATOR_KEY.to_owned());
    let emulator = Endpoint::given(settings.emulator_url.as_ref()).unwrap_or(EMULATOR_URL);
    // An emulator has the account in the path instead of in the name of the host.
    let endpoint = format!("{emulator}/{account}");
    Ok((account, Some(key), Some(endpoint)))
}

pub(super) fn s3(bucket: &Bucket, settings: &S3Settings) -> Result<Built, OpenError> {
    let endpoint = Endpoint::given(settings.endpoint_url.as_ref());
    let key = Credential::given(settings.access_key_id.as_ref());
    let secret = Credential::given(settings.secret_access_key.as_ref());
    if key.is_some() != secret.is_some() {
        return Err(OpenError::Settings(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together; without both, the \
             identity of the workload or of the instance is used",
        ));
    }
    let region = given(settings.region.as_ref()).map_or("us-east-1", String::as_str);
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket.name())
        .with_region(region)
        // A name with dots would not match the certificate.
        .with_virtual_hosted_style_request(endpoint.is_none() && !bucket.name().contains('.'))
        // One object is removed at a time, and not every server has the call for many.
        .with_disable_bulk_delete(true)
        .with_client_options(client_options(endpoint))
        .with_retry(retries());
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let (Some(key), Some(secret)) = (key, secret) {
        builder = builder
            .with_access_key_id(key)
            .with_secret_access_key(secret);
        if let Some(token) = Credential::given(settings.session_token.as_ref()) {
            builder = builder.with_token(token);
        }
    }
    for (name, value) in identity(settings) {
        let key = name.parse().map_err(OpenError::Engine)?;
        builder = builder.with_config(key, value);
    }
    let store = builder.build().map_err(OpenError::Engine)?;
    let calls = Arc::new(store.clone());
    let cloud = Cloud {
        multipart: Some(Multipart::new(calls.clone(), bucket.prefix().clone())),
        links: Links::new(calls, bucket.prefix().clone(), true),
        emulator: None,
    };
    Ok(built(store, bucket, cloud))
}

/// Whom a workload on AWS is told to be, by the names that it is told so.
fn identity(settings: &S3Settings) -> Vec<(&'static str, String)> {
    let path =
        |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    [
        ("aws_role_arn", settings.role_arn.clone()),
        (
            "aws_web_identity_token_file",
            path(&settings.web_identity_token_file),
        ),
        (
            "aws_container_credentials_relative_uri",
            settings.container_credentials_relative_uri.clone(),
        ),
        (
            "aws_container_credentials_full_uri",
            settings.container_credentials_full_uri.clone(),
        ),
        (
            "aws_container_authorization_token_file",
            path(&settings.container_authorization_token_file),
        ),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)))
    .collect()
}

pub(super) fn gcs(bucket: &Bucket, settings: &GoogleSettings) -> Result<Built, OpenError> {
    let emulator = Endpoint::given(settings.emulator_host.as_ref());
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(bucket.name())
        .with_client_options(client_options(emulator))
        .with_retry(retries());
    if let Some(emulator) = emulator {
        builder = builder.with_base_url(emulator).with_skip_signature(true);
    }
    if let Some(key) = Credential::given(settings.service_account_key.as_ref()) {
        builder = builder.with_service_account_key(key);
    }
    if let Some(file) = &settings.application_credentials {
        builder = builder.with_application_credentials(file.display().to_string());
    }
    let store = builder.build().map_err(OpenError::Engine)?;
    let calls = Arc::new(store.clone());
    let cloud = Cloud {
        multipart: Some(Multipart::new(calls.clone(), bucket.prefix().clone())),
        links: Links::new(calls, bucket.prefix().clone(), true),
        emulator: None,
    };
    Ok(built(store, bucket, cloud))
}

fn built(store: impl ObjectStore, bucket: &Bucket, cloud: Cloud) -> Built {
    let prefix = bucket.prefix();
    let objects: Arc<dyn ObjectStore> = if prefix.as_ref().is_empty() {
        Arc::new(store)
    } else {
        Arc::new(PrefixStore::new(store, prefix.clone()))
    };
    Built {
        objects,
        engine: Engine::Cloud(Arc::new(cloud)),
    }
}
