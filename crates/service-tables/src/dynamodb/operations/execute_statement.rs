//! `ExecuteStatement`.
//!
//! Lives here: its members, the members that all operations with statements share, the answer.
//! Does not live here: the language (`partiql`), reading and writing (`execute_select`, `execute_write`).

use super::Context;
use super::execute_select::{self, Paging};
use super::execute_write::{self, Written};
use super::writes::OnFailure;
use crate::dynamodb::capacity::{self, Consistency, Consumed, Wanted};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::dynamodb::json_read::Json;
use crate::dynamodb::json_write;
use crate::dynamodb::partiql::{self, Compiled};
use crate::dynamodb::values;
use crate::engine::table::Table;
use crate::engine::value::{Attributes, Value};

/// Characters of a token.
const TOKEN_CHARACTERS_MAX: usize = 32_768;

/// The members that every statement has.
#[derive(Debug)]
pub(super) struct StatementFields {
    pub(super) text: String,
    pub(super) parameters: Vec<Value>,
    pub(super) on_failure: OnFailure,
}

impl StatementFields {
    /// Takes them; `path` is what stands before them in messages, as `statements.1.member.`.
    pub(super) fn take(fields: &mut Fields<'_>, path: &str) -> Result<Self, Fault> {
        let text = fields.text("Statement")?;
        let place = format!("{path}statement");
        match &text {
            None => fields.violation(None, &place, "not be null"),
            Some(text) if text.is_empty() => {
                let least = "have length greater than or equal to 1";
                fields.violation(Some(text), &place, least);
            }
            Some(text) if partiql::STATEMENT_CHARACTERS_MAX < text.chars().count() => {
                let most = "have length less than or equal to 8192";
                fields.violation(Some(text), &place, most);
            }
            Some(_) => {}
        }
        let parameters = match fields.take("Parameters") {
            None => Vec::new(),
            Some(json) => {
                let members = values::read_list(json)?;
                if members.is_empty() {
                    let least = "have length greater than or equal to 1";
                    fields.violation(Some("[]"), &format!("{path}parameters"), least);
                }
                parameters(members)?
            }
        };
        let allowed = ["ALL_OLD", "NONE"];
        let on_failure = fields.one_of(
            "ReturnValuesOnConditionCheckFailure",
            &format!("{path}returnValuesOnConditionCheckFailure"),
            &allowed,
        )?;
        Ok(Self {
            text: text.unwrap_or_default(),
            parameters,
            on_failure: match on_failure {
                Some("ALL_OLD") => OnFailure::TheItem,
                _ => OnFailure::Nothing,
            },
        })
    }

    pub(super) fn compile(&self) -> Result<Compiled, Fault> {
        partiql::compile(&self.text, &self.parameters)
    }

    /// What tells a statement and its parameters from others.
    fn fingerprint(&self) -> u32 {
        let mut bytes = self.text.clone().into_bytes();
        for parameter in &self.parameters {
            json_write::value(&mut bytes, parameter);
        }
        crc32fast::hash(&bytes)
    }
}

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let statement = StatementFields::take(&mut fields, "")?;
    let wanted = Wanted::take(&mut fields)?;
    let consistency = Consistency::take(&mut fields)?;
    let limit = fields.integer_within("Limit", "limit", 1, i64::MAX)?;
    let token = fields.text("NextToken")?;
    if let Some(token) = &token {
        if token.is_empty() {
            let least = "have length greater than or equal to 1";
            fields.violation(Some(token), "nextToken", least);
        }
        if TOKEN_CHARACTERS_MAX < token.chars().count() {
            let most = "have length less than or equal to 32768";
            fields.violation(Some(token), "nextToken", most);
        }
    }
    fields.finish()?;
    let compiled = statement.compile()?;
    let table = context.table(compiled.table()).await?;
    if let Compiled::Select(select) = &compiled {
        let paging = Paging {
            limit: limit.and_then(|limit| usize::try_from(limit).ok()),
            token: token.as_deref(),
            fingerprint: statement.fingerprint(),
            consistency,
        };
        let page = execute_select::page(context, &table, select, &paging).await?;
        let mut out = items(&page.items);
        if let Some(next) = &page.next {
            out.extend_from_slice(b",\"NextToken\":");
            json_write::string(&mut out, &next.token);
            out.extend_from_slice(b",\"LastEvaluatedKey\":");
            json_write::attributes(&mut out, &next.key);
        }
        return Ok(finished(out, wanted, &table, &page.consumed));
    }
    if limit.is_some() || token.is_some() {
        return Err(Fault::validation(
            "Limit and NextToken can only be used with SELECT statements",
        ));
    }
    let written = write(context, &table, compiled, statement.on_failure).await?;
    let out = items(written.returned.as_slice());
    Ok(finished(out, wanted, &table, &written.consumed))
}

/// Carries out a statement that writes.
pub(super) async fn write(
    context: &Context<'_>,
    table: &Table,
    compiled: Compiled,
    on_failure: OnFailure,
) -> Result<Written, Fault> {
    match compiled {
        Compiled::Insert { item, .. } => {
            execute_write::insert(context, table, item, on_failure).await
        }
        Compiled::Update {
            update,
            condition,
            returning,
            ..
        } => {
            let parts = (&update, condition.as_ref());
            execute_write::update(context, table, parts, returning, on_failure).await
        }
        Compiled::Delete {
            condition,
            returning,
            ..
        } => execute_write::delete(context, table, condition.as_ref(), returning, on_failure).await,
        Compiled::Select(_) | Compiled::Exists(_) => Err(Fault::validation(
            "EXISTS is only supported as a statement of its own in ExecuteTransaction",
        )),
    }
}

/// Parameters are values without names; they are read as an item's, under their numbers.
fn parameters(members: Vec<Json<'_>>) -> Result<Vec<Value>, Fault> {
    let members = members
        .into_iter()
        .enumerate()
        // Of one width, so that they sort as they stand.
        .map(|(index, json)| (format!("{index:08}").into(), json))
        .collect();
    let read = values::read_attributes(Json::Map(members))??;
    Ok(read.into_values().collect())
}

fn items(items: &[Attributes]) -> Vec<u8> {
    let mut out = b"{\"Items\":[".to_vec();
    for (index, item) in items.iter().enumerate() {
        if index != 0 {
            out.push(b',');
        }
        json_write::attributes(&mut out, item);
    }
    out.push(b']');
    out
}

fn finished(mut out: Vec<u8>, wanted: Wanted, table: &Table, consumed: &Consumed) -> Vec<u8> {
    if wanted != Wanted::Nothing {
        out.push(b',');
        capacity::write(&mut out, wanted, table.name(), consumed);
    }
    out.push(b'}');
    out
}
