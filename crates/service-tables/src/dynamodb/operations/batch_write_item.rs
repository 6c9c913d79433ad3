//! `BatchWriteItem`.
//!
//! Lives here: its members and limits, its checks in the service's order, the writes.
//! Does not live here: where items are and whether they fit their tables (`item_keys`), metrics (`collection_metrics`).
//!
//! Writes of a batch are independent of one another: they are made side by side, so that they share the flush of the store.
//! None is left for the caller to send again: `UnprocessedItems` is always empty.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::Context;
use super::batch_tables;
use super::collection_metrics::{Metrics, MetricsWanted};
use crate::dynamodb::capacity::{Also, Consumed, ConsumedByTable, Wanted};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::dynamodb::item_keys;
use crate::dynamodb::values::Judged;
use crate::engine::items::{Change, Depends};
use crate::engine::table::{ItemKey, Table};
use crate::engine::value::{self, Attributes};

/// Requests of one batch.
const REQUESTS_MAX: usize = 25;

/// What is to be done with one item, as it was sent.
enum Request {
    Put(Judged<Attributes>),
    Delete(Judged<Attributes>),
    /// Neither or both.
    Unclear,
}

/// What is to be done with one item.
struct Job {
    table: Arc<Table>,
    key: ItemKey,
    /// The item to put; none to delete the one that is there.
    item: Option<Arc<Attributes>>,
}

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let wanted = Wanted::take(&mut fields)?;
    let metrics_wanted = MetricsWanted::take(&mut fields)?;
    let tables = take_tables(&mut fields)?;
    fields.finish()?;
    if tables.is_empty() {
        return Err(batch_tables::none_given("BatchWriteItem"));
    }
    let mut judged = Vec::with_capacity(tables.len());
    let mut count = 0;
    for (name, requests) in tables {
        count += requests.len();
        let requests = requests.into_iter().map(judge);
        judged.push((name, requests.collect::<Result<Vec<_>, _>>()?));
    }
    if REQUESTS_MAX < count {
        return Err(Fault::validation(
            "Too many items requested for the BatchWriteItem call",
        ));
    }

    let mut jobs = Vec::with_capacity(count);
    let mut metrics = Metrics::of(metrics_wanted);
    for (name, requests) in judged {
        let table = context.table(&name).await?;
        add_jobs(&table, requests, &mut jobs, &mut metrics)?;
    }
    let consumed = carry_out(context, jobs, wanted).await?;
    let mut out = b"{\"UnprocessedItems\":{}".to_vec();
    consumed.write(&mut out, wanted, Also::Nothing);
    metrics.write_by_table(&mut out, context).await?;
    out.push(b'}');
    Ok(out)
}

fn take_tables(fields: &mut Fields<'_>) -> Result<Vec<(String, Vec<Request>)>, Fault> {
    let Some(tables) = fields.structure_lists_by_name("RequestItems", "WriteRequest")? else {
        fields.violation(None, "requestItems", "not be null");
        return Ok(Vec::new());
    };
    let mut taken = Vec::with_capacity(tables.len());
    for (name, structures) in tables {
        batch_tables::judge_name(fields, &name);
        if structures.is_empty() || REQUESTS_MAX < structures.len() {
            // The service prints all requests of the table; their number says the same.
            let value = format!("{{{name}=[{}]}}", structures.len());
            let constraint = format!(
                "Map value must satisfy constraint: [Member must have length less than or equal to {REQUESTS_MAX}, Member must have length greater than or equal to 1]"
            );
            fields.violated(Some(&value), "requestItems", &constraint);
        }
        let mut requests = Vec::with_capacity(structures.len());
        for mut structure in structures {
            let put = take_inner(&mut structure, "PutRequest", "Item")?;
            let delete = take_inner(&mut structure, "DeleteRequest", "Key")?;
            fields.close(structure)?;
            requests.push(match (put, delete) {
                (Some(item), None) => Request::Put(item),
                (None, Some(key)) => Request::Delete(key),
                (None, None) | (Some(_), Some(_)) => Request::Unclear,
            });
        }
        taken.push((name, requests));
    }
    Ok(taken)
}

fn take_inner(
    request: &mut Fields<'_>,
    name: &str,
    member: &str,
) -> Result<Option<Judged<Attributes>>, Fault> {
    let Some(mut structure) = request.placed_structure(name, name)? else {
        return Ok(None);
    };
    let attributes = structure.attributes(member)?;
    if attributes.is_none() {
        structure.violation(None, &member.to_ascii_lowercase(), "not be null");
    }
    request.close(structure)?;
    Ok(Some(attributes.unwrap_or_else(|| Ok(Attributes::new()))))
}

fn judge(request: Request) -> Result<(Attributes, bool), Fault> {
    match request {
        Request::Put(item) => {
            let item = item?;
            if model::limits::DYNAMODB_ITEM_BYTES_MAX < value::size(&item) {
                return Err(Fault::validation(
                    "Item size has exceeded the maximum allowed size",
                ));
            }
            Ok((item, true))
        }
        Request::Delete(key) => Ok((key?, false)),
        Request::Unclear => Err(Fault::validation(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        )),
    }
}

fn add_jobs(
    table: &Arc<Table>,
    requests: Vec<(Attributes, bool)>,
    jobs: &mut Vec<Job>,
    metrics: &mut Metrics,
) -> Result<(), Fault> {
    let mut keys = BTreeSet::new();
    for (attributes, is_put) in requests {
        let key = if is_put {
            item_keys::of_item(table, &attributes).map_err(item_keys::as_in_batch)?
        } else {
            item_keys::of_key(table, &attributes)?
        };
        if !keys.insert(key.as_bytes().to_vec()) {
            return Err(batch_tables::duplicates());
        }
        metrics.note(table, &key, &attributes);
        jobs.push(Job {
            table: Arc::clone(table),
            key,
            item: is_put.then(|| Arc::new(attributes)),
        });
    }
    Ok(())
}

async fn carry_out(
    context: &Context<'_>,
    jobs: Vec<Job>,
    wanted: Wanted,
) -> Result<ConsumedByTable, Fault> {
    let depends = match wanted {
        Wanted::Nothing => Depends::OnNothing,
        Wanted::Total | Wanted::Indexes => Depends::OnTheItem,
    };
    let mut consumed = ConsumedByTable::default();
    let mut writes = JoinSet::new();
    for job in jobs {
        let items = context.items.clone();
        writes.spawn(async move {
            let change = match &job.item {
                Some(item) => Change::Put(Arc::clone(item)),
                None => Change::Delete,
            };
            let decide = |_: Option<&Attributes>| Ok::<_, Fault>((change.clone(), ()));
            let ((), before) = items.change(&job.table, &job.key, depends, decide).await?;
            let units = Consumed::of_write(&job.table, before.as_ref(), job.item.as_deref());
            Ok::<_, Fault>((job.table, units))
        });
    }
    while let Some(written) = writes.join_next().await {
        let (table, units) = written.map_err(|error| Fault::internal(&error))??;
        consumed.add(table.name(), units);
    }
    Ok(consumed)
}
