//! Building the programs of the services: one `cargo build` for all.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use cargo_metadata::Message;
use cargo_metadata::diagnostic::{Diagnostic, DiagnosticLevel};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio_util::sync::CancellationToken;

use crate::builder::{Built, Recipe};
use crate::folder::{BUILD, Folder, Problem};
use crate::pages::CANCEL_GRACE;
use crate::process_group::ProcessGroup;
use crate::sources::Sources;
use crate::terminal::{is_watched, plain, say, show};

/// The programs of the services.
pub(crate) struct Services {
    pub(crate) workspace: PathBuf,
    pub(crate) names: Vec<String>,
    pub(crate) folder: Folder,
    known: Option<Sources>,
}

impl Services {
    pub(crate) fn new(workspace: PathBuf, names: Vec<String>, folder: Folder) -> Self {
        Self {
            workspace,
            names,
            folder,
            known: None,
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("cargo");
        command.current_dir(&self.workspace).arg("build");
        // With the features that the workspace as a whole asks for: its dependencies are then the same
        // whatever else is built or tested in the same target folder, and are built once.
        command.arg("--workspace");
        for name in &self.names {
            command.args(["--bin", name]);
        }
        let (format, colour) = if is_watched() {
            ("json-diagnostic-rendered-ansi", "always")
        } else {
            ("json", "never")
        };
        command.args(["--message-format", format, "--color", colour]);
        command
    }
}

impl Recipe for Services {
    fn about(&self) -> &'static str {
        BUILD
    }

    fn title(&self) -> &'static str {
        "the build"
    }

    async fn sources(&mut self) -> (Sources, Result<(), Problem>) {
        let (workspace, names) = (self.workspace.clone(), self.names.clone());
        let asked = tokio::task::spawn_blocking(move || Sources::of_programs(&workspace, &names));
        match asked.await.expect("asking Cargo does not panic") {
            Ok(sources) => {
                self.known = Some(sources.clone());
                (sources, Ok(()))
            }
            Err(problem) => {
                let known = self.known.clone();
                let everything = || Sources::of_workspace(&self.workspace);
                show(&problem.text);
                (known.unwrap_or_else(everything), Err(problem))
            }
        }
    }

    async fn build(&mut self, cancel: &CancellationToken) -> anyhow::Result<Built> {
        let began = std::time::Instant::now();
        say("building");
        let mut cargo = ProcessGroup::start(self.command())
            .context("cargo cannot be started; is Rust installed?")?;
        let messages = read_messages(cargo.stdout.take());
        let complaints = pass_on(cargo.stderr.take());
        let compiling = async {
            let (messages, complaints) = tokio::join!(messages, complaints);
            (messages, complaints, cargo.wait().await)
        };
        let Some((messages, complaints, ended)) = cancel.run_until_cancelled(compiling).await
        else {
            cargo.end(CANCEL_GRACE).await;
            return Ok(Ok(BTreeMap::new()));
        };
        if !ended?.success() {
            return Ok(Err(problems(messages.errors, &complaints)));
        }
        let (folder, names) = (self.folder.clone(), self.names.clone());
        let executables = messages.executables;
        let publishing = tokio::task::spawn_blocking(move || {
            let mut versions = BTreeMap::new();
            for name in names {
                let built = executables
                    .get(&name)
                    .with_context(|| format!("the build made no program {name}"))?;
                let version = folder
                    .publish(&name, built)
                    .with_context(|| format!("the program {name} cannot be published"))?;
                versions.insert(name, version);
            }
            anyhow::Ok(versions)
        });
        let versions = publishing.await??;
        say(&format!("built in {:.1} s", began.elapsed().as_secs_f64()));
        Ok(Ok(versions))
    }
}

#[derive(Debug, Default)]
struct Messages {
    executables: BTreeMap<String, PathBuf>,
    errors: Vec<Diagnostic>,
}

/// Reads what Cargo says to programs, and shows what is for people.
async fn read_messages(stdout: Option<impl AsyncRead + Unpin>) -> Messages {
    let mut found = Messages::default();
    let Some(stdout) = stdout else { return found };
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str(&line) {
            Ok(Message::CompilerArtifact(artifact)) => {
                if let Some(path) = artifact.executable {
                    found.executables.insert(artifact.target.name, path.into());
                }
            }
            Ok(Message::CompilerMessage(message)) => {
                let diagnostic = message.message;
                if let Some(rendered) = &diagnostic.rendered {
                    show(rendered);
                }
                // Without a place it only sums up, as in "aborting due to 2 errors".
                if is_error(&diagnostic) && !diagnostic.spans.is_empty() {
                    found.errors.push(diagnostic);
                }
            }
            // Of later versions of Cargo, or of a build script: nothing that is needed here.
            Ok(_) | Err(_) => {}
        }
    }
    found
}

fn is_error(diagnostic: &Diagnostic) -> bool {
    matches!(
        diagnostic.level,
        DiagnosticLevel::Error | DiagnosticLevel::Ice
    )
}

/// Shows what a program says to people, and keeps it.
pub(crate) async fn pass_on(stderr: Option<impl AsyncRead + Unpin>) -> String {
    let mut kept = String::new();
    let Some(stderr) = stderr else { return kept };
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        show(&line);
        kept.push_str(&plain(&line));
        kept.push('\n');
    }
    kept
}

fn problems(errors: Vec<Diagnostic>, complaints: &str) -> Vec<Problem> {
    if errors.is_empty() {
        // A manifest that is wrong, a dependency that is not there, a linker that fails.
        let lines: Vec<_> = complaints
            .lines()
            .skip_while(|line| !line.starts_with("error"))
            .collect();
        let first = lines.first().copied().unwrap_or("error: no message");
        let text = if lines.is_empty() {
            complaints.to_owned()
        } else {
            lines.join("\n")
        };
        return vec![Problem::new(format!("The build failed: {first}"), text)];
    }
    errors
        .into_iter()
        .map(|error| {
            let place = error.spans.iter().find(|span| span.is_primary);
            let place = place.map_or_else(String::new, |span| {
                format!("{}:{}: ", span.file_name, span.line_start)
            });
            let text = plain(error.rendered.as_deref().unwrap_or_default());
            Problem::new(format!("{place}{}", error.message), text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_diagnostic_is_told_from_the_first_error_on() {
        let complaints = "   Compiling x\nerror: linking failed\n  = note: ld\n";
        let told = problems(Vec::new(), complaints);
        assert_eq!(told[0].title, "The build failed: error: linking failed");
        assert_eq!(told[0].text, "error: linking failed\n  = note: ld");
    }
}
