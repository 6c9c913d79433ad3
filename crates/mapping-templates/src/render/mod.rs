//! Carrying templates out.
//!
//! Lives here: directives, and the limits on what they do.
//! Does not live here: expressions (`expression`), methods of values (`methods`), `$input` and `$util` (`roots`).

mod expression;
mod list_methods;
mod methods;
mod roots;
mod text_methods;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::path::TooMany;
use crate::tree::{Block, Node, Parity, Program, Reference};
use crate::value::{Heap, Look, Map, NotWritten, Value};
use crate::{ITERATIONS_MAX, Input, NESTING_MAX, RenderError, Rendered, json, value};

/// Items that are moved or copied, or bytes that are compared, for the work of one step.
const ITEMS_A_STEP: usize = 64;
/// Blocks and expressions inside one another while a template is rendered: what fits the stack of a thread.
const FRAMES_MAX: usize = 256;

/// What a request's template may override.
const REQUEST_OVERRIDES: [&str; 3] = ["header", "path", "querystring"];

/// Makes the text of a program with so many steps, and so many bytes.
pub(crate) fn render(
    program: &Program,
    input: &Input<'_>,
    limits: (u64, usize),
) -> Result<Rendered, RenderError> {
    let mut machine = Machine::new(program, input, limits);
    let mut text = String::new();
    machine.block(&program.block, &mut text)?;
    Ok(Rendered {
        request_override: machine.overrides("requestOverride")?,
        response_override: machine.overrides("responseOverride")?,
        text,
    })
}

/// One rendering.
pub(super) struct Machine<'a> {
    program: &'a Program,
    input: &'a Input<'a>,
    heap: Heap,
    variables: HashMap<Arc<str>, Value>,
    loops: Vec<Turn>,
    /// The payload, once it was asked for.
    payload: Option<Value>,
    steps_left: u64,
    bytes_left: usize,
    depth: usize,
    /// Blocks and expressions inside one another: what stands on the stack.
    frames: usize,
}

/// Where a loop is.
#[derive(Debug, Clone, Copy)]
struct Turn {
    index: usize,
    count: usize,
    parent: Option<usize>,
}

/// How a block ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Stop,
}

impl From<TooMany> for RenderError {
    fn from(_: TooMany) -> Self {
        Self::TooManySteps
    }
}

impl From<NotWritten> for RenderError {
    fn from(not: NotWritten) -> Self {
        match not {
            NotWritten::TooDeep => Self::TooDeep,
            NotWritten::TooMuch => Self::TooMuchText,
        }
    }
}

impl<'a> Machine<'a> {
    fn new(
        program: &'a Program,
        input: &'a Input<'a>,
        (steps_left, bytes_left): (u64, usize),
    ) -> Self {
        let mut machine = Self {
            program,
            input,
            heap: Heap::default(),
            variables: HashMap::new(),
            loops: Vec::new(),
            payload: None,
            steps_left,
            bytes_left,
            depth: 0,
            frames: 0,
        };
        let context = machine.context();
        let stage_variables = machine.texts(input.stage_variables);
        for (name, value) in [
            ("input", Value::Input),
            ("util", Value::Util),
            ("context", context),
            ("stageVariables", stage_variables),
        ] {
            machine.variables.insert(name.into(), value);
        }
        machine
    }

    /// `$context`, whose overrides can be set although nobody has.
    fn context(&mut self) -> Value {
        let heap = &mut self.heap;
        let context = Json::Object(self.input.context.clone());
        let context = json::of_json(context, heap, Look::Nothing);
        let Value::Map(map) = context else {
            return context;
        };
        for (name, parts) in [
            ("requestOverride", &REQUEST_OVERRIDES[..]),
            ("responseOverride", &["header"][..]),
        ] {
            let known = heap.member(map, name).as_map();
            let overrides = known.or_else(|| heap.map(Map::new(Look::Nothing)).as_map());
            let Some(overrides) = overrides else { continue };
            for part in parts {
                if heap.member(overrides, part).is_null() {
                    let empty = heap.map(Map::new(Look::Nothing));
                    if let Some(overrides) = heap.map_mut(overrides) {
                        overrides.put((*part).into(), empty);
                    }
                }
            }
            if let Some(context) = heap.map_mut(map) {
                context.put(name.into(), Value::Map(overrides));
            }
        }
        context
    }

    /// A map of texts.
    fn texts(&mut self, pairs: &[(String, String)]) -> Value {
        let mut map = Map::new(Look::Java);
        for (name, value) in pairs {
            map.put(name.as_str().into(), Value::Text(value.as_str().into()));
        }
        self.heap.map(map)
    }

    fn variable(&self, name: &str) -> Value {
        self.variables.get(name).cloned().unwrap_or(Value::Null)
    }

    /// What templates made of an override.
    fn overrides(&mut self, name: &str) -> Result<Json, RenderError> {
        let context = self.variable("context");
        let found = context.as_map().map(|map| self.heap.member(map, name));
        let found = found.unwrap_or(Value::Null);
        Ok(json::to_json(
            &found,
            &self.heap,
            (0, &mut self.bytes_left),
        )?)
    }

    fn step(&mut self) -> Result<(), RenderError> {
        self.steps_left = self
            .steps_left
            .checked_sub(1)
            .ok_or(RenderError::TooManySteps)?;
        Ok(())
    }

    /// Notes that so many items were moved or copied, or places of a text compared, which is less than a step each.
    fn passed(&mut self, items: usize) -> Result<(), RenderError> {
        self.steps(u64::try_from(items / ITEMS_A_STEP).unwrap_or(u64::MAX))
    }

    fn steps(&mut self, steps: u64) -> Result<(), RenderError> {
        let left = self.steps_left.checked_sub(steps);
        self.steps_left = left.ok_or(RenderError::TooManySteps)?;
        Ok(())
    }

    /// Notes that so many bytes of text were made.
    fn made(&mut self, bytes: usize) -> Result<(), RenderError> {
        self.bytes_left = self
            .bytes_left
            .checked_sub(bytes)
            .ok_or(RenderError::TooMuchText)?;
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<Value, RenderError> {
        self.made(text.len())?;
        Ok(Value::Text(text.into()))
    }

    /// Notes one more block or expression on the stack; who calls it takes it off again.
    fn deeper(&mut self) -> Result<(), RenderError> {
        self.frames += 1;
        if FRAMES_MAX < self.frames {
            return Err(RenderError::TooDeep);
        }
        Ok(())
    }

    fn enter(&mut self) -> Result<(), RenderError> {
        self.depth += 1;
        if NESTING_MAX < self.depth {
            return Err(RenderError::TooDeep);
        }
        Ok(())
    }

    /// What `toString()` gives, and what is written where a value stands in a text.
    fn shown(&mut self, value: &Value) -> Result<String, RenderError> {
        let mut text = String::new();
        if let Value::Block(block) = value {
            let block = Arc::clone(block);
            self.enter()?;
            self.block(&block, &mut text)?;
            self.depth -= 1;
            return Ok(text);
        }
        value::write(value, &self.heap, &mut text, (0, self.bytes_left))?;
        self.made(text.len())?;
        Ok(text)
    }

    fn block(&mut self, block: &Block, text: &mut String) -> Result<Flow, RenderError> {
        self.deeper()?;
        let mut flow = Flow::On;
        for node in block {
            flow = self.node(node, text)?;
            if flow != Flow::On {
                break;
            }
        }
        self.frames -= 1;
        Ok(flow)
    }

    fn node(&mut self, node: &Node, text: &mut String) -> Result<Flow, RenderError> {
        self.step()?;
        match node {
            Node::Text(plain) => {
                self.made(plain.len())?;
                text.push_str(plain);
            }
            Node::Reference(reference) => {
                let value = self.reference(reference)?;
                let shown = self.shown(&value)?;
                text.push_str(&shown);
            }
            Node::Escaped(pairs, parity, reference) => {
                self.escaped(*pairs, *parity, reference, text)?;
            }
            Node::Set(target, value) => {
                let value = self.expression(value)?;
                // Velocity leaves a variable as it was when there is no value to set.
                if !matches!(value, Value::Null) {
                    self.assign(target, value)?;
                }
            }
            Node::If(arms, otherwise) => {
                for (condition, block) in arms {
                    if self.is_true(condition)? {
                        return self.block(block, text);
                    }
                }
                if let Some(block) = otherwise {
                    return self.block(block, text);
                }
            }
            Node::Foreach(name, list, body) => {
                let list = self.expression(list)?;
                return self.foreach(name, &list, body, text);
            }
            Node::Define(name, body) => {
                let block = Value::Block(Arc::clone(body));
                self.variables.insert(Arc::clone(name), block);
            }
            Node::Call(name, arguments) => {
                let mut values = Vec::new();
                for argument in arguments {
                    values.push(self.expression(argument)?);
                }
                return self.call_macro(name, values, text);
            }
            Node::Break => return Ok(Flow::Break),
            Node::Stop => return Ok(Flow::Stop),
        }
        Ok(Flow::On)
    }

    /// An odd backslash makes a text of a reference that has a value; two in front of one are one.
    fn escaped(
        &mut self,
        pairs: usize,
        parity: Parity,
        reference: &Reference,
        text: &mut String,
    ) -> Result<(), RenderError> {
        let value = self.reference(reference)?;
        let is_there = !matches!(value, Value::Null);
        let (backslashes, shown) = match (parity, is_there) {
            (Parity::Odd, true) => (pairs, reference.written.to_string()),
            (Parity::Odd, false) => (pairs * 2 + 1, reference.written.to_string()),
            (Parity::Even, true) => (pairs, self.shown(&value)?),
            (Parity::Even, false) => (pairs * 2, String::new()),
        };
        self.made(backslashes + shown.len())?;
        text.push_str(&"\\".repeat(backslashes));
        text.push_str(&shown);
        Ok(())
    }

    fn foreach(
        &mut self,
        name: &Arc<str>,
        list: &Value,
        body: &Block,
        text: &mut String,
    ) -> Result<Flow, RenderError> {
        let (items, count): (Vec<Value>, usize) = if let Value::List(list) = list {
            let items = self.heap.items(*list);
            let first = items.iter().take(ITERATIONS_MAX);
            (first.cloned().collect(), items.len())
        } else if let Value::Map(map) = list {
            let entries = self.heap.entries(*map);
            let first = entries.iter().take(ITERATIONS_MAX);
            let first = first.map(|(_, value)| value.clone()).collect();
            (first, entries.len())
        } else {
            return Ok(Flow::On);
        };
        self.passed(items.len())?;
        self.enter()?;
        let before = ["foreach", name, "velocityCount"]
            .map(|name| (Arc::<str>::from(name), self.variables.get(name).cloned()));
        let turn = self.loops.len();
        self.loops.push(Turn {
            index: 0,
            count,
            parent: turn.checked_sub(1),
        });
        let mut flow = Flow::On;
        for (index, item) in items.into_iter().enumerate() {
            if let Some(turn) = self.loops.get_mut(turn) {
                turn.index = index;
            }
            let count = i64::try_from(index + 1).unwrap_or(i64::MAX);
            self.variables.insert("foreach".into(), Value::Loop(turn));
            self.variables
                .insert("velocityCount".into(), Value::Whole(count));
            self.variables.insert(Arc::clone(name), item);
            flow = self.block(body, text)?;
            if flow != Flow::On {
                break;
            }
        }
        self.loops.truncate(turn);
        for (name, value) in before {
            match value {
                Some(value) => self.variables.insert(name, value),
                None => self.variables.remove(&name),
            };
        }
        self.depth -= 1;
        Ok(match flow {
            Flow::Stop => Flow::Stop,
            Flow::On | Flow::Break => Flow::On,
        })
    }

    fn call_macro(
        &mut self,
        name: &Arc<str>,
        values: Vec<Value>,
        text: &mut String,
    ) -> Result<Flow, RenderError> {
        let Some(called) = self.program.macros.get(&**name).cloned() else {
            return Ok(Flow::On);
        };
        self.enter()?;
        let mut values = values.into_iter();
        let mut before = Vec::new();
        for parameter in &called.parameters {
            let value = values.next().unwrap_or(Value::Null);
            let known = self.variables.insert(Arc::clone(parameter), value);
            before.push((Arc::clone(parameter), known));
        }
        let flow = self.block(&called.body, text)?;
        for (name, value) in before {
            match value {
                Some(value) => self.variables.insert(name, value),
                None => self.variables.remove(&name),
            };
        }
        self.depth -= 1;
        Ok(match flow {
            Flow::Stop => Flow::Stop,
            Flow::On | Flow::Break => Flow::On,
        })
    }
}
