//! Parts of an item.
//!
//! Lives here: checked projections, and the item that is left of one.
//! Does not live here: paths' syntax (`parser`).

use super::cache;
use super::check;
use super::placeholders::{PathStep, Placeholders};
use crate::dynamodb::fault::Fault;
use crate::engine::value::{Attributes, Value};

/// The places of an item that are wanted. Never empty, and none is within another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    paths: Vec<Vec<PathStep>>,
}

impl Projection {
    /// Reads a projection.
    ///
    /// # Errors
    /// A validation fault.
    pub fn read(text: &str, placeholders: &Placeholders) -> Result<Self, Fault> {
        let refuse =
            |text: String| Fault::validation(format!("Invalid ProjectionExpression: {text}"));
        let mut paths = cache::paths(text)
            .and_then(|paths| {
                let paths = paths.iter().map(|path| check::path(path, placeholders));
                paths.collect::<Result<Vec<_>, _>>()
            })
            .map_err(refuse)?;
        let all: Vec<_> = paths.iter().map(Vec::as_slice).collect();
        super::paths::judge(&all).map_err(refuse)?;
        paths.sort();
        Ok(Self { paths })
    }

    /// The projection to these places, none of which is within another.
    #[must_use]
    pub fn of_paths<'a>(paths: impl Iterator<Item = &'a [PathStep]>) -> Self {
        let mut paths: Vec<_> = paths.map(<[PathStep]>::to_vec).collect();
        paths.sort();
        Self { paths }
    }

    /// All places.
    pub fn paths(&self) -> impl Iterator<Item = &[PathStep]> {
        self.paths.iter().map(Vec::as_slice)
    }

    /// The item with these places alone. Lists keep the order of what is left of them, without gaps.
    #[must_use]
    pub fn apply(&self, item: &Attributes) -> Attributes {
        let paths: Vec<_> = self.paths.iter().map(Vec::as_slice).collect();
        members_at(item, &paths)
    }
}

/// The parts of a map at these places, which are sorted.
fn members_at(members: &Attributes, paths: &[&[PathStep]]) -> Attributes {
    let mut left = Attributes::new();
    for (step, tails) in by_first_step(paths) {
        if let PathStep::Name(name) = step
            && let Some(part) = members.get(name).and_then(|member| part_at(member, &tails))
        {
            left.insert(name.clone(), part);
        }
    }
    left
}

/// The parts of a value at these places; none when there is nothing at any of them.
fn part_at(value: &Value, paths: &[&[PathStep]]) -> Option<Value> {
    if paths.iter().any(|path| path.is_empty()) {
        return Some(value.clone());
    }
    match value {
        Value::M(members) => {
            let left = members_at(members, paths);
            (!left.is_empty()).then_some(Value::M(left))
        }
        Value::L(members) => {
            let mut left = Vec::new();
            for (step, tails) in by_first_step(paths) {
                if let PathStep::Index(index) = step {
                    let member = members.get(*index);
                    left.extend(member.and_then(|member| part_at(member, &tails)));
                }
            }
            (!left.is_empty()).then_some(Value::L(left))
        }
        Value::S(_)
        | Value::N(_)
        | Value::B(_)
        | Value::Bool(_)
        | Value::Null
        | Value::Ss(_)
        | Value::Ns(_)
        | Value::Bs(_) => None,
    }
}

/// Sorted paths by their first step, each with what follows it.
fn by_first_step<'a>(paths: &[&'a [PathStep]]) -> Vec<(&'a PathStep, Vec<&'a [PathStep]>)> {
    paths
        .chunk_by(|left, right| left.first() == right.first())
        .filter_map(|group| {
            let (step, _) = group.first()?.split_first()?;
            let tails = group.iter().filter_map(|path| path.get(1..)).collect();
            Some((step, tails))
        })
        .collect()
}
