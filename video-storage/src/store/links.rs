//! Links to the store itself: addresses that carry the right to read one object for a while.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};

use super::{Object, QUESTION_TIME, Store, StoreError, failed, within};

/// Signs links with the credentials of the store.
#[derive(Clone, Debug)]
pub(super) struct Links {
    signer: Arc<dyn Signer>,
    /// The signer does not add the prefix of the store by itself.
    prefix: Path,
    /// Whether a link may say which media type is answered. Azure signs none; there it is the one
    /// that was written with the object.
    names_media_type: bool,
}

impl Links {
    pub(super) fn new(signer: Arc<dyn Signer>, prefix: Path, names_media_type: bool) -> Self {
        Self {
            signer,
            prefix,
            names_media_type,
        }
    }
}

/// A link. It is as good as the right to read the object, so it is not shown.
pub(crate) struct Link(String);

impl Link {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link(…)")
    }
}

impl Store {
    /// A link to read this object that is good for so long; `None` where there are no links.
    pub(crate) async fn link(
        &self,
        object: &Object,
        media_type: &str,
        good_for: Duration,
    ) -> Result<Option<Link>, StoreError> {
        let Some(links) = self.engine.links() else {
            return Ok(None);
        };
        let path: Path = links.prefix.parts().chain(object.path.parts()).collect();
        let mut options = SignedUrlOptions::default();
        if links.names_media_type {
            options = options.with_query([("response-content-type", media_type)]);
        }
        let signed = links
            .signer
            .signed_url_opts(Method::GET, &path, good_for, &options);
        // An identity without a key asks its cloud to sign.
        let signed = within(QUESTION_TIME, signed).await;
        signed
            .map(|url| Some(Link(url.to_string())))
            .map_err(|source| failed("sign a link to", object, source))
    }
}
