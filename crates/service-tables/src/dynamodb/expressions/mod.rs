//! The language of expressions.
//!
//! Lives here: from a text to tokens, a tree, a checked condition; what a condition comes to for an item.
//! Does not live here: which operation takes which expression (`operations`).
//!
//! The way of a condition: `lexer` → `parser` → `check` (placeholders resolved, operands typed, DynamoDB's words for
//! what is wrong) → `condition`, which judges items, or `key_condition`, which becomes a range of keys.

pub mod cache;
pub mod check;
pub mod condition;
pub mod key_condition;
pub mod lexer;
pub mod parser;
mod paths;
pub mod placeholders;
pub mod projection;
pub mod reserved;
pub mod syntax;
pub mod update;
pub(in crate::dynamodb) mod update_parser;
