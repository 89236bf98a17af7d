//! What there is in the store: listed as a stream, so that its length does not matter.

use std::pin::Pin;

use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use object_store::ObjectMeta;
use object_store::path::Path;
use uuid::Uuid;

use super::{Object, Store, StoreError, failed, written_at};

/// What is kept under the id of a video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Folder {
    Videos,
    Records,
    Posters,
    Intents,
}

impl Folder {
    fn name(self) -> &'static str {
        match self {
            Self::Videos => "videos",
            Self::Records => "records",
            Self::Posters => "posters",
            Self::Intents => "intents",
        }
    }

    fn id_of(self, path: &Path) -> Option<Uuid> {
        let name = path.filename()?;
        let name = match self {
            Self::Videos | Self::Posters => name,
            Self::Records | Self::Intents => name.strip_suffix(".json")?,
        };
        Uuid::try_parse(name).ok()
    }
}

/// An object that was listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) id: Uuid,
    /// When it was written, by the clock of the store.
    pub(crate) written_at: Timestamp,
}

/// A listing that is read as it is needed.
pub(crate) type Listing<T> = Pin<Box<dyn Stream<Item = Result<T, StoreError>> + Send>>;

impl Store {
    /// What a folder holds, in no order. Names that are none of ours are left out.
    pub(crate) fn list(&self, folder: Folder) -> Listing<Listed> {
        self.list_objects(folder.name())
            .try_filter_map(move |meta| async move {
                let id = folder.id_of(&meta.location);
                let written_at = written_at(&meta);
                Ok(id.map(|id| Listed { id, written_at }))
            })
            .boxed()
    }

    /// The ids that have an intent.
    #[cfg(test)]
    pub(crate) async fn intents(&self) -> Result<Vec<Uuid>, StoreError> {
        let intents = self.list(Folder::Intents).map_ok(|intent| intent.id);
        intents.try_collect().await
    }

    /// The ids in a folder, in their order. A cloud store lists by name, which is that order; a
    /// file system in any, so there all ids are read first, at 16 bytes each.
    pub(crate) async fn list_in_order(&self, folder: Folder) -> Result<Listing<Uuid>, StoreError> {
        let ids = self.list(folder).map_ok(|listed| listed.id);
        if self.engine.lists_in_order() {
            return Ok(ids.boxed());
        }
        let mut ids: Vec<Uuid> = ids.try_collect().await?;
        ids.sort_unstable();
        Ok(stream::iter(ids).map(Ok).boxed())
    }

    /// The hashes of the idempotency keys that were written before this time.
    pub(crate) fn keys_before(&self, before: Timestamp) -> Listing<String> {
        self.list_objects("keys")
            .try_filter_map(move |meta| async move {
                let name = meta.location.filename();
                let hash = name.and_then(|name| name.strip_suffix(".json"));
                let is_old = written_at(&meta) < before;
                Ok(hash.filter(|_| is_old).map(str::to_owned))
            })
            .boxed()
    }

    fn list_objects(&self, folder: &str) -> Listing<ObjectMeta> {
        let object = Object::folder(folder);
        match self.objects() {
            Ok(objects) => objects
                .list(Some(&object.path))
                .map_err(move |source| failed("list", &object, source))
                .boxed(),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }
}
