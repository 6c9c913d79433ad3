//! The tables as rows of the reference.
//!
//! Lives here: each property, those of its parts, and the values that fare otherwise than it.
//! Does not live here: the tables, how the page looks.

use model::coverage::{self, Coverage};

use crate::table::{Fate, Property, Shape, TypeTable};

/// What becomes of each property of each of these types.
#[must_use]
pub fn coverage(tables: &[TypeTable]) -> Vec<Coverage> {
    let mut rows = Vec::new();
    for table in tables {
        list(table.name, "", table.properties, &mut rows);
    }
    rows
}

fn list(
    resource_type: &'static str,
    above: &str,
    properties: &'static [Property],
    rows: &mut Vec<Coverage>,
) {
    for property in properties {
        let path = format!("{above}{}", property.name);
        rows.push(row(resource_type, path.clone(), property.fate));
        if let Fate::CarriedOut = property.fate {
            list_shape(resource_type, path, property.shape, rows);
        }
    }
}

fn list_shape(resource_type: &'static str, path: String, shape: Shape, rows: &mut Vec<Coverage>) {
    match shape {
        Shape::Any
        | Shape::Text
        | Shape::Whole(_, _)
        | Shape::Number
        | Shape::Flag
        | Shape::TextMap => {}
        Shape::Choice(values) => rows.extend(
            values
                .iter()
                .filter(|(_, fate)| !matches!(fate, Fate::CarriedOut))
                .map(|(value, fate)| row(resource_type, format!("{path} = {value}"), *fate)),
        ),
        Shape::List(item) => list_shape(resource_type, format!("{path}[]"), *item, rows),
        Shape::Map(member) => list_shape(resource_type, format!("{path}.*"), *member, rows),
        Shape::Object(properties) => list(resource_type, &format!("{path}."), properties, rows),
    }
}

fn row(resource_type: &'static str, property: String, fate: Fate) -> Coverage {
    let fate = match fate {
        Fate::CarriedOut => coverage::Fate::CarriedOut,
        Fate::NothingToDo(why) => coverage::Fate::NoEffect(why),
        Fate::Missing(what) => coverage::Fate::Missing(what),
    };
    Coverage {
        resource_type,
        property,
        fate,
    }
}
