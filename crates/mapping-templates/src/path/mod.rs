//! JSONPath, as `$input.json` and `$input.path` take it.
//!
//! Lives here: what a path is, and what it finds.
//! Does not live here: reading one (`parse`), the conditions of `[?(…)]` (`filter`).
//!
//! Contract: Jayway JsonPath: a path that names one place finds one value or none, all others a list.

mod filter;
mod parse;

use crate::value::{Heap, Look, Value};
use filter::Condition;

/// A path, ready for use.
#[derive(Debug, Clone)]
pub struct Path {
    segments: Vec<Segment>,
    /// `.length()` behind it.
    is_counted: bool,
}

/// A path that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the path `{path}` cannot be used: {what}")]
pub struct BadPath {
    /// It.
    pub path: String,
    /// What is wrong.
    pub what: String,
}

#[derive(Debug, Clone)]
struct Segment {
    /// `..`: in all that is below, too.
    is_deep: bool,
    selector: Selector,
}

#[derive(Debug, Clone)]
enum Selector {
    Member(String),
    Members(Vec<String>),
    Element(i64),
    Elements(Vec<i64>),
    Slice(Option<i64>, Option<i64>),
    All,
    Filter(Condition),
}

/// What a path found.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    Nothing,
    One(Value),
    Several(Vec<Value>),
}

/// A path visits too many places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany;

/// Counts the places that paths visit.
pub(crate) struct Visits<'a> {
    pub(crate) left: &'a mut u64,
}

/// Values that are copied, or bytes that are compared, for the work of one visit.
const VALUES_A_VISIT: usize = 64;
/// Looking for a member or an element by name or place counts for copying so many.
const MEMBER_VALUES: usize = 32;
/// One of all members or elements counts for copying so many: they are kept.
const ALL_VALUES: usize = 8;
/// How deep `..` goes: further than documents do, which may hold themselves once a template changed them.
const DESCENT_MAX: usize = 256;

impl Visits<'_> {
    /// Notes that so many values were copied, or bytes compared.
    fn passed(&mut self, values: usize) -> Result<(), TooMany> {
        self.steps(u64::try_from(values / VALUES_A_VISIT).unwrap_or(u64::MAX))
    }

    /// Notes so much work.
    fn steps(&mut self, visits: u64) -> Result<(), TooMany> {
        *self.left = self.left.checked_sub(visits).ok_or(TooMany)?;
        Ok(())
    }

    fn one(&mut self) -> Result<(), TooMany> {
        *self.left = self.left.checked_sub(1).ok_or(TooMany)?;
        Ok(())
    }
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// [`BadPath`]: it is none, or says what is not carried out.
    pub fn parse(path: &str) -> Result<Self, BadPath> {
        parse::path(path).map_err(|what| BadPath {
            path: path.to_owned(),
            what,
        })
    }

    fn is_definite(&self) -> bool {
        let one = |segment: &Segment| {
            !segment.is_deep
                && matches!(segment.selector, Selector::Member(_) | Selector::Element(_))
        };
        self.segments.iter().all(one)
    }

    pub(crate) fn find(
        &self,
        root: &Value,
        heap: &Heap,
        visits: &mut Visits<'_>,
    ) -> Result<Found, TooMany> {
        let found = self.all(root, root, heap, visits)?;
        if self.is_counted {
            let count = match found.as_slice() {
                [Value::List(list)] if self.is_definite() => heap.items(*list).len(),
                [Value::Map(map)] if self.is_definite() => heap.entries(*map).len(),
                [Value::Text(text)] if self.is_definite() => text.chars().count(),
                [_] if self.is_definite() => return Ok(Found::Nothing),
                found => found.len(),
            };
            return Ok(Found::One(Value::Whole(
                i64::try_from(count).unwrap_or(i64::MAX),
            )));
        }
        if !self.is_definite() {
            return Ok(Found::Several(found));
        }
        Ok(found.into_iter().next().map_or(Found::Nothing, Found::One))
    }

    /// All that it finds from here.
    fn all(
        &self,
        here: &Value,
        root: &Value,
        heap: &Heap,
        visits: &mut Visits<'_>,
    ) -> Result<Vec<Value>, TooMany> {
        let mut found = vec![here.clone()];
        for segment in &self.segments {
            let mut next = Vec::new();
            for value in &found {
                if segment.is_deep {
                    let mut below = Vec::new();
                    descend(value, heap, &mut below, (visits, 0))?;
                    for value in &below {
                        segment
                            .selector
                            .select(value, root, heap, &mut next, visits)?;
                    }
                } else {
                    segment
                        .selector
                        .select(value, root, heap, &mut next, visits)?;
                }
            }
            found = next;
        }
        Ok(found)
    }
}

/// The value and all below it.
fn descend(
    value: &Value,
    heap: &Heap,
    found: &mut Vec<Value>,
    (visits, depth): (&mut Visits<'_>, usize),
) -> Result<(), TooMany> {
    visits.one()?;
    if DESCENT_MAX < depth {
        return Err(TooMany);
    }
    found.push(value.clone());
    for inner in children(value, heap) {
        descend(inner, heap, found, (visits, depth + 1))?;
    }
    Ok(())
}

fn children<'h>(value: &Value, heap: &'h Heap) -> Vec<&'h Value> {
    match value {
        Value::List(list) => heap.items(*list).iter().collect(),
        Value::Map(map) => heap.entries(*map).iter().map(|(_, value)| value).collect(),
        Value::Null
        | Value::Bool(_)
        | Value::Whole(_)
        | Value::Decimal(_)
        | Value::Text(_)
        | Value::Entry(_)
        | Value::Block(_)
        | Value::Loop(_)
        | Value::Input
        | Value::Util => Vec::new(),
    }
}

impl Selector {
    fn select(
        &self,
        value: &Value,
        root: &Value,
        heap: &Heap,
        found: &mut Vec<Value>,
        visits: &mut Visits<'_>,
    ) -> Result<(), TooMany> {
        visits.one()?;
        let member = |name: &str| heap.get_map(value.as_map()?)?.get(name).cloned();
        let element = |index: i64| {
            let items = heap.items(value.as_list()?);
            items.get(place(index, items.len())?).cloned()
        };
        match self {
            Self::Member(name) => found.extend(member(name)),
            Self::Members(names) => {
                visits.passed(names.len().saturating_mul(MEMBER_VALUES))?;
                found.extend(names.iter().filter_map(|name| member(name)));
            }
            Self::Element(index) => found.extend(element(*index)),
            Self::Elements(indexes) => {
                visits.passed(indexes.len().saturating_mul(MEMBER_VALUES))?;
                found.extend(indexes.iter().filter_map(|index| element(*index)));
            }
            Self::Slice(from, to) => {
                if let Value::List(list) = value {
                    let items = heap.items(*list);
                    let bound = |index: &i64| {
                        let from_end = i64::try_from(items.len()).unwrap_or(i64::MAX);
                        let index = if *index < 0 { from_end + index } else { *index };
                        usize::try_from(index.max(0))
                            .unwrap_or(usize::MAX)
                            .min(items.len())
                    };
                    let from = from.as_ref().map_or(0, bound);
                    let to = to.as_ref().map_or(items.len(), bound);
                    visits.passed(to.saturating_sub(from).saturating_mul(ALL_VALUES))?;
                    found.extend(
                        items
                            .get(from..to.max(from))
                            .unwrap_or_default()
                            .iter()
                            .cloned(),
                    );
                }
            }
            Self::All => {
                let children = children(value, heap);
                visits.passed(children.len().saturating_mul(ALL_VALUES))?;
                found.extend(children.into_iter().cloned());
            }
            Self::Filter(condition) => {
                let candidates = match value.as_list() {
                    Some(list) => heap.items(list),
                    None => std::slice::from_ref(value),
                };
                for candidate in candidates {
                    visits.one()?;
                    if condition.holds(candidate, root, heap, visits)? {
                        found.push(candidate.clone());
                    }
                }
            }
        }
        Ok(())
    }
}

fn place(index: i64, length: usize) -> Option<usize> {
    if 0 <= index {
        return usize::try_from(index).ok();
    }
    length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)
}

impl Found {
    /// As a value of a template; none: it is not there.
    pub(crate) fn into_value(self, heap: &mut Heap) -> Option<Value> {
        match self {
            Self::Nothing => None,
            Self::One(value) => Some(value),
            Self::Several(values) => Some(heap.list(values, Look::Json)),
        }
    }
}
