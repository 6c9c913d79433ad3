//! A template as a tree.
//!
//! Lives here: its nodes.
//! Does not live here: reading them (`parse`), carrying them out (`render`).

use std::collections::BTreeMap;
use std::sync::Arc;

/// A whole template.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) block: Block,
    pub(crate) macros: BTreeMap<String, Arc<Macro>>,
}

pub(crate) type Block = Vec<Node>;

/// `#macro(name $parameters)`.
#[derive(Debug)]
pub(crate) struct Macro {
    pub(crate) parameters: Vec<Arc<str>>,
    pub(crate) body: Block,
}

/// A piece of a template.
#[derive(Debug)]
pub(crate) enum Node {
    Text(Arc<str>),
    Reference(Reference),
    /// A reference behind backslashes: so many pairs, and whether one is left over.
    Escaped(usize, Parity, Reference),
    Set(Reference, Expression),
    If(Vec<(Expression, Block)>, Option<Block>),
    Foreach(Arc<str>, Expression, Block),
    Define(Arc<str>, Arc<Block>),
    Call(Arc<str>, Vec<Expression>),
    Break,
    Stop,
}

/// Whether a backslash is left over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parity {
    Even,
    Odd,
}

/// `$name.property.method(…)[index]`.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) name: Arc<str>,
    pub(crate) steps: Vec<Step>,
    /// As it stands in the template.
    pub(crate) written: Arc<str>,
}

#[derive(Debug)]
pub(crate) enum Step {
    Property(Arc<str>),
    Method(Arc<str>, Vec<Expression>),
    Index(Expression),
}

#[derive(Debug)]
pub(crate) enum Expression {
    Text(Arc<str>),
    /// A text in double quotes, with references or directives in it.
    Interpolated(Block),
    Whole(i64),
    Decimal(f64),
    Bool(bool),
    Reference(Reference),
    List(Vec<Expression>),
    Map(Vec<(Expression, Expression)>),
    Range(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}
