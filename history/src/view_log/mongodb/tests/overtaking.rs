//! One replica is held up between two writes, and another one does everything meanwhile.

use uuid::Uuid;

use super::super::MongoViewLog;
use super::{Interruption, at, beat, new_database, open_at, session};
use crate::implicit_session::{ByteSpan, StreamReport};
use crate::view_log::{Forget, Observation, Outcome, ViewLog};

/// Two replicas on one database; the first can be held up.
async fn two_replicas() -> Option<(MongoViewLog, Interruption, MongoViewLog)> {
    let url = new_database().await?;
    let mut slow = open_at(&url).await;
    let interruption = Interruption::default();
    slow.store.interrupt_with(&interruption);
    Some((slow, interruption, open_at(&url).await))
}

fn report(video: Uuid, first_minute: i64, last_minute: i64) -> Observation {
    Observation::Streamed(StreamReport {
        report: Uuid::new_v4(),
        video,
        client: "a plain player".to_owned(),
        span: ByteSpan::new(
            at(first_minute * 60_000),
            at(last_minute * 60_000),
            true,
            None,
        ),
    })
}

#[tokio::test]
async fn an_event_that_a_deletion_overtakes_leaves_nothing() {
    let Some((slow, interruption, quick)) = two_replicas().await else {
        return;
    };
    let mut deleted = 0;
    // Of a beat: session, entry, view. Of a report: sessions of its client, view.
    for (kind, writes) in [
        ("beat", 1),
        ("beat", 2),
        ("beat", 3),
        ("report", 1),
        ("report", 2),
    ] {
        let watched = session(Uuid::new_v4(), Uuid::now_v7(), 0);
        let video = watched.video;
        let event = if kind == "beat" {
            quick.record(beat(watched, 1, 0), at(0)).await.unwrap();
            beat(watched, 2, 30_000)
        } else {
            report(video, 0, 10)
        };
        let (reached, go_on) = interruption.hold_up_after(writes);
        let overtake = async {
            reached.await.unwrap();
            quick.forget(Forget::Video(video), at(0)).await.unwrap();
            drop(go_on);
        };
        let (recorded, ()) = tokio::join!(slow.record(event, at(0)), overtake);
        let recorded = recorded.unwrap();
        assert_eq!(recorded.outcome, Outcome::VideoDeleted, "{kind} {writes}");
        assert_eq!(recorded.unpublished, None);
        deleted += 1;
        let left = quick.store.count_of_all().await;
        assert_eq!(left, [0, 0, 0, 0, 0, deleted], "{kind} {writes}");
    }
}

#[tokio::test]
async fn a_session_that_is_joined_while_it_gets_its_number_gives_it_back() {
    let Some((slow, interruption, quick)) = two_replicas().await else {
        return;
    };
    let video = Uuid::now_v7();
    let first = quick.record(report(video, 0, 10), at(0)).await.unwrap();
    let first = first.unpublished.unwrap();
    // Its session is known to be a view, and has no number yet.
    let (reached, go_on) = interruption.hold_up_after(1);
    let join = async {
        reached.await.unwrap();
        let joining = quick.record(report(video, 5, 55), at(0)).await.unwrap();
        assert_eq!(joining.unpublished, Some(first));
        drop(go_on);
    };
    let (second, ()) = tokio::join!(slow.record(report(video, 50, 60), at(0)), join);
    let second = second.unwrap();
    assert!(!second.counted);
    assert_eq!(second.unpublished, Some(first));
    assert_eq!(quick.unpublished_views(at(1), 10).await.unwrap(), [first]);

    let next = session(Uuid::new_v4(), video, 0);
    quick.record(beat(next, 1, 0), at(0)).await.unwrap();
    let next = quick.record(beat(next, 2, 30_000), at(0)).await.unwrap();
    assert_eq!(next.unpublished.unwrap().number, 2);
}

#[tokio::test]
async fn a_beat_that_is_overtaken_by_a_later_one_does_not_bring_its_entry_back() {
    let Some((slow, interruption, quick)) = two_replicas().await else {
        return;
    };
    let watched = session(Uuid::new_v4(), Uuid::now_v7(), 0);
    slow.record(beat(watched, 1, 0), at(0)).await.unwrap();
    // The session has the beat, the entry does not show it yet.
    let (reached, go_on) = interruption.hold_up_after(1);
    let overtake = async {
        reached.await.unwrap();
        quick.record(beat(watched, 3, 20_000), at(0)).await.unwrap();
        drop(go_on);
    };
    let (recorded, ()) = tokio::join!(slow.record(beat(watched, 2, 10_000), at(0)), overtake);
    recorded.unwrap();
    let entry = quick.entry(watched.viewer, watched.video).await.unwrap();
    let entry = entry.unwrap();
    assert_eq!((entry.position_ms, entry.watched_ms), (20_000, 20_000));
}
