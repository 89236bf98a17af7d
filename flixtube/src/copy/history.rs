//! The history: copied after the catalogue, part by part.

use ::history::transfer::{History, Part, compare_page, copy_page};
use metadata::transfer::Catalogue;
use tokio_util::sync::CancellationToken;

use super::checksum::Checksum;
use super::progress::Progress;
use super::report::Tally;
use super::{CopyError, go_on};

/// What a comparison found.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Items of the source.
    pub(super) read: u64,
    pub(super) equal: u64,
    /// Items that are others in the copy: they have changed at the source since.
    pub(super) different: u64,
    /// Items that the copy does not have: they are new at the source.
    pub(super) missing: u64,
    /// Items that only the copy has: they went at the source since, such as old sessions.
    pub(super) extra: u64,
    pub(super) of_source: Checksum,
    pub(super) of_target: Checksum,
}

pub(super) async fn copy(
    from: &History,
    to: &History,
    catalogue: Option<&Catalogue>,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Tally, CopyError> {
    let stage = progress.items("history", from.estimate().await?);
    let mut tally = Tally::default();
    for part in Part::ALL {
        let mut after = None;
        loop {
            go_on(stop)?;
            let page = copy_page(from, to, part, after).await?;
            if let Some(catalogue) = catalogue {
                // The event that tells it may be on its way, and events are not copied.
                catalogue.raise_views(&page.highest).await?;
            }
            tally.read += page.read;
            tally.written += page.written;
            stage.add(page.read);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(tally)
}

pub(super) async fn compare(
    from: &History,
    to: &History,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Compared, CopyError> {
    let stage = progress.items("comparing the history", from.estimate().await?);
    let mut found = Compared::default();
    for part in Part::ALL {
        let mut after = None;
        loop {
            go_on(stop)?;
            let page = compare_page(from, to, part, after).await?;
            found.read += page.read;
            found.equal += page.equal;
            found.different += page.different;
            found.missing += page.missing;
            found.extra += page.extra;
            found.of_source.feed(&page.source_form);
            found.of_target.feed(&page.target_form);
            stage.add(page.read);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(found)
}
