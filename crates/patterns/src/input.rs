//! Templates for what a target gets instead of the event.
//!
//! Lives here: placeholders, and what stands for them.
//! Does not live here: paths (`paths`), which targets there are (the services).
//!
//! Contract: Amazon EventBridge User Guide, "Amazon EventBridge input transformation", and the recorded answers: a placeholder
//! in JSON stands for a JSON value, one inside quotes for its characters; in a template that is a text, values lose their
//! quotes; what is not there leaves an empty text.

use serde_json::Value;

use crate::paths::Path;

/// A template with the paths of its placeholders.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    pieces: Vec<Piece>,
    kind: Kind,
}

/// What is known of an event besides what is in it.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The rule that it matched.
    pub rule_arn: &'a str,
    /// Its name.
    pub rule_name: &'a str,
    /// When it came in, as `2022-01-01T00:00:00Z`.
    pub ingested_at: &'a str,
    /// The event as it came in.
    pub event: &'a Value,
}

/// It is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No path and no predefined variable has this name.
    #[error("contains invalid placeholder {name}")]
    UnknownPlaceholder {
        /// The name.
        name: String,
    },
    /// The path of a variable is none.
    #[error("the path of {name} is not valid")]
    Path {
        /// The variable.
        name: String,
    },
}

/// What a template made of an event is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the transformed input is not JSON")]
pub struct Unusable;

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Literal(String),
    Placeholder { source: Source, quoted: Quoted },
}

#[derive(Debug, Clone, PartialEq)]
enum Source {
    Path(Path),
    RuleArn,
    RuleName,
    IngestionTime,
    /// The event without its detail.
    Event,
    /// The whole event.
    EventJson,
}

/// Whether a placeholder stands inside quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quoted {
    Inside,
    Outside,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Text,
}

impl Template {
    /// Reads a template. `paths` are its variables.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn read<'p>(
        template: &str,
        paths: impl IntoIterator<Item = (&'p str, &'p str)>,
    ) -> Result<Self, TemplateError> {
        let mut variables = Vec::new();
        for (name, path) in paths {
            let path = Path::parse(path).map_err(|_| TemplateError::Path {
                name: name.to_owned(),
            })?;
            variables.push((name, path));
        }
        let source = |name: &str| {
            let own = variables.iter().find(|(variable, _)| *variable == name);
            own.map(|(_, path)| Source::Path(path.clone()))
                .or_else(|| predefined(name))
        };
        let pieces = pieces(template, source)?;
        let kind = match template.trim_start().chars().next() {
            Some('{' | '[') => Kind::Json,
            _ if is_one_placeholder(&pieces) => Kind::Json,
            Some(_) | None => Kind::Text,
        };
        Ok(Self { pieces, kind })
    }

    /// What it makes of an event.
    ///
    /// # Errors
    /// [`Unusable`]: the event cannot be delivered so.
    pub fn fill(&self, facts: &Facts<'_>) -> Result<String, Unusable> {
        let mut filled = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => filled.push_str(text),
                Piece::Placeholder { source, quoted } => {
                    let value = source.value(facts);
                    filled.push_str(&self.shown(&value, *quoted));
                }
            }
        }
        let is_json = || serde_json::from_str::<serde::de::IgnoredAny>(&filled).is_ok();
        match self.kind {
            Kind::Json if !is_json() => Err(Unusable),
            Kind::Json | Kind::Text => Ok(filled),
        }
    }

    fn shown(&self, value: &Value, quoted: Quoted) -> String {
        let json = value.to_string();
        match (self.kind, quoted, value) {
            (Kind::Json, Quoted::Outside, _) => json,
            (Kind::Json | Kind::Text, _, Value::String(_)) => {
                let inner = json
                    .strip_prefix('"')
                    .and_then(|json| json.strip_suffix('"'));
                inner.unwrap_or_default().to_owned()
            }
            (Kind::Json, Quoted::Inside, _) => json,
            (Kind::Text, _, _) => json.replace('"', ""),
        }
    }
}

impl Source {
    fn value(&self, facts: &Facts<'_>) -> Value {
        match self {
            Self::Path(path) => path.find(facts.event).unwrap_or_else(|| "".into()),
            Self::RuleArn => facts.rule_arn.into(),
            Self::RuleName => facts.rule_name.into(),
            Self::IngestionTime => facts.ingested_at.into(),
            Self::Event => without_detail(facts.event),
            Self::EventJson => facts.event.clone(),
        }
    }
}

/// The members and their order are those of the recorded answers.
fn without_detail(event: &Value) -> Value {
    let mut shown = serde_json::Map::new();
    for (name, shown_name) in [
        ("id", "id"),
        ("account", "account"),
        ("detail-type", "detailType"),
        ("time", "time"),
        ("source", "source"),
        ("region", "region"),
        ("resources", "resources"),
        ("version", "version"),
    ] {
        if let Some(value) = event.get(name) {
            shown.insert(shown_name.to_owned(), value.clone());
        }
    }
    Value::Object(shown)
}

fn predefined(name: &str) -> Option<Source> {
    Some(match name {
        "aws.events.rule-arn" => Source::RuleArn,
        "aws.events.rule-name" => Source::RuleName,
        "aws.events.event.ingestion-time" => Source::IngestionTime,
        "aws.events.event" => Source::Event,
        "aws.events.event.json" => Source::EventJson,
        _ => return None,
    })
}

fn is_one_placeholder(pieces: &[Piece]) -> bool {
    let mut telling = pieces.iter().filter(|piece| match piece {
        Piece::Literal(text) => !text.trim().is_empty(),
        Piece::Placeholder { .. } => true,
    });
    matches!(telling.next(), Some(Piece::Placeholder { .. })) && telling.next().is_none()
}

fn pieces(
    template: &str,
    source: impl Fn(&str) -> Option<Source>,
) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut quoted = Quoted::Outside;
    let mut rest = template;
    while let Some(char) = rest.chars().next() {
        let after = rest.get(char.len_utf8()..).unwrap_or_default();
        if let Some((name, after)) = placeholder(rest) {
            let source = source(name).ok_or_else(|| TemplateError::UnknownPlaceholder {
                name: name.to_owned(),
            })?;
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            pieces.push(Piece::Placeholder { source, quoted });
            rest = after;
            continue;
        }
        rest = after;
        match char {
            '\\' => {
                // What is escaped is no quote, and no placeholder.
                let mut chars = rest.chars();
                match chars.next() {
                    Some(escaped @ ('<' | '>')) => literal.push(escaped),
                    Some(escaped) => literal.extend(['\\', escaped]),
                    None => literal.push('\\'),
                }
                rest = chars.as_str();
            }
            '"' => {
                quoted = match quoted {
                    Quoted::Inside => Quoted::Outside,
                    Quoted::Outside => Quoted::Inside,
                };
                literal.push('"');
            }
            other => literal.push(other),
        }
    }
    pieces.push(Piece::Literal(literal));
    Ok(pieces)
}

/// `<name>` at the beginning, and what follows it.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('<')?.split_once('>')?;
    let is_name = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    (!name.is_empty() && name.chars().all(is_name)).then_some((name, after))
}
