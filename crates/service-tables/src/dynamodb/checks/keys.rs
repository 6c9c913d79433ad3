//! The condition keys of Amazon DynamoDB.
//!
//! Lives here: which items and attributes a request names, and what it wants back.
//! Does not live here: judging by them (`policy`), which operation has which (`checks`).
//!
//! Contract: Amazon DynamoDB Developer Guide, "Using IAM policy conditions for fine-grained access control".

use std::collections::BTreeSet;

use policy::Context;

use super::{member, text};
use crate::dynamodb::expressions::lexer::{Kind, tokens};
use crate::dynamodb::json_read::Json;

/// A leading key that no policy can name: of a request whose key cannot be read. A condition on all keys must not hold for it.
const UNREADABLE: &str = "\0";

/// Words of expressions that are no names of attributes. Functions are told by their parenthesis.
const WORDS: [&str; 9] = [
    "AND", "OR", "NOT", "BETWEEN", "IN", "SET", "REMOVE", "ADD", "DELETE",
];

const EXPRESSIONS: [&str; 5] = [
    "ConditionExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "ProjectionExpression",
    "UpdateExpression",
];

/// Members whose own members are called as attributes are.
const BY_ATTRIBUTE: [&str; 8] = [
    "AttributeUpdates",
    "ExclusiveStartKey",
    "Expected",
    "Item",
    "Key",
    "KeyConditions",
    "QueryFilter",
    "ScanFilter",
];

/// What requests for one table name.
#[derive(Default)]
pub(super) struct Keys {
    partition_key: Option<String>,
    leading: Vec<String>,
    attributes: BTreeSet<String>,
    single: Vec<(&'static str, String)>,
}

impl Keys {
    pub(super) fn of(partition_key: Option<String>) -> Self {
        Self {
            partition_key,
            ..Self::default()
        }
    }

    /// Takes what one request names.
    pub(super) fn take(&mut self, request: &Json<'_>) {
        self.take_attributes(request);
        for item in ["Key", "Item"] {
            if let Some(item) = member(request, item) {
                self.take_leading(item);
            }
        }
        if let Some(expression) = text(request, "KeyConditionExpression") {
            self.take_queried(expression, request);
        }
        if let Some(Json::Map(conditions)) = member(request, "KeyConditions") {
            let own = |name: &str| self.partition_key.as_deref() == Some(name);
            let condition = conditions.iter().rev().find(|(name, _)| own(name));
            let values = condition.and_then(|(_, it)| member(it, "AttributeValueList"));
            self.leading.push(match values {
                Some(Json::List(values)) if values.len() == 1 => {
                    values.first().and_then(scalar).unwrap_or_else(unreadable)
                }
                Some(_) | None => unreadable(),
            });
        }
        for (key, name) in [
            ("dynamodb:ReturnValues", "ReturnValues"),
            ("dynamodb:ReturnConsumedCapacity", "ReturnConsumedCapacity"),
        ] {
            if let Some(wanted) = text(request, name) {
                self.single.push((key, wanted.to_owned()));
            }
        }
        self.single
            .push(("dynamodb:Select", select(request).to_owned()));
    }

    /// Takes what is asked of one table in a batch.
    pub(super) fn take_batch(&mut self, requested: &Json<'_>) {
        match requested {
            // `BatchWriteItem`.
            Json::List(writes) => {
                for write in writes {
                    for (name, item) in [("PutRequest", "Item"), ("DeleteRequest", "Key")] {
                        if let Some(asked) = member(write, name) {
                            self.take_attributes(asked);
                            member(asked, item).into_iter().for_each(|item| {
                                self.take_leading(item);
                            });
                        }
                    }
                }
            }
            // `BatchGetItem`.
            Json::Map(_) => {
                self.take_attributes(requested);
                if let Some(Json::List(keys)) = member(requested, "Keys") {
                    for key in keys {
                        self.take_names(key);
                        self.take_leading(key);
                    }
                }
                self.single
                    .push(("dynamodb:Select", select(requested).to_owned()));
            }
            Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Decimal(_) | Json::Text(_) => {}
        }
    }

    /// Takes a value that a statement gives the partition key.
    pub(super) fn lead(&mut self, value: Option<String>) {
        self.leading.push(value.unwrap_or_else(unreadable));
    }

    pub(super) fn name(&mut self, attribute: &str) {
        self.attributes.insert(attribute.to_owned());
    }

    pub(super) fn set(&mut self, key: &'static str, value: String) {
        self.single.push((key, value));
    }

    pub(super) fn partition_key(&self) -> Option<&str> {
        self.partition_key.as_deref()
    }

    pub(super) fn write(self, context: &mut Context) {
        if !self.leading.is_empty() {
            context.set_all("dynamodb:LeadingKeys", self.leading);
        }
        if !self.attributes.is_empty() {
            let attributes = self.attributes.into_iter().collect();
            context.set_all("dynamodb:Attributes", attributes);
        }
        for (key, value) in self.single {
            context.set(key, value);
        }
    }

    /// The names of attributes on the top level.
    fn take_attributes(&mut self, request: &Json<'_>) {
        for name in BY_ATTRIBUTE {
            if let Some(named) = member(request, name) {
                self.take_names(named);
            }
        }
        if let Some(Json::List(names)) = member(request, "AttributesToGet") {
            for name in names {
                if let Json::Text(name) = name {
                    self.attributes.insert(name.to_string());
                }
            }
        }
        for name in EXPRESSIONS {
            if let Some(expression) = text(request, name) {
                let names = top_names(expression);
                let names = names.into_iter().map(|name| real_name(name, request));
                self.attributes.extend(names);
            }
        }
    }

    fn take_names(&mut self, named: &Json<'_>) {
        if let Json::Map(members) = named {
            let names = members.iter().map(|(name, _)| name.to_string());
            self.attributes.extend(names);
        }
    }

    fn take_leading(&mut self, item: &Json<'_>) {
        let key = self.partition_key.as_deref();
        let value = key.and_then(|key| member(item, key)).and_then(scalar);
        self.leading.push(value.unwrap_or_else(unreadable));
    }

    /// `partition = :value`, wherever it stands.
    fn take_queried(&mut self, expression: &str, request: &Json<'_>) {
        let tokens: Vec<Kind<'_>> = tokens(expression)
            .into_iter()
            .map(|token| token.kind)
            // Parentheses around a side change nothing.
            .filter(|kind| !matches!(kind, Kind::Mark("(" | ")")))
            .collect();
        let key = self.partition_key.as_deref();
        let value = tokens.windows(3).find_map(|sides| match sides {
            [
                Kind::Name(name) | Kind::NamePlaceholder(name),
                Kind::Mark("="),
                Kind::ValuePlaceholder(value),
            ] => (key == Some(real_name(name, request).as_str())).then_some(*value),
            _ => None,
        });
        let values = member(request, "ExpressionAttributeValues");
        let value = value
            .and_then(|name| member(values?, name))
            .and_then(scalar);
        self.leading.push(value.unwrap_or_else(unreadable));
    }
}

fn unreadable() -> String {
    UNREADABLE.to_owned()
}

/// What a placeholder stands for; anything else is a name itself.
fn real_name(name: &str, request: &Json<'_>) -> String {
    if !name.starts_with('#') {
        return name.to_owned();
    }
    let names = member(request, "ExpressionAttributeNames");
    let real = names.and_then(|names| text(names, name));
    real.unwrap_or(name).to_owned()
}

/// The first names of all paths in an expression.
fn top_names(expression: &str) -> Vec<&str> {
    let tokens = tokens(expression);
    let mut names = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| tokens.get(before));
        let is_inner = before.is_some_and(|token| token.kind == Kind::Mark("."));
        let behind = tokens.get(index + 1).map(|token| token.kind);
        let is_function = behind == Some(Kind::Mark("("));
        match token.kind {
            Kind::NamePlaceholder(name) if !is_inner => names.push(name),
            Kind::Name(name) if !is_inner => {
                let is_word = WORDS.iter().any(|word| word.eq_ignore_ascii_case(name));
                if !is_word && !is_function {
                    names.push(name);
                }
            }
            Kind::Name(_)
            | Kind::NamePlaceholder(_)
            | Kind::ValuePlaceholder(_)
            | Kind::Digits(_)
            | Kind::Mark(_)
            | Kind::Stray(_) => {}
        }
    }
    names
}

/// The text of a key's value; none when it can be none.
fn scalar(value: &Json<'_>) -> Option<String> {
    let Json::Map(members) = value else {
        return None;
    };
    match members.as_slice() {
        [(kind, Json::Text(text))] if matches!(kind.as_ref(), "S" | "N" | "B") => {
            Some(text.to_string())
        }
        _ => None,
    }
}

/// What a read answers of items.
fn select<'a>(request: &'a Json<'_>) -> &'a str {
    if let Some(select) = text(request, "Select") {
        return select;
    }
    let is_projected = ["ProjectionExpression", "AttributesToGet"]
        .iter()
        .any(|name| member(request, name).is_some());
    if is_projected {
        "SPECIFIC_ATTRIBUTES"
    } else if member(request, "IndexName").is_some() {
        "ALL_PROJECTED_ATTRIBUTES"
    } else {
        "ALL_ATTRIBUTES"
    }
}
