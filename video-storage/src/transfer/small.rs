//! Moving what is small enough to be held: posters and idempotency keys.

use jiff::SignedDuration;
use uuid::Uuid;

use super::blobs::Blobs;
use super::{Target, TransferError, is_good};
use crate::record::KeyDocument;
use crate::store::{Object, written_at};

/// The clocks of two stores differ by less than this. A poster that was written so much earlier
/// than the target's copy, and is as long, is what was copied; any other is compared.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_hours(1);

/// Moves the poster of a video, if it has one and the target has not.
pub(super) async fn move_poster(
    source: &Blobs,
    target: &Target,
    id: Uuid,
) -> Result<(), TransferError> {
    let object = Object::poster(id);
    let Some(here) = source.head(&object).await? else {
        return Ok(());
    };
    let there = target.blobs.head(&object).await?;
    let is_copied = there.is_some_and(|there| {
        there.size == here.size && written_at(&there) > written_at(&here) + CLOCKS_DIFFER
    });
    if is_copied {
        return Ok(());
    }
    // A deletion this moment takes the poster as well; the next pass learns of it.
    let Some(bytes) = source.read(&object).await? else {
        return Ok(());
    };
    write(target, &object, bytes).await
}

/// Moves an idempotency key if it is still good; whether it is.
pub(super) async fn move_key(
    source: &Blobs,
    target: &Target,
    hash: &str,
) -> Result<bool, TransferError> {
    let object = Object::key(hash);
    let Some(bytes) = source.read(&object).await? else {
        return Ok(false);
    };
    match serde_json::from_slice::<KeyDocument>(&bytes) {
        Ok(key) if is_good(&key) => {}
        // Nobody could use it any more, or ever.
        Ok(_) | Err(_) => return Ok(false),
    }
    write(target, &object, bytes).await?;
    Ok(true)
}

/// Writes a small object unless it is there, and reads it back.
async fn write(target: &Target, object: &Object, bytes: bytes::Bytes) -> Result<(), TransferError> {
    if target.blobs.read(object).await?.as_ref() == Some(&bytes) {
        return Ok(());
    }
    target.store.put(object, bytes.clone()).await?;
    if target.blobs.read(object).await?.as_ref() == Some(&bytes) {
        return Ok(());
    }
    Err(TransferError::NotKept {
        object: object.path().to_string(),
    })
}
