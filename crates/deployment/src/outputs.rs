//! The end of a deployment: outputs, exports, and the stack's own record.
//!
//! Lives here: evaluating outputs, and who owns which export.
//! Does not live here: importing (`scope`).

use std::collections::BTreeMap;

use cloudformation::template::Output;
use model::problem::Problem;
use serde_json::Value;
use store::Batch;

use crate::apply::Run;
use crate::revision;
use crate::state::{StackRecord, StateError};

impl Run<'_> {
    /// Evaluates the outputs and records the stack, if anything about it has changed.
    pub(crate) async fn outputs(&mut self) -> Result<BTreeMap<String, Value>, StateError> {
        let mut outputs = BTreeMap::new();
        let mut exports = BTreeMap::new();
        let before = self.state.stack().await?.unwrap_or_default();
        for (name, output) in &self.request.template.outputs {
            let Some(value) = self.output(output).await else {
                continue;
            };
            if let Some(export) = self.export_name(output).await {
                exports.insert(export, value.clone());
            }
            outputs.insert(name.clone(), value);
        }
        let revision = revision::of(self.request.stack, &self.resources, &outputs);
        let record = StackRecord {
            revision: revision.to_string(),
            outputs: outputs.clone(),
            exports,
        };
        let leaves_plain_rows = self.state.sealing.leaves_plain_rows();
        if record != before || leaves_plain_rows {
            let mut batch = self.state.put_stack(Batch::new(), &record);
            for name in before.exports.keys() {
                if !record.exports.contains_key(name) {
                    batch = self.state.delete_export(batch, name);
                }
            }
            for (name, value) in &record.exports {
                batch = self.state.put_export(batch, name, value);
            }
            if leaves_plain_rows {
                // They may hold what an earlier version did not seal.
                batch = self.written_anew(batch).await?;
                self.state.sealing.note_rewritten();
            }
            self.state.commit(batch).await?;
        }
        Ok(outputs)
    }

    async fn written_anew(&self, mut batch: Batch) -> Result<Batch, StateError> {
        for (id, record) in self.state.resources().await? {
            batch = self.state.put_resource(batch, &id, &record);
        }
        for leftover in self.state.leftovers().await? {
            batch = self.state.put_leftover(batch, &leftover);
        }
        Ok(batch)
    }

    async fn output(&mut self, output: &Output) -> Option<Value> {
        if let Some(condition) = &output.condition
            && self.context.holds(&condition.name) != Some(true)
        {
            return None;
        }
        let evaluated = self.evaluate(&output.value).await;
        self.problems.extend(evaluated.problems);
        evaluated.value.filter(|_| !evaluated.failed)
    }

    /// The name under which other stacks find this output, unless it belongs to another stack.
    async fn export_name(&mut self, output: &Output) -> Option<String> {
        let node = output.export.as_ref()?;
        let evaluated = self.evaluate(node).await;
        self.problems.extend(evaluated.problems);
        let Some(Value::String(name)) = evaluated.value else {
            return None;
        };
        match self.exports.get(&name) {
            Some(other) if other.stack != *self.request.stack => {
                self.problems.push(
                    Problem::error(
                        "deployment::export-taken",
                        format!("the export `{name}` belongs to stack `{}`", other.stack),
                    )
                    .at(&node.place)
                    .because(format!(
                        "CloudFormation: export with name {name} is already exported by stack {}",
                        other.stack
                    ))
                    .help("choose another name"),
                );
                None
            }
            Some(_) | None => Some(name),
        }
    }
}
