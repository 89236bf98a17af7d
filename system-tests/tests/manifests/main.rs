//! What holds for every pod and every network policy of `k8s/`: in every overlay, and in every
//! combination of components that somebody may put an overlay together from. The checkers are
//! themselves tested, on manifests that were made worse.
//!
//! `kubectl` or `kustomize` renders the manifests. Where neither is there, the tests say loudly that
//! they did not run, and fail with `REQUIRE_LIVE=1`; `scripts/test` installs one.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on panics, in its helpers as well"
)]

mod alerts;
mod architecture;
mod arrows;
mod builds;
mod mutations;
mod pods;
mod references;
mod repository;
mod restricted;
mod scripts;
mod workloads;

use builds::{Build, every_build};

/// Runs a checker over every build, and tells all of its complaints at once.
fn check_every_build(checker: impl Fn(&Build) -> Vec<String>) {
    let Some(builds) = every_build() else { return };
    let complaints: Vec<_> = builds
        .iter()
        .flat_map(|build| {
            let complaints = checker(build);
            complaints
                .into_iter()
                .map(move |complaint| format!("{}: {complaint}", build.name))
        })
        .collect();
    assert!(
        complaints.is_empty(),
        "{} complaints\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

#[test]
fn every_pod_keeps_to_the_restricted_profile() {
    check_every_build(restricted::complaints);
}

#[test]
fn every_pod_is_limited_probed_spread_and_drained() {
    check_every_build(pods::complaints);
}

#[test]
fn every_name_that_a_manifest_speaks_of_is_there() {
    check_every_build(references::complaints);
}

#[test]
fn the_policies_open_exactly_the_arrows_of_the_list() {
    let list = arrows::list();
    check_every_build(|build| arrows::complaints(build, &list));
    if let Some(builds) = every_build() {
        assert_eq!(arrows::never_drawn(builds, &list), Vec::<String>::new());
    }
}
