//! Which build this is. A release says so in the environment of its build: `BUILD_VERSION` and
//! `BUILD_REVISION`. A build by hand has the version of the crates and no revision: looking it up
//! would build everything anew after each commit.

/// The version, such as `1.4.0`.
pub const VERSION: &str = match option_env!("BUILD_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

/// The commit that was built, if the build was told.
pub const REVISION: Option<&str> = option_env!("BUILD_REVISION");

/// What `--version` says behind the name of the program.
pub(crate) fn long() -> String {
    match REVISION {
        Some(revision) => format!("{VERSION} ({revision})"),
        None => VERSION.to_owned(),
    }
}
