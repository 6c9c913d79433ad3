//! Policy documents.
//!
//! Lives here: reading their JSON, and what one policy says of a request.
//! Does not live here: several policies at once (`evaluation`).
//!
//! Contract: IAM User Guide, "Grammar of the IAM JSON policy language".

use serde_json::{Map, Value};

use crate::condition::{Condition, ConditionError};
use crate::pattern::{Pattern, Variables, Wildcards};
use crate::principal::{Named, Principals};
use crate::statement::{Asked, Effect, Request, Said, Scope, Statement};

/// Statements of one document. The cloud bounds documents by their bytes (10,240 at most), which is less than this.
const STATEMENTS_MAX: usize = 1_000;

/// A policy, compiled.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Policy {
    statements: Vec<Statement>,
}

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is no JSON.
    #[error("the policy is not JSON: {0}")]
    Json(String),
    /// It is not an object.
    #[error("a policy is an object")]
    NotAnObject,
    /// Its version is unknown.
    #[error("`{0}` is not a version of the policy language; use 2012-10-17")]
    Version(String),
    /// It has too many statements.
    #[error("a policy has {STATEMENTS_MAX} statements at most")]
    TooMany,
    /// A statement lacks an element.
    #[error("statement {number} has no `{element}`")]
    Missing {
        /// The statement, counted from 1.
        number: usize,
        /// What it lacks.
        element: &'static str,
    },
    /// An element of a statement is not what it should be.
    #[error("`{element}` of statement {number} cannot be read")]
    Element {
        /// The statement, counted from 1.
        number: usize,
        /// The element.
        element: String,
    },
    /// A condition cannot be read.
    #[error("in statement {number}: {error}")]
    Condition {
        /// The statement, counted from 1.
        number: usize,
        /// What is wrong.
        error: ConditionError,
    },
}

impl Policy {
    /// Reads a document.
    ///
    /// # Errors
    /// [`ReadError`] for whatever the cloud would refuse as malformed, as far as evaluation depends on it.
    pub fn read(json: &str) -> Result<Self, ReadError> {
        let value: Value =
            serde_json::from_str(json).map_err(|error| ReadError::Json(error.to_string()))?;
        Self::from_value(&value)
    }

    /// Reads a document that has been parsed.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn from_value(value: &Value) -> Result<Self, ReadError> {
        let document = value.as_object().ok_or(ReadError::NotAnObject)?;
        let variables = match document.get("Version").map(text) {
            Some(Some(version)) if version == "2012-10-17" => Variables::Read,
            Some(Some(version)) if version == "2008-10-17" => Variables::Literal,
            None => Variables::Literal,
            Some(version) => return Err(ReadError::Version(version.unwrap_or_default())),
        };
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) => statements.as_slice(),
            Some(single) => std::slice::from_ref(single),
            None => &[],
        };
        if STATEMENTS_MAX < statements.len() {
            return Err(ReadError::TooMany);
        }
        let statements = statements
            .iter()
            .zip(1..)
            .map(|(statement, number)| Reader { number, variables }.statement(statement))
            .collect::<Result<_, _>>()?;
        Ok(Self { statements })
    }

    /// What it says of the request by itself.
    #[must_use]
    pub fn says(&self, request: &Request<'_>) -> Said {
        match self.finding(&Asked::new(request)) {
            Finding::Nothing => Said::Nothing,
            Finding::Allow(_) => Said::Allow,
            Finding::Deny => Said::Deny,
        }
    }

    pub(crate) fn finding(&self, asked: &Asked<'_>) -> Finding {
        let mut allowed = None;
        for statement in &self.statements {
            match (statement.is_about(asked), statement.effect) {
                (Some(_), Effect::Deny) => return Finding::Deny,
                (Some(named), Effect::Allow) => allowed = allowed.max(Some(named)),
                (None, Effect::Allow | Effect::Deny) => {}
            }
        }
        allowed.map_or(Finding::Nothing, Finding::Allow)
    }
}

/// What a policy says, and how it names the caller where it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    Nothing,
    Allow(Named),
    Deny,
}

#[derive(Clone, Copy)]
struct Reader {
    number: usize,
    variables: Variables,
}

impl Reader {
    fn statement(self, value: &Value) -> Result<Statement, ReadError> {
        let statement = value.as_object().ok_or_else(|| self.bad("Statement"))?;
        let effect = match statement.get("Effect").map(text) {
            Some(Some(effect)) if effect == "Allow" => Effect::Allow,
            Some(Some(effect)) if effect == "Deny" => Effect::Deny,
            Some(_) => return Err(self.bad("Effect")),
            None => return Err(self.missing("Effect")),
        };
        let lower = |text: &str| {
            Pattern::read(
                &text.to_ascii_lowercase(),
                Variables::Literal,
                Wildcards::Read,
            )
        };
        let actions = self.scope(statement, "Action", "NotAction", lower)?;
        let as_written = |text: &str| Pattern::read(text, self.variables, Wildcards::Read);
        let resources = self.scope(statement, "Resource", "NotResource", as_written)?;
        let mut conditions = Vec::new();
        if let Some(wanted) = statement.get("Condition") {
            let operators = wanted.as_object().ok_or_else(|| self.bad("Condition"))?;
            for (operator, keys) in operators {
                let keys = keys.as_object().ok_or_else(|| self.bad("Condition"))?;
                for (key, values) in keys {
                    let values = texts(values).ok_or_else(|| self.bad("Condition"))?;
                    let condition = Condition::read(operator, key, &values, self.variables);
                    conditions.push(condition.map_err(|error| ReadError::Condition {
                        number: self.number,
                        error,
                    })?);
                }
            }
        }
        Ok(Statement {
            effect,
            principals: self.principals(statement)?,
            actions: actions.ok_or_else(|| self.missing("Action"))?,
            resources,
            conditions,
        })
    }

    fn principals(
        self,
        statement: &Map<String, Value>,
    ) -> Result<Option<Scope<Principals>>, ReadError> {
        let read =
            |name: &str, value: &Value| Principals::read(value).ok_or_else(|| self.bad(name));
        match (statement.get("Principal"), statement.get("NotPrincipal")) {
            (Some(value), None) => Ok(Some(Scope::Only(read("Principal", value)?))),
            (None, Some(value)) => Ok(Some(Scope::AllBut(read("NotPrincipal", value)?))),
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(self.bad("NotPrincipal")),
        }
    }

    fn scope(
        self,
        statement: &Map<String, Value>,
        name: &'static str,
        negated: &'static str,
        compile: impl Fn(&str) -> Pattern,
    ) -> Result<Option<Scope<Vec<Pattern>>>, ReadError> {
        let read = |name: &str, value: &Value| {
            let texts = texts(value).ok_or_else(|| self.bad(name))?;
            Ok(texts.iter().map(|text| compile(text)).collect())
        };
        match (statement.get(name), statement.get(negated)) {
            (Some(value), None) => Ok(Some(Scope::Only(read(name, value)?))),
            (None, Some(value)) => Ok(Some(Scope::AllBut(read(negated, value)?))),
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(self.bad(negated)),
        }
    }

    fn bad(self, element: &str) -> ReadError {
        ReadError::Element {
            number: self.number,
            element: element.to_owned(),
        }
    }

    fn missing(self, element: &'static str) -> ReadError {
        ReadError::Missing {
            number: self.number,
            element,
        }
    }
}

/// One text or a list of them; numbers and booleans count as their text.
pub(crate) fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            Some(vec![text(value)?])
        }
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
