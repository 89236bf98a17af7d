//! Taking away all that belongs to one video.

use uuid::Uuid;

use crate::keys::Keys;
use crate::records::Records;
use crate::store::{Object, Store, StoreError};

/// Removes key, record, poster, bytes and intent, in an order that can be begun again at any
/// point: the record knows the key, and the intent says that something may be left.
pub(crate) async fn remove_video(
    store: &Store,
    records: &Records,
    keys: &Keys,
    id: Uuid,
) -> Result<(), StoreError> {
    let record = match records.read(id).await {
        Ok(record) => record,
        // What cannot be read can still be removed; its key expires by itself.
        Err(StoreError::Damaged { .. }) => None,
        Err(error) => return Err(error),
    };
    if let Some(record) = record {
        keys.release(&record).await?;
    }
    records.remove(id).await?;
    remove_bytes(store, id).await?;
    // A reader that found a new tag of the bytes may have written the record again before they
    // were gone; after that it removes it itself.
    records.remove(id).await?;
    store.remove(&Object::intent(id)).await
}

/// Removes poster and bytes only.
pub(crate) async fn remove_bytes(store: &Store, id: Uuid) -> Result<(), StoreError> {
    store.remove(&Object::poster(id)).await?;
    store.remove(&Object::video(id)).await
}
