//! The catalogue: copied first, and compared last.

use std::collections::HashSet;

use metadata::transfer::{Catalogue, compare_page, copy_page};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use video_storage::transfer::Target;

use super::checksum::Checksum;
use super::progress::Progress;
use super::report::Tally;
use super::{CopyError, go_on};

/// What a comparison found.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Ids of the source.
    pub(super) read: u64,
    pub(super) equal: u64,
    /// Ids that the copy has in another state: they have changed at the source since.
    pub(super) different: u64,
    /// Ids that the copy does not have: they are new at the source.
    pub(super) missing: u64,
    /// Ids that only the copy has.
    pub(super) foreign: u64,
    /// Deletions that were taken over in the end.
    pub(super) deleted_since: u64,
    /// Videos that the copy lists.
    pub(super) listed: HashSet<Uuid>,
    pub(super) of_source: Checksum,
    pub(super) of_target: Checksum,
}

pub(super) async fn refuse_foreign(
    from: &Catalogue,
    to: &Catalogue,
    stop: &CancellationToken,
) -> Result<(), CopyError> {
    if to.is_empty().await? {
        return Ok(());
    }
    let mut after = None;
    loop {
        go_on(stop)?;
        let page = compare_page(from, to, after).await?;
        if let Some(id) = page.foreign.first() {
            return Err(CopyError::Foreign {
                what: "catalogue",
                why: format!("it knows the video {id}, which the source never had"),
            });
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

pub(super) async fn copy(
    from: &Catalogue,
    to: &Catalogue,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Tally, CopyError> {
    let stage = progress.items("catalogue", from.estimate().await?);
    let mut tally = Tally::default();
    let mut after = None;
    loop {
        go_on(stop)?;
        let page = copy_page(from, to, after).await?;
        tally.read += page.read;
        tally.written += page.written;
        stage.add(page.read);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(tally)
}

/// Compares, and takes over what was deleted at the source meanwhile: first the bytes, so that an
/// interruption leaves a tombstone to be found again.
pub(super) async fn settle(
    from: &Catalogue,
    to: &Catalogue,
    store: Option<&Target>,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Compared, CopyError> {
    let mut deleted_since = 0;
    let mut after = None;
    loop {
        go_on(stop)?;
        let page = compare_page(from, to, after).await?;
        for id in &page.deleted_since {
            if let Some(store) = store {
                store.remove(*id).await?;
            }
        }
        to.take_deletions(from, &page.deleted_since).await?;
        deleted_since += page.deleted_since.len() as u64;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let compared = compare(from, to, progress, stop).await?;
    Ok(Compared {
        deleted_since,
        ..compared
    })
}

pub(super) async fn compare(
    from: &Catalogue,
    to: &Catalogue,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Compared, CopyError> {
    let stage = progress.items("comparing the catalogue", from.estimate().await?);
    let mut found = Compared::default();
    let mut after = None;
    loop {
        go_on(stop)?;
        let page = compare_page(from, to, after).await?;
        found.read += page.read;
        found.equal += page.equal;
        found.different += page.different.len() as u64;
        found.missing += page.missing.len() as u64;
        found.foreign += page.foreign.len() as u64;
        found.listed.extend(page.listed);
        found.of_source.feed(&page.source_form);
        found.of_target.feed(&page.target_form);
        stage.add(page.read);
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}
