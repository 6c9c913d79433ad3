//! `BatchWriteItem`.
//!
//! Lives here: its members and limits, its checks in the service's order, the writes.
//! Does not live here: where items are and whether they fit their tables (`item_keys`), metrics (`collection_metrics`).
//!
//! Writes of a batch are independent of one another: they are made side by side, so that they share the flush of the store.
//! `UnprocessedItems` has those for which nothing is left of what is provisioned, where that is enforced.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::Context;
use super::batch_tables;
use super::collection_metrics::{Metrics, MetricsWanted};
use crate::dynamodb::capacity::{Also, Consumed, ConsumedByTable, Wanted};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::dynamodb::throughput::Use;
use crate::dynamodb::values::Judged;
use crate::dynamodb::{item_keys, json_write};
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
    /// As it was asked for: the answer calls the table so.
    table_name: Arc<str>,
    table: Arc<Table>,
    key: ItemKey,
    /// The item to put, or the key of the one to delete.
    attributes: Arc<Attributes>,
    is_put: bool,
}

/// What became of all.
#[derive(Default)]
struct Done {
    consumed: ConsumedByTable,
    /// How many were carried out.
    count: usize,
    /// Those that were not.
    left: Vec<Job>,
    /// Why not.
    refusal: Option<Fault>,
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
        add_jobs(&name, &table, requests, &mut jobs, &mut metrics)?;
    }
    let done = carry_out(context, jobs, wanted).await?;
    let mut out = b"{\"UnprocessedItems\":{".to_vec();
    write_left(&mut out, done.left);
    out.push(b'}');
    done.consumed.write(&mut out, wanted, Also::Nothing);
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
    name: &str,
    table: &Arc<Table>,
    requests: Vec<(Attributes, bool)>,
    jobs: &mut Vec<Job>,
    metrics: &mut Metrics,
) -> Result<(), Fault> {
    let name: Arc<str> = name.into();
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
            table_name: Arc::clone(&name),
            table: Arc::clone(table),
            key,
            attributes: Arc::new(attributes),
            is_put,
        });
    }
    Ok(())
}

async fn carry_out(context: &Context<'_>, jobs: Vec<Job>, wanted: Wanted) -> Result<Done, Fault> {
    let mut done = Done::default();
    let mut writes = JoinSet::new();
    for job in jobs {
        let items = context.items.clone();
        let meter = Arc::clone(context.meter);
        let clock = Arc::clone(context.shared_clock);
        let is_metered = meter.binds(&job.table);
        let depends = if wanted == Wanted::Nothing && !is_metered {
            Depends::OnNothing
        } else {
            Depends::OnTheItem
        };
        writes.spawn(async move {
            let after = job.is_put.then_some(&job.attributes);
            let decide = |before: Option<&Attributes>| {
                meter.admit_write(&job.table, before, after.map(AsRef::as_ref), &*clock)?;
                let change = match after {
                    Some(item) => Change::Put(Arc::clone(item)),
                    None => Change::Delete,
                };
                Ok::<_, Fault>((change, ()))
            };
            let changed = items.change(&job.table, &job.key, depends, decide).await;
            let changed = changed.map_err(Fault::from).map(|((), before)| {
                let after = after.map(AsRef::as_ref);
                let consumed = Consumed::of_write(&job.table, before.as_ref(), after);
                meter.spend(&job.table, Use::Write, &consumed, &*clock);
                consumed
            });
            (job, changed)
        });
        if is_metered {
            // One after another, so that each finds what those before it have left.
            done.wait(&mut writes).await?;
        }
    }
    done.wait(&mut writes).await?;
    match done.refusal.take() {
        // Whoever got nothing done is refused; others may come again for the rest.
        Some(refusal) if done.count == 0 => Err(refusal),
        Some(_) | None => Ok(done),
    }
}

impl Done {
    /// Waits for the writes that are under way.
    async fn wait(
        &mut self,
        writes: &mut JoinSet<(Job, Result<Consumed, Fault>)>,
    ) -> Result<(), Fault> {
        while let Some(written) = writes.join_next().await {
            let (job, changed) = written.map_err(|error| Fault::internal(&error))?;
            match changed {
                Ok(consumed) => {
                    self.count += 1;
                    self.consumed.add(&job.table_name, consumed);
                }
                Err(fault) if fault.kind.is_throttling() => {
                    self.refusal = Some(fault);
                    self.left.push(job);
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }
}

/// Writes requests as they were sent, by table.
fn write_left(out: &mut Vec<u8>, mut left: Vec<Job>) {
    left.sort_by(|one, other| one.table_name.cmp(&other.table_name));
    let mut written: Option<&str> = None;
    for job in &left {
        if written == Some(&*job.table_name) {
            out.push(b',');
        } else {
            if written.is_some() {
                out.extend_from_slice(b"],");
            }
            json_write::string(out, &job.table_name);
            out.extend_from_slice(b":[");
            written = Some(&*job.table_name);
        }
        out.extend_from_slice(if job.is_put {
            b"{\"PutRequest\":{\"Item\":"
        } else {
            b"{\"DeleteRequest\":{\"Key\":"
        });
        json_write::attributes(out, &job.attributes);
        out.extend_from_slice(b"}}");
    }
    if written.is_some() {
        out.push(b']');
    }
}
