//! The broker killed, out of memory, or not there at all; this process killed.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::Mutex;

use test_support::process::ChildProcess;
use tokio::process::Command;

use super::*;

/// What the process that is killed learns from its parent.
const CHILDS_URL: &str = "FLIXTUBE_TEST_CHILDS_URL";

/// Enough for a broker to be waited for once, by two to three seconds, and then to spool on a busy
/// machine; by far too little to wait for it with each event.
const ONE_WAIT: Duration = Duration::from_secs(15);

/// A URL of a broker that is not there.
fn nowhere(spool: &Path, more: &str) -> RabbitMqUrl {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let spool = spool.display();
    let url = format!("amqp://guest:guest@127.0.0.1:{port}/x?spool={spool}{more}");
    url.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_events_are_taken_until_the_spool_is_full_and_then_refused() {
    let folder = tempfile::tempdir().unwrap();
    let url = nowhere(&folder.path().join("spool.db"), "&spool_max_bytes=2000");
    let bus = RabbitMqBus::open(&url).await.unwrap();
    assert!(!bus.status().is_connected);
    let length = counted(1).to_json().len() as u64;
    let room = 2000 / length;
    for number in 0..room {
        bus.publish(counted(number)).await.unwrap();
    }
    let refused = bus.publish(counted(room)).await;
    assert!(matches!(refused, Err(PublishError::Full)), "{refused:?}");
    let status = bus.status();
    assert_eq!((status.spooled, status.refused), (room, 1));
    let consumer = bus.subscribe(Queue::METADATA).await;
    assert!(matches!(consumer, Err(SubscribeError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_broker_is_killed_in_the_middle_of_publishing() {
    const PUBLISHERS: u64 = 8;
    const EVENTS: usize = 4_000;
    let Some(mut server) = rabbitmq::own().await else {
        return;
    };
    let ground = Ground::on(&server).await;
    let publishing = ground.replica("publishing.db").await;
    let consuming = ground.replica("consuming.db").await;
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let handler = Arc::new(Noting::default());
    let shutdown = CancellationToken::new();
    let mut tasks = JoinSet::new();
    for _ in 0..PUBLISHERS {
        let bus = publishing.clone();
        let accepted = Arc::clone(&accepted);
        tasks.spawn(async move {
            while accepted.lock().unwrap().len() < EVENTS {
                let event = counted(1);
                let id = event.id;
                bus.publish(event).await.unwrap();
                accepted.lock().unwrap().push(id);
            }
        });
    }
    let mut consumers = JoinSet::new();
    let noting = Arc::clone(&handler) as Arc<dyn Handler>;
    consumers.spawn(consume(
        consuming.clone(),
        Queue::METADATA,
        noting,
        4,
        shutdown.clone(),
    ));

    let accepted_more_than = |count: usize| {
        let accepted = Arc::clone(&accepted);
        eventually(SOON, move || {
            let is_more = accepted.lock().unwrap().len() > count;
            async move { is_more.then_some(()) }
        })
    };
    accepted_more_than(EVENTS / 4).await;
    server.kill().await;
    accepted_more_than(EVENTS / 2).await;
    let spooled = publishing.status().spooled;
    assert!(spooled > 0);
    server.start_again().await;
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }

    let accepted = accepted.lock().unwrap().clone();
    let all: HashSet<_> = accepted.iter().copied().collect();
    eventually(2 * SOON, || async {
        let delivered = handler.delivered.lock().unwrap();
        all.iter().all(|id| delivered.contains(id)).then_some(())
    })
    .await;
    eventually(SOON, || async {
        (publishing.status().spooled == 0).then_some(())
    })
    .await;
    shutdown.cancel();
    consumers.join_all().await;
    let delivered = handler.delivered.lock().unwrap().clone();
    let distinct: HashSet<_> = delivered.iter().copied().collect();
    println!(
        "broker killed in the middle of publishing: {} accepted ({spooled} in the spool when it \
         came back), {} delivered, {} of them again, {} lost",
        accepted.len(),
        delivered.len(),
        delivered.len() - distinct.len(),
        all.difference(&distinct).count(),
    );
    assert!(all.is_subset(&distinct));
    let letters = consuming.dead_letters(Queue::METADATA, 1).await.unwrap();
    assert!(letters.is_empty());
}

/// Notes what it was given.
#[derive(Default)]
struct Noting {
    delivered: Mutex<Vec<Uuid>>,
}

#[async_trait]
impl Handler for Noting {
    async fn handle(&self, envelope: &Envelope) -> Handled {
        self.delivered.lock().unwrap().push(envelope.id);
        Handled::Done
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_is_out_of_memory_events_are_spooled_and_consumers_go_on() {
    let Some(server) = rabbitmq::own().await else {
        return;
    };
    let ground = Ground::on(&server).await;
    let bus = ground.bus().await;
    for number in 0..40 {
        bus.publish(counted(number)).await.unwrap();
    }
    let mut subscription = bus.subscribe(Queue::METADATA).await.unwrap();
    server.set_memory_alarm(true).await;
    // The broker tells only those who publish, and the first of them must find out by itself.
    eventually(SOON, || async {
        bus.publish(counted(100)).await.unwrap();
        (bus.status().spooled > 0).then_some(())
    })
    .await;
    let begun = std::time::Instant::now();
    for number in 0..50 {
        bus.publish(counted(200 + number)).await.unwrap();
    }
    assert!(begun.elapsed() < ONE_WAIT, "it waits for the broker");
    assert!(bus.status().spooled >= 50);
    for _ in 0..40 {
        receive(&mut *subscription).await.ack().await.unwrap();
    }
    let (channel, queue) = (
        ground.foreigner().await,
        topology::work_queue(Queue::METADATA),
    );
    assert!(ready(&channel, &queue).await <= 100);

    server.set_memory_alarm(false).await;
    let mut seen = HashSet::new();
    while seen.len() < 50 {
        let delivery = receive(&mut *subscription).await;
        let number = delivery.envelope.data["number"].as_u64().unwrap();
        if number >= 200 {
            seen.insert(number);
        }
        delivery.ack().await.unwrap();
    }
    eventually(SOON, || async { (bus.status().spooled == 0).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_does_not_answer_is_waited_for_once_and_then_spooled_for() {
    let Some(server) = rabbitmq::own().await else {
        return;
    };
    let ground = Ground::on(&server).await;
    let bus = ground.bus().await;
    server.freeze();
    let begun = std::time::Instant::now();
    for number in 0..20 {
        bus.publish(counted(number)).await.unwrap();
    }
    let taken_in = begun.elapsed();
    assert!(taken_in < ONE_WAIT, "it took {taken_in:?}");
    assert_eq!(bus.status().spooled, 20);
    server.thaw();
    let mut numbers = HashSet::new();
    eventually(SOON, || async { bus.status().is_connected.then_some(()) }).await;
    let mut subscription = bus.subscribe(Queue::METADATA).await.unwrap();
    while numbers.len() < 20 {
        let delivery = receive(&mut *subscription).await;
        numbers.insert(delivery.envelope.data["number"].as_u64().unwrap());
        delivery.ack().await.unwrap();
    }
    eventually(SOON, || async { (bus.status().spooled == 0).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_had_spooled_is_sent_in_its_order_by_the_next() {
    let Some(mut server) = rabbitmq::own().await else {
        return;
    };
    let ground = Ground::on(&server).await;
    // So that there is something to come back to.
    drop(ground.replica("before.db").await);
    server.kill().await;

    let spool = ground.folder.path().join("spool.db");
    let url = format!("{}?spool={}", ground.broker, spool.display());
    let mut command = Command::new(std::env::current_exe().unwrap());
    let this = "rabbitmq::tests::failures::a_process_that_publishes_until_it_is_killed";
    command.args(["--exact", this, "--ignored", "--nocapture"]);
    command.env(CHILDS_URL, url);
    let mut child = ChildProcess::start(command);
    child.wait_for_line("accepted 500", SOON).await;
    child.kill9().await;
    let lines = child.lines();
    let accepted = lines
        .iter()
        .filter(|line| line.starts_with("accepted "))
        .count() as u64;

    server.start_again().await;
    let bus = ground.bus().await;
    let mut subscription = bus.subscribe(Queue::METADATA).await.unwrap();
    // The process may have been killed between taking the last event and saying so.
    for expected in 1..=accepted {
        let delivery = receive(&mut *subscription).await;
        assert_eq!(delivery.envelope.data["number"], expected);
        delivery.ack().await.unwrap();
    }
    println!("process killed with {accepted} events spooled: all delivered in their order");
}

/// Not a test: the process that the test above starts and kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "another test starts it as a process of its own"]
async fn a_process_that_publishes_until_it_is_killed() {
    #[expect(clippy::disallowed_methods, reason = "its parent tells it so")]
    let Ok(url) = std::env::var(CHILDS_URL) else {
        return;
    };
    let bus = RabbitMqBus::open(&url.parse().unwrap()).await.unwrap();
    for number in 1.. {
        bus.publish(counted(number)).await.unwrap();
        let mut output = std::io::stdout().lock();
        writeln!(output, "accepted {number}").unwrap();
        output.flush().unwrap();
    }
}
