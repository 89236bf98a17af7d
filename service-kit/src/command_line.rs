//! Reading a program's settings: from flags, from the environment, and from files that the
//! environment names.
//!
//! Every setting `NAME` can be given as `NAME_FILE` as well, the path of a file that holds the
//! value: this is how container engines hand secrets over. A flag wins over both. What came from a
//! file is shown nowhere, neither in `--help` nor in a refusal.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Command, Error, Parser};

use crate::health;
use crate::version;

/// Reads the settings of a program, or ends it with what it was asked for (`--help`, `--version`)
/// or with what is wrong, as [`Parser::parse`] does.
pub fn parse<C: Parser>() -> C {
    parse_from(std::env::args_os(), &environment).unwrap_or_else(|error| error.exit())
}

/// Reads the settings of a service, whose command line has the command `health` besides: it asks
/// the service that runs beside it (with the same `ADMIN_LISTEN`), and needs no other setting.
///
/// `Err` is the exit code of that command.
pub fn parse_service<C: Parser>() -> Result<C, ExitCode> {
    match parse_service_from(std::env::args_os(), &environment) {
        Ok(Task::Run(settings)) => Ok(settings),
        Ok(Task::Health(health)) => Err(health.run()),
        Err(error) => error.exit(),
    }
}

/// What the command line of a service asks for.
enum Task<C> {
    Run(C),
    Health(health::Check),
}

/// What a name in the environment stands for.
type Environment<'a> = &'a dyn Fn(&OsStr) -> Option<OsString>;

#[expect(
    clippy::disallowed_methods,
    reason = "this is where settings are read: clap itself knows no NAME_FILE"
)]
fn environment(name: &OsStr) -> Option<OsString> {
    std::env::var_os(name)
}

fn parse_from<C: Parser>(
    words: impl IntoIterator<Item = OsString>,
    environment: Environment<'_>,
) -> Result<C, Error> {
    let command = with_files(with_version(C::command()), environment)?;
    settings(&mut matches(command, words)?)
}

fn parse_service_from<C: Parser>(
    words: impl IntoIterator<Item = OsString>,
    environment: Environment<'_>,
) -> Result<Task<C>, Error> {
    let command = with_version(C::command())
        .subcommand(health::command())
        .subcommand_negates_reqs(true);
    let mut matches = matches(with_files(command, environment)?, words)?;
    match health::Check::asked_for(&matches) {
        Some(check) => Ok(Task::Health(check)),
        None => settings(&mut matches).map(Task::Run),
    }
}

fn with_version(command: Command) -> Command {
    command.version(version::long())
}

fn matches(
    command: Command,
    words: impl IntoIterator<Item = OsString>,
) -> Result<ArgMatches, Error> {
    let secrets = hidden_flags(&command);
    command.try_get_matches_from(words).map_err(|mut error| {
        if invalid_flag(&error).is_some_and(|flag| secrets.contains(&flag)) {
            // What is wrong with it may be said, but not the value: logs are read by many.
            say_in_place_of_the_value(&mut error, "…".to_owned());
        }
        error
    })
}

fn settings<C: Parser>(matches: &mut ArgMatches) -> Result<C, Error> {
    C::from_arg_matches_mut(matches).map_err(|error| error.format(&mut C::command()))
}

/// Puts the contents of the files that the environment names in the place of the defaults.
fn with_files(command: Command, environment: Environment<'_>) -> Result<Command, Error> {
    let mut contents = Vec::new();
    for setting in command.get_arguments() {
        if let Some(value) = content(&command, setting, environment)? {
            contents.push((setting.get_id().clone(), value));
        }
    }
    let names: Vec<_> = command
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    let command = contents.into_iter().fold(command, |command, (id, value)| {
        command.mut_arg(id, |setting| {
            setting
                .required(false)
                .default_value(value)
                .hide_default_value(true)
        })
    });
    names.into_iter().try_fold(command, |command, name| {
        let mut refused = None;
        let command = command.mut_subcommand(name, |command| {
            let plain = command.clone();
            with_files(command, environment).unwrap_or_else(|error| {
                refused = Some(error);
                plain
            })
        });
        refused.map_or(Ok(command), Err)
    })
}

/// The value of a setting that was given as a file.
fn content(
    command: &Command,
    setting: &Arg,
    environment: Environment<'_>,
) -> Result<Option<String>, Error> {
    let (Some(name), Some(flag)) = (setting.get_env(), setting.get_long()) else {
        return Ok(None);
    };
    let mut file_name = name.to_owned();
    file_name.push("_FILE");
    let is_a_setting = |setting: &Arg| setting.get_env() == Some(file_name.as_os_str());
    if command.get_arguments().any(is_a_setting) {
        return Ok(None);
    }
    let Some(path) = environment(&file_name) else {
        return Ok(None);
    };
    let (name, file_name) = (name.display(), file_name.display());
    let refuse = |reason: String| command.clone().error(ErrorKind::ValueValidation, reason);
    if environment(setting.get_env().unwrap_or_default()).is_some() {
        return Err(refuse(format!(
            "{name} and {file_name} are both set, and one of them is too many"
        )));
    }
    let shown = Path::new(&path).display();
    let value = std::fs::read_to_string(&path).map_err(|error| {
        refuse(format!(
            "{file_name} names {shown:?}, which cannot be read: {error}"
        ))
    })?;
    let value = value.strip_suffix('\n').map_or(value.as_str(), |line| {
        line.strip_suffix('\r').unwrap_or(line)
    });
    // Clap takes a default for good, and shows it when it is not.
    let words = [
        OsString::from(command.get_name()),
        format!("--{flag}={value}").into(),
    ];
    let alone = command.clone().mut_args(|other| other.required(false));
    match alone.try_get_matches_from(words) {
        Err(mut error) if invalid_flag(&error).as_deref() == Some(flag) => {
            say_in_place_of_the_value(&mut error, format!("(in the file that {file_name} names)"));
            Err(error)
        }
        _ => Ok(Some(value.to_owned())),
    }
}

/// The flags whose values are nobody's business.
fn hidden_flags(command: &Command) -> Vec<String> {
    command
        .get_arguments()
        .filter(|setting| setting.is_hide_env_values_set())
        .filter_map(|setting| setting.get_long().map(str::to_owned))
        .chain(command.get_subcommands().flat_map(hidden_flags))
        .collect()
}

/// The flag, without its dashes, whose value an error is about.
fn invalid_flag(error: &Error) -> Option<String> {
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    // As in `--port <PORT>` or `--verbose[=<VERBOSE>]`.
    let flag = shown.strip_prefix("--")?.split([' ', '[', '=']).next()?;
    Some(flag.to_owned())
}

fn say_in_place_of_the_value(error: &mut Error, text: String) {
    if error.get(ContextKind::InvalidValue).is_some() {
        error.insert(ContextKind::InvalidValue, ContextValue::String(text));
    }
}

#[cfg(test)]
mod tests;
