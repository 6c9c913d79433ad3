//! What a reload did to data.
//!
//! Lives here: which tables it made, replaced and removed, and a word on the items that went with them.
//! Does not live here: functions and routes (`changes`), what is deleted at all (`deployment`).

use deployment::Emptied;

use super::changes::list;
use crate::pipeline::Stored;

/// As `tables added: notes` and `tables removed: shop-orders-dev`.
pub(super) fn changes(stored: &Stored) -> Vec<String> {
    let left = stored.emptied.iter().filter(|gone| !gone.is_replaced);
    let removed: Vec<String> = left.map(|gone| gone.physical_id.clone()).collect();
    [
        ("added", &stored.added),
        ("replaced", &stored.replaced),
        ("removed", &removed),
    ]
    .into_iter()
    .filter(|(_, names)| !names.is_empty())
    .map(|(how, names)| format!("tables {how}: {}", list(names)))
    .collect()
}

/// One line for each table that was deleted with items in it.
pub(super) fn losses(stored: &Stored) -> impl Iterator<Item = String> {
    stored
        .emptied
        .iter()
        .filter(|gone| 0 < gone.items)
        .map(loss)
}

fn loss(gone: &Emptied) -> String {
    let name = &gone.physical_id;
    let items = match gone.items {
        1 => "1 item".to_owned(),
        more => format!("{more} items"),
    };
    if gone.is_replaced {
        format!(
            "table {name} was replaced, and deleted with {items}, as in the cloud; `UpdateReplacePolicy: Retain` keeps the old table"
        )
    } else {
        format!(
            "table {name} left the template, and was deleted with {items}, as in the cloud; `DeletionPolicy: Retain` keeps such a table"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(name: &str, items: u64) -> Emptied {
        Emptied {
            resource_type: "AWS::DynamoDB::Table".to_owned(),
            physical_id: name.to_owned(),
            items,
            is_replaced: false,
        }
    }

    #[test]
    fn tables_are_named_and_those_with_items_are_warned_of() {
        let stored = Stored {
            added: vec!["new".to_owned()],
            replaced: vec!["second".to_owned()],
            emptied: vec![
                gone("orders", 2),
                gone("bare", 0),
                Emptied {
                    is_replaced: true,
                    ..gone("first", 1)
                },
            ],
        };
        assert_eq!(
            changes(&stored),
            [
                "tables added: new",
                "tables replaced: second",
                "tables removed: orders, bare"
            ]
        );
        assert_eq!(
            losses(&stored).collect::<Vec<_>>(),
            [
                "table orders left the template, and was deleted with 2 items, as in the cloud; `DeletionPolicy: Retain` keeps such a table",
                "table first was replaced, and deleted with 1 item, as in the cloud; `UpdateReplacePolicy: Retain` keeps the old table",
            ]
        );
        assert!(changes(&Stored::default()).is_empty());
    }
}
