//! The laws of [`CatalogTransfer`](crate::catalog::transfer::CatalogTransfer).

use uuid::Uuid;

use super::{delete, find, found, id, new_title, new_video, register, register_all, time};
use crate::catalog::transfer::{CatalogTransfer, Kept};
use crate::catalog::{Catalog, Change};
use crate::video::{Edit, PosterVersion, Tags, Tombstone};

/// Both ports of one store.
pub(crate) trait Store: Catalog + CatalogTransfer {}
impl<T: Catalog + CatalogTransfer> Store for T {}

/// Calls a macro with the names of all laws.
macro_rules! for_each_transfer_law {
    ($call:ident) => {
        $call! {
            the_pages_hold_every_state_once_in_order_and_are_bounded
            what_was_put_is_exported_and_found_like_what_was_registered
            putting_again_or_in_part_before_changes_nothing
            what_is_put_replaces_what_was_there
            states_never_go_back_and_view_numbers_only_grow
        }
    };
}
pub(crate) use for_each_transfer_law;

/// One id of each state, and some more videos.
async fn fill(store: &dyn Store) {
    register_all(
        store,
        (1..=7)
            .map(|n| new_video(n, &format!("Film {n}")))
            .collect(),
    )
    .await;
    let edit = Edit {
        tags: Some(Tags::new(vec!["Zürich".to_owned()]).unwrap()),
        ..Edit::default()
    };
    store.amend(id(2), Change::Edit(edit)).await.unwrap();
    let poster = PosterVersion::new("abc".to_owned()).unwrap();
    store.amend(id(2), Change::Poster(poster)).await.unwrap();
    store.amend(id(3), Change::ViewNumber(9)).await.unwrap();
    store.amend(id(20), Change::ViewNumber(4)).await.unwrap();
    delete(store, 5).await;
    delete(store, 6).await;
    store.confirm_deletion(id(6)).await.unwrap();
}

async fn export(store: &dyn Store, limit: usize) -> Vec<Kept> {
    let mut all = Vec::new();
    let mut after: Option<Uuid> = None;
    loop {
        let page = store.export(after, limit).await.unwrap();
        assert!(page.items.len() <= limit, "a page is bounded");
        for (key, item) in page.items {
            assert_eq!(key, item.id());
            assert!(after.is_none_or(|after| key > after), "in order, once");
            after = Some(key);
            all.push(item);
        }
        if page.next.is_none() {
            return all;
        }
        assert_eq!(page.next, after);
    }
}

/// What [`fill`] leaves, as a store would export it.
async fn filled(store: &dyn Store) -> Vec<Kept> {
    fill(store).await;
    export(store, 100).await
}

pub(crate) async fn the_pages_hold_every_state_once_in_order_and_are_bounded(
    store: &dyn Store,
    _other: &dyn Store,
) {
    assert!(export(store, 3).await.is_empty());
    let all = filled(store).await;
    assert_eq!(all.len(), 8);
    assert_eq!(
        all[7],
        Kept::Awaited {
            video: id(20),
            views: 4
        }
    );
    let tombstone = |n| Tombstone {
        video: id(n),
        deleted_at: time(0),
    };
    for (n, confirmed) in [(5, false), (6, true)] {
        let deleted = Kept::Deleted {
            tombstone: tombstone(n),
            confirmed,
        };
        assert_eq!(all[n as usize - 1], deleted);
    }
    for limit in 1..=9 {
        assert_eq!(export(store, limit).await, all);
    }
    assert!(store.estimate().await.unwrap() == 8);
}

pub(crate) async fn what_was_put_is_exported_and_found_like_what_was_registered(
    store: &dyn Store,
    other: &dyn Store,
) {
    let all = filled(store).await;
    other.put(all.clone()).await.unwrap();
    assert_eq!(export(other, 3).await, all);
    for n in 1..=7 {
        assert_eq!(find(other, n).await, find(store, n).await);
    }
    for query in ["film", "zur", "film 4"] {
        assert_eq!(
            found(other, query).await,
            found(store, query).await,
            "{query}"
        );
    }
    let pending = other.pending_deletions(9).await.unwrap();
    assert_eq!(pending, store.pending_deletions(9).await.unwrap());
    // Life goes on there.
    let awaited = register(other, 20, "Late").await;
    assert_eq!(awaited.views, 4);
    other.amend(id(1), new_title("Other")).await.unwrap();
    assert_eq!(found(other, "other").await, [1]);
}

pub(crate) async fn putting_again_or_in_part_before_changes_nothing(
    store: &dyn Store,
    other: &dyn Store,
) {
    let all = filled(store).await;
    other.put(all[2..6].to_vec()).await.unwrap();
    for _ in 0..2 {
        other.put(all.clone()).await.unwrap();
        assert_eq!(export(other, 100).await, all);
    }
    other.put(Vec::new()).await.unwrap();
    assert_eq!(export(other, 100).await, all);
}

pub(crate) async fn what_is_put_replaces_what_was_there(store: &dyn Store, other: &dyn Store) {
    other.put(filled(store).await).await.unwrap();
    store.amend(id(1), new_title("Renamed")).await.unwrap();
    store.amend(id(3), Change::ViewNumber(10)).await.unwrap();
    store.confirm_deletion(id(5)).await.unwrap();
    delete(store, 7).await;
    register(store, 20, "Came").await;
    let all = export(store, 100).await;
    other.put(all.clone()).await.unwrap();
    assert_eq!(export(other, 100).await, all);
    assert_eq!(found(other, "renamed").await, [1]);
    assert_eq!(found(other, "film").await, [4, 3, 2]);
}

pub(crate) async fn states_never_go_back_and_view_numbers_only_grow(
    store: &dyn Store,
    other: &dyn Store,
) {
    let early = filled(store).await;
    other.put(early.clone()).await.unwrap();
    other.amend(id(3), Change::ViewNumber(12)).await.unwrap();
    other.amend(id(20), Change::ViewNumber(6)).await.unwrap();
    delete(other, 1).await;
    other.put(early).await.unwrap();
    assert_eq!(find(other, 1).await, None);
    assert_eq!(find(other, 3).await.unwrap().views, 12);
    assert_eq!(register(other, 20, "Came").await.views, 6);
    // A number that waited is not lost when its video is put.
    store.amend(id(30), Change::ViewNumber(2)).await.unwrap();
    register(store, 30, "Here").await;
    let here = export(store, 100).await.pop().unwrap();
    other.amend(id(30), Change::ViewNumber(3)).await.unwrap();
    other.put(vec![here]).await.unwrap();
    assert_eq!(find(other, 30).await.unwrap().views, 3);
}
