//! An event as patterns see it: its scalars, each with its path and the elements of arrays that it lies in.
//!
//! Lives here: taking an event apart, whether it fulfils what is asked of its paths.
//! Does not live here: trying one value (`operators`).

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::operators::Test;

/// How many combinations of elements are followed at once. Only arrays inside arrays, asked for several fields of each, come
/// to more than their elements; what goes beyond is not looked at.
const STATES_MAX: usize = 4_096;
/// How deep an event may nest; what lies deeper is not seen.
const DEPTH_MAX: usize = 128;

/// An event, taken apart.
#[derive(Debug, Clone)]
pub struct Event<'v> {
    fields: HashMap<String, Vec<Field<'v>>>,
}

/// One scalar.
#[derive(Debug, Clone)]
pub(crate) struct Field<'v> {
    pub(crate) value: &'v Value,
    /// Which element of which arrays it lies in, outermost first.
    elements: Vec<(u32, u32)>,
}

struct Walk<'v> {
    fields: HashMap<String, Vec<Field<'v>>>,
    arrays: u32,
    path: String,
    elements: Vec<(u32, u32)>,
}

impl<'v> Event<'v> {
    /// Takes an event apart.
    #[must_use]
    pub fn of(event: &'v Value) -> Self {
        let mut walk = Walk {
            fields: HashMap::new(),
            arrays: 0,
            path: String::new(),
            elements: Vec::new(),
        };
        walk.visit(event, 0);
        Self {
            fields: walk.fields,
        }
    }

    /// Its texts with their paths.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &'v str)> {
        self.fields.iter().flat_map(|(path, fields)| {
            let texts = fields.iter().filter_map(|field| field.value.as_str());
            texts.map(move |text| (path.as_str(), text))
        })
    }

    pub(crate) fn fulfils(&self, way: &crate::Way) -> bool {
        let mut candidates: Vec<Vec<&Field<'v>>> = Vec::new();
        for (path, tests) in way {
            match self.passing(path, tests) {
                Passing::Anyhow => {}
                Passing::These(fields) if fields.is_empty() => return false,
                Passing::These(fields) => candidates.push(fields),
            }
        }
        agree(&candidates)
    }

    fn passing(&self, path: &str, tests: &Arc<[Test]>) -> Passing<'_, 'v> {
        let Some(fields) = self.fields.get(path) else {
            return match tests.iter().any(Test::passes_absence) {
                true => Passing::Anyhow,
                false => Passing::These(Vec::new()),
            };
        };
        let passing = fields
            .iter()
            .filter(|field| tests.iter().any(|test| test.passes(field.value)));
        Passing::These(passing.collect())
    }
}

/// How a path's demands are met.
enum Passing<'e, 'v> {
    Anyhow,
    These(Vec<&'e Field<'v>>),
}

impl<'v> Walk<'v> {
    fn visit(&mut self, value: &'v Value, depth: usize) {
        if DEPTH_MAX < depth {
            return;
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let length = self.path.len();
                    if length != 0 {
                        self.path.push('.');
                    }
                    self.path.push_str(name);
                    self.visit(member, depth + 1);
                    self.path.truncate(length);
                }
            }
            Value::Array(elements) => {
                let array = self.arrays;
                self.arrays += 1;
                for (number, element) in (0_u32..).zip(elements) {
                    self.elements.push((array, number));
                    self.visit(element, depth + 1);
                    self.elements.pop();
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                let field = Field {
                    value,
                    elements: self.elements.clone(),
                };
                match self.fields.get_mut(&self.path) {
                    Some(fields) => fields.push(field),
                    None => {
                        self.fields.insert(self.path.clone(), vec![field]);
                    }
                }
            }
        }
    }
}

/// Whether one field of each list can be taken such that none of them lie in different elements of the same array.
fn agree(candidates: &[Vec<&Field<'_>>]) -> bool {
    let lies_in_none =
        |fields: &Vec<&Field<'_>>| fields.iter().any(|field| field.elements.is_empty());
    if candidates.len() < 2 || candidates.iter().all(lies_in_none) {
        return true;
    }
    let mut states: Vec<Vec<(u32, u32)>> = vec![Vec::new()];
    for (position, fields) in candidates.iter().enumerate() {
        let later = candidates.get(position + 1..).unwrap_or_default();
        let matters_later = |array: u32| {
            let mut fields = later.iter().flatten();
            fields.any(|field| field.elements.iter().any(|(other, _)| *other == array))
        };
        let mut next: Vec<Vec<(u32, u32)>> = Vec::new();
        for state in &states {
            for field in fields {
                if let Some(mut joined) = join(state, &field.elements) {
                    joined.retain(|(array, _)| matters_later(*array));
                    if !next.contains(&joined) && next.len() < STATES_MAX {
                        next.push(joined);
                    }
                }
            }
        }
        if next.is_empty() {
            return false;
        }
        states = next;
    }
    true
}

fn join(state: &[(u32, u32)], elements: &[(u32, u32)]) -> Option<Vec<(u32, u32)>> {
    let mut joined = state.to_vec();
    for (array, element) in elements {
        match state.iter().find(|(other, _)| other == array) {
            Some((_, other)) if other != element => return None,
            Some(_) => {}
            None => joined.push((*array, *element)),
        }
    }
    Some(joined)
}
