//! The loop of a builder: wait for a change, build, publish.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use crate::config::BuildSettings;
use crate::folder::{Folder, Problem, Report, State};
use crate::sources::{Snapshot, Sources};
use crate::terminal::say;
use crate::watch::Watch;

/// Changed files that are named; of more, their number says enough.
const NAMED: usize = 3;

/// Something that is built from files.
pub(crate) trait Recipe {
    /// The name of its report.
    fn about(&self) -> &'static str;

    /// What a person calls it.
    fn title(&self) -> &'static str;

    /// The files that it is built from. An error may come with what is known of them.
    fn sources(&mut self) -> impl Future<Output = (Sources, Result<(), Problem>)> + Send;

    /// Builds and publishes it, and answers the versions. When the token is cancelled, it ends
    /// what it has started and returns; what it answers is then forgotten.
    fn build(
        &mut self,
        cancel: &CancellationToken,
    ) -> impl Future<Output = anyhow::Result<Built>> + Send;
}

/// What came of a build.
pub(crate) type Built = Result<BTreeMap<String, String>, Vec<Problem>>;

/// Builds now, and then at each change, until it is told to stop.
pub(crate) async fn run(
    mut recipe: impl Recipe,
    settings: &BuildSettings,
    folder: &Folder,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut told = Told::new(recipe.about(), folder.clone());
    let mut built: Option<Snapshot> = None;
    let mut is_known_to_poll = false;
    while !stop.is_cancelled() {
        let (sources, readable) = recipe.sources().await;
        // It is watched before it is read: what changes in between is heard.
        let mut watch = begin(settings, &sources).await?;
        if watch.is_polling() && !is_known_to_poll {
            is_known_to_poll = true;
            say(&format!(
                "looking for changes every {} ms",
                settings.poll.as_millis()
            ));
        }
        let snapshot = snapshot(&sources).await;
        if built.as_ref() == Some(&snapshot) {
            stop.run_until_cancelled(watch.changed()).await;
            continue;
        }
        if let Some(before) = &built {
            say(&changed(&snapshot.changes(before), &settings.workspace));
        }
        if readable.is_err() {
            // That was asked before the contents were read, and may be mended by now. What happens
            // from here on is heard.
            let (_, Err(problem)) = recipe.sources().await else {
                continue;
            };
            told.failed(vec![problem])?;
            built = Some(snapshot);
            continue;
        }
        told.working()?;
        let cancel = stop.child_token();
        let title = recipe.title();
        let building = recipe.build(&cancel);
        tokio::pin!(building);
        let outcome = loop {
            tokio::select! {
                outcome = &mut building => break Some(outcome),
                () = watch.changed() => {
                    if self::snapshot(&sources).await != snapshot {
                        break None;
                    }
                }
            }
        };
        match outcome {
            _ if stop.is_cancelled() => break,
            Some(Ok(Ok(versions))) => told.done(versions)?,
            Some(Ok(Err(problems))) => told.failed(problems)?,
            // No tool, no room on the disk: what serves goes on, and the next change is a new try.
            Some(Err(error)) => {
                let title = format!("{title} could not be done: {error:#}");
                told.failed(vec![Problem::new(title, String::new())])?;
            }
            None => {
                cancel.cancel();
                // Nothing of it may run any more when the next one begins.
                let _ = building.await?;
                say(&format!("{title}: overtaken by a newer change"));
                continue;
            }
        }
        built = Some(snapshot);
    }
    Ok(())
}

async fn begin(settings: &BuildSettings, sources: &Sources) -> anyhow::Result<Watch> {
    let (settings, sources) = (settings.clone(), sources.clone());
    let begun = tokio::task::spawn_blocking(move || Watch::begin(&settings, &sources));
    begun.await?.context("changes cannot be heard of")
}

async fn snapshot(sources: &Sources) -> Snapshot {
    let sources = sources.clone();
    let reading = tokio::task::spawn_blocking(move || sources.snapshot());
    reading.await.expect("reading files does not panic")
}

fn changed(paths: &[PathBuf], workspace: &Path) -> String {
    let workspace = workspace.canonicalize().unwrap_or_default();
    let names: Vec<_> = paths
        .iter()
        .take(NAMED)
        .map(|path| {
            let short = path.strip_prefix(&workspace).unwrap_or(path);
            short.display().to_string()
        })
        .collect();
    let more = match paths.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("changed: {}{more}", names.join(", "))
}

/// The report of a builder.
struct Told {
    folder: Folder,
    report: Report,
}

impl Told {
    fn new(about: &str, folder: Folder) -> Self {
        let before = folder.report(about);
        let report = Report {
            about: about.to_owned(),
            state: State::Working,
            // What an earlier run complained about is seen again if it is still so.
            problems: Vec::new(),
            versions: before.map(|report| report.versions).unwrap_or_default(),
        };
        Self { folder, report }
    }

    /// What was wrong stays on view until it is known to be mended.
    fn working(&mut self) -> anyhow::Result<()> {
        self.report.state = State::Working;
        self.tell()
    }

    fn done(&mut self, versions: BTreeMap<String, String>) -> anyhow::Result<()> {
        self.report.state = State::Done;
        self.report.problems.clear();
        self.report.versions.extend(versions);
        self.tell()
    }

    fn failed(&mut self, problems: Vec<Problem>) -> anyhow::Result<()> {
        for problem in &problems {
            say(&problem.title);
        }
        self.report.state = State::Failed;
        self.report.problems = problems;
        self.tell()
    }

    fn tell(&self) -> anyhow::Result<()> {
        self.folder
            .tell(&self.report)
            .context("the report of the build cannot be written")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_changed_files_are_named_and_many_are_counted() {
        let paths: Vec<PathBuf> = (1..=5).map(|n| format!("src/{n}.rs").into()).collect();
        assert_eq!(
            changed(&paths[..2], Path::new("/")),
            "changed: src/1.rs, src/2.rs"
        );
        assert_eq!(
            changed(&paths, Path::new("/")),
            "changed: src/1.rs, src/2.rs, src/3.rs and 2 more"
        );
    }
}
