//! What every handler has at hand.

use axum::http::HeaderValue;
use service_kit::client::ServiceClient;
use service_kit::secret::Secret;

use crate::clients::history::HistoryClient;
use crate::clients::metadata::MetadataClient;
use crate::clients::video_storage::VideoStorageClient;
use crate::clients::video_streaming::VideoStreamingClient;
use crate::config::Config;
use crate::development::Development;
use crate::owner::{Ownership, SignInAttempts};
use crate::pages;
use crate::viewer::ViewerCookies;

#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) metadata: MetadataClient,
    pub(crate) video_storage: VideoStorageClient,
    pub(crate) video_streaming: VideoStreamingClient,
    pub(crate) history: HistoryClient,
    pub(crate) viewers: ViewerCookies,
    pub(crate) ownership: Ownership,
    pub(crate) sign_in_attempts: SignInAttempts,
    pub(crate) max_video_bytes: u64,
    /// What the page may load.
    pub(crate) page_policy: HeaderValue,
    /// Only in development.
    pub(crate) development: Option<Development>,
}

impl Edge {
    pub(crate) fn new(config: &Config, key: &Secret, development: Option<Development>) -> Self {
        let client = |url: &_| ServiceClient::new(Clone::clone(url), &config.service_token);
        Self {
            metadata: MetadataClient(client(&config.metadata_url)),
            video_storage: VideoStorageClient(client(&config.video_storage_url)),
            video_streaming: VideoStreamingClient(client(&config.video_streaming_url)),
            history: HistoryClient(client(&config.history_url)),
            viewers: ViewerCookies::new(key),
            ownership: Ownership::new(config.public.owner_token.clone(), key),
            sign_in_attempts: SignInAttempts::default(),
            max_video_bytes: config.max_video_bytes,
            development,
            page_policy: pages::policy(config.public.media_origin.as_ref()),
        }
    }
}
