//! Ways to become a dead letter, and the tool for them.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_foreign_publisher_put_there_and_nobody_can_read_is_a_dead_letter() {
    let Some(ground) = Ground::shared().await else {
        return;
    };
    let bus = ground.bus().await;
    let channel = ground.foreigner().await;
    publish_raw(&channel, "video.view-counted", b"\xff{no JSON").await;
    bus.publish(counted(2)).await.unwrap();
    let mut subscription = bus.subscribe(Queue::METADATA).await.unwrap();
    // The one behind it comes all the same.
    receive(&mut *subscription).await.ack().await.unwrap();
    let letters = bus.dead_letters(Queue::METADATA, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert!(
        letter.reason.contains("cannot be read"),
        "{}",
        letter.reason
    );
    assert!(
        letter.envelope.data["unreadable"]
            .as_str()
            .unwrap()
            .contains("{no JSON")
    );
    assert!(letter.died_at > jiff::Timestamp::UNIX_EPOCH);

    // Replayed, it is what it was: a later release may read it. This one still cannot.
    let id = letter.envelope.id;
    assert!(bus.replay(Queue::METADATA, id).await.unwrap());
    let mut waiting = JoinSet::new();
    waiting.spawn(async move { subscription.next().await.map(|_| ()) });
    let again = eventually(SOON, || async {
        let letters = bus.dead_letters(Queue::METADATA, 10).await.unwrap();
        letters.into_iter().next()
    });
    assert_eq!(again.await.envelope.id, id);
    waiting.shutdown().await;
    assert!(bus.discard(Queue::METADATA, id).await.unwrap());
    assert!(
        bus.dead_letters(Queue::METADATA, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_returned_for_ever_is_caught_by_the_brokers_net() {
    let Some(ground) = Ground::shared().await else {
        return;
    };
    let bus = ground.bus().await;
    let event = counted(1);
    bus.publish(event.clone()).await.unwrap();
    let mut subscription = bus.subscribe(Queue::METADATA).await.unwrap();
    for _ in 0..=topology::DELIVERY_LIMIT {
        drop(receive(&mut *subscription).await);
    }
    let letter = eventually(SOON, || async {
        let letters = bus.dead_letters(Queue::METADATA, 10).await.unwrap();
        letters.into_iter().next()
    });
    let letter = letter.await;
    assert_eq!(letter.envelope, event);
    assert!(
        letter.reason.contains("more than 50 times"),
        "{}",
        letter.reason
    );
    assert!(letter.died_at > jiff::Timestamp::UNIX_EPOCH);
    assert!(bus.replay(Queue::METADATA, event.id).await.unwrap());
    receive(&mut *subscription).await.ack().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_dead_letters_as_often_as_one_likes_loses_none_and_keeps_their_order() {
    let Some(ground) = Ground::shared().await else {
        return;
    };
    let service = ground.bus().await;
    // A tool with the service's own settings: it finds the spool taken and works all the same.
    let tool = ground.bus().await;
    let events: Vec<_> = (0..5).map(counted).collect();
    let mut subscription = service.subscribe(Queue::METADATA).await.unwrap();
    for event in &events {
        service.publish(event.clone()).await.unwrap();
        let delivery = receive(&mut *subscription).await;
        delivery.reject("it is nonsense").await.unwrap();
    }
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    for _ in 0..60 {
        let letters = tool.dead_letters(Queue::METADATA, 3).await.unwrap();
        let listed: Vec<_> = letters.iter().map(|letter| letter.envelope.id).collect();
        assert_eq!(listed, ids[..3]);
    }
    assert!(tool.discard(Queue::METADATA, ids[1]).await.unwrap());
    assert!(tool.replay(Queue::METADATA, ids[4]).await.unwrap());
    let back = receive(&mut *subscription).await;
    assert_eq!(back.envelope.id, ids[4]);
    back.ack().await.unwrap();
    let letters = tool.dead_letters(Queue::METADATA, 10).await.unwrap();
    let left: HashSet<_> = letters.iter().map(|letter| letter.envelope.id).collect();
    assert_eq!(left, HashSet::from([ids[0], ids[2], ids[3]]));
}
