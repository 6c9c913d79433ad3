//! What statements of PartiQL would do.
//!
//! Lives here: their actions, tables and keys.
//! Does not live here: the language (`partiql`).
//!
//! Contract: Amazon DynamoDB Developer Guide, "IAM security policies with PartiQL for DynamoDB".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interfaces::authorize::Check;

use super::keys::Keys;
use super::{Asked, member, text};
use crate::dynamodb::expressions::condition::Condition;
use crate::dynamodb::json_read::Json;
use crate::dynamodb::partiql::{self, Compiled};
use crate::dynamodb::values;
use crate::engine::value::Value;

/// The actions of statements. One that cannot be read asks for all of them.
const ACTIONS: [&str; 4] = [
    "PartiQLSelect",
    "PartiQLInsert",
    "PartiQLUpdate",
    "PartiQLDelete",
];

/// What the statement of a request would do.
pub(super) async fn one(asked: Asked<'_>, request: &Json<'_>) -> Vec<Check> {
    match compiled(request) {
        Some(statement) => vec![check(asked, &statement).await],
        None => {
            let check = |action: &str| asked.check(action, "*".to_owned());
            ACTIONS.into_iter().map(check).collect()
        }
    }
}

/// What all statements in the list of this name would do.
pub(super) async fn all(asked: Asked<'_>, list: &str, request: &Json<'_>) -> Option<Vec<Check>> {
    let Some(Json::List(statements)) = member(request, list) else {
        return None;
    };
    let mut checks = Vec::with_capacity(statements.len());
    for statement in statements {
        for mut check in one(asked, statement).await {
            let enclosing = "dynamodb:EnclosingOperation";
            check.context.set(enclosing, asked.operation);
            checks.push(check);
        }
    }
    Some(checks)
}

fn compiled(request: &Json<'_>) -> Option<Compiled> {
    let parameters = match member(request, "Parameters") {
        None => Vec::new(),
        Some(Json::List(parameters)) => {
            let read = |json: &Json<'_>| values::read_value(json.clone()).ok()?.ok();
            parameters
                .iter()
                .map(read)
                .collect::<Option<Vec<Value>>>()?
        }
        Some(_) => return None,
    };
    partiql::compile(text(request, "Statement")?, &parameters).ok()
}

async fn check(asked: Asked<'_>, statement: &Compiled) -> Check {
    let (action, index) = match statement {
        Compiled::Select(select) => ("PartiQLSelect", select.index.as_deref()),
        Compiled::Exists(_) => ("PartiQLSelect", None),
        Compiled::Insert { .. } => ("PartiQLInsert", None),
        Compiled::Update { .. } => ("PartiQLUpdate", None),
        Compiled::Delete { .. } => ("PartiQLDelete", None),
    };
    let table = statement.table();
    let resource = match index {
        Some(index) => asked.arn(&format!("{table}/index/{index}")),
        None => asked.arn(table),
    };
    let mut check = asked.check(action, resource);
    let mut keys = Keys::of(asked.partition_key(table, index).await);
    let condition = match statement {
        Compiled::Insert { item, .. } => {
            for name in item.keys() {
                keys.name(name);
            }
            let key = keys.partition_key().and_then(|key| item.get(key));
            let value = key.and_then(shown);
            keys.lead(value);
            keys.write(&mut check.context);
            return check;
        }
        Compiled::Select(select) | Compiled::Exists(select) => {
            for output in select.projection.iter().flatten() {
                keys.name(&output.name);
            }
            select.condition.as_ref()
        }
        Compiled::Update { condition, .. } | Compiled::Delete { condition, .. } => {
            condition.as_ref()
        }
    };
    let leading = leading(condition, keys.partition_key());
    let scans = matches!(statement, Compiled::Select(_)) && leading.is_none();
    keys.set("dynamodb:FullTableScan", scans.to_string());
    // A scan reaches every key: no condition on keys may hold for it.
    keys.lead(leading);
    keys.write(&mut check.context);
    check
}

/// The value that a condition demands of the partition key, by itself.
fn leading(condition: Option<&Condition>, partition_key: Option<&str>) -> Option<String> {
    let key = partition_key?;
    let value = partiql::demanded(condition?, key)?;
    shown(value)
}

/// As policies name it.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::S(text) => Some(text.clone()),
        Value::N(number) => Some(number.to_string()),
        Value::B(bytes) => Some(STANDARD.encode(bytes)),
        Value::Bool(_)
        | Value::Null
        | Value::Ss(_)
        | Value::Ns(_)
        | Value::Bs(_)
        | Value::L(_)
        | Value::M(_) => None,
    }
}
