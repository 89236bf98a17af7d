use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::*;
use crate::guard::ServiceToken;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A program like those of the house.
#[derive(Debug, Parser)]
#[command(name = "program", version)]
struct Program {
    #[command(subcommand)]
    task: Option<Errand>,

    #[arg(long, env = "TEST_TOKEN", hide_env_values = true)]
    token: ServiceToken,

    #[arg(long, env = "TEST_COLOUR", hide_env_values = true)]
    colour: Option<String>,

    #[arg(long, env = "TEST_PORT", default_value_t = 4000)]
    port: u16,

    #[arg(long, env = "TEST_KEY_FILE", default_value = "./some.key")]
    key: PathBuf,

    #[arg(long, env = "TEST_OPEN", action = clap::ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_value_t = false, default_missing_value = "true")]
    open: bool,

    #[arg(long, env = "TEST_ADMIN_LISTEN", default_value = "127.0.0.1:1")]
    admin_listen: SocketAddr,
}

#[derive(Debug, Subcommand)]
enum Errand {
    Copy {
        #[arg(long, env = "TEST_TARGET")]
        target: String,
    },
}

/// A folder with files, and an environment of `NAME_FILE` variables that name them.
struct Files {
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, OsString)>,
}

impl Files {
    fn new(files: &[(&'static str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let environment = files
            .iter()
            .map(|(name, content)| {
                let path = folder.path().join(name);
                fs::write(&path, content).unwrap();
                (*name, path.into_os_string())
            })
            .collect();
        Self {
            folder,
            environment,
        }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    fn get(&self, name: &OsStr) -> Option<OsString> {
        let mut variables = self.environment.iter();
        let (_, value) = variables.find(|(known, _)| *known == name)?;
        Some(value.clone())
    }

    fn parse(&self, flags: &[&str]) -> Result<Program, String> {
        parse_from(words(flags), &|name| self.get(name)).map_err(|error| error.to_string())
    }

    fn parse_service(&self, flags: &[&str]) -> Result<Task<Program>, String> {
        parse_service_from(words(flags), &|name| self.get(name)).map_err(|error| error.to_string())
    }
}

fn words(flags: &[&str]) -> Vec<OsString> {
    ["program"].iter().chain(flags).map(Into::into).collect()
}

#[test]
fn every_setting_can_be_given_as_a_file_whose_last_newline_does_not_count() {
    let files = Files::new(&[
        ("TEST_TOKEN_FILE", &format!("{TOKEN}\n")),
        ("TEST_COLOUR_FILE", " two\nlines \n\n"),
        ("TEST_PORT_FILE", "4100\r\n"),
        ("TEST_OPEN_FILE", "true"),
    ]);
    let program = files.parse(&[]).unwrap();
    assert_eq!(program.token.as_str(), TOKEN);
    assert_eq!(program.colour.as_deref(), Some(" two\nlines \n"));
    assert_eq!(program.port, 4100);
    assert!(program.open);
}

#[test]
fn without_a_file_a_setting_is_what_it_always_was() {
    let program = Files::new(&[]).parse(&["--token", TOKEN]).unwrap();
    assert_eq!((program.colour, program.port), (None, 4000));
    let refusal = Files::new(&[]).parse(&[]).unwrap_err();
    assert!(refusal.contains("--token"), "{refusal}");
}

#[test]
fn a_flag_wins_over_a_file() {
    let files = Files::new(&[("TEST_TOKEN_FILE", TOKEN), ("TEST_PORT_FILE", "4100")]);
    assert_eq!(files.parse(&["--port", "4200"]).unwrap().port, 4200);
}

#[test]
fn the_settings_of_a_command_can_be_files_as_well() {
    let files = Files::new(&[("TEST_TOKEN_FILE", TOKEN), ("TEST_TARGET_FILE", "there")]);
    let program = files.parse(&["copy"]).unwrap();
    assert!(
        matches!(&program.task, Some(Errand::Copy { target }) if target == "there"),
        "{program:?}"
    );
}

#[test]
fn a_setting_whose_own_name_ends_in_file_is_a_path_and_not_a_content() {
    let files = Files::new(&[
        ("TEST_TOKEN_FILE", TOKEN),
        ("TEST_KEY_FILE_FILE", "other.key"),
    ]);
    assert_eq!(files.parse(&[]).unwrap().key, Path::new("other.key"));
}

#[test]
fn a_value_and_a_file_for_one_setting_are_refused() {
    let files = Files::new(&[("TEST_TOKEN_FILE", TOKEN)]).with("TEST_TOKEN", TOKEN);
    let refusal = files.parse(&[]).unwrap_err();
    assert!(
        refusal.contains("TEST_TOKEN and TEST_TOKEN_FILE are both set"),
        "{refusal}"
    );
    assert!(!refusal.contains(TOKEN), "{refusal}");
}

#[test]
fn a_file_that_cannot_be_read_is_refused_by_its_name() {
    let files = Files::new(&[("TEST_TOKEN_FILE", TOKEN)]);
    let absent = files.folder.path().join("absent");
    let files = files.with("TEST_COLOUR_FILE", absent.to_str().unwrap());
    let refusal = files.parse(&[]).unwrap_err();
    assert!(refusal.contains("TEST_COLOUR_FILE"), "{refusal}");
    assert!(refusal.contains(absent.to_str().unwrap()), "{refusal}");
}

#[test]
fn a_bad_value_in_a_file_is_refused_with_what_is_accepted_and_without_the_value() {
    let files = Files::new(&[("TEST_TOKEN_FILE", "geheim")]);
    let refusal = files.parse(&[]).unwrap_err();
    assert!(refusal.contains("at least 32"), "{refusal}");
    assert!(refusal.contains("TEST_TOKEN_FILE"), "{refusal}");
    assert!(!refusal.contains("geheim"), "{refusal}");
    let files = Files::new(&[("TEST_TOKEN_FILE", TOKEN), ("TEST_PORT_FILE", "70000")]);
    let refusal = files.parse(&[]).unwrap_err();
    assert!(refusal.contains("0..=65535"), "{refusal}");
}

#[test]
fn a_bad_secret_is_not_repeated_wherever_it_came_from() {
    let refusal = Files::new(&[]).parse(&["--token", "geheim"]).unwrap_err();
    assert!(refusal.contains("at least 32"), "{refusal}");
    assert!(!refusal.contains("geheim"), "{refusal}");
}

#[test]
fn the_help_does_not_show_what_is_in_a_file() {
    let files = Files::new(&[("TEST_TOKEN_FILE", TOKEN), ("TEST_COLOUR_FILE", "geheim")]);
    let help = files.parse(&["--help"]).unwrap_err();
    assert!(help.contains("TEST_COLOUR"), "{help}");
    assert!(!help.contains(TOKEN) && !help.contains("geheim"), "{help}");
}

#[test]
fn the_health_of_a_service_is_asked_for_without_its_other_settings() {
    let files = Files::new(&[("TEST_ADMIN_LISTEN_FILE", "127.0.0.1:7")]);
    let admin = |flags: &[&str]| match files.parse_service(flags) {
        Ok(Task::Health(check)) => format!("{check:?}"),
        Ok(Task::Run(program)) => panic!("{program:?}"),
        Err(refusal) => panic!("{refusal}"),
    };
    let ready = admin(&["health"]);
    assert!(ready.contains("127.0.0.1:7"), "{ready}");
    assert!(ready.contains("live: false"), "{ready}");
    let live = admin(&["--admin-listen", "127.0.0.1:8", "health", "--live"]);
    assert!(live.contains("127.0.0.1:8"), "{live}");
    assert!(live.contains("live: true"), "{live}");
}

#[test]
fn a_service_runs_when_nothing_else_is_asked_for() {
    let files = Files::new(&[("TEST_TOKEN_FILE", TOKEN)]);
    let run = files.parse_service(&["--port", "4300"]);
    assert!(matches!(run, Ok(Task::Run(program)) if program.port == 4300));
    assert!(Files::new(&[]).parse_service(&[]).is_err());
}

#[test]
fn the_version_is_that_of_the_build() {
    let version = Files::new(&[]).parse(&["--version"]).unwrap_err();
    assert_eq!(version, format!("program {}\n", crate::version::long()));
}
