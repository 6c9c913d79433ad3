//! Expressions and references, carried out.
//!
//! Lives here: operators, literals, what a reference leads to, and assigning to one.
//! Does not live here: methods (`methods`).
//!
//! Contract: Apache Velocity 1.7, and recorded answers: what is not there equals an empty text.

use std::sync::Arc;

use super::Machine;
use crate::RenderError;
use crate::tree::{Expression, Operator, Reference, Step};
use crate::value::{Look, Map, Value};

/// Items of a range; longer ones are cut off, as a loop over them would be.
const RANGE_ITEMS_MAX: i64 = 10_000;

impl Machine<'_> {
    pub(super) fn expression(&mut self, expression: &Expression) -> Result<Value, RenderError> {
        self.step()?;
        self.deeper()?;
        let value = self.value_of(expression)?;
        self.frames -= 1;
        Ok(value)
    }

    fn value_of(&mut self, expression: &Expression) -> Result<Value, RenderError> {
        Ok(match expression {
            Expression::Text(text) => Value::Text(Arc::clone(text)),
            Expression::Interpolated(block) => {
                let mut text = String::new();
                self.enter()?;
                self.block(block, &mut text)?;
                self.depth -= 1;
                self.text(&text)?
            }
            Expression::Whole(number) => Value::Whole(*number),
            Expression::Decimal(number) => Value::Decimal(*number),
            Expression::Bool(value) => Value::Bool(*value),
            Expression::Reference(reference) => self.reference(reference)?,
            Expression::List(items) => {
                let mut values = Vec::new();
                for item in items {
                    values.push(self.expression(item)?);
                }
                self.heap.list(values, Look::Java)
            }
            Expression::Map(entries) => {
                let mut map = Map::new(Look::Java);
                for (key, value) in entries {
                    let key = self.expression(key)?;
                    let key = self.shown(&key)?;
                    let value = self.expression(value)?;
                    map.put(key.into(), value);
                }
                self.heap.map(map)
            }
            Expression::Range(from, to) => {
                let from = self.expression(from)?;
                let to = self.expression(to)?;
                self.range(&from, &to)?
            }
            Expression::Not(inner) => Value::Bool(!self.is_true(inner)?),
            Expression::Binary(operator, left, right) => self.binary(*operator, left, right)?,
        })
    }

    /// Anything that is there is true, but for `false`.
    pub(super) fn is_true(&mut self, expression: &Expression) -> Result<bool, RenderError> {
        Ok(match self.expression(expression)? {
            Value::Null => false,
            Value::Bool(value) => value,
            Value::Whole(_)
            | Value::Decimal(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Map(_)
            | Value::Entry(_)
            | Value::Block(_)
            | Value::Loop(_)
            | Value::Input
            | Value::Util => true,
        })
    }

    fn range(&mut self, from: &Value, to: &Value) -> Result<Value, RenderError> {
        let (Value::Whole(from), Value::Whole(to)) = (from, to) else {
            return Ok(Value::Null);
        };
        let (from, to) = (*from, *to);
        let length = from.abs_diff(to).saturating_add(1);
        let length = length.min(RANGE_ITEMS_MAX.unsigned_abs());
        let step = if from <= to { 1 } else { -1 };
        let mut items = Vec::new();
        self.made(usize::try_from(length).unwrap_or(usize::MAX) * size_of::<Value>())?;
        let mut next = from;
        for _ in 0..length {
            items.push(Value::Whole(next));
            next = next.saturating_add(step);
        }
        Ok(self.heap.list(items, Look::Java))
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: &Expression,
        right: &Expression,
    ) -> Result<Value, RenderError> {
        if operator == Operator::Or {
            return Ok(Value::Bool(self.is_true(left)? || self.is_true(right)?));
        }
        if operator == Operator::And {
            return Ok(Value::Bool(self.is_true(left)? && self.is_true(right)?));
        }
        let left = self.expression(left)?;
        let right = self.expression(right)?;
        Ok(match operator {
            Operator::Equal => Value::Bool(self.are_equal(&left, &right)?),
            Operator::NotEqual => Value::Bool(!self.are_equal(&left, &right)?),
            Operator::Less => ordered(&left, &right, std::cmp::Ordering::is_lt),
            Operator::LessOrEqual => ordered(&left, &right, std::cmp::Ordering::is_le),
            Operator::Greater => ordered(&left, &right, std::cmp::Ordering::is_gt),
            Operator::GreaterOrEqual => ordered(&left, &right, std::cmp::Ordering::is_ge),
            Operator::Add => match (&left, &right) {
                (Value::Text(_), _) | (_, Value::Text(_)) => {
                    let mut text = self.shown(&left)?;
                    text.push_str(&self.shown(&right)?);
                    self.text(&text)?
                }
                _ => computed(operator, &left, &right),
            },
            Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Remainder => {
                computed(operator, &left, &right)
            }
            Operator::Or | Operator::And => Value::Null,
        })
    }

    /// What is not there equals an empty text; values of different kinds are compared as texts.
    pub(super) fn are_equal(&mut self, left: &Value, right: &Value) -> Result<bool, RenderError> {
        Ok(match (left, right) {
            (Value::Null, Value::Null) => true,
            (Value::Null, other) | (other, Value::Null) => {
                matches!(other, Value::Text(text) if text.is_empty())
            }
            (Value::Text(left), Value::Text(right)) => {
                self.passed(left.len().min(right.len()))?;
                left == right
            }
            (Value::Bool(left), Value::Bool(right)) => left == right,
            (Value::List(left), Value::List(right)) if left == right => true,
            (Value::Map(left), Value::Map(right)) if left == right => true,
            _ => match (number(left), number(right)) {
                (Some(left), Some(right)) => left.partial_cmp(&right).is_some_and(|it| it.is_eq()),
                _ => self.shown(left)? == self.shown(right)?,
            },
        })
    }

    pub(super) fn reference(&mut self, reference: &Reference) -> Result<Value, RenderError> {
        let value = self.variable(&reference.name);
        self.follow(value, &reference.steps)
    }

    fn follow(&mut self, mut value: Value, steps: &[Step]) -> Result<Value, RenderError> {
        for step in steps {
            self.step()?;
            if let Value::Null = value {
                return Ok(Value::Null);
            }
            value = match step {
                Step::Property(name) => self.property(&value, name)?,
                Step::Method(name, arguments) => {
                    let mut values = Vec::new();
                    for argument in arguments {
                        values.push(self.expression(argument)?);
                    }
                    self.method(&value, name, &values)?
                }
                Step::Index(index) => {
                    let index = self.expression(index)?;
                    self.index(&value, &index)?
                }
            };
        }
        Ok(value)
    }

    fn index(&mut self, value: &Value, index: &Value) -> Result<Value, RenderError> {
        match (value, index) {
            // A list counts from its end, too.
            (Value::List(list), Value::Whole(place)) if *place < 0 => {
                let length = i64::try_from(self.heap.items(*list).len()).unwrap_or(i64::MAX);
                self.method(value, "get", &[Value::Whole(length.saturating_add(*place))])
            }
            _ => self.method(value, "get", std::slice::from_ref(index)),
        }
    }

    /// Sets a variable, or a member of what a reference leads to.
    pub(super) fn assign(&mut self, target: &Reference, value: Value) -> Result<(), RenderError> {
        let Some((last, way)) = target.steps.split_last() else {
            self.variables.insert(Arc::clone(&target.name), value);
            return Ok(());
        };
        let holder = self.variable(&target.name);
        let holder = self.follow(holder, way)?;
        match last {
            Step::Property(name) => self.put(&holder, Value::Text(Arc::clone(name)), value)?,
            Step::Index(index) => {
                let index = self.expression(index)?;
                self.put(&holder, index, value)?;
            }
            // A call cannot be assigned to; Velocity only notes that.
            Step::Method(..) => {}
        }
        Ok(())
    }

    fn put(&mut self, holder: &Value, key: Value, value: Value) -> Result<(), RenderError> {
        if holder.as_map().is_some() {
            return self.method(holder, "put", &[key, value]).map(drop);
        }
        if holder.as_list().is_some() {
            return self.method(holder, "set", &[key, value]).map(drop);
        }
        Ok(())
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "whole and other numbers are compared as the latter, as Velocity does"
)]
pub(super) fn number(value: &Value) -> Option<f64> {
    if let Value::Whole(number) = value {
        return Some(*number as f64);
    }
    if let Value::Decimal(number) = value {
        return Some(*number);
    }
    None
}

fn ordered(left: &Value, right: &Value, holds: impl Fn(std::cmp::Ordering) -> bool) -> Value {
    let order = match (left, right) {
        (Value::Whole(left), Value::Whole(right)) => Some(left.cmp(right)),
        _ => number(left)
            .zip(number(right))
            .and_then(|(left, right)| left.partial_cmp(&right)),
    };
    Value::Bool(order.is_some_and(holds))
}

/// What cannot be computed is nothing: a division by zero, numbers that are none.
fn computed(operator: Operator, left: &Value, right: &Value) -> Value {
    if let (Value::Whole(left), Value::Whole(right)) = (left, right) {
        let computed: fn(i64, i64) -> Option<i64> = match operator {
            Operator::Subtract => i64::checked_sub,
            Operator::Multiply => i64::checked_mul,
            Operator::Divide => i64::checked_div,
            Operator::Remainder => i64::checked_rem,
            Operator::Add
            | Operator::Or
            | Operator::And
            | Operator::Equal
            | Operator::NotEqual
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => i64::checked_add,
        };
        return computed(*left, *right).map_or(Value::Null, Value::Whole);
    }
    let (Some(left), Some(right)) = (number(left), number(right)) else {
        return Value::Null;
    };
    let divides = matches!(operator, Operator::Divide | Operator::Remainder);
    if divides && right == 0.0 {
        return Value::Null;
    }
    Value::Decimal(match operator {
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::Remainder => left % right,
        Operator::Add
        | Operator::Or
        | Operator::And
        | Operator::Equal
        | Operator::NotEqual
        | Operator::Less
        | Operator::LessOrEqual
        | Operator::Greater
        | Operator::GreaterOrEqual => left + right,
    })
}
