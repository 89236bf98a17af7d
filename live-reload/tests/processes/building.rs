//! What is built when, and what a failing build leaves behind.

use test_support::eventually;

use crate::world::{SOON, World, git, greeting, write_workspace};

#[tokio::test(flavor = "multi_thread")]
async fn a_save_by_renaming_reaches_the_service_and_an_unchanged_program_is_not_restarted() {
    let world = World::start(&[]).await;
    let other = world.report("other");
    for text in ["two", "three"] {
        world.save("words/src/lib.rs", &greeting(text));
        world.answers(text).await;
    }
    assert_eq!(world.report("other"), other);
    assert_eq!(world.said("other: generation"), 1);
    world.is_done("greeter").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_found_by_polling() {
    let world = World::start(&["--watch", "poll", "--poll-ms", "100"]).await;
    assert_eq!(world.said("looking for changes every 100 ms"), 1);
    world.save("words/src/lib.rs", &greeting("two"));
    world.answers("two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_switch_of_a_hundred_files_is_one_build() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap().join("workspace");
    write_workspace(&root);
    std::fs::write(root.join(".gitignore"), "target\nout\nCargo.lock\n").unwrap();
    let write_all = |text: &str| {
        for number in 0..100 {
            let file = root.join(format!("words/src/word{number}.rs"));
            std::fs::write(
                file,
                format!("pub const WORD: &str = \"{text}{number}\";\n"),
            )
            .unwrap();
        }
        std::fs::write(root.join("words/src/lib.rs"), greeting(text)).unwrap();
    };
    git(&root, &["init", "--quiet", "--initial-branch=one"]).await;
    write_all("one");
    git(&root, &["add", "."]).await;
    git(&root, &["commit", "--quiet", "-m", "one"]).await;
    git(&root, &["checkout", "--quiet", "-b", "two"]).await;
    write_all("two");
    git(&root, &["commit", "--quiet", "-am", "two"]).await;
    git(&root, &["checkout", "--quiet", "one"]).await;

    let world = World::start_in(folder, root.clone(), &["--quiet-ms", "300"]).await;
    let builds = world.said("built in");
    git(&root, &["checkout", "--quiet", "two"]).await;
    world.answers("two").await;
    world.is_done("build").await;
    assert_eq!(world.said("built in"), builds + 1);
    assert_eq!(world.said("and 98 more"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_is_overtaken_is_cancelled() {
    let world = World::start(&[]).await;
    // A build script that waits for a file, so that the build is running for as long as is needed.
    let blocked = world.root.join("blocked");
    std::fs::write(&blocked, "").unwrap();
    let script = format!(
        "fn main() {{ while std::path::Path::new({blocked:?}).exists() {{ \
         std::thread::sleep(std::time::Duration::from_millis(10)); }} }}\n"
    );
    world.save("words/build.rs", &script);
    world
        .runner
        .wait_for_line("changed: words/build.rs", SOON)
        .await;
    let building = || async { (world.report("build")["state"] == "working").then_some(()) };
    eventually(SOON, building).await;
    world.save("words/build.rs", "fn main() {}\n");
    world.save("words/src/lib.rs", &greeting("two"));
    world.answers("two").await;
    assert!(world.said("overtaken by a newer change") >= 1);
    // The file is still there: what waited for it was ended, and not waited for.
    assert!(blocked.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_build_leaves_the_old_process_and_tells_the_error_until_it_is_mended() {
    let world = World::start(&[]).await;
    world.save("words/src/lib.rs", "pub const GREETING: &str = 5;\n");
    let failed = || async { (world.report("build")["state"] == "failed").then_some(()) };
    eventually(SOON, failed).await;
    let problem = world.report("build")["problems"][0].clone();
    assert_eq!(problem["title"], "words/src/lib.rs:1: mismatched types");
    assert!(
        problem["text"].as_str().unwrap().contains("E0308"),
        "{problem}"
    );
    world.answers("one").await;
    world.save("words/src/lib.rs", &greeting("two"));
    world.answers("two").await;
    let mended =
        || async { (world.report("build")["problems"] == serde_json::json!([])).then_some(()) };
    eventually(SOON, mended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_manifest_is_told_and_mended_like_any_error() {
    let world = World::start(&[]).await;
    let manifest = std::fs::read_to_string(world.root.join("words/Cargo.toml")).unwrap();
    world.save("words/Cargo.toml", "[package\n");
    let failed = || async { (world.report("build")["state"] == "failed").then_some(()) };
    eventually(SOON, failed).await;
    world.answers("one").await;
    world.save("words/Cargo.toml", &manifest);
    world.save("words/src/lib.rs", &greeting("two"));
    world.answers("two").await;
}
