//! The DynamoDB skin.
//!
//! Lives here: requests and answers of the DynamoDB API, in its words, over the engine.
//! Does not live here: how tables and items are kept (`engine`), templates (`resources`).
//!
//! Contract: Amazon DynamoDB API Reference, version 2012-08-10.

/// Reads the request of the named operation and carries it out; none for any other name.
macro_rules! dispatch {
    ($operation:expr, $context:expr, $body:expr, { $($name:literal => $carry_out:path,)* }) => {
        match $operation {
            $($name => Some(match $crate::dynamodb::fields::Fields::read($name, $body) {
                Ok(fields) => $carry_out($context, fields).await,
                Err(fault) => Err(fault),
            }),)*
            _ => None,
        }
    };
}

mod capacity;
mod checks;
mod compression;
pub mod expressions;
pub mod fault;
mod fields;
mod index_keys;
mod item_keys;
mod json_read;
mod json_write;
mod legacy;
mod operations;
mod partiql;
mod service;
mod streams;
pub(crate) mod templates;
mod throughput;
mod values;

pub use service::{Service, operations};
pub use throughput::Throughput;

/// Entries for fuzzing: each takes anything, and must neither panic nor run away.
pub mod fuzz {
    use super::expressions::placeholders::Placeholders;
    use super::expressions::update::Update;
    use super::expressions::{check, key_condition, parser};
    use super::fields::Fields;
    use super::json_write;
    use super::partiql::{self, Compiled};
    use crate::engine::codec;
    use crate::engine::keys::{self, KeyPart, KeyType};
    use crate::engine::number::Number;
    use crate::engine::table::KeyAttribute;
    use crate::engine::value::{Attributes, Value};

    /// An item as JSON: what is accepted must read back from the store's encoding.
    pub fn item_json(body: &[u8]) {
        let Ok(mut fields) = Fields::read("PutItem", body) else {
            return;
        };
        if let Ok(Some(Ok(item))) = fields.attributes("Item") {
            let bytes = codec::encode(&item);
            assert_eq!(codec::decode(&bytes).as_ref(), Ok(&item));
            let (mut straight, mut by_tree) = (Vec::new(), Vec::new());
            let written = json_write::encoded_item(&mut straight, &bytes);
            json_write::attributes(&mut by_tree, &item);
            assert_eq!((written, straight), (Ok(()), by_tree));
        }
    }

    /// An item as bytes of the store.
    pub fn item_bytes(bytes: &[u8]) {
        if let Ok(item) = codec::decode(bytes) {
            assert_eq!(codec::decode(&codec::encode(&item)), Ok(item));
        }
    }

    /// A number: what is accepted must read back from its text and from its bytes.
    pub fn number(text: &str) {
        if let Ok(number) = Number::parse(text) {
            let mut bytes = Vec::new();
            number.encode(&mut bytes);
            assert_eq!(Number::decode(&bytes), Ok((number, &[][..])));
            assert_eq!(Number::parse(&number.to_string()), Ok(number));
        }
    }

    /// A statement of `PartiQL`, with parameters enough for any.
    pub fn statement(text: &str) {
        let parameters = vec![Value::S("p".to_owned()); text.matches('?').count()];
        let key = KeyAttribute {
            name: "p".to_owned(),
            key_type: KeyType::S,
        };
        let schema = partiql::Schema {
            prefix: b"t",
            partition_key: &key,
            sort_key: Some(&key),
        };
        match partiql::compile(text, &parameters) {
            Ok(Compiled::Select(select) | Compiled::Exists(select)) => {
                let _ = partiql::walk(schema, select.condition.as_ref());
            }
            Ok(Compiled::Update { update, .. }) => {
                let _ = update.apply(&Attributes::new());
            }
            Ok(Compiled::Insert { item, .. }) => {
                let bytes = codec::encode(&item);
                assert_eq!(codec::decode(&bytes).as_ref(), Ok(&item));
            }
            Ok(Compiled::Delete { .. }) | Err(_) => {}
        }
    }

    /// A token with which a page of a statement goes on, and an iterator of a stream: what is accepted must read back.
    pub fn token(text: &str) {
        super::operations::try_token(text);
        super::streams::try_iterator(text);
    }

    /// Two values as sort keys: their encodings must order as they do, and neither may begin the other's partition.
    pub fn keys(left: &str, right: &str) {
        use std::cmp::Ordering;
        let key = |part: KeyPart<'_>| keys::item(b"t", KeyPart::S("p"), Some(part));
        let check = |left: KeyPart<'_>, right: KeyPart<'_>, order: Ordering| {
            assert_eq!(key(left).cmp(&key(right)), order);
            let partition = |part| keys::partition(b"t", part);
            let begins = partition(left).starts_with(&partition(right));
            assert_eq!(begins, order == Ordering::Equal);
        };
        check(
            KeyPart::S(left),
            KeyPart::S(right),
            left.as_bytes().cmp(right.as_bytes()),
        );
        check(
            KeyPart::B(left.as_bytes()),
            KeyPart::B(right.as_bytes()),
            left.as_bytes().cmp(right.as_bytes()),
        );
        if let (Ok(left), Ok(right)) = (Number::parse(left), Number::parse(right)) {
            check(KeyPart::N(left), KeyPart::N(right), left.cmp(&right));
        }
    }

    /// An expression of any kind.
    pub fn condition(text: &str) {
        if let Ok(update) = Update::read(text, &Placeholders::default()) {
            let _ = update.apply(&crate::engine::value::Attributes::new());
        }
        if let Ok(node) = parser::condition(text)
            && let Ok(condition) = check::condition(&node, &Placeholders::default())
        {
            let _ = key_condition::conditions(&condition);
        }
        let _ = parser::paths(text);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::fuzz;

    /// Text that looks like the language more often than not.
    fn condition() -> impl Strategy<Value = String> {
        let words = [
            "a",
            "b.c",
            "d[1]",
            "#n",
            ":v",
            "=",
            "<>",
            "<",
            ">=",
            "(",
            ")",
            ",",
            "AND",
            "OR",
            "NOT",
            "BETWEEN",
            "IN",
            "SET",
            "REMOVE",
            "+",
            "-",
            "list_append(",
            "if_not_exists(",
            "size(",
            "contains(",
            "begins_with(",
            "attribute_exists(",
            "[",
            ".",
            "é",
            "9",
        ];
        prop::collection::vec(prop::sample::select(words.to_vec()), 0..14)
            .prop_map(|words| words.join(" "))
    }

    /// JSON that looks like an item more often than not.
    fn item() -> impl Strategy<Value = String> {
        let value = prop_oneof![
            Just("\"x\"".to_owned()),
            Just("\"12.5e3\"".to_owned()),
            Just("\"AAH/\"".to_owned()),
            Just("true".to_owned()),
            Just("[\"1\",\"2\"]".to_owned()),
            Just("null".to_owned()),
            Just("7".to_owned()),
        ];
        let types = || {
            prop::sample::select(vec![
                "S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M", "X",
            ])
        };
        let one = (types(), value).prop_map(|(name, value)| format!("{{\"{name}\":{value}}}"));
        let nested = one.prop_recursive(4, 20, 3, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3)
                    .prop_map(|members| format!("{{\"L\":[{}]}}", members.join(","))),
                prop::collection::vec(("[a-c]{0,2}", inner), 0..3).prop_map(|members| {
                    let members: Vec<_> = members
                        .iter()
                        .map(|(name, value)| format!("\"{name}\":{value}"))
                        .collect();
                    format!("{{\"M\":{{{}}}}}", members.join(","))
                }),
            ]
        });
        nested.prop_map(|value| format!("{{\"Item\":{{\"k\":{value}}}}}"))
    }

    proptest! {
        #[test]
        fn no_condition_makes_the_parser_panic(text in condition(), noise in ".{0,40}") {
            fuzz::condition(&text);
            fuzz::condition(&noise);
        }

        #[test]
        fn items_are_refused_or_read_back(json in item(), noise in prop::collection::vec(any::<u8>(), 0..60)) {
            fuzz::item_json(json.as_bytes());
            fuzz::item_json(&noise);
            fuzz::item_bytes(&noise);
        }

        #[test]
        fn numbers_are_refused_or_read_back(text in "[-+]?[0-9]{0,45}[.]?[0-9]{0,45}(e[-+]?[0-9]{1,4})?") {
            fuzz::number(&text);
        }
    }

    proptest! {
        #[test]
        fn no_statement_makes_the_parser_panic(text in condition(), noise in ".{0,60}") {
            fuzz::statement(&format!("SELECT * FROM t WHERE {text}"));
            fuzz::statement(&format!("UPDATE t {text} WHERE p = 'x'"));
            fuzz::statement(&noise);
            fuzz::token(&noise);
        }

        #[test]
        fn encoded_keys_order_as_their_values(left in "[-0-9.e]{0,8}|.{0,6}", right in "[-0-9.e]{0,8}|.{0,6}") {
            fuzz::keys(&left, &right);
        }
    }

    #[test]
    fn deep_and_long_expressions_end_in_an_error() {
        for text in [
            "(".repeat(4_000),
            format!("{}a = b{}", "(".repeat(2_000), ")".repeat(2_000)),
            format!("{}a = b", "NOT ".repeat(1_000)),
            "size(".repeat(800),
            format!("a = b{}", " AND a = b".repeat(400)),
            format!("a{}", "[0]".repeat(1_300)),
            format!("a<b {}{}", "or (a<b ".repeat(149), ")".repeat(149)),
        ] {
            fuzz::condition(&text);
        }
    }
}
