use events::Event as _;
use test_support::DataFolder;
use uuid::Uuid;

use super::*;
use crate::catalog::conformance::{id, new_video};
use crate::catalog::{Entry, LateCatalog, Registration, SqliteCatalog};

fn counted(number: u64) -> Envelope {
    Envelope::of(&ViewCounted {
        session: Uuid::from_u128(number.into()),
        video: id(1),
        number,
    })
}

async fn catalog(folder: &DataFolder) -> Arc<dyn Catalog> {
    Arc::new(
        SqliteCatalog::open(&folder.join("metadata.db"))
            .await
            .unwrap(),
    )
}

async fn views(catalog: &dyn Catalog) -> u64 {
    match catalog.look_up(&[id(1)]).await.unwrap().pop() {
        Some(Entry::Present(video)) => video.views,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_highest_number_wins_also_when_events_come_again_and_out_of_order() {
    let folder = DataFolder::new();
    let catalog = catalog(&folder).await;
    catalog.register(new_video(1, "Title")).await.unwrap();
    let handler = ViewCounts::new(Arc::clone(&catalog));
    for number in [2, 1, 3, 2, 3] {
        assert!(matches!(
            handler.handle(&counted(number)).await,
            Handled::Done
        ));
    }
    assert_eq!(views(&*catalog).await, 3);
}

#[tokio::test]
async fn a_view_that_was_counted_before_the_upload_was_registered_is_not_lost() {
    let folder = DataFolder::new();
    let catalog = catalog(&folder).await;
    let handler = ViewCounts::new(Arc::clone(&catalog));
    assert!(matches!(handler.handle(&counted(7)).await, Handled::Done));
    let registration = catalog.register(new_video(1, "Title")).await.unwrap();
    assert!(matches!(registration, Registration::Registered(video) if video.views == 7));
}

#[tokio::test]
async fn an_event_waits_while_the_store_is_not_there() {
    let handler = ViewCounts::new(Arc::new(LateCatalog::default()));
    let outcome = handler.handle(&counted(1)).await;
    assert!(matches!(outcome, Handled::Unavailable(_)), "{outcome:?}");
}

#[tokio::test]
async fn an_event_that_can_never_be_understood_is_rejected() {
    let handler = ViewCounts::new(Arc::new(LateCatalog::default()));
    let mut newer = counted(1);
    newer.version = ViewCounted::VERSION + 1;
    let mut of_another_type = counted(1);
    of_another_type.event_type = "video.deleted".to_owned();
    let mut malformed = counted(1);
    malformed.data = serde_json::json!({"video": "x"});
    for envelope in [newer, of_another_type, malformed, counted(u64::MAX)] {
        let outcome = handler.handle(&envelope).await;
        assert!(matches!(outcome, Handled::Rejected(_)), "{outcome:?}");
    }
}
