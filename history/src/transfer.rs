//! Moving a whole view log from one store to another, of whatever engine; for `flixtube copy`.
//!
//! Both stores are read in pages, one part after the other, in the order of the keys and side by
//! side, so that memory is bounded, what is there already is not written again, and whatever was
//! interrupted goes on by being begun again. What is written is read back at once.

mod fill;
mod form;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use service_kit::merge::{Pair, SideBySide, side_by_side};
use uuid::Uuid;

use crate::config::ViewLogUrl;
use crate::view_log::ViewLogError;
use crate::view_log::mongodb::MongoViewLog;
use crate::view_log::sqlite::SqliteViewLog;
use crate::view_log::transfer::{Kept, Key, ViewLogTransfer};

pub use crate::view_log::transfer::Part;
pub use fill::Sample;

/// Why a view log could not be moved.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// There is no view log at the source.
    #[error("there is no history at {}", path.display())]
    NoViewLog {
        /// Where it should be.
        path: PathBuf,
    },
    /// A store failed.
    #[error("the history cannot be moved")]
    Store(#[from] ViewLogError),
    /// What was written does not read as it was written.
    #[error(
        "the target's history does not give back what was written to it; it is in use, or was used \
         since it was copied"
    )]
    NotKept,
}

/// A view log that is moved, or moved into.
#[derive(Clone)]
pub struct History {
    log: Arc<dyn ViewLogTransfer>,
}

/// Where a page begins, within its part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(Key);

/// What a page of a copy did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// How many items of the source it went through.
    pub read: u64,
    /// How many of them were new or had changed.
    pub written: u64,
    /// The highest number of counted views in it, of each video.
    pub highest: Vec<(Uuid, u64)>,
    /// Where the next page begins; `None` at the end of the part.
    pub next: Option<Place>,
}

/// What a page of a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// How many items of the source it went through.
    pub read: u64,
    /// Items that are the same on both sides.
    pub equal: u64,
    /// Items that are another in the target.
    pub different: u64,
    /// Items that the target lacks.
    pub missing: u64,
    /// Items that only the target has.
    pub extra: u64,
    /// What the source keeps, in the form that the checksum is taken of.
    pub source_form: Vec<u8>,
    /// What the target keeps, in the same form.
    pub target_form: Vec<u8>,
    /// Where the next page begins; `None` at the end of the part.
    pub next: Option<Place>,
}

impl History {
    /// Opens a view log, and makes it where it is missing.
    pub async fn open(url: &ViewLogUrl) -> Result<Self, TransferError> {
        let log: Arc<dyn ViewLogTransfer> = match url {
            ViewLogUrl::Sqlite(path) => Arc::new(SqliteViewLog::open(path).await?),
            ViewLogUrl::Mongodb(url) => Arc::new(MongoViewLog::open(url).await?),
        };
        Ok(Self { log })
    }

    /// Opens a view log that is there. A server is not asked whether a view log was ever kept in
    /// its database: one that is empty is as good as one that was never filled.
    pub async fn open_existing(url: &ViewLogUrl) -> Result<Self, TransferError> {
        match url {
            ViewLogUrl::Sqlite(path) if !path.exists() => {
                Err(TransferError::NoViewLog { path: path.clone() })
            }
            url => Self::open(url).await,
        }
    }

    /// About how many items there are.
    pub async fn estimate(&self) -> Result<u64, TransferError> {
        let mut all = 0;
        for part in Part::ALL {
            all += self.log.estimate(part).await?;
        }
        Ok(all)
    }

    /// Whether it keeps nothing.
    pub async fn is_empty(&self) -> Result<bool, TransferError> {
        for part in Part::ALL {
            let page = self.log.export(part, None, 1).await?;
            if !page.items.is_empty() || page.next.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Copies a page of a part.
pub async fn copy_page(
    source: &History,
    target: &History,
    part: Part,
    after: Option<Place>,
) -> Result<Copied, TransferError> {
    let SideBySide { pairs, next } = both(source, target, part, after.as_ref()).await?;
    let mut copied = Copied {
        next: next.map(Place),
        ..Copied::default()
    };
    let mut items = Vec::new();
    let mut highest = BTreeMap::new();
    for Pair {
        key: _,
        source,
        target,
    } in pairs
    {
        let Some(wanted) = source else { continue };
        copied.read += 1;
        if let Kept::View(view) = &wanted
            && view.counted.is_some()
        {
            let number = highest.entry(view.video).or_insert(view.number);
            *number = view.number.max(*number);
        }
        if target.as_ref() != Some(&wanted) {
            items.push(wanted);
        }
    }
    copied.highest = highest.into_iter().collect();
    copied.written = items.len() as u64;
    if !items.is_empty() {
        target.log.put(items.clone()).await?;
        read_back(target, part, after, items).await?;
    }
    Ok(copied)
}

/// Reads what was written, in as many pages as that takes now.
async fn read_back(
    target: &History,
    part: Part,
    after: Option<Place>,
    items: Vec<Kept>,
) -> Result<(), TransferError> {
    let mut left: BTreeMap<Key, Kept> = items.into_iter().map(|kept| (kept.key(), kept)).collect();
    let last = left.keys().next_back().cloned();
    let mut after = after.map(|Place(key)| key);
    loop {
        let page = target.log.export(part, after, page_of(part)).await?;
        for (key, kept) in page.items {
            if left.remove(&key).is_some_and(|wanted| wanted != kept) {
                return Err(TransferError::NotKept);
            }
        }
        after = page.next.filter(|next| Some(next) < last.as_ref());
        if after.is_none() {
            break;
        }
    }
    if left.is_empty() {
        Ok(())
    } else {
        Err(TransferError::NotKept)
    }
}

/// Compares a page of a part. Nothing is written.
pub async fn compare_page(
    source: &History,
    target: &History,
    part: Part,
    after: Option<Place>,
) -> Result<Compared, TransferError> {
    let SideBySide { pairs, next } = both(source, target, part, after.as_ref()).await?;
    let mut compared = Compared {
        next: next.map(Place),
        ..Compared::default()
    };
    for Pair {
        key: _,
        source,
        target,
    } in pairs
    {
        if let Some(kept) = &source {
            compared.read += 1;
            form::write(kept, &mut compared.source_form);
        }
        if let Some(kept) = &target {
            form::write(kept, &mut compared.target_form);
        }
        match (source, target) {
            (Some(source), Some(target)) if source == target => compared.equal += 1,
            (Some(_), Some(_)) => compared.different += 1,
            (Some(_), None) => compared.missing += 1,
            (None, _) => compared.extra += 1,
        }
    }
    Ok(compared)
}

async fn both(
    source: &History,
    target: &History,
    part: Part,
    after: Option<&Place>,
) -> Result<SideBySide<Key, Kept>, TransferError> {
    let after = || after.map(|Place(key)| key.clone());
    let (source, target) = tokio::try_join!(
        source.log.export(part, after(), page_of(part)),
        target.log.export(part, after(), page_of(part)),
    )?;
    Ok(side_by_side(source, target))
}

/// How many items are held at once of each side. Sessions are larger than the others.
fn page_of(part: Part) -> usize {
    match part {
        Part::Sessions | Part::Streams => 100,
        Part::Entries | Part::Views | Part::Viewers | Part::DeletedVideos => 500,
    }
}
