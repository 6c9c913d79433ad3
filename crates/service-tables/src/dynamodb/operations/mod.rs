//! The operations.
//!
//! Lives here: the table of those that are carried out, what they all are given.
//! Does not live here: what they share in judging (`fields`, `item_keys`, `expressions`).

mod account;
mod batch_get_item;
mod batch_tables;
mod batch_write_item;
mod collection_metrics;
mod continuous_backups;
mod create_table;
mod delete_item;
mod description;
mod execute_batch;
mod execute_select;
mod execute_statement;
mod execute_transaction;
mod execute_write;
mod expression_fields;
mod get_item;
mod index_fields;
mod pages;
mod put_item;
mod query;
mod scan;
mod sources;
mod table_fields;
mod tables;
mod tags;
mod throughput_fields;
mod time_to_live;
mod transact_get_items;
mod transact_write_items;
mod transactions;
mod update_indexes;
mod update_item;
mod update_table;
mod writes;

use interfaces::clock::Clock;
use interfaces::random::Random;
use model::ids::{AccountId, Region};

use super::capacity::Consumed;
use super::fault::{Fault, Kind};
use super::fields::table_of_arn;
use super::throughput::{Meter, Use};
use crate::engine::catalogue::Catalogue;
use crate::engine::indexes::Index;
use crate::engine::items::Items;
use crate::engine::keeper::Keeper;
use crate::engine::table::Table;
use crate::engine::upkeep::Upkeep;
use crate::engine::value::Attributes;

pub(crate) use create_table::TableWish;
pub(super) use execute_select::try_token;
pub(crate) use tables::PROTECTED;

/// What an operation works with.
pub(super) struct Context<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) items: &'a Items,
    pub(super) upkeep: &'a Upkeep,
    pub(super) keeper: &'a Keeper,
    pub(super) meter: &'a std::sync::Arc<Meter>,
    /// The name by which the caller has reached us.
    pub(super) host: &'a str,
    pub(super) clock: &'a dyn Clock,
    /// The same, for tasks of their own.
    pub(super) shared_clock: &'a std::sync::Arc<dyn Clock>,
    pub(super) random: &'a dyn Random,
    pub(super) account: &'a AccountId,
    pub(super) region: &'a Region,
}

impl Context<'_> {
    /// The table of an operation on items.
    async fn table(&self, name: &str) -> Result<std::sync::Arc<Table>, Fault> {
        let name = self.name_of(name)?;
        let found = self.catalogue.find(self.account, self.region, name).await?;
        found.ok_or_else(Fault::no_table)
    }

    /// The name of a table that is called by it or by its ARN. Tables of other accounts share nothing, and those of other
    /// regions are not asked here.
    fn name_of<'t>(&self, text: &'t str) -> Result<&'t str, Fault> {
        let Some((name, arn)) = table_of_arn(text) else {
            return Ok(text);
        };
        if arn.account != self.account.as_str() {
            return Err(Fault::new(
                Kind::AccessDenied,
                format!(
                    "The caller may not use the resource {text}: no resource-based policy allows it"
                ),
            ));
        }
        if arn.region == self.region.as_str() {
            return Ok(name);
        }
        Err(Fault::validation(format!(
            "1 validation error detected: Invalid AWS region in '{text}'"
        )))
    }

    /// Refuses a read for which nothing that is provisioned is left.
    fn admit_read(&self, table: &Table, index: Option<&Index>) -> Result<(), Fault> {
        self.meter.admit_read(table, index, self.clock)
    }

    /// Refuses a write for which nothing that is provisioned is left.
    fn admit_write(
        &self,
        table: &Table,
        before: Option<&Attributes>,
        after: Option<&Attributes>,
    ) -> Result<(), Fault> {
        self.meter.admit_write(table, before, after, self.clock)
    }

    /// Notes what a request has used.
    fn spend(&self, table: &Table, used: Use, consumed: &Consumed) {
        self.meter.spend(table, used, consumed, self.clock);
    }
}

/// Runs an operation; none when it is not carried out here.
pub(super) async fn run(
    context: &Context<'_>,
    operation: &str,
    body: &[u8],
) -> Option<Result<Vec<u8>, Fault>> {
    dispatch!(operation, context, body, {
        "GetItem" => get_item::run,
        "PutItem" => put_item::run,
        "UpdateItem" => update_item::run,
        "DeleteItem" => delete_item::run,
        "BatchExecuteStatement" => execute_batch::run,
        "ExecuteTransaction" => execute_transaction::run,
        "ExecuteStatement" => execute_statement::run,
        "BatchGetItem" => batch_get_item::run,
        "BatchWriteItem" => batch_write_item::run,
        "TransactGetItems" => transact_get_items::run,
        "TransactWriteItems" => transact_write_items::run,
        "Query" => query::run,
        "Scan" => scan::run,
        "CreateTable" => create_table::run,
        "DescribeTable" => tables::describe,
        "ListTables" => tables::list,
        "UpdateTable" => update_table::run,
        "UpdateTimeToLive" => time_to_live::update,
        "DescribeTimeToLive" => time_to_live::describe,
        "TagResource" => tags::tag,
        "UntagResource" => tags::untag,
        "ListTagsOfResource" => tags::list,
        "DescribeLimits" => account::limits,
        "DescribeEndpoints" => account::endpoints,
        "DescribeContinuousBackups" => continuous_backups::describe,
        "UpdateContinuousBackups" => continuous_backups::update,
        "DeleteTable" => tables::delete,
    })
}
