//! Lists of keys and versions.
//!
//! Lives here: prefixes, delimiters, pages; steps over what a delimiter puts together.
//! Does not live here: the documents around them (`api::lists`).

use store::{Direction, PageLimit, Range, Store};

use super::bucket::BucketId;
use super::fault::Fault;
use super::keys;
use super::objects::read;
use super::version::Version;

/// Rows that are read at a time.
const ROWS_MAX: usize = 1_000;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) delimiter: Option<&'a str>,
    /// Only what sorts after it; a common prefix is only left out if it is this itself.
    pub(crate) after: &'a str,
    pub(crate) max: usize,
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Entry {
    Object(String, Box<Version>),
    CommonPrefix(String),
}

impl Entry {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Object(key, _) => key,
            Self::CommonPrefix(prefix) => prefix,
        }
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Listed {
    pub(crate) entries: Vec<Entry>,
    pub(crate) is_truncated: bool,
}

/// The objects of a bucket.
pub(crate) async fn objects(
    store: &dyn Store,
    bucket: BucketId,
    query: &Query<'_>,
) -> Result<Listed, Fault> {
    let mut listed = Listed::default();
    if query.max == 0 {
        return Ok(listed);
    }
    let mut range = start(bucket, query);
    while !range.is_empty() {
        let rows_max = (query.max - listed.entries.len() + 1).min(ROWS_MAX);
        let page = store
            .scan(&range, Direction::Forward, PageLimit::rows(rows_max))
            .await?;
        let more = page.more;
        let mut jumped = false;
        for row in page.rows {
            range = range.after(&row.key);
            let Some(key) = keys::name_of_current(&row.key) else {
                continue;
            };
            let version = read(&row.value)?;
            if version.is_delete_marker {
                continue;
            }
            let common = common_prefix(&key, query);
            if listed.entries.len() == query.max {
                listed.is_truncated = true;
                return Ok(listed);
            }
            match common {
                Some(common) => {
                    range = beyond(range, bucket, &common);
                    listed.entries.push(Entry::CommonPrefix(common));
                    jumped = true;
                    break;
                }
                None => listed.entries.push(Entry::Object(key, Box::new(version))),
            }
        }
        if !jumped && !more {
            break;
        }
    }
    Ok(listed)
}

fn start(bucket: BucketId, query: &Query<'_>) -> Range {
    let range = keys::currents(bucket, query.prefix);
    if query.after.is_empty() {
        return range;
    }
    match common_prefix(query.after, query) {
        // All that is put together under what was listed already comes no more.
        Some(common) if common == query.after => beyond(range, bucket, &common),
        Some(_) | None => range.after(&keys::current(bucket, query.after)),
    }
}

/// The range without what begins with this.
fn beyond(range: Range, bucket: BucketId, prefix: &str) -> Range {
    match store::scan::after_prefix(&keys::current_open(bucket, prefix)) {
        Some(next) if range.start < next => Range {
            start: next,
            end: range.end,
        },
        Some(_) | None => range,
    }
}

/// What a delimiter puts a key together with others under.
pub(crate) fn common_prefix(key: &str, query: &Query<'_>) -> Option<String> {
    let delimiter = query.delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let rest = key.strip_prefix(query.prefix)?;
    let end = rest.find(delimiter)? + delimiter.len();
    Some(format!("{}{}", query.prefix, rest.get(..end)?))
}

/// A line of a list of versions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum VersionEntry {
    Version {
        key: String,
        version: Box<Version>,
        is_latest: bool,
    },
    CommonPrefix(String),
}

/// A page of versions, and where the next begins.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct VersionsListed {
    pub(crate) entries: Vec<VersionEntry>,
    /// The last key, and its last version.
    pub(crate) next: Option<(String, Option<String>)>,
}

/// The versions of the objects of a bucket: by key, newest first. `after_version` goes on within the key `query.after`.
pub(crate) async fn versions(
    store: &dyn Store,
    bucket: BucketId,
    query: &Query<'_>,
    after_version: Option<u64>,
) -> Result<VersionsListed, Fault> {
    let mut listed = VersionsListed::default();
    if query.max == 0 {
        return Ok(listed);
    }
    if let Some(sequence) = after_version
        && older_of(
            store,
            bucket,
            query.after,
            Some(sequence),
            query.max,
            &mut listed,
        )
        .await?
    {
        return Ok(listed);
    }
    let mut range = start(bucket, query);
    while !range.is_empty() {
        let page = store
            .scan(
                &range,
                Direction::Forward,
                PageLimit::rows(ROWS_MAX.min(query.max + 1)),
            )
            .await?;
        let more = page.more;
        let mut jumped = false;
        for row in page.rows {
            range = range.after(&row.key);
            let Some(key) = keys::name_of_current(&row.key) else {
                continue;
            };
            if listed.entries.len() == query.max {
                listed.next = last_of(&listed.entries);
                return Ok(listed);
            }
            if let Some(common) = common_prefix(&key, query) {
                range = beyond(range, bucket, &common);
                listed.entries.push(VersionEntry::CommonPrefix(common));
                jumped = true;
                break;
            }
            let version = read(&row.value)?;
            listed.entries.push(VersionEntry::Version {
                key: key.clone(),
                version: Box::new(version),
                is_latest: true,
            });
            if older_of(store, bucket, &key, None, query.max, &mut listed).await? {
                return Ok(listed);
            }
        }
        if !jumped && !more {
            break;
        }
    }
    Ok(listed)
}

fn last_of(entries: &[VersionEntry]) -> Option<(String, Option<String>)> {
    entries.last().map(|last| match last {
        VersionEntry::Version { key, version, .. } => (key.clone(), Some(version.id.clone())),
        VersionEntry::CommonPrefix(prefix) => (prefix.clone(), None),
    })
}

/// Adds the versions of a key that are not the newest; whether the page is full and more would follow.
async fn older_of(
    store: &dyn Store,
    bucket: BucketId,
    key: &str,
    after: Option<u64>,
    max: usize,
    listed: &mut VersionsListed,
) -> Result<bool, Fault> {
    let mut range = keys::olders(bucket, key);
    if let Some(sequence) = after {
        range = range.after(&keys::older(bucket, key, sequence));
    }
    loop {
        let rows_max = (max - listed.entries.len() + 1).min(ROWS_MAX);
        let page = store
            .scan(&range, Direction::Forward, PageLimit::rows(rows_max))
            .await?;
        for row in page.rows {
            if listed.entries.len() == max {
                listed.next = last_of(&listed.entries);
                return Ok(true);
            }
            range = range.after(&row.key);
            listed.entries.push(VersionEntry::Version {
                key: key.to_owned(),
                version: Box::new(read(&row.value)?),
                is_latest: false,
            });
        }
        if !page.more {
            return Ok(false);
        }
    }
}
