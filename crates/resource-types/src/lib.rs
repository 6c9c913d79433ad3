//! What is known of the properties of resource types: the language of the tables, comparing properties with a table, reading
//! their values, the rows of the reference.
//!
//! Lives here: shapes, fates ("carried out", "nothing to do", "missing"), what a change of a property takes.
//! Does not live here: the tables themselves, which stand with whoever makes the resources (a service, `deployment::records`).

mod check;
mod coverage;
mod table;
mod values;

pub use check::{Details, asks_for_nothing, check_properties, problem_at};
pub use coverage::coverage;
pub use table::{
    FOR_PEOPLE, Fate, OF_THE_CLOUD, Presence, Property, Shape, TypeTable, Update, carried, idle,
    missing,
};
pub use values::{attributes, document_of, tags_in, text_in, text_of, texts_in};
