//! The keys of buckets, objects, versions, uploads and bytes in the store.
//!
//! Lives here: their shapes; the table in the documentation of `store` lists them.
//! Does not live here: the values.

use store::Range;
use store::keys::{KeyReader, KeyWriter, Owner};

use super::bucket::BucketId;
use super::slots::Slot;

const BUCKET: u8 = 0x01;
const CURRENT: u8 = 0x02;
const OLDER: u8 = 0x03;
const NULL: u8 = 0x04;
const BYTES: u8 = 0x05;
const FILE: u8 = 0x06;
const PARTS: u8 = 0x07;
const UPLOAD: u8 = 0x08;
const PART: u8 = 0x09;
const TRASH: u8 = 0x0a;
const SLOT: u8 = 0x0b;

fn begin(shape: u8) -> KeyWriter {
    KeyWriter::by_id(Owner::Objects).byte(shape)
}

fn of_bucket(shape: u8, bucket: BucketId) -> KeyWriter {
    begin(shape).raw(&bucket.0.to_be_bytes())
}

pub(crate) fn bucket(name: &str) -> Vec<u8> {
    begin(BUCKET).text(name).finish()
}

pub(crate) fn buckets() -> Range {
    Range::of_prefix(begin(BUCKET).finish())
}

/// The newest version of an object.
pub(crate) fn current(bucket: BucketId, key: &str) -> Vec<u8> {
    of_bucket(CURRENT, bucket).text(key).finish()
}

/// All objects whose keys begin so.
pub(crate) fn currents(bucket: BucketId, prefix: &str) -> Range {
    Range::of_prefix(
        of_bucket(CURRENT, bucket)
            .bytes_open(prefix.as_bytes())
            .finish(),
    )
}

/// What all keys of objects that begin so begin with.
pub(crate) fn current_open(bucket: BucketId, prefix: &str) -> Vec<u8> {
    of_bucket(CURRENT, bucket)
        .bytes_open(prefix.as_bytes())
        .finish()
}

/// The name of the object in a key of [`current`].
pub(crate) fn name_of_current(key: &[u8]) -> Option<String> {
    let mut reader = KeyReader::new(key.get(3 + 8..)?);
    reader.text().ok()
}

/// A version that is not the newest: later ones sort first.
pub(crate) fn older(bucket: BucketId, key: &str, sequence: u64) -> Vec<u8> {
    of_bucket(OLDER, bucket)
        .text(key)
        .raw(&(!sequence).to_be_bytes())
        .finish()
}

/// All versions of an object but the newest.
pub(crate) fn olders(bucket: BucketId, key: &str) -> Range {
    Range::of_prefix(of_bucket(OLDER, bucket).text(key).finish())
}

/// All versions but the newest, of objects whose keys begin so.
pub(crate) fn all_olders(bucket: BucketId, prefix: &str) -> Range {
    Range::of_prefix(
        of_bucket(OLDER, bucket)
            .bytes_open(prefix.as_bytes())
            .finish(),
    )
}

/// The name of the object in a key of [`older`].
pub(crate) fn name_of_older(key: &[u8]) -> Option<String> {
    name_of_current(key)
}

/// Where the `null` version of an object is, if it is not the newest.
pub(crate) fn null(bucket: BucketId, key: &str) -> Vec<u8> {
    of_bucket(NULL, bucket).text(key).finish()
}

/// The bytes of a small object.
pub(crate) fn bytes(id: &str) -> Vec<u8> {
    begin(BYTES).text(id).finish()
}

/// The mark of a file that something refers to.
pub(crate) fn file(id: &str) -> Vec<u8> {
    begin(FILE).text(id).finish()
}

/// The mark of a slot that something refers to.
pub(crate) fn slot(slot: &Slot) -> Vec<u8> {
    begin(SLOT)
        .text(&slot.file)
        .raw(&slot.number.to_be_bytes())
        .raw(&slot.tag.to_be_bytes())
        .finish()
}

/// All slots of a file that something refers to.
pub(crate) fn slots(file: &str) -> Range {
    Range::of_prefix(begin(SLOT).text(file).finish())
}

/// Number and tag in a key of [`slot`].
pub(crate) fn slot_of(key: &[u8]) -> Option<(u32, u64)> {
    let mut reader = KeyReader::new(key.get(3..)?);
    reader.text().ok()?;
    let number = reader.raw(4).ok()?.try_into().ok()?;
    let tag = reader.raw(8).ok()?.try_into().ok()?;
    Some((u32::from_be_bytes(number), u64::from_be_bytes(tag)))
}

/// Some parts of an object that has several.
pub(crate) fn parts_row(id: &str, number: u32) -> Vec<u8> {
    begin(PARTS).text(id).raw(&number.to_be_bytes()).finish()
}

/// All parts of an object.
pub(crate) fn parts_rows(id: &str) -> Range {
    Range::of_prefix(begin(PARTS).text(id).finish())
}

/// An upload in parts: of one key, earlier ones sort first.
pub(crate) fn upload(bucket: BucketId, key: &str, upload: &str) -> Vec<u8> {
    of_bucket(UPLOAD, bucket).text(key).text(upload).finish()
}

/// All uploads of a bucket to keys that begin so.
pub(crate) fn uploads(bucket: BucketId, prefix: &str) -> Range {
    Range::of_prefix(
        of_bucket(UPLOAD, bucket)
            .bytes_open(prefix.as_bytes())
            .finish(),
    )
}

/// Key and id in a key of [`upload`].
pub(crate) fn name_of_upload(key: &[u8]) -> Option<(String, String)> {
    let mut reader = KeyReader::new(key.get(3 + 8..)?);
    Some((reader.text().ok()?, reader.text().ok()?))
}

/// A part of an upload.
pub(crate) fn part(upload: &str, number: u32) -> Vec<u8> {
    begin(PART).text(upload).raw(&number.to_be_bytes()).finish()
}

/// All parts of an upload.
pub(crate) fn parts(upload: &str) -> Range {
    Range::of_prefix(begin(PART).text(upload).finish())
}

/// What is still to be cleared away.
pub(crate) fn trash(id: &str) -> Vec<u8> {
    begin(TRASH).text(id).finish()
}

/// Everything that is still to be cleared away.
pub(crate) fn all_trash() -> Range {
    Range::of_prefix(begin(TRASH).finish())
}
