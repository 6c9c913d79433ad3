//! Methods of lists.
//!
//! Lives here: those of `java.util.List` that templates use.
//! Does not live here: which value has which methods (`methods`).

use super::Machine;
use super::methods::{Called, Failure};
use crate::value::{Look, Value};

/// What one item takes, in bytes.
const ITEM_BYTES: usize = size_of::<Value>();

impl Machine<'_> {
    pub(super) fn list_method(&mut self, list: usize, name: &str, arguments: &[Value]) -> Called {
        let length = self.heap.items(list).len();
        match (name, arguments) {
            ("size", []) => Ok(whole(length)),
            ("isEmpty", []) => Ok(Value::Bool(length == 0)),
            ("get", [index]) => {
                let place = self.place(index, length)?;
                let item = self.heap.items(list).get(place);
                Ok(item.cloned().unwrap_or(Value::Null))
            }
            ("contains", [wanted]) => Ok(Value::Bool(self.position(list, wanted)?.is_some())),
            ("indexOf", [wanted]) => {
                let found = self.position(list, wanted)?;
                Ok(found.map_or(Value::Whole(-1), whole))
            }
            ("containsAll", [Value::List(other)]) => {
                let mut place = 0;
                while let Some(wanted) = self.heap.items(*other).get(place).cloned() {
                    place += 1;
                    if self.position(list, &wanted)?.is_none() {
                        return Ok(Value::Bool(false));
                    }
                }
                Ok(Value::Bool(true))
            }
            ("subList", [from, to]) => {
                let (from, to) = (self.place(from, length + 1)?, self.place(to, length + 1)?);
                let part = self.heap.items(list).get(from..to);
                let part = part.ok_or_else(|| format!("fromIndex({from}) > toIndex({to})"))?;
                let (part, look) = (part.to_vec(), self.heap.look(list));
                self.made(part.len() * ITEM_BYTES)?;
                Ok(self.heap.list(part, look))
            }
            ("toArray" | "iterator", []) => {
                let items = self.heap.items(list).to_vec();
                self.made(items.len() * ITEM_BYTES)?;
                Ok(self.heap.list(items, Look::Java))
            }
            _ => self.change_list(list, name, arguments),
        }
    }

    fn change_list(&mut self, list: usize, name: &str, arguments: &[Value]) -> Called {
        let length = self.heap.items(list).len();
        match (name, arguments) {
            ("set", [index, value]) => {
                let place = self.place(index, length)?;
                let items = self.heap.items_mut(list);
                let slot = items.and_then(|items| items.get_mut(place));
                Ok(slot.map_or(Value::Null, |slot| std::mem::replace(slot, value.clone())))
            }
            ("add", [value]) => {
                self.made(ITEM_BYTES)?;
                if let Some(items) = self.heap.items_mut(list) {
                    items.push(value.clone());
                }
                Ok(Value::Bool(true))
            }
            ("add", [index, value]) => {
                self.made(ITEM_BYTES)?;
                let place = self.place(index, length + 1)?;
                self.passed(length - place)?;
                if let Some(items) = self.heap.items_mut(list) {
                    items.insert(place, value.clone());
                }
                Ok(Value::Null)
            }
            ("addAll", [Value::List(other)]) => {
                let more = self.heap.items(*other).to_vec();
                self.made(more.len() * ITEM_BYTES)?;
                let is_changed = !more.is_empty();
                if let Some(items) = self.heap.items_mut(list) {
                    items.extend(more);
                }
                Ok(Value::Bool(is_changed))
            }
            ("clear", []) => {
                if let Some(items) = self.heap.items_mut(list) {
                    items.clear();
                }
                Ok(Value::Null)
            }
            ("remove", [index @ Value::Whole(_)]) => {
                let place = self.place(index, length)?;
                self.passed(length - place)?;
                let items = self.heap.items_mut(list);
                Ok(items.map_or(Value::Null, |items| items.remove(place)))
            }
            ("remove", [wanted]) => {
                let found = self.position(list, wanted)?;
                self.passed(length)?;
                if let (Some(place), Some(items)) = (found, self.heap.items_mut(list)) {
                    items.remove(place);
                }
                Ok(Value::Bool(found.is_some()))
            }
            _ => Err(Failure::Unknown),
        }
    }

    fn place(&self, index: &Value, length: usize) -> Result<usize, Failure> {
        let Value::Whole(index) = index else {
            return Err(Failure::Unknown);
        };
        let place = usize::try_from(*index).ok().filter(|place| *place < length);
        place.ok_or_else(|| Failure::Failed(format!("Index: {index}, Size: {length}")))
    }

    fn position(&mut self, list: usize, wanted: &Value) -> Result<Option<usize>, Failure> {
        let mut place = 0;
        while let Some(item) = self.heap.items(list).get(place).cloned() {
            self.step()?;
            if self.are_equal(&item, wanted)? {
                return Ok(Some(place));
            }
            place += 1;
        }
        Ok(None)
    }
}

fn whole(number: usize) -> Value {
    Value::Whole(i64::try_from(number).unwrap_or(i64::MAX))
}
