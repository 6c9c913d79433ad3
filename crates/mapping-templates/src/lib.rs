//! Mapping templates: what Amazon API Gateway makes of a request or a reply by a template of its author's.
//!
//! Lives here: the template language (`parse`, `render`), JSONPath (`path`), what templates are given (`Input`), and the
//! limits of all of it.
//! Does not live here: which template a request is for, what becomes of the text (`gateway`). No I/O, no clock.
//!
//! Contract: Apache Velocity 1.7, "VTL Reference"; Amazon API Gateway Developer Guide, "Variables for data transformations
//! for API Gateway", "Override your API's request and response parameters and status codes"; recorded answers, by which
//! what is not there is written as nothing, equals an empty text, and a map of `$context` is written as nothing.
//! Differs: an argument of a macro is evaluated once, where it is called; a pattern of a text's method does without looking
//! around and without references to its own groups, so that no text takes long to search.

mod java;
mod json;
mod parse;
mod path;
mod render;
mod text;
mod tree;
mod value;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::{Map, Value};

pub use path::{BadPath, Path};

/// Amazon API Gateway, "Quotas for REST APIs": the size of a mapping template, in bytes.
pub const TEMPLATE_BYTES_MAX: usize = 300 * 1024;
/// Amazon API Gateway, "Quotas for REST APIs": iterations of one `#foreach`; it ends there, as Velocity's own limit does.
pub const ITERATIONS_MAX: usize = 1_000;
/// Steps of one rendering: directives, references, operations, and what they copy or search. A request that needs more fails
/// with 500.
pub const STEPS_MAX: u64 = 1_000_000;
/// Bytes of all texts and ranges that one rendering makes, its own text among them. A request that needs more fails with 500.
pub const MADE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Steps of a short rendering, which whoever waits for other things as well may do at once: a few milliseconds.
pub const SHORT_STEPS_MAX: u64 = 2_000;
/// Bytes that a short rendering makes.
pub const SHORT_MADE_BYTES_MAX: usize = 128 * 1024;
/// Directives, expressions, calls and definitions inside one another, in a template and while it is rendered.
pub const NESTING_MAX: usize = 64;
/// The size of a regular expression when it is ready for use, in bytes.
pub const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// A template, ready for use.
#[derive(Debug, Clone)]
pub struct Template {
    program: Arc<tree::Program>,
}

/// A template that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct ParseError {
    /// The line, from one.
    pub line: usize,
    /// The character in it, from one.
    pub column: usize,
    /// What is wrong.
    pub what: String,
}

/// What a template is given.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The payload; empty: templates see `{}`.
    pub body: &'a str,
    /// The variables of the path.
    pub path: &'a [(String, String)],
    /// The parameters of the query, one value each.
    pub query: &'a [(String, String)],
    /// The headers, one value each.
    pub headers: &'a [(String, String)],
    /// `$stageVariables`.
    pub stage_variables: &'a [(String, String)],
    /// `$context`, `requestOverride` and `responseOverride` in it as other templates left them.
    pub context: &'a Map<String, Value>,
}

/// What a template made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Its text.
    pub text: String,
    /// `$context.requestOverride` at its end.
    pub request_override: Value,
    /// `$context.responseOverride` at its end.
    pub response_override: Value,
}

/// A template could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// It did too much.
    #[error("it needs more than {STEPS_MAX} steps")]
    TooManySteps,
    /// It made too much.
    #[error("it makes more than {MADE_BYTES_MAX} bytes of text")]
    TooMuchText,
    /// Something stands in itself too often.
    #[error("definitions, macros or values are nested more than {NESTING_MAX} deep")]
    TooDeep,
    /// A method of a value failed.
    #[error("`{call}` fails: {reason}")]
    Failed {
        /// The method, as `get(…)`.
        call: String,
        /// Why.
        reason: String,
    },
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`ParseError`]: it is no template, or too long a one.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let program = Arc::new(parse::program(text)?);
        Ok(Self { program })
    }

    /// Makes its text.
    ///
    /// # Errors
    /// [`RenderError`]: it needs too much, or one of its methods fails.
    pub fn render(&self, input: &Input<'_>) -> Result<Rendered, RenderError> {
        render::render(&self.program, input, (STEPS_MAX, MADE_BYTES_MAX))
    }

    /// Makes its text when that is soon done; none when it takes longer, and is for [`Template::render`] on a thread that
    /// may take its time.
    ///
    /// # Errors
    /// [`RenderError`]: something stands in itself too often, or a method fails.
    pub fn render_short(&self, input: &Input<'_>) -> Result<Option<Rendered>, RenderError> {
        let limits = (SHORT_STEPS_MAX, SHORT_MADE_BYTES_MAX);
        match render::render(&self.program, input, limits) {
            Ok(made) => Ok(Some(made)),
            Err(RenderError::TooManySteps | RenderError::TooMuchText) => Ok(None),
            Err(error @ (RenderError::TooDeep | RenderError::Failed { .. })) => Err(error),
        }
    }
}
