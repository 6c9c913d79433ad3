//! The notation of variables: finds each `${…}` in a text and takes it apart.
//!
//! Lives here: what counts as a variable, what is foreign (`${AWS::Region}`), what is escaped (`\${…}`), literals.
//! Does not live here: what a variable stands for (`resolver`, `sources`).
//!
//! Contract: Serverless Framework 3, Guide, "Variables". Where the guide is silent the tool's own parser decides, its
//! oddities included: `$${self:a}` loses a dollar, and the character behind a lone `$` is never looked at.

use std::ops::Range;

use serde_json::Value;

mod parser;

pub(super) use parser::parse;

/// How deep variables may stand inside of one another.
const NESTING_MAX: usize = 32;

/// One variable or escape in a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Variable {
    /// Where it stands, in bytes.
    pub(super) span: Range<usize>,
    /// What takes its place.
    pub(super) meaning: Meaning,
}

/// What takes the place of a variable.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Meaning {
    /// An escape: this very text.
    Escape(String),
    /// The first of these sources that has a value.
    Sources(Vec<Source>),
}

/// One alternative of a variable.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    /// A value written down; only the last alternative can be one.
    Literal(Value),
    /// `type(params):address`.
    Call {
        /// `self`, `opt`, `file`…
        kind: String,
        /// What stands in parentheses.
        params: Vec<Text>,
        /// What stands behind the colon.
        address: Option<Text>,
    },
}

/// A parameter or an address.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Text {
    /// Without variables.
    Value(Value),
    /// With variables.
    Template(Template),
}

/// A text with its variables.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Template {
    /// The text.
    pub(super) text: String,
    /// Its variables, in order.
    pub(super) variables: Vec<Variable>,
}

/// A variable that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum GrammarError {
    #[error("the variable is not closed: a `}}` is missing")]
    Unterminated,
    #[error("no type of variable begins at character {at}")]
    Type { at: usize },
    #[error("no source of a value stands at character {at}")]
    Source { at: usize },
    #[error("`{literal}` is neither a source nor a literal: texts need quotes")]
    Literal { literal: String },
    #[error("the quoted text at character {at} is not well-formed")]
    Quoted { at: usize },
    #[error("the parameter at character {at} cannot be understood")]
    Param { at: usize },
    #[error("the address at character {at} cannot be understood")]
    Address { at: usize },
    #[error("variables stand inside of one another more than {NESTING_MAX} deep")]
    TooDeep,
}

impl Template {
    /// Parses each piece on its own, so that joining two of them never makes a variable that nobody wrote.
    pub(super) fn of_pieces(pieces: &[String]) -> Result<Self, GrammarError> {
        let mut template = Self::default();
        for piece in pieces {
            let base = template.text.len();
            for mut variable in parse(piece)? {
                variable.span = variable.span.start + base..variable.span.end + base;
                template.variables.push(variable);
            }
            template.text.push_str(piece);
        }
        Ok(template)
    }

    /// The one variable that the whole text consists of: its value keeps its type.
    pub(super) fn whole(&self) -> Option<&Variable> {
        match self.variables.as_slice() {
            [only] if only.span == (0..self.text.len()) => Some(only),
            _others => None,
        }
    }
}
