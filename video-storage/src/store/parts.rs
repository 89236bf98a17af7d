//! Objects in parts on stores that keep the parts of a broken upload, and bill them, until somebody
//! aborts it: S3 and Google Cloud Storage.
//!
//! Such an upload has an id that only its maker is told. So it is noted in the store before the
//! first part, in `parts/{id}.json`, and whoever removes the object aborts what is noted. A process
//! that is killed between the beginning and the note leaves an upload without any part; a lifecycle
//! rule of the bucket takes that away.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    Error, MultipartId, MultipartUpload, PutMultipartOptions, PutPayload, PutResult, Result,
    UploadPart,
};
use serde::{Deserialize, Serialize};

use super::{Object, Store, StoreError, failed};

/// The calls for uploads in parts, which do not add the prefix of the store by themselves.
#[derive(Clone, Debug)]
pub(super) struct Multipart {
    calls: Calls,
    prefix: Path,
}

#[derive(Serialize, Deserialize)]
struct PartsDocument {
    schema: u32,
    upload: MultipartId,
}

impl Multipart {
    pub(super) fn new(calls: Arc<dyn MultipartStore>, prefix: Path) -> Self {
        let calls = Calls(calls);
        Self { calls, prefix }
    }

    fn full(&self, path: &Path) -> Path {
        self.prefix.parts().chain(path.parts()).collect()
    }

    /// Begins an upload and notes it.
    pub(super) async fn begin(
        &self,
        store: &Store,
        object: &Object,
        options: PutMultipartOptions,
    ) -> std::result::Result<NotedUpload, StoreError> {
        let path = self.full(&object.path);
        let begun = self.calls.0.create_multipart_opts(&path, options).await;
        let id = begun.map_err(|source| failed("begin", object, source))?;
        let mut upload = NotedUpload {
            store: store.clone(),
            calls: self.calls.clone(),
            path,
            id: id.clone(),
            note: Object::parts(object),
            begun: 0,
            done: Arc::default(),
        };
        let document = PartsDocument {
            schema: 1,
            upload: id,
        };
        if let Err(error) = store.put_json(&upload.note, &document).await {
            // Nobody will know of it any more.
            let _ = upload.abort().await;
            return Err(error);
        }
        Ok(upload)
    }

    /// Aborts the upload of an object that is noted, if one is.
    pub(super) async fn abort_noted(
        &self,
        store: &Store,
        object: &Object,
    ) -> std::result::Result<(), StoreError> {
        let note = Object::parts(object);
        let Some(document) = store.get_json::<PartsDocument>(&note).await? else {
            return Ok(());
        };
        let path = self.full(&object.path);
        let aborted = self.calls.0.abort_multipart(&path, &document.upload);
        match aborted.await {
            // Not found: it was completed or aborted.
            Ok(()) | Err(Error::NotFound { .. }) => store.remove_object(&note).await,
            Err(source) => Err(failed("abort the upload of", object, source)),
        }
    }
}

/// An upload that is noted in the store until it has ended.
#[derive(Debug)]
pub(super) struct NotedUpload {
    store: Store,
    calls: Calls,
    path: Path,
    id: MultipartId,
    note: Object,
    begun: usize,
    done: Arc<Mutex<Vec<(usize, PartId)>>>,
}

impl NotedUpload {
    async fn forget(&self) {
        if let Err(error) = self.store.remove_object(&self.note).await {
            // Whoever removes the object finds it, and that there is nothing to abort.
            tracing::debug!(%error, "the note of an ended upload stays");
        }
    }
}

#[async_trait]
impl MultipartUpload for NotedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let index = self.begun;
        self.begun += 1;
        let calls = self.calls.clone();
        let (path, id) = (self.path.clone(), self.id.clone());
        let done = Arc::clone(&self.done);
        Box::pin(async move {
            let part = calls.0.put_part(&path, &id, index, data).await?;
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.push((index, part));
            Ok(())
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let mut parts = {
            let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *done)
        };
        parts.sort_unstable_by_key(|(index, _)| *index);
        if parts.len() != self.begun {
            return Err(Error::Generic {
                store: "blob store",
                source: "a part of the object is missing".into(),
            });
        }
        let parts = parts.into_iter().map(|(_, part)| part).collect();
        let completed = self.calls.0.complete_multipart(&self.path, &self.id, parts);
        let completed = completed.await?;
        self.forget().await;
        Ok(completed)
    }

    async fn abort(&mut self) -> Result<()> {
        match self.calls.0.abort_multipart(&self.path, &self.id).await {
            Ok(()) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        self.forget().await;
        Ok(())
    }
}

/// The calls, which cannot be shown.
#[derive(Clone)]
struct Calls(Arc<dyn MultipartStore>);

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Calls")
    }
}
