//! What both batch operations say of the tables that they name.
//!
//! Lives here: judging the names, the refusals that both have.
//! Does not live here: what is asked of each table (`batch_get_item`, `batch_write_item`).

use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::{self, Fields};

/// Notes what is wrong with a table's name that stands as the key of a map.
pub(super) fn judge_name(fields: &mut Fields<'_>, name: &str) {
    let chars = name.chars().count();
    let fits = fields::table_of_arn(name).is_some()
        || fields::is_table_name(name)
            && (fields::TABLE_NAME_CHARS_MIN..=fields::TABLE_NAME_CHARS_MAX).contains(&chars);
    if !fits {
        // The service prints all that was asked of the table, too.
        fields.violated(
            Some(&format!("{{{name}}}")),
            "requestItems",
            "Map keys must satisfy constraint: [Member must have length less than or equal to 255, Member must have length greater than or equal to 3, Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]",
        );
    }
}

pub(super) fn none_given(operation: &str) -> Fault {
    Fault::validation(format!(
        "The requestItems parameter is required for {operation}"
    ))
}

pub(super) fn duplicates() -> Fault {
    Fault::validation("Provided list of item keys contains duplicates")
}
