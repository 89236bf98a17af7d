//! One process takes over from another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use test_support::eventually;
use tokio::task::JoinSet;

use crate::world::{SOON, World, get, greeting};

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_and_no_download_is_cut_while_processes_take_over() {
    let world = World::start(&[]).await;
    let (done, sent) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let mut load = JoinSet::new();
    let greeter = world.greeter;
    for _ in 0..4 {
        let (done, sent) = (Arc::clone(&done), Arc::clone(&sent));
        load.spawn(async move {
            while !done.load(Ordering::SeqCst) {
                get(greeter, "/").await.unwrap();
                sent.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    for text in ["two", "three", "four"] {
        // Begun in the old process and read to its end long after the new one serves.
        load.spawn(async move {
            assert!(get(greeter, "/long").await.unwrap().len() >= 300);
        });
        world.save("words/src/lib.rs", &greeting(text));
        world.answers(text).await;
    }
    done.store(true, Ordering::SeqCst);
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }
    assert!(sent.load(Ordering::SeqCst) > 100);
    let gone = || async { (world.said("has answered all and ended") == 3).then_some(()) };
    eventually(SOON, gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_crashes_at_its_start_is_rolled_back() {
    let world = World::start(&[]).await;
    let main = "fn main() { common::serve(words::GREETING) }\n";
    let crash = "fn main() { eprintln!(\"no luck\"); std::process::exit(9) }\n";
    world.save("greeter/src/main.rs", crash);
    let failed = || async { (world.report("greeter")["state"] == "failed").then_some(()) };
    eventually(SOON, failed).await;
    let problem = world.report("greeter")["problems"][0].clone();
    let title = "greeter, generation 2, ended with exit code 9; generation 1 goes on";
    assert_eq!(problem["title"], title);
    assert_eq!(problem["text"], "no luck");
    assert_eq!(get(world.greeter, "/").await.unwrap(), "one");
    world.save("greeter/src/main.rs", main);
    world.save("words/src/lib.rs", &greeting("two"));
    world.answers("two").await;
    let mended =
        || async { (world.report("greeter")["problems"] == serde_json::json!([])).then_some(()) };
    eventually(SOON, mended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_does_not_get_ready_is_rolled_back() {
    let world = World::start(&["--ready-within-seconds", "2"]).await;
    let hangs = "fn main() { loop { std::thread::sleep(std::time::Duration::from_secs(1)) } }\n";
    world.save("greeter/src/main.rs", hangs);
    world
        .runner
        .wait_for_line("was not ready within 2 s", SOON)
        .await;
    world.answers("one").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_dies_is_started_again_and_its_clients_wait() {
    let world = World::start(&[]).await;
    assert!(get(world.greeter, "/exit").await.is_err());
    // The socket is open all the time.
    assert_eq!(get(world.greeter, "/").await.unwrap(), "one");
    assert_eq!(world.said("ended with exit code 3; it is started again"), 1);
    let ready = || async { get(world.operators, "/readyz").await.ok() };
    assert_eq!(eventually(SOON, ready).await, "ready");
}
