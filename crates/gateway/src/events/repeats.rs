//! The values of a name that stands several times, as events show them.
//!
//! Lives here: the last one, all, or all in one text; the same for headers and for the query.
//! Does not live here: which names there are (`headers`, `query`), which shape shows what (`v1`, `v2`).

use std::borrow::Cow;

use super::json::Writer;

/// Payload 1.0 and REST APIs: the last value.
pub(super) fn last(values: &[Cow<'_, str>], json: &mut Writer) {
    json.string(values.last().map_or("", |value| value));
}

/// The same, in members called `multiValue…`: a list.
pub(super) fn all(values: &[Cow<'_, str>], json: &mut Writer) {
    json.open_array();
    for value in values {
        json.string(value);
    }
    json.close_array();
}

/// Payload 2.0: one text, with commas between.
pub(super) fn joined(values: &[Cow<'_, str>], json: &mut Writer) {
    match values {
        [one] => json.string(one),
        many => json.string(&many.join(",")),
    }
}
