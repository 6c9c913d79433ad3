//! Entries of indexes against oracles that share no code with them.
//!
//! Lives here: the order of entries, which items have one, what a history of changes leaves in an index.
//! Does not live here: anything that runs outside of tests.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use model::ids::{AccountId, Region};
use model::time::Timestamp;
use proptest::prelude::*;

use super::super::keys::KeyType;
use super::super::number::Number;
use super::super::table::{Billing, DESCRIPTOR_FORMAT, Descriptor};
use super::super::table_id::{TABLE_ID_BYTES, TableId};
use super::*;

/// A value in words of the test's own, with the order that the service documents.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Plain {
    Text(String),
    Whole(i64),
    Raw(Vec<u8>),
}

impl Plain {
    fn value(&self) -> Value {
        match self {
            Self::Text(text) => Value::S(text.clone()),
            Self::Whole(number) => Value::N(Number::parse(&number.to_string()).unwrap()),
            Self::Raw(bytes) => Value::B(Bytes::copy_from_slice(bytes)),
        }
    }

    fn key_type(&self) -> KeyType {
        match self {
            Self::Text(_) => KeyType::S,
            Self::Whole(_) => KeyType::N,
            Self::Raw(_) => KeyType::B,
        }
    }

    /// Texts by their UTF-8, numbers by their worth, bytes unsigned.
    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(left), Self::Text(right)) => left.as_bytes().cmp(right.as_bytes()),
            (Self::Whole(left), Self::Whole(right)) => left.cmp(right),
            (Self::Raw(left), Self::Raw(right)) => left.cmp(right),
            _ => panic!("two values of one attribute have one type"),
        }
    }
}

fn text() -> impl Strategy<Value = Plain> {
    // Few distinct characters, so that prefixes, escapes and ends meet often.
    prop::collection::vec(prop::sample::select(vec!['\0', '\u{1}', 'a', 'é']), 1..4)
        .prop_map(|chars| Plain::Text(chars.into_iter().collect()))
}

fn whole() -> impl Strategy<Value = Plain> {
    prop_oneof![-3_i64..3, any::<i64>()].prop_map(Plain::Whole)
}

fn raw() -> impl Strategy<Value = Plain> {
    prop::collection::vec(prop::sample::select(vec![0_u8, 1, 0x61, 0xff]), 1..4)
        .prop_map(Plain::Raw)
}

/// Two values of one type.
fn pair() -> impl Strategy<Value = (Plain, Plain)> {
    prop_oneof![(text(), text()), (whole(), whole()), (raw(), raw())]
}

fn attribute(name: &str, key_type: KeyType) -> KeyAttribute {
    KeyAttribute {
        name: name.to_owned(),
        key_type,
    }
}

/// A table with the key `p` and `c`, and an index on `a` and `b`; a local one on `p` and `b`.
fn table(kind: IndexKind, types: [KeyType; 4], projection: Projection) -> Table {
    let [p, c, a, b] = types;
    let partition = match kind {
        IndexKind::Global => attribute("a", a),
        IndexKind::Local => attribute("p", p),
    };
    let index = SecondaryIndex {
        id: 0,
        name: "index".to_owned(),
        kind,
        partition_keys: vec![partition],
        sort_keys: vec![attribute("b", b)],
        projection,
        status: IndexStatus::Active,
        throughput: None,
        ceilings: crate::engine::table::Ceilings::default(),
        warm: None,
    };
    let descriptor = Descriptor {
        format: DESCRIPTOR_FORMAT,
        id: TableId::from_bytes([7; TABLE_ID_BYTES]),
        name: "table".to_owned(),
        created_at: Timestamp::from_micros(0),
        partition_key: attribute("p", p),
        sort_key: Some(attribute("c", c)),
        billing: Billing::OnDemand {
            since: Timestamp::from_micros(0),
        },
        deletion_protection: false,
        class: None,
        tags: BTreeMap::new(),
        generation: 0,
        secondary_indexes: vec![index],
        index_id_next: 1,
        stream: None,
        time_to_live: None,
        encryption: None,
        ceilings: crate::engine::table::Ceilings::default(),
        warm: None,
        on_demand_since: None,
    };
    Table::new(
        &AccountId::development(),
        &Region::new("us-east-1"),
        descriptor,
    )
}

fn item(values: [&Plain; 4]) -> Attributes {
    ["p", "c", "a", "b"]
        .into_iter()
        .zip(values)
        .map(|(name, plain)| (name.to_owned(), plain.value()))
        .collect()
}

proptest! {
    #[test]
    fn entries_of_a_partition_sort_by_the_index_then_by_the_item(
        (p1, p2) in pair(), (c1, c2) in pair(), (b1, b2) in pair(), (a, _) in pair(),
        kind in prop_oneof![Just(IndexKind::Global), Just(IndexKind::Local)],
    ) {
        let types = [p1.key_type(), c1.key_type(), a.key_type(), b1.key_type()];
        let table = table(kind, types, Projection::All);
        let index = &table.indexes[0];
        let p2 = match kind {
            IndexKind::Global => p2,
            IndexKind::Local => p1.clone(),
        };
        let left = index.entry_key(&table, &item([&p1, &c1, &a, &b1])).unwrap();
        let right = index.entry_key(&table, &item([&p2, &c2, &a, &b2])).unwrap();
        let order = b1.order(&b2).then(p1.order(&p2)).then(c1.order(&c2));
        prop_assert_eq!(left.cmp(&right), order);
    }

    #[test]
    fn partitions_of_an_index_do_not_run_into_one_another(
        (a1, a2) in pair(), (b, _) in pair(), (p, _) in pair(), (c, _) in pair(),
    ) {
        let types = [p.key_type(), c.key_type(), a1.key_type(), b.key_type()];
        let table = table(IndexKind::Global, types, Projection::All);
        let index = &table.indexes[0];
        let value = a1.value();
        let part = KeyPart::of(&value, a1.key_type()).unwrap();
        let partition = index.partition(&[part]);
        let entry = index.entry_key(&table, &item([&p, &c, &a2, &b])).unwrap();
        prop_assert_eq!(entry.starts_with(&partition), a1 == a2);
    }

    #[test]
    fn a_history_of_changes_leaves_the_entries_of_the_items_that_are_left(
        changes in prop::collection::vec(
            (0_i64..4, prop::option::of((0_i64..3, prop::option::of(0_i64..3), 0_i64..3))),
            1..40,
        ),
        projection in prop_oneof![
            Just(Projection::All),
            Just(Projection::KeysOnly),
            Just(Projection::Include(vec!["note".to_owned()])),
        ],
    ) {
        let table = table(IndexKind::Global, [KeyType::N; 4], projection);
        let index = &table.indexes[0];
        let number = |number: i64| Plain::Whole(number).value();
        let (mut items, mut entries) = (BTreeMap::new(), BTreeMap::new());
        for (key, change) in changes {
            let after = change.map(|(a, b, note)| {
                let mut item = Attributes::from([
                    ("p".to_owned(), number(key)),
                    ("c".to_owned(), number(0)),
                    ("a".to_owned(), number(a)),
                    ("note".to_owned(), number(note)),
                ]);
                if let Some(b) = b {
                    item.insert("b".to_owned(), number(b));
                }
                item
            });
            let before: Option<Attributes> = match &after {
                Some(after) => items.insert(key, after.clone()),
                None => items.remove(&key),
            };
            let encoded = |item: &Option<Attributes>| {
                item.as_ref().map(|item| Bytes::from(codec::encode(item)))
            };
            let (old, new) = (encoded(&before), encoded(&after));
            fn image<'a>(
                item: &'a Option<Attributes>,
                bytes: &'a Option<Bytes>,
            ) -> Option<Image<'a>> {
                Some(Image { attributes: item.as_ref()?, bytes: bytes.as_ref()? })
            }
            let mut writes = Vec::new();
            index.follow(&table, image(&before, &old), image(&after, &new), &mut writes);
            prop_assert!(writes.len() <= 2);
            for write in writes {
                match write {
                    Write::Put { key, value } => entries.insert(key, value),
                    Write::Delete { key } => entries.remove(&key),
                    Write::PutVersionstampedKey { .. } | Write::PutVersionstampedValue { .. } => {
                        panic!("entries do not depend on the commit")
                    }
                };
            }
        }
        let projected = |item: &Attributes| -> Attributes {
            let names: &[&str] = match &index.settings.projection {
                Projection::All | Projection::Include(_) => &["p", "c", "a", "b", "note"],
                Projection::KeysOnly => &["p", "c", "a", "b"],
            };
            let named = item.iter().filter(|(name, _)| names.contains(&name.as_str()));
            named.map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let mut expected: Vec<Attributes> = items
            .values()
            .filter(|item| item.contains_key("b"))
            .map(projected)
            .collect();
        let mut found: Vec<Attributes> = entries
            .values()
            .map(|value| codec::decode(value).unwrap())
            .collect();
        let by_key = |item: &Attributes| format!("{:?}", item["p"]);
        expected.sort_by_key(by_key);
        found.sort_by_key(by_key);
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn an_item_that_does_not_fit_the_index_has_no_entry() {
    let table = table(
        IndexKind::Global,
        [KeyType::S, KeyType::S, KeyType::S, KeyType::S],
        Projection::All,
    );
    let index = &table.indexes[0];
    let key = |a: Value, b: Value| {
        let text = |text: &str| Value::S(text.to_owned());
        let item = Attributes::from([
            ("p".to_owned(), text("p")),
            ("c".to_owned(), text("c")),
            ("a".to_owned(), a),
            ("b".to_owned(), b),
        ]);
        index.entry_key(&table, &item)
    };
    let text = |length: usize| Value::S("x".repeat(length));
    assert!(key(text(2_048), text(1_024)).is_some());
    for (a, b) in [
        (text(2_049), text(1)),
        (text(1), text(1_025)),
        (text(0), text(1)),
        (text(1), text(0)),
        (Value::Null, text(1)),
        (text(1), Value::Bool(true)),
    ] {
        assert_eq!(key(a, b), None);
    }
}

#[test]
fn the_longest_key_of_an_entry_fits_the_store() {
    let table = table(IndexKind::Global, [KeyType::S; 4], Projection::All);
    // The byte that is escaped takes two.
    let longest = |length: usize| Value::S("\0".repeat(length));
    let item = Attributes::from([
        ("p".to_owned(), longest(2_048)),
        ("c".to_owned(), longest(1_024)),
        ("a".to_owned(), longest(2_048)),
        ("b".to_owned(), longest(1_024)),
    ]);
    let key = table.indexes[0].entry_key(&table, &item).unwrap();
    assert!(key.len() <= store::limits::KEY_BYTES_MAX, "{}", key.len());
}
