use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{programs_are_wanted, setting};

/// A program of this machine that runs an engine.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub path: PathBuf,
    /// The first number with a dot in what it says of its version; else what stands in a file
    /// beside it, `PROGRAM.version`: some do not know it, and whoever put them there does.
    pub version: Option<String>,
}

impl Program {
    /// Its version and its name.
    pub(super) fn description(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let version = self.version.as_deref().unwrap_or("of an unknown version");
        format!("{version} ({name})")
    }
}

/// A program of the search path, or at one of these places below the project's cache
/// (`$XDG_CACHE_HOME/flixtube`, else `~/.cache/flixtube`) or below the home folder.
pub(super) fn find(
    program: &str,
    in_cache: Option<&str>,
    at_home: Option<&str>,
) -> Option<Program> {
    if !programs_are_wanted() {
        return None;
    }
    let home = setting("HOME").map(PathBuf::from);
    let cache = setting("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(home.as_ref()?.join(".cache")));
    let cached = in_cache.and_then(|folder| {
        let cache = cache?.join("flixtube");
        Some(cache.join(folder).join(program))
    });
    let own = at_home.and_then(|folder| Some(home.as_ref()?.join(folder).join(program)));
    let candidates = [Some(PathBuf::from(program)), cached, own];
    candidates.into_iter().flatten().find_map(|path| {
        let said = output(Command::new(&path).arg("--version"))?;
        let version = version_in(&said).map(str::to_owned).or_else(|| {
            let noted = std::fs::read_to_string(path.with_extension("version")).ok()?;
            Some(noted.trim().to_owned())
        });
        Some(Program { path, version })
    })
}

/// What a command wrote, if it could be started and ended well.
pub(super) fn output(command: &mut Command) -> Option<String> {
    let done = command.stdin(Stdio::null()).output().ok()?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    done.status.success().then_some(said)
}

/// The first number with a dot in it, such as `8.0.1` in `db version v8.0.1`.
pub(super) fn version_in(text: &str) -> Option<&str> {
    text.split_whitespace()
        .map(|word| {
            word.trim_start_matches(['v', '('])
                .trim_end_matches([',', ')'])
        })
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_what_programs_say() {
        for (said, version) in [
            ("db version v8.0.1\nBuild Info: {", Some("8.0.1")),
            ("3.35.0\n", Some("3.35.0")),
            ("versitygw version 1.8.0 (abc)", Some("1.8.0")),
            ("unknown", None),
        ] {
            assert_eq!(version_in(said), version);
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_not_found() {
        assert!(find("flixtube-no-such-program", Some("bin"), Some("bin")).is_none());
    }
}
