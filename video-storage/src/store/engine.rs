//! What differs between the engines, all of it.

mod azurite;
mod cloud;
mod folder;

use std::fs::File;
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;

use super::links::Links;
use super::parts::Multipart;
use super::settings::StoreSettings;
use super::{StoreError, StoreUrl};

const MIB: u64 = 1024 * 1024;
/// Writing to a disk gains nothing from larger parts, and uploads hold three each in memory.
const FILE_PART_BYTES: u64 = MIB;
/// S3 and Google Cloud Storage take no smaller part but the last
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
const CLOUD_PART_BYTES: u64 = 5 * MIB;
/// The most parts of an object on S3 and Google Cloud Storage. Azure takes 50,000 blocks, but one
/// rule is simpler than two.
const MOST_PARTS: u64 = 10_000;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder is not there and cannot be made, or is not writable.
    #[error("the folder {} for the videos cannot be used", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The lock is held.
    #[error(
        "another video-storage is using the folder {}; a folder serves one process",
        folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// A setting is missing or contradicts another.
    #[error("{0}")]
    Settings(&'static str),
    /// The engine refused its settings.
    #[error("the store cannot be opened with these settings")]
    Engine(#[source] object_store::Error),
    /// The marker could not be written.
    #[error("the store cannot be written to")]
    Mark(#[source] Box<StoreError>),
}

/// An engine that was built, and what it can besides holding objects.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) engine: Engine,
}

#[derive(Clone, Debug)]
pub(super) enum Engine {
    File {
        folder: Arc<FilePath>,
        /// Held until the service has stopped writing; the system drops it with the process.
        lock: Arc<File>,
    },
    Cloud(Arc<Cloud>),
    #[cfg(test)]
    Other,
}

/// What the port `ObjectStore` does not have, of a store in a cloud.
#[derive(Debug)]
pub(super) struct Cloud {
    /// `None` where the parts of a broken upload expire by themselves.
    multipart: Option<Multipart>,
    links: Links,
    /// Makes the container of an emulator.
    emulator: Option<azurite::Container>,
}

/// Builds the engine. Only a folder is touched by this: a cloud store need not be there yet.
pub(super) async fn build(url: &StoreUrl, settings: &StoreSettings) -> Result<Built, OpenError> {
    match url {
        StoreUrl::File(_) if settings.redirect_seconds > 0 => Err(OpenError::Settings(
            "STORE_REDIRECT_SECONDS is for stores in a cloud: nobody can be redirected to a folder; \
             leave it away, or set it to 0",
        )),
        StoreUrl::File(folder) => {
            let (folder, takes_over) = (folder.clone(), settings.take_over);
            let opened =
                tokio::task::spawn_blocking(move || folder::take(&folder, takes_over)).await;
            // The blocking task is not cancelled, so it can only have panicked.
            opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
        }
        StoreUrl::Azure(container) => cloud::azure(container, &settings.azure),
        StoreUrl::S3(bucket) => cloud::s3(bucket, &settings.s3),
        StoreUrl::Gcs(bucket) => cloud::gcs(bucket, &settings.google),
    }
}

impl StoreUrl {
    /// The objects at this URL, for programs that copy a store: without the lock of a folder, so
    /// that it may be read beside a running service, and without making the store ours. A folder
    /// is made if it is not there; a cloud store is not touched.
    pub fn open_objects(
        &self,
        settings: &StoreSettings,
    ) -> Result<Arc<dyn ObjectStore>, OpenError> {
        let built = match self {
            Self::File(folder) => return folder::objects(folder),
            Self::Azure(container) => cloud::azure(container, &settings.azure),
            Self::S3(bucket) => cloud::s3(bucket, &settings.s3),
            Self::Gcs(bucket) => cloud::gcs(bucket, &settings.google),
        };
        built.map(|built| built.objects)
    }
}

impl Engine {
    /// Lets another process have the store.
    pub(super) fn release(&self) {
        if let Self::File { folder, lock } = self
            && let Err(error) = lock.unlock()
        {
            let folder = folder.display();
            tracing::warn!(%folder, %error, "the lock of the store is held until the end");
        }
    }

    /// Whether no other process is writing into the store. One that took over asks until it is so;
    /// a store in a cloud is always shared, and knows no such time.
    pub(super) fn is_alone(&self) -> bool {
        match self {
            // Locking what is locked by this process already changes nothing.
            Self::File { lock, .. } => lock.try_lock().is_ok(),
            Self::Cloud(_) => true,
            #[cfg(test)]
            Self::Other => true,
        }
    }

    /// Whether other processes may use the store at the same time.
    pub(super) fn is_shared(&self) -> bool {
        match self {
            Self::File { .. } => false,
            Self::Cloud(_) => true,
            #[cfg(test)]
            Self::Other => true,
        }
    }

    /// Whether objects are listed in the order of their names.
    pub(super) fn lists_in_order(&self) -> bool {
        match self {
            Self::File { .. } => false,
            Self::Cloud(_) => true,
            #[cfg(test)]
            Self::Other => true,
        }
    }

    /// The size of the parts of an object that will have this many bytes at most.
    pub(super) fn part_bytes(&self, most_bytes: u64) -> usize {
        let bytes = match self {
            Self::File { .. } => FILE_PART_BYTES,
            Self::Cloud(_) => cloud_part_bytes(most_bytes),
            #[cfg(test)]
            Self::Other => FILE_PART_BYTES,
        };
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// How much room is left, where the engine can tell.
    pub(super) async fn available_bytes(&self) -> Option<u64> {
        let Self::File { folder, .. } = self else {
            return None;
        };
        let folder = Arc::clone(folder);
        let asked = tokio::task::spawn_blocking(move || rustix::fs::statvfs(&*folder));
        let found = asked.await.ok()?.ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    }

    /// The calls for uploads whose parts stay until they are aborted.
    pub(super) fn multipart(&self) -> Option<&Multipart> {
        match self {
            Self::Cloud(cloud) => cloud.multipart.as_ref(),
            Self::File { .. } => None,
            #[cfg(test)]
            Self::Other => None,
        }
    }

    pub(super) fn links(&self) -> Option<&Links> {
        match self {
            Self::Cloud(cloud) => Some(&cloud.links),
            Self::File { .. } => None,
            #[cfg(test)]
            Self::Other => None,
        }
    }

    /// Whether objects keep a media type beside their bytes.
    pub(super) fn has_media_types(&self) -> bool {
        matches!(self, Self::Cloud(_))
    }

    /// The container that the service has to make itself.
    pub(super) fn emulator(&self) -> Option<&azurite::Container> {
        match self {
            Self::Cloud(cloud) => cloud.emulator.as_ref(),
            Self::File { .. } => None,
            #[cfg(test)]
            Self::Other => None,
        }
    }
}

/// As small as the store allows, because uploads hold three parts each in memory, and as large as
/// it takes to stay within the number of parts.
fn cloud_part_bytes(most_bytes: u64) -> u64 {
    let whole_mib = most_bytes.div_ceil(MOST_PARTS).div_ceil(MIB) * MIB;
    whole_mib.max(CLOUD_PART_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_small_and_never_too_many() {
        const GIB: u64 = 1024 * MIB;
        for (most, part) in [
            (0, 5 * MIB),
            (16 * GIB, 5 * MIB),
            (MOST_PARTS * 5 * MIB, 5 * MIB),
            (MOST_PARTS * 5 * MIB + 1, 6 * MIB),
            (1024 * GIB, 105 * MIB),
        ] {
            assert_eq!(cloud_part_bytes(most), part, "{most}");
            assert!(most.div_ceil(part) <= MOST_PARTS, "{most}");
        }
    }
}
