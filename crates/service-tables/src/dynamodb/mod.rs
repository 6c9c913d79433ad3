//! The DynamoDB skin.
//!
//! Lives here: requests and answers of the DynamoDB API, in its words, over the engine.
//! Does not live here: how tables and items are kept (`engine`), templates (`resources`).
//!
//! Contract: Amazon DynamoDB API Reference, version 2012-08-10.

mod capacity;
pub mod expressions;
pub mod fault;
mod fields;
mod item_keys;
mod json_read;
mod json_write;
mod operations;
mod service;
pub(crate) mod templates;
mod values;

pub use service::Service;

/// Entries for fuzzing: each takes anything, and must neither panic nor run away.
pub mod fuzz {
    use super::expressions::placeholders::Placeholders;
    use super::expressions::{check, key_condition, parser};
    use super::fields::Fields;
    use super::json_write;
    use crate::engine::codec;
    use crate::engine::number::Number;

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

    /// A condition, on items or on keys.
    pub fn condition(text: &str) {
        if let Ok(node) = parser::condition(text)
            && let Ok(condition) = check::condition(&node, &Placeholders::default())
        {
            let _ = key_condition::conditions(&condition);
        }
        let _ = parser::paths(text);
    }
}
