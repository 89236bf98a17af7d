//! The videos: their bytes, posters and records, and the idempotency keys.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use metadata::transfer::Catalogue;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use video_storage::transfer::{self, Blobs, Comparison, Moved, Standing, Target};

use super::catalogue::Compared;
use super::progress::Progress;
use super::{CopyError, go_on};

/// Videos whose standing is asked for at once.
const ASKED_AT_ONCE: usize = 256;

/// Videos that are moved at the same time; each holds three parts in memory at most.
const MOVED_AT_ONCE: usize = 4;

/// What was copied.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) copied: u64,
    pub(super) already_there: u64,
    /// Deleted before they were copied, or meanwhile.
    pub(super) gone: u64,
    /// Videos of which the source does not have what was uploaded, and what is wrong.
    pub(super) damaged: Vec<(Uuid, String)>,
    /// Idempotency keys that are still good.
    pub(super) keys: u64,
}

/// What the copy has in the end.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub(super) videos: u64,
    /// Videos that the copy lists and has no bytes of.
    pub(super) listed_without_bytes: Vec<Uuid>,
}

pub(super) async fn copy(
    from: &Blobs,
    to: &Target,
    catalogues: Option<&(Catalogue, Catalogue)>,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Done, CopyError> {
    let survey = from.survey().await?;
    let stage = progress.bytes("videos", survey.bytes);
    let mut done = Done::default();
    let mut chunks = from.videos().try_chunks(ASKED_AT_ONCE);
    while let Some(ids) = chunks.try_next().await.map_err(|error| error.1)? {
        go_on(stop)?;
        let standing = standing(catalogues, &ids).await?;
        let progress = |bytes| stage.add(bytes);
        let moves = ids.into_iter().zip(standing).map(|(id, standing)| {
            let progress = &progress;
            async move { (id, to.take(from, id, standing, progress, stop).await) }
        });
        let mut moves = stream::iter(moves).buffer_unordered(MOVED_AT_ONCE);
        let mut failed = None;
        while let Some((id, moved)) = moves.next().await {
            // What runs is let end in order also when one has failed.
            match moved {
                Ok(Moved::Copied) => done.copied += 1,
                Ok(Moved::AlreadyThere) => done.already_there += 1,
                Ok(Moved::Gone) => done.gone += 1,
                Ok(Moved::Damaged(why)) => done.damaged.push((id, why)),
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        if let Some(error) = failed {
            return Err(error.into());
        }
    }
    done.keys = to.take_keys(from, stop).await?;
    Ok(done)
}

/// What the catalogues say of these videos. A deletion that only the source knows counts already.
async fn standing(
    catalogues: Option<&(Catalogue, Catalogue)>,
    ids: &[Uuid],
) -> Result<Vec<Standing>, CopyError> {
    use metadata::transfer::Standing as Known;
    let Some((from, to)) = catalogues else {
        return Ok(vec![Standing::Listed; ids.len()]);
    };
    let (at_source, in_copy) = tokio::try_join!(from.standing(ids), to.standing(ids))?;
    let both = at_source.into_iter().zip(in_copy);
    let standing = both.map(|(at_source, in_copy)| match (at_source, in_copy) {
        (Known::Deleted, _) | (_, Known::Deleted) => Standing::Deleted,
        (_, Known::Listed) => Standing::Listed,
        (_, Known::Unknown) => Standing::Unlisted,
    });
    Ok(standing.collect())
}

pub(super) async fn compare(
    from: &Blobs,
    to: &Blobs,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Comparison, CopyError> {
    let stage = progress.bytes("comparing the videos", from.survey().await?.bytes);
    let progress = |bytes| stage.add(bytes);
    Ok(transfer::compare(from, to, &progress, stop).await?)
}

pub(super) async fn count(
    to: &Blobs,
    catalogue: Option<&Compared>,
    stop: &CancellationToken,
) -> Result<Count, CopyError> {
    go_on(stop)?;
    let with_bytes = transfer::ids(to.videos()).await?;
    let listed = catalogue.iter().flat_map(|compared| &compared.listed);
    let mut without: Vec<Uuid> = listed
        .filter(|id| !with_bytes.contains(id))
        .copied()
        .collect();
    without.sort();
    Ok(Count {
        videos: with_bytes.len() as u64,
        listed_without_bytes: without,
    })
}
