//! Moving one video.

use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::blobs::{Blobs, Found};
use super::{Moved, Target, TransferError};
use crate::digest::hex;
use crate::record::{IntentDocument, UploadRecord, now};
use crate::store::{Object, Store, failed};
use crate::upload::PartWriter;

/// From where to where, and who hears of it.
pub(super) struct Course<'a> {
    pub(super) source: &'a Blobs,
    pub(super) target: &'a Target,
    pub(super) progress: &'a (dyn Fn(u64) + Sync),
    pub(super) stop: &'a CancellationToken,
}

pub(super) async fn write_intent(store: &Store, id: Uuid) -> Result<(), TransferError> {
    let intent = IntentDocument::new(id, now());
    Ok(store.put_json(&Object::intent(id), &intent).await?)
}

pub(super) async fn move_video(course: &Course<'_>, id: Uuid) -> Result<Moved, TransferError> {
    let record = match course.source.record(id).await? {
        Found::Record(record) => *record,
        Found::Nothing => return Ok(Moved::Gone),
        Found::Damaged(why) => return Ok(Moved::Damaged(why)),
    };
    if is_there(course, &record).await? {
        (course.progress)(record.size_bytes);
        return Ok(Moved::AlreadyThere);
    }
    write_intent(&course.target.store, id).await?;
    let written = write(course, &record).await;
    match written {
        Ok(Written::Whole) => {}
        // What the source lacks, or could not give, may have been deleted this moment.
        Ok(Written::Not(_)) | Err(_) if is_gone(course.source, id).await => {
            return Ok(Moved::Gone);
        }
        Ok(Written::Not(why)) => {
            course.target.remove(id).await?;
            return Ok(Moved::Damaged(why));
        }
        Err(error) => return Err(error),
    }
    let Some(tag) = read_back(course, &record).await? else {
        return Err(TransferError::NotKept {
            object: Object::video(id).path().to_string(),
        });
    };
    commit(course, record, tag).await?;
    Ok(Moved::Copied)
}

/// Whether the target has these bytes. If it has them and no record of them yet, it gets one.
async fn is_there(course: &Course<'_>, record: &UploadRecord) -> Result<bool, TransferError> {
    let blobs = &course.target.blobs;
    let Some(meta) = blobs.head(&Object::video(record.id)).await? else {
        return Ok(false);
    };
    if meta.size != record.size_bytes {
        return Ok(false);
    }
    if let Found::Record(known) = blobs.record(record.id).await?
        && known.store_tag == meta.e_tag
        && is_same(&known, record)
    {
        return Ok(true);
    }
    match read_back(course, record).await? {
        Some(tag) => {
            commit(course, record.clone(), tag).await?;
            Ok(true)
        }
        None => Ok(false),
    }
}

/// Whether two records say the same; the tag is each store's own.
fn is_same(one: &UploadRecord, other: &UploadRecord) -> bool {
    let tagged = UploadRecord {
        store_tag: other.store_tag.clone(),
        ..one.clone()
    };
    tagged == *other
}

async fn commit(
    course: &Course<'_>,
    record: UploadRecord,
    tag: Option<String>,
) -> Result<(), TransferError> {
    let record = UploadRecord {
        store_tag: tag,
        ..record
    };
    Ok(course.target.records.save(&record).await?)
}

async fn is_gone(source: &Blobs, id: Uuid) -> bool {
    matches!(source.record(id).await, Ok(Found::Nothing))
}

enum Written {
    Whole,
    /// The source does not have what was uploaded.
    Not(String),
}

async fn write(course: &Course<'_>, record: &UploadRecord) -> Result<Written, TransferError> {
    let object = Object::video(record.id);
    let Some(found) = course.source.get(&object).await? else {
        return Ok(Written::Not("its bytes are missing".to_owned()));
    };
    if found.meta.size != record.size_bytes {
        let (has, had) = (found.meta.size, record.size_bytes);
        return Ok(Written::Not(format!("it has {has} bytes instead of {had}")));
    }
    let media_type = record.container.content_type();
    let (store, size) = (&course.target.store, record.size_bytes);
    let mut writer = PartWriter::begin(store, object.clone(), media_type, size).await?;
    let mut bytes = found.into_stream();
    let mut hash = Sha256::new();
    let outcome = loop {
        if course.stop.is_cancelled() {
            break Err(TransferError::Stopped);
        }
        match bytes.try_next().await {
            Ok(Some(piece)) => {
                hash.update(&piece);
                if let Err(error) = writer.write(&piece).await {
                    break Err(error.into());
                }
                (course.progress)(piece.len() as u64);
            }
            Ok(None) if hex(&hash.clone().finalize()) == record.sha256 => break Ok(Written::Whole),
            Ok(None) => {
                let why = "its bytes are not those that were uploaded".to_owned();
                break Ok(Written::Not(why));
            }
            Err(source) => break Err(failed("read", &object, source).into()),
        }
    };
    match outcome {
        Ok(Written::Whole) => {
            writer.complete().await?;
            Ok(Written::Whole)
        }
        outcome => {
            writer.abort().await;
            outcome
        }
    }
}

/// Reads what the target has; its tag, if it is what was uploaded.
async fn read_back(
    course: &Course<'_>,
    record: &UploadRecord,
) -> Result<Option<Option<String>>, TransferError> {
    let object = Object::video(record.id);
    let Some(found) = course.target.blobs.get(&object).await? else {
        return Ok(None);
    };
    let tag = found.meta.e_tag.clone();
    let mut bytes = found.into_stream();
    let mut hash = Sha256::new();
    loop {
        if course.stop.is_cancelled() {
            return Err(TransferError::Stopped);
        }
        let piece = bytes.try_next().await;
        match piece.map_err(|source| failed("read", &object, source))? {
            Some(piece) => hash.update(&piece),
            None => break,
        }
    }
    Ok((hex(&hash.finalize()) == record.sha256).then_some(tag))
}

/// What a comparison of one video found.
pub(super) enum Compared {
    Equal(u64),
    Different,
    /// Neither has what was uploaded.
    Damaged,
    /// The source has it no more.
    Gone,
}

pub(super) async fn compare(
    source: &Blobs,
    target: &Blobs,
    id: Uuid,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Compared, TransferError> {
    let record = match source.record(id).await? {
        Found::Record(record) => record,
        Found::Nothing => return Ok(Compared::Gone),
        Found::Damaged(_) => return Ok(Compared::Damaged),
    };
    let same = match target.record(id).await? {
        Found::Record(known) => is_same(&known, &record),
        Found::Nothing | Found::Damaged(_) => false,
    };
    if same && holds(target, &record, progress).await? && has_poster_of(source, target, id).await? {
        return Ok(Compared::Equal(record.size_bytes));
    }
    // Comparing costs a second reading only where something is wrong.
    match source.record(id).await? {
        Found::Record(_) if holds(source, &record, &|_| {}).await? => Ok(Compared::Different),
        Found::Record(_) | Found::Damaged(_) => Ok(Compared::Damaged),
        Found::Nothing => Ok(Compared::Gone),
    }
}

async fn has_poster_of(source: &Blobs, target: &Blobs, id: Uuid) -> Result<bool, TransferError> {
    let poster = Object::poster(id);
    let wanted = source.read(&poster).await?;
    Ok(wanted.is_none() || wanted == target.read(&poster).await?)
}

/// Whether a store has the bytes of this record.
async fn holds(
    blobs: &Blobs,
    record: &UploadRecord,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<bool, TransferError> {
    let object = Object::video(record.id);
    let Some(found) = blobs.get(&object).await? else {
        return Ok(false);
    };
    let mut bytes = found.into_stream();
    let mut hash = Sha256::new();
    while let Some(piece) = bytes
        .try_next()
        .await
        .map_err(|source| failed("read", &object, source))?
    {
        hash.update(&piece);
        progress(piece.len() as u64);
    }
    Ok(hex(&hash.finalize()) == record.sha256)
}
