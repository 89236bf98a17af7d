//! A store in memory that fails on demand, for tests.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UploadPart,
};

/// What fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// Writing the parts of an object, as on a full disk.
    FullDisk,
    /// Making a complete object appear.
    Completion,
    /// Writing objects whose name begins so.
    Write(&'static str),
    /// Reading.
    Read,
    /// Reading, after half of the bytes.
    HalfRead,
    /// Reading begins, and then nothing comes.
    SilentRead,
}

/// The store. Clones share the objects and the fault.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultyStore {
    objects: Arc<InMemory>,
    fault: Arc<Mutex<Fault>>,
}

impl FaultyStore {
    pub(crate) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap()
    }

    /// The names of all objects but the marker.
    pub(crate) async fn names(&self) -> Vec<String> {
        let listed: Vec<ObjectMeta> = self.objects.list(None).try_collect().await.unwrap();
        let names = listed.into_iter().map(|meta| meta.location.to_string());
        names.filter(|name| name != "store.json").collect()
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyStore")
    }
}

fn broken(kind: io::ErrorKind) -> Error {
    Error::Generic {
        store: "faulty",
        source: Box::new(io::Error::from(kind)),
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        if let Fault::Write(prefix) = self.fault()
            && location.as_ref().starts_with(prefix)
        {
            return Err(broken(io::ErrorKind::TimedOut));
        }
        self.objects.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.objects.put_multipart_opts(location, options).await?;
        Ok(Box::new(FaultyUpload {
            upload,
            fault: self.fault(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut found = self.objects.get_opts(location, options).await?;
        if !location.as_ref().starts_with("videos/") {
            return Ok(found);
        }
        let GetResultPayload::Stream(bytes) = found.payload else {
            panic!("memory is read as a stream");
        };
        found.payload = GetResultPayload::Stream(match self.fault() {
            Fault::Read => return Err(broken(io::ErrorKind::ConnectionReset)),
            Fault::HalfRead => {
                let half = usize::try_from(found.range.end - found.range.start).unwrap() / 2;
                let bytes = bytes.map_ok(move |bytes| bytes.slice(..half));
                let end = stream::once(async { Err(broken(io::ErrorKind::ConnectionReset)) });
                bytes.chain(end).boxed()
            }
            Fault::SilentRead => stream::pending().boxed(),
            _ => bytes,
        });
        Ok(found)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.objects.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct FaultyUpload {
    upload: Box<dyn MultipartUpload>,
    fault: Fault,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        if self.fault == Fault::FullDisk {
            return async { Err(broken(io::ErrorKind::StorageFull)) }.boxed();
        }
        self.upload.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        if self.fault == Fault::Completion {
            return Err(broken(io::ErrorKind::TimedOut));
        }
        self.upload.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}
