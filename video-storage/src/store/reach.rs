//! Whether the store is there, and is ours.
//!
//! A store in a cloud need not be there when the service starts: until it has been reached once,
//! every call fails with [`StoreError::NotReached`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use object_store::{ObjectStore, ObjectStoreExt as _};
use serde::{Deserialize, Serialize};
use service_kit::context::Gate;
use service_kit::telemetry;
use tokio_util::sync::CancellationToken;

use super::engine::{self, Built, OpenError};
use super::settings::StoreSettings;
use super::{Object, QUESTION_TIME, Store, StoreError, StoreUrl, failed, within};

/// How often it is looked whether the store is there.
const CHECK_PERIOD: Duration = Duration::from_secs(2);

/// Whether the store was there once. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Reached(Arc<AtomicBool>);

#[derive(Serialize, Deserialize)]
struct MarkerDocument {
    schema: u32,
}

impl Store {
    /// Builds the client of the store and, if the store is there, makes it ours. A folder has to
    /// be there; of any other store it is only logged if it is not.
    pub(crate) async fn open(url: &StoreUrl, settings: &StoreSettings) -> Result<Self, OpenError> {
        let Built { objects, engine } = engine::build(url, settings).await?;
        let store = Self {
            objects,
            engine,
            reached: Reached::default(),
        };
        match store.reach(url).await {
            Ok(()) => {}
            Err(error) if matches!(url, StoreUrl::File(_)) => {
                return Err(OpenError::Mark(Box::new(error)));
            }
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::warn!(store = %url, error, "the store is not there yet");
            }
        }
        Ok(store)
    }

    /// A store on any engine, for tests that need one that fails.
    #[cfg(test)]
    pub(crate) async fn on(objects: Arc<dyn ObjectStore>) -> Self {
        let store = Self {
            objects,
            engine: engine::Engine::Other,
            reached: Reached::default(),
        };
        store.reach(&StoreUrl::File("test".into())).await.unwrap();
        store
    }

    /// Makes the store ours with its first call that succeeds.
    pub(super) async fn reach(&self, url: &StoreUrl) -> Result<(), StoreError> {
        let marker = Object::marker();
        if let Some(container) = self.engine.emulator() {
            let made = within(QUESTION_TIME, container.make()).await;
            made.map_err(|source| failed("make the container of", &marker, source))?;
        }
        let document = MarkerDocument { schema: 1 };
        match self.create_json_unreached(&marker, &document).await {
            Ok(_) => {
                self.reached.0.store(true, Ordering::Release);
                Ok(())
            }
            Err(StoreError::Unavailable {
                source: source @ object_store::Error::NotFound { .. },
                ..
            }) if is_about_the_bucket(&source) => Err(StoreError::NoBucket {
                url: url.to_string(),
                source: Box::new(source),
            }),
            Err(error) => Err(error),
        }
    }

    fn is_reached(&self) -> bool {
        self.reached.0.load(Ordering::Acquire)
    }

    /// The objects, once the store has been reached.
    pub(super) fn objects(&self) -> Result<&dyn ObjectStore, StoreError> {
        if self.is_reached() {
            Ok(&*self.objects)
        } else {
            Err(StoreError::NotReached)
        }
    }

    /// Whether the store answers and is ours.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        let marker = Object::marker();
        match within(QUESTION_TIME, self.objects()?.head(&marker.path)).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::NotFound { .. }) => Err(StoreError::Missing),
            Err(source) => Err(failed("find", &marker, source)),
        }
    }

    /// Looks after the store until shutdown: reaches it when it comes, and sets the gate of the
    /// readiness, so that probes need not touch it.
    pub(crate) async fn watch(&self, url: &StoreUrl, gate: &Gate, shutdown: CancellationToken) {
        let mut said = None;
        loop {
            let found = if self.is_reached() {
                self.check().await
            } else {
                self.reach(url).await
            };
            gate.set(found.is_ok());
            match found {
                Ok(()) => {
                    if said.take().is_some() {
                        tracing::info!("the store is available");
                    }
                }
                Err(error) => {
                    let error = telemetry::chain(&error);
                    // Once for each reason, not for each look.
                    if said.as_ref() != Some(&error) {
                        tracing::warn!(error, "the store is not available");
                        said = Some(error);
                    }
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(CHECK_PERIOD) => {}
            }
        }
    }
}

/// Some servers answer 404 also to keys that they do not know; the code in the answer tells.
fn is_about_the_bucket(error: &object_store::Error) -> bool {
    let text = telemetry::chain(error);
    ["NoSuchBucket", "ContainerNotFound"]
        .iter()
        .any(|code| text.contains(code))
}
