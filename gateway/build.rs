//! Says which folder of web pages is embedded: the built front end, or else a page that tells how
//! to build it, so that the crate compiles in a fresh clone.

use std::path::{Path, PathBuf};

fn main() {
    let crate_folder = PathBuf::from(env("CARGO_MANIFEST_DIR"));
    let built = crate_folder.join("../web/dist");
    // While `web/dist` is missing, Cargo runs this script at every build: that is how it notices
    // the first `npm run build`.
    println!("cargo:rerun-if-changed={}", built.display());
    println!("cargo:rerun-if-changed=placeholder");

    let folder = if built.join("index.html").is_file() {
        built
    } else {
        copy_placeholder(&crate_folder.join("placeholder"))
    };
    println!("cargo:rustc-env=WEB_PAGES={}", folder.display());
}

/// A copy below `OUT_DIR`, which changes place with the build profile and so makes the embedding
/// run again when the built pages appear.
fn copy_placeholder(from: &Path) -> PathBuf {
    let folder = PathBuf::from(env("OUT_DIR")).join("placeholder");
    std::fs::create_dir_all(&folder).expect("OUT_DIR can be written");
    let (from, to) = (from.join("index.html"), folder.join("index.html"));
    let page = std::fs::read(from).expect("the placeholder page is part of the crate");
    // Its time is embedded too: a copy at every build would make another program at every build.
    if std::fs::read(&to).ok().as_ref() != Some(&page) {
        std::fs::write(&to, page).expect("OUT_DIR can be written");
    }
    folder
}

#[expect(
    clippy::disallowed_methods,
    reason = "Cargo hands a build script its folders in the environment"
)]
fn env(name: &str) -> String {
    std::env::var(name).expect("Cargo sets it for build scripts")
}
