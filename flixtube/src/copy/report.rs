//! What is said at the end.

use std::fmt;

use events::embedded::Left;
use uuid::Uuid;
use video_storage::transfer::Comparison;

use super::{catalogue, history, keys, videos};

/// Of a list of what is wrong, this much is told by name.
const NAMED: usize = 20;

/// What was done and found.
#[derive(Debug)]
pub struct Report {
    verify_only: bool,
    pub(super) keys: Option<keys::Found>,
    pub(super) catalogue: OfCatalogue,
    pub(super) videos: OfVideos,
    pub(super) history: OfHistory,
    /// What the bus of the source still holds.
    pub(super) left: Option<Left>,
}

/// How much was gone through, and how much of it was written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) read: u64,
    pub(super) written: u64,
}

#[derive(Debug, Default)]
pub(super) struct OfCatalogue {
    pub(super) copied: Tally,
    pub(super) compared: Option<catalogue::Compared>,
}

#[derive(Debug, Default)]
pub(super) struct OfHistory {
    pub(super) copied: Tally,
    pub(super) compared: Option<history::Compared>,
}

#[derive(Debug, Default)]
pub(super) struct OfVideos {
    pub(super) copied: Option<videos::Done>,
    pub(super) compared: Option<Comparison>,
    pub(super) count: Option<videos::Count>,
}

impl Report {
    pub(super) fn new(verify_only: bool) -> Self {
        Self {
            verify_only,
            keys: None,
            catalogue: OfCatalogue::default(),
            videos: OfVideos::default(),
            history: OfHistory::default(),
            left: None,
        }
    }

    /// Whether everything is as it should be. What has changed at the source during a copy is:
    /// everything that was copied was read back. After a mere comparison nothing may differ.
    pub fn is_whole(&self) -> bool {
        let Self {
            verify_only,
            keys,
            catalogue,
            videos,
            history,
            left: _,
        } = self;
        let no_damage = videos
            .copied
            .as_ref()
            .is_none_or(|copied| copied.damaged.is_empty());
        let all_bytes = videos
            .count
            .as_ref()
            .is_none_or(|count| count.listed_without_bytes.is_empty());
        if !verify_only {
            return no_damage && all_bytes;
        }
        let same_keys = keys.as_ref().is_none_or(|keys| keys.new.is_empty());
        let same_catalogue = catalogue
            .compared
            .as_ref()
            .is_none_or(|compared| compared.different + compared.missing + compared.foreign == 0);
        let same_history = history
            .compared
            .as_ref()
            .is_none_or(|compared| compared.different + compared.missing == 0);
        let same_videos = videos
            .compared
            .as_ref()
            .is_none_or(|compared| compared.different.is_empty() && compared.damaged == 0);
        all_bytes && same_keys && same_catalogue && same_history && same_videos
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            verify_only,
            keys,
            catalogue,
            videos,
            history,
            left,
        } = self;
        if let Some(found) = keys {
            let (new, known) = (found.new.len(), found.known.len());
            let new_is = if *verify_only { "missing" } else { "copied" };
            writeln!(f, "keys: {new} {new_is}, {known} there already")?;
        }
        if let Some(compared) = &catalogue.compared {
            write!(f, "catalogue: ")?;
            self.write_tally(f, catalogue.copied, compared.read)?;
            catalogue_compared(f, compared)?;
        }
        if let Some(copied) = &videos.copied {
            videos_copied(f, copied)?;
        }
        if let Some(compared) = &videos.compared {
            videos_compared(f, compared)?;
        }
        if let Some(count) = &videos.count {
            writeln!(
                f,
                "  {} videos have their bytes in the target",
                count.videos
            )?;
            named(
                f,
                "listed there without bytes",
                count.listed_without_bytes.iter().map(Uuid::to_string),
            )?;
        }
        if let Some(compared) = &history.compared {
            write!(f, "history: ")?;
            self.write_tally(f, history.copied, compared.read)?;
            history_compared(f, compared)?;
        }
        if let Some(Left {
            waiting,
            dead_letters,
        }) = left
        {
            writeln!(
                f,
                "events are not copied: {waiting} were waiting at the source, and {dead_letters} \
                 dead letters lie there"
            )?;
        }
        let verdict = match (verify_only, self.is_whole()) {
            (false, true) => "everything that was copied was read back and is as it was written",
            (false, false) => "something is missing, see above; the rest was copied and verified",
            (true, true) => "both sides hold the same",
            (true, false) => "the sides differ, see above",
        };
        writeln!(f, "{verdict}")
    }
}

impl Report {
    fn write_tally(&self, f: &mut fmt::Formatter<'_>, tally: Tally, read: u64) -> fmt::Result {
        if self.verify_only {
            return writeln!(f, "{read} compared");
        }
        let there = tally.read - tally.written;
        writeln!(f, "{} written, {there} there already", tally.written)
    }
}

fn catalogue_compared(f: &mut fmt::Formatter<'_>, compared: &catalogue::Compared) -> fmt::Result {
    let catalogue::Compared {
        read: _,
        equal,
        different,
        missing,
        foreign,
        deleted_since,
        listed,
        of_source,
        of_target,
    } = compared;
    writeln!(f, "  {} videos are listed in the target", listed.len())?;
    differences(f, *equal, *different, *missing)?;
    if *deleted_since > 0 {
        writeln!(
            f,
            "  {deleted_since} were deleted meanwhile, in the target as well"
        )?;
    }
    if *foreign > 0 {
        writeln!(f, "  {foreign} are in the target only")?;
    }
    checksums(f, of_source == of_target, of_source, of_target)
}

fn history_compared(f: &mut fmt::Formatter<'_>, compared: &history::Compared) -> fmt::Result {
    let history::Compared {
        read: _,
        equal,
        different,
        missing,
        extra,
        of_source,
        of_target,
    } = compared;
    differences(f, *equal, *different, *missing)?;
    if *extra > 0 {
        writeln!(f, "  {extra} are in the target only, from an earlier copy")?;
    }
    checksums(f, of_source == of_target, of_source, of_target)
}

fn differences(
    f: &mut fmt::Formatter<'_>,
    equal: u64,
    different: u64,
    missing: u64,
) -> fmt::Result {
    writeln!(f, "  {equal} are equal on both sides")?;
    if different + missing > 0 {
        writeln!(
            f,
            "  {different} are another at the source by now, and {missing} are new there"
        )?;
    }
    Ok(())
}

fn checksums(
    f: &mut fmt::Formatter<'_>,
    same: bool,
    of_source: &dyn fmt::Display,
    of_target: &dyn fmt::Display,
) -> fmt::Result {
    if same {
        writeln!(f, "  SHA-256 of both: {of_source}")
    } else {
        writeln!(f, "  SHA-256 of the source: {of_source}")?;
        writeln!(f, "  SHA-256 of the target: {of_target}")
    }
}

fn videos_copied(f: &mut fmt::Formatter<'_>, done: &videos::Done) -> fmt::Result {
    let videos::Done {
        copied,
        already_there,
        gone,
        damaged,
        keys,
    } = done;
    writeln!(
        f,
        "videos: {copied} copied and read back, {already_there} there already"
    )?;
    if *gone > 0 {
        writeln!(f, "  {gone} are deleted, and were left out")?;
    }
    if *keys > 0 {
        writeln!(
            f,
            "  {keys} idempotency keys are still good, and in the target"
        )?;
    }
    let damaged = damaged.iter().map(|(id, why)| format!("{id}: {why}"));
    named(f, "not in the source as they were uploaded", damaged)
}

fn videos_compared(f: &mut fmt::Formatter<'_>, compared: &Comparison) -> fmt::Result {
    let Comparison {
        equal,
        bytes,
        different,
        extra,
        damaged,
    } = compared;
    writeln!(
        f,
        "videos: {equal} are equal on both sides, by the SHA-256 of their {bytes} bytes"
    )?;
    if *extra > 0 {
        writeln!(f, "  {extra} are in the target only")?;
    }
    if *damaged > 0 {
        writeln!(f, "  {damaged} are not in the source as they were uploaded")?;
    }
    let different = different.iter().map(Uuid::to_string);
    named(f, "missing in the target, or another there", different)
}

fn named(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    names: impl ExactSizeIterator<Item = String>,
) -> fmt::Result {
    let count = names.len();
    if count == 0 {
        return Ok(());
    }
    writeln!(f, "  {count} are {what}:")?;
    for name in names.take(NAMED) {
        writeln!(f, "    {name}")?;
    }
    if count > NAMED {
        writeln!(f, "    and {} more", count - NAMED)?;
    }
    Ok(())
}
