//! WebSocket APIs of Amazon API Gateway (version 2), as deployed.
//!
//! Lives here: routes, integrations, and the expression by which a message chooses its route.
//! Does not live here: connections, messages and events (`gateway`), HTTP APIs (`http_api`).
//!
//! Contract: Amazon API Gateway Developer Guide, "WebSocket selection expressions in API Gateway".

use std::collections::BTreeMap;
use std::time::Duration;

use crate::door::{AccessLogSettings, ApiKeySource, Callee, Guard, Rate};
use crate::ids::{ApiId, LogicalId, StageName};
use crate::problem::Place;

/// The route of whoever connects.
pub const CONNECT: &str = "$connect";
/// The route of whoever has gone.
pub const DISCONNECT: &str = "$disconnect";
/// The route of messages that no other route takes.
pub const DEFAULT: &str = "$default";

/// What an expression begins with that looks into a message.
const BODY: &str = "request.body.";

/// A WebSocket API with one of its stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSocketApi {
    /// Its name in the template.
    pub logical_id: LogicalId,
    /// Its id: the first label of its endpoint's host name.
    pub id: ApiId,
    /// Its display name.
    pub name: String,
    /// The deployed stage.
    pub stage: StageName,
    /// The stage's variables.
    pub stage_variables: BTreeMap<String, String>,
    /// How a message chooses its route.
    pub selection: Selection,
    /// Where API keys are looked for.
    pub api_key_source: ApiKeySource,
    /// Its routes.
    pub routes: Vec<WebSocketRoute>,
    /// How each event is written down.
    pub access_log: Option<AccessLogSettings>,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSocketRoute {
    /// `$connect`, `$disconnect`, `$default`, or what the selection gives.
    pub key: String,
    /// What is called.
    pub integration: WebSocketIntegration,
    /// Whether the sender gets what is answered.
    pub replies: Replies,
    /// Who may connect; on other routes nothing is asked.
    pub guard: Guard,
    /// How often the stage lets it be called.
    pub throttle: Option<Rate>,
    /// Where the manifest declares it.
    pub place: Option<Place>,
}

/// What a route calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebSocketIntegration {
    /// `AWS_PROXY` to a function.
    Lambda {
        /// The function.
        callee: Callee,
        /// How long the gateway waits for it.
        timeout: Duration,
    },
    /// `MOCK`: the gateway answers by itself.
    Mock {
        /// The status that its request template names.
        status: u16,
        /// The text of its response template; none: nothing is answered.
        body: Option<String>,
    },
    /// The route has no integration: its events are taken, and nobody hears of them.
    Nothing,
    /// Something that is not served: its events fail.
    NotServed {
        /// Why, for the developer.
        reason: String,
    },
}

/// Whether the sender of a message gets what is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replies {
    /// The route has no response.
    #[default]
    Dropped,
    /// It has: `RouteResponseSelectionExpression: $default`, and an `AWS::ApiGatewayV2::RouteResponse`.
    Sent,
}

/// `RouteSelectionExpression`, read: what it gives for a message is the key of its route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    parts: Vec<Part>,
}

/// A part of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// As it is.
    Text(String),
    /// What a message holds there.
    Body(Vec<Step>),
}

/// A step into a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A member of an object.
    Member(String),
    /// An item of a list.
    Item(usize),
}

/// Why an expression cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSelection {
    /// It looks at something else than the message.
    #[error("`${{{variable}}}` is not a part of a message")]
    Variable {
        /// What it names.
        variable: String,
    },
    /// A brace is not closed, or nothing stands between two full stops.
    #[error("`{text}` cannot be read")]
    Malformed {
        /// The expression.
        text: String,
    },
}

impl Selection {
    /// Reads an expression, as `$request.body.action` or `${request.body.service}-${request.body.verb}`. A dollar sign behind
    /// a backslash is one.
    ///
    /// # Errors
    /// [`BadSelection`].
    pub fn parse(text: &str) -> Result<Self, BadSelection> {
        let malformed = || BadSelection::Malformed {
            text: text.to_owned(),
        };
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("\\$") {
                plain.push('$');
                rest = after;
                continue;
            }
            let Some(after) = rest.strip_prefix('$') else {
                plain.push(letter);
                rest = rest.get(letter.len_utf8()..).unwrap_or_default();
                continue;
            };
            let (variable, behind) = match after.strip_prefix('{') {
                Some(braced) => braced.split_once('}').ok_or_else(malformed)?,
                None => after.split_at(bare_end(after)),
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            let path = variable.strip_prefix(BODY);
            let path = path.ok_or_else(|| BadSelection::Variable {
                variable: variable.to_owned(),
            })?;
            parts.push(Part::Body(steps(path).ok_or_else(malformed)?));
            rest = behind;
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        if parts.is_empty() {
            return Err(malformed());
        }
        Ok(Self { parts })
    }

    /// Its parts, in order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }
}

/// Where a variable without braces ends.
fn bare_end(text: &str) -> usize {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "._[]".contains(letter);
    text.find(|letter| !is_part(letter)).unwrap_or(text.len())
}

/// `service.do`, `items[0].kind`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for segment in path.split('.') {
        let (name, items) = match segment.split_once('[') {
            Some((name, items)) => (name, Some(items)),
            None => (segment, None),
        };
        if name.is_empty() {
            return None;
        }
        steps.push(Step::Member(name.to_owned()));
        for item in items.into_iter().flat_map(|items| items.split('[')) {
            steps.push(Step::Item(item.strip_suffix(']')?.parse().ok()?));
        }
    }
    Some(steps)
}

impl WebSocketApi {
    /// An API without routes, and with nothing but the defaults.
    #[must_use]
    pub fn new(logical_id: LogicalId, id: ApiId, stage: StageName, selection: Selection) -> Self {
        Self {
            name: logical_id.to_string(),
            logical_id,
            id,
            stage,
            stage_variables: BTreeMap::new(),
            selection,
            api_key_source: ApiKeySource::default(),
            routes: Vec::new(),
            access_log: None,
        }
    }
}

impl WebSocketRoute {
    /// A route with nothing but the defaults.
    #[must_use]
    pub fn new(key: &str, integration: WebSocketIntegration) -> Self {
        Self {
            key: key.to_owned(),
            integration,
            replies: Replies::default(),
            guard: Guard::default(),
            throttle: None,
            place: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let step = |step: &Step| match step {
            Step::Member(name) => name.clone(),
            Step::Item(index) => format!("#{index}"),
        };
        match Selection::parse(text) {
            Err(bad) => format!("! {bad}"),
            Ok(read) => {
                let parts = read.parts().iter().map(|part| match part {
                    Part::Text(text) => format!("'{text}'"),
                    Part::Body(steps) => steps.iter().map(step).collect::<Vec<_>>().join("/"),
                });
                parts.collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn expressions_name_parts_of_a_message() {
        for (text, expected) in [
            ("$request.body.action", "action"),
            ("${request.body.action}", "action"),
            ("$request.body.service.do", "service/do"),
            ("${request.body.items[0].kind}", "items/#0/kind"),
            ("${request.body.m[1][2]}", "m/#1/#2"),
            ("${request.body.version}-beta", "version '-beta'"),
            ("$request.body.a-$request.body.b", "a '-' b"),
            ("\\$default", "'$default'"),
            ("always", "'always'"),
            ("${request.body.ünder-score}", "ünder-score"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn whatever_else_they_name_is_refused() {
        for (text, expected) in [
            ("", "! `` cannot be read"),
            ("$default", "! `${default}` is not a part of a message"),
            (
                "${context.routeKey}",
                "! `${context.routeKey}` is not a part of a message",
            ),
            ("${request.body.a", "! `${request.body.a` cannot be read"),
            ("${request.body.}", "! `${request.body.}` cannot be read"),
            (
                "$request.body.a..b",
                "! `$request.body.a..b` cannot be read",
            ),
            (
                "${request.body.a[x]}",
                "! `${request.body.a[x]}` cannot be read",
            ),
            ("$", "! `${}` is not a part of a message"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
