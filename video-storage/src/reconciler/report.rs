//! What a run has found and done.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ReconcileOptions;
use super::verdict::Verdict;

/// Ids that a report names of each kind; the count has no bound.
const NAMED: usize = 100;

/// How much was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckedBody {
    /// Ids of all kinds, tombstones included.
    pub ids: u64,
    /// Videos that the catalogue has.
    pub entries: u64,
    /// Videos whose bytes the store has.
    pub blobs: u64,
    /// Upload records that the store has.
    pub records: u64,
}

/// Ids of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FindingsBody {
    /// How many there are.
    pub count: u64,
    /// The first hundred of them.
    pub ids: Vec<Uuid>,
}

impl FindingsBody {
    fn note(&mut self, id: Uuid) {
        self.count += 1;
        if self.ids.len() < NAMED {
            self.ids.push(id);
        }
    }
}

/// The report of a run, as it is stored and answered. Where nothing may be changed, it says what
/// would have been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportBody {
    /// When the run began.
    pub began_at: Timestamp,
    /// When it came to its end.
    pub ended_at: Timestamp,
    /// What it might do.
    pub options: ReconcileOptions,
    /// How much was compared.
    pub checked: CheckedBody,
    /// Uploads that were begun and not finished, and that nobody worked on.
    pub broken_uploads_removed: u64,
    /// Deleted videos of which something was left.
    pub deletions_finished: FindingsBody,
    /// Complete uploads that the catalogue had lost.
    pub adopted: FindingsBody,
    /// Strays that were removed, as was asked.
    pub strays_removed: FindingsBody,
    /// What is in the store and belongs to nothing.
    pub strays: FindingsBody,
    /// Videos of the catalogue whose bytes or record are gone.
    pub entries_without_bytes: FindingsBody,
    /// Records that cannot be read, or that the catalogue refuses.
    pub unusable_records: FindingsBody,
    /// Uploads that were on their way.
    pub underway: u64,
}

impl ReportBody {
    /// A report with nothing in it yet.
    pub(super) fn begin(options: ReconcileOptions, began_at: Timestamp) -> Self {
        Self {
            began_at,
            ended_at: began_at,
            options,
            checked: CheckedBody::default(),
            broken_uploads_removed: 0,
            deletions_finished: FindingsBody::default(),
            adopted: FindingsBody::default(),
            strays_removed: FindingsBody::default(),
            strays: FindingsBody::default(),
            entries_without_bytes: FindingsBody::default(),
            unusable_records: FindingsBody::default(),
            underway: 0,
        }
    }

    pub(super) fn note(&mut self, id: Uuid, verdict: &Verdict) {
        let findings = match verdict {
            Verdict::Fine => return,
            Verdict::Underway => {
                self.underway += 1;
                return;
            }
            Verdict::HalfDeleted => &mut self.deletions_finished,
            Verdict::Unlisted(_) => &mut self.adopted,
            Verdict::WithoutBytes => &mut self.entries_without_bytes,
            Verdict::Stray => &mut self.strays,
            Verdict::RemovedStray => &mut self.strays_removed,
            Verdict::Unusable => &mut self.unusable_records,
        };
        findings.note(id);
    }

    /// Whether nothing is left that needs a person.
    pub fn is_fine(&self) -> bool {
        self.strays.count == 0
            && self.entries_without_bytes.count == 0
            && self.unusable_records.count == 0
    }

    pub(super) fn log(&self) {
        let Self {
            began_at: _,
            ended_at: _,
            options,
            checked,
            broken_uploads_removed,
            deletions_finished,
            adopted,
            strays_removed,
            strays,
            entries_without_bytes,
            unusable_records,
            underway,
        } = self;
        tracing::info!(
            options.dry_run,
            checked.entries,
            checked.blobs,
            broken_uploads_removed,
            deletions_finished = deletions_finished.count,
            adopted = adopted.count,
            strays_removed = strays_removed.count,
            underway,
            "store and catalogue were compared"
        );
        if !self.is_fine() {
            tracing::error!(
                strays = strays.count,
                entries_without_bytes = entries_without_bytes.count,
                unusable_records = unusable_records.count,
                "store and catalogue do not fit together; `reconcile` says more"
            );
        }
    }
}

/// For people.
impl fmt::Display for ReportBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dry_run = self.options.dry_run;
        let CheckedBody { entries, blobs, .. } = self.checked;
        writeln!(
            f,
            "Compared {entries} videos of the catalogue with {blobs} of the store."
        )?;
        if dry_run {
            writeln!(
                f,
                "Nothing was changed (--dry-run); without it, this would be done:"
            )?;
        }
        let broken = FindingsBody {
            count: self.broken_uploads_removed,
            ids: Vec::new(),
        };
        for (findings, what) in [
            (&broken, "uploads that were broken off: removed"),
            (
                &self.deletions_finished,
                "deletions that were not finished: finished",
            ),
            (
                &self.adopted,
                "uploads that the catalogue had lost: put back into it",
            ),
            (&self.strays_removed, "strays: removed"),
        ] {
            tell(f, findings, what)?;
        }
        if self.underway > 0 {
            writeln!(f, "{} uploads are under way.", self.underway)?;
        }
        if self.is_fine() {
            return writeln!(f, "Store and catalogue fit together.");
        }
        writeln!(f, "\nThis needs you:")?;
        for (findings, what) in [
            (
                &self.entries_without_bytes,
                "videos whose bytes or record are gone: restore them from a copy of the store, or delete the videos",
            ),
            (
                &self.strays,
                "strays, which belong to no upload and no video: restore what they belonged to, or remove them with --remove-strays",
            ),
            (
                &self.unusable_records,
                "upload records that cannot be read or are refused: the log says why",
            ),
        ] {
            tell(f, findings, what)?;
        }
        Ok(())
    }
}

fn tell(f: &mut fmt::Formatter<'_>, findings: &FindingsBody, what: &str) -> fmt::Result {
    let FindingsBody { count, ids } = findings;
    if *count == 0 {
        return Ok(());
    }
    writeln!(f, "{count} {what}")?;
    for id in ids {
        writeln!(f, "    {id}")?;
    }
    let unnamed = count.saturating_sub(ids.len() as u64);
    if unnamed > 0 && !ids.is_empty() {
        writeln!(f, "    … and {unnamed} more")?;
    }
    Ok(())
}
