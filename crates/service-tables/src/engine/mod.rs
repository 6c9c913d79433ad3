//! The engine: tables and items in the store, without any cloud's words.
//!
//! Lives here: numbers, values, their bytes, the order of items, tables and their life, who writes when.
//! Does not live here: requests, answers and error texts (`dynamodb`).

mod batches;
pub mod catalogue;
pub mod codec;
pub mod consequences;
pub mod counts;
pub mod indexes;
pub mod items;
pub mod keeper;
pub mod keys;
pub mod number;
pub mod streams;
pub mod table;
pub mod table_id;
pub mod time_to_live;
pub mod tokens;
pub mod upkeep;
pub mod value;
pub mod writers;
