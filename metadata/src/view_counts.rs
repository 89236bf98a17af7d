//! Brings the numbers of counted views into the catalogue.

use std::sync::Arc;

use async_trait::async_trait;
use events::{Envelope, Handled, Handler, ViewCounted};
use service_kit::telemetry::chain;

use crate::catalog::{Catalog, CatalogError, Change};
use crate::video::storable;

/// Handles `video.view-counted`. Idempotent and indifferent to order: the highest number wins. The
/// number of a video that is not registered yet is kept for it, so that no event has to wait.
pub(crate) struct ViewCounts {
    catalog: Arc<dyn Catalog>,
}

impl ViewCounts {
    /// A handler that writes to this catalogue.
    pub(crate) fn new(catalog: Arc<dyn Catalog>) -> Self {
        Self { catalog }
    }
}

#[async_trait]
impl Handler for ViewCounts {
    async fn handle(&self, envelope: &Envelope) -> Handled {
        let ViewCounted {
            session: _,
            video,
            number,
        } = match envelope.decode() {
            Ok(event) => event,
            Err(error) => return Handled::Rejected(chain(&error)),
        };
        // A number that no count reaches would stay the highest for ever.
        if let Err(error) = storable("number", number) {
            return Handled::Rejected(error.to_string());
        }
        match self.catalog.amend(video, Change::ViewNumber(number)).await {
            Ok(_) => Handled::Done,
            Err(error @ CatalogError::Unavailable { .. }) => Handled::Unavailable(Box::new(error)),
            Err(error @ CatalogError::Broken { .. }) => Handled::Failed(Box::new(error)),
        }
    }
}

#[cfg(test)]
mod tests;
