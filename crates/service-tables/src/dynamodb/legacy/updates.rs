//! Updates of attributes, one by one.
//!
//! Lives here: reading `AttributeUpdates`, what is wrong with it, the update that it comes to.
//! Does not live here: changing items (`expressions::update`).

use crate::dynamodb::expressions::update::{AttributeAction, Update};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::dynamodb::values::{self, Judged};
use crate::engine::value::Value;

/// The members of `AttributeUpdates`, as they were sent.
#[derive(Debug)]
pub(in crate::dynamodb) struct Updates {
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    attribute: String,
    action: Action,
    value: Option<Judged<Value>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Put,
    Add,
    Delete,
}

impl Updates {
    /// Takes `AttributeUpdates`.
    pub(in crate::dynamodb) fn take(fields: &mut Fields<'_>) -> Result<Option<Self>, Fault> {
        let found = fields.structures_by_name("AttributeUpdates", "AttributeValueUpdate")?;
        let Some(structures) = found else {
            return Ok(None);
        };
        let members = structures.into_iter().map(|(attribute, mut structure)| {
            let value = structure.value("Value")?;
            let action = structure.one_of("Action", "action", &["ADD", "DELETE", "PUT"])?;
            fields.close(structure)?;
            Ok(Member {
                attribute,
                action: match action {
                    Some("ADD") => Action::Add,
                    Some("DELETE") => Action::Delete,
                    _ => Action::Put,
                },
                value,
            })
        });
        let members = members.collect::<Result<_, Fault>>()?;
        Ok(Some(Self { members }))
    }

    /// What they come to.
    pub(in crate::dynamodb) fn update(self) -> Result<Update, Fault> {
        let members = self.members.into_iter().map(|member| {
            if let Some(fault) = values::name_fault(&member.attribute) {
                return Err(fault);
            }
            Ok((member.attribute, update(member.action, member.value)?))
        });
        let members = members.collect::<Result<Vec<_>, _>>()?;
        Ok(Update::of_attributes(members))
    }
}

fn update(action: Action, value: Option<Judged<Value>>) -> Result<AttributeAction, Fault> {
    let value = value.transpose()?;
    match (action, value) {
        (Action::Put, Some(value)) => Ok(AttributeAction::Put(value)),
        (
            Action::Add,
            Some(value @ (Value::N(_) | Value::Ss(_) | Value::Ns(_) | Value::Bs(_) | Value::L(_))),
        ) => Ok(AttributeAction::Add(value)),
        (Action::Add, Some(other)) => Err(Fault::invalid(format!(
            "ADD action is not supported for the type {}",
            other.type_name()
        ))),
        (Action::Delete, None) => Ok(AttributeAction::Delete(None)),
        (Action::Delete, Some(value @ (Value::Ss(_) | Value::Ns(_) | Value::Bs(_)))) => {
            Ok(AttributeAction::Delete(Some(value)))
        }
        (Action::Delete, Some(other)) => Err(Fault::invalid(format!(
            "DELETE action with value is not supported for the type {}",
            other.type_name()
        ))),
        (Action::Put | Action::Add, None) => Err(Fault::invalid(
            "Only DELETE action is allowed when no attribute value is specified",
        )),
    }
}
