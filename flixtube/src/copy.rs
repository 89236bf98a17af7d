//! The tool that copies everything (keys, catalogue, videos, history) from one set of engines to
//! another, in any direction: to grow, to back up, to restore.
//!
//! What lies where is the business of the room that owns it (`metadata::transfer`,
//! `video_storage::transfer`, `history::transfer`). This module brings them into an order in which
//! the copy is right whatever the source's own services do meanwhile:
//!
//! 1. **Keys.** They never change.
//! 2. **Catalogue.** It decides which videos the copy lists.
//! 3. **Videos**, after it: what the catalogue listed had its bytes then. One that was deleted since
//!    has a tombstone, which step 5 finds; one that was uploaded since has an intent in the copy, by
//!    which the service that is started on it puts it into the catalogue.
//! 4. **History**, after the catalogue: the catalogue of the copy is told the highest number of each
//!    video's views, as the events on their way would have.
//! 5. **Catalogue again**, compared and not copied: deletions since are taken over, bytes and all.
//! 6. **History again**, compared, and the videos counted.
//!
//! | module | owns |
//! |---|---|
//! | `settings` | from where to where |
//! | `keys` | the key files |
//! | `catalogue`, `videos`, `history` | one step each, by the pages of the room |
//! | `progress` | what is shown meanwhile |
//! | `report` | what is said at the end |

mod catalogue;
mod checksum;
mod history;
mod keys;
mod progress;
mod report;
mod settings;
mod videos;

use std::path::{Path, PathBuf};

use ::history::transfer::History;
use events::embedded::{EmbeddedBus, Left};
use metadata::transfer::Catalogue;
use service_kit::sqlite::DatabaseError;
use tokio_util::sync::CancellationToken;
use video_storage::transfer::{Blobs, Target};

pub use self::keys::KeyError;
pub use self::report::Report;
pub use self::settings::{Part, Settings, SettingsError};

use self::progress::Progress;
use self::settings::Plan;
use crate::data_folder::{DataFolder, DataFolderError};

/// Why nothing was copied, or not everything.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The settings do not say what to do.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The data folder that is copied into is in use.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// The folder has no data.
    #[error("there is no data folder {}", path.display())]
    NoData {
        /// The folder.
        path: PathBuf,
    },
    /// The keys could not be copied.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The catalogue could not be copied.
    #[error(transparent)]
    Catalogue(#[from] metadata::transfer::TransferError),
    /// The history could not be copied.
    #[error(transparent)]
    History(#[from] ::history::transfer::TransferError),
    /// The videos could not be copied.
    #[error(transparent)]
    Videos(video_storage::transfer::TransferError),
    /// The event bus of the source could not be looked into.
    #[error("cannot look for waiting events in {}", path.display())]
    Events {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DatabaseError,
    },
    /// Events wait at a source that nothing runs on, so nobody will ever take them.
    #[error(
        "{} events wait in {}, and events are not copied: start FlixTube on the source once more \
         until none wait, or leave them behind with --without-events",
        left.waiting, path.display()
    )]
    EventsWait {
        /// The file of the bus.
        path: PathBuf,
        /// What is in it.
        left: Left,
    },
    /// The target holds what the source never had.
    #[error(
        "the target's {what} is not an earlier copy of this source: {why}; nothing was written. \
         Copy into an empty target, or empty this one first"
    )]
    Foreign {
        /// The part.
        what: &'static str,
        /// How that shows.
        why: String,
    },
    /// Somebody stopped it.
    #[error("interrupted; what was copied stays, and the same command goes on from there")]
    Interrupted,
}

impl From<video_storage::transfer::TransferError> for CopyError {
    fn from(error: video_storage::transfer::TransferError) -> Self {
        match error {
            video_storage::transfer::TransferError::Stopped => Self::Interrupted,
            error => Self::Videos(error),
        }
    }
}

/// The opened stores of both sides; what is not copied is not opened.
struct Opened {
    catalogues: Option<(Catalogue, Catalogue)>,
    histories: Option<(History, History)>,
    stores: Option<(Blobs, Place)>,
}

/// Where videos are copied to.
enum Place {
    /// It is written to, and locked where that can be.
    Filled(Box<Target>),
    /// It is only compared.
    Read(Blobs),
}

impl Place {
    fn blobs(&self) -> &Blobs {
        match self {
            Self::Filled(target) => target.blobs(),
            Self::Read(blobs) => blobs,
        }
    }
}

/// Copies and verifies, or only verifies; the report says what was done and found.
pub async fn run(settings: &Settings, stop: &CancellationToken) -> Result<Report, CopyError> {
    let plan = settings.plan()?;
    let mut report = Report::new(plan.verify_only);
    if let Some(folder) = &plan.from_data {
        report.left = look_for_events(folder, settings.without_events || plan.verify_only).await?;
    }
    // Held until the end, so that no FlixTube starts on a half copy.
    let _target_folder = match &plan.to_data {
        Some(folder) if !plan.verify_only => Some(DataFolder::take(folder)?),
        _ => None,
    };
    if let Some((from, to)) = &plan.keys {
        report.keys = Some(keys::check(from, to)?);
    }
    let opened = open(&plan).await?;
    let progress = Progress::new();
    if plan.verify_only {
        verify(&opened, &progress, stop, &mut report).await?;
    } else {
        refuse_foreign(&opened, stop).await?;
        if let (Some((from, to)), Some(found)) = (&plan.keys, &report.keys) {
            keys::copy(from, to, found)?;
        }
        copy(&opened, &progress, stop, &mut report).await?;
    }
    if let Some((_, Place::Filled(target))) = opened.stores {
        target.release();
    }
    Ok(report)
}

async fn open(plan: &Plan) -> Result<Opened, CopyError> {
    let catalogues = match &plan.catalogue {
        Some((from, to)) => {
            let from = Catalogue::open_existing(from).await?;
            let to = if plan.verify_only {
                Catalogue::open_existing(to).await?
            } else {
                Catalogue::open(to).await?
            };
            Some((from, to))
        }
        None => None,
    };
    let histories = match &plan.history {
        Some((from, to)) => {
            let from = History::open_existing(from).await?;
            let to = if plan.verify_only {
                History::open_existing(to).await?
            } else {
                History::open(to).await?
            };
            Some((from, to))
        }
        None => None,
    };
    let stores = match &plan.videos {
        Some((from, to)) => {
            let from = Blobs::open(&from.url, &from.settings).await?;
            let to = if plan.verify_only {
                Place::Read(Blobs::open(&to.url, &to.settings).await?)
            } else {
                Place::Filled(Box::new(Target::open(&to.url, &to.settings).await?))
            };
            Some((from, to))
        }
        None => None,
    };
    Ok(Opened {
        catalogues,
        histories,
        stores,
    })
}

/// What the source never had was not copied from there, and would be mixed with what is.
async fn refuse_foreign(opened: &Opened, stop: &CancellationToken) -> Result<(), CopyError> {
    let Some((from, to)) = &opened.catalogues else {
        return Ok(());
    };
    catalogue::refuse_foreign(from, to, stop).await?;
    if let Some((_, log)) = &opened.histories
        && to.is_empty().await?
        && !from.is_empty().await?
        && !log.is_empty().await?
    {
        return Err(CopyError::Foreign {
            what: "history",
            why: "it is not empty, and the catalogue beside it is".to_owned(),
        });
    }
    Ok(())
}

async fn copy(
    opened: &Opened,
    progress: &Progress,
    stop: &CancellationToken,
    report: &mut Report,
) -> Result<(), CopyError> {
    if let Some((from, to)) = &opened.catalogues {
        report.catalogue.copied = catalogue::copy(from, to, progress, stop).await?;
    }
    if let Some((from, Place::Filled(to))) = &opened.stores {
        let catalogues = opened.catalogues.as_ref();
        report.videos.copied = Some(videos::copy(from, to, catalogues, progress, stop).await?);
    }
    if let Some((from, to)) = &opened.histories {
        let catalogue = opened.catalogues.as_ref().map(|(_, to)| to);
        report.history.copied = history::copy(from, to, catalogue, progress, stop).await?;
    }
    // Once more from the beginning: what has changed at the source meanwhile?
    if let Some((from, to)) = &opened.catalogues {
        let store = match &opened.stores {
            Some((_, Place::Filled(target))) => Some(&**target),
            _ => None,
        };
        let compared = catalogue::settle(from, to, store, progress, stop).await?;
        report.catalogue.compared = Some(compared);
    }
    if let Some((from, to)) = &opened.histories {
        report.history.compared = Some(history::compare(from, to, progress, stop).await?);
    }
    if let Some((_, to)) = &opened.stores {
        let listed = report.catalogue.compared.as_ref();
        let count = videos::count(to.blobs(), listed, stop).await?;
        report.videos.count = Some(count);
    }
    Ok(())
}

async fn verify(
    opened: &Opened,
    progress: &Progress,
    stop: &CancellationToken,
    report: &mut Report,
) -> Result<(), CopyError> {
    if let Some((from, to)) = &opened.catalogues {
        report.catalogue.compared = Some(catalogue::compare(from, to, progress, stop).await?);
    }
    if let Some((from, to)) = &opened.histories {
        report.history.compared = Some(history::compare(from, to, progress, stop).await?);
    }
    if let Some((from, to)) = &opened.stores {
        let to = to.blobs();
        report.videos.compared = Some(videos::compare(from, to, progress, stop).await?);
        let listed = report.catalogue.compared.as_ref();
        report.videos.count = Some(videos::count(to, listed, stop).await?);
    }
    Ok(())
}

/// Events are not copied. Beside a running system there are always some on their way; at a source
/// that nothing runs on, each of them is a beat, a view or a deletion that would be lost.
async fn look_for_events(folder: &Path, may_be_left: bool) -> Result<Option<Left>, CopyError> {
    if !folder.is_dir() {
        return Err(CopyError::NoData {
            path: folder.to_owned(),
        });
    }
    let path = folder.join("events.db");
    if !path.exists() {
        return Ok(None);
    }
    let is_running = DataFolder::is_taken(folder);
    let look = async { EmbeddedBus::open(&path).await?.left().await };
    let left = look.await.map_err(|source| CopyError::Events {
        path: path.clone(),
        source,
    })?;
    if left.waiting > 0 && !is_running && !may_be_left {
        return Err(CopyError::EventsWait { path, left });
    }
    Ok((left != Left::default()).then_some(left))
}

/// It was told to stop.
struct Stopped;

impl From<Stopped> for CopyError {
    fn from(Stopped: Stopped) -> Self {
        Self::Interrupted
    }
}

fn go_on(stop: &CancellationToken) -> Result<(), Stopped> {
    if stop.is_cancelled() {
        Err(Stopped)
    } else {
        Ok(())
    }
}
