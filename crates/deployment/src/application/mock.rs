//! `MOCK` integrations: replies of fixed status, headers and text, as every tool writes them for a CORS preflight.
//!
//! Lives here: choosing an integration's response by the status that its request template names.
//! Does not live here: mocks whose templates compute something (`custom`), but for the Serverless Framework's test of
//! origins.
//!
//! Contract: Amazon API Gateway Developer Guide, "Set up mock integrations in API Gateway".

use model::door::{Passthrough, Templates};
use model::rest_api::MockReply;
use regex_lite::Regex;
use serde_json::Value;

use super::integration::{Integration, IntegrationResponse};
use crate::records::text_of;

const JSON: &str = "application/json";
const HEADER: &str = "method.response.header.";

/// The reply of a `MOCK` integration; none: it is more than a fixed reply, or than the origin test of the Serverless
/// Framework, and made anew for every request.
pub(super) fn reply(integration: &Integration) -> Option<MockReply> {
    let mut statuses = Vec::new();
    for template in integration.request_templates.values() {
        statuses.extend(fixed_status(template)?);
    }
    statuses.dedup();
    let asked = match statuses.as_slice() {
        [] => None,
        [status] => Some(status.as_str()),
        [_, ..] => return None,
    };
    let response = selected(&integration.responses, asked)?;
    if response.content_handling.as_deref() == Some("CONVERT_TO_BINARY") {
        return None;
    }
    let status = response
        .status
        .parse::<u16>()
        .ok()
        .filter(|status| (100..=599).contains(status))?;
    let mut headers = Vec::new();
    for (target, value) in &response.parameters {
        let fixed = value
            .strip_prefix('\'')
            .and_then(|rest| rest.strip_suffix('\''));
        headers.push((target.strip_prefix(HEADER)?.to_owned(), fixed?.to_owned()));
    }
    let templates = &response.templates;
    let chosen = templates
        .get_key_value("application/json")
        .or_else(|| templates.iter().next());
    let (content_type, template) = chosen.map_or((JSON, ""), |(name, text)| (name, text));
    let is_said = headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if content_type != JSON && !is_said {
        headers.push(("Content-Type".to_owned(), content_type.to_owned()));
    }
    let (body, allowed_origins) = body_of(template)?;
    Some(MockReply {
        status,
        headers,
        body,
        allowed_origins,
    })
}

/// The content types that a mock integration takes.
///
/// Contract: Amazon API Gateway Developer Guide, "Integration request passthrough behaviors": a body without a template
/// stands for what a template would have made. Here it never names a status.
pub(super) fn templates(integration: &Integration) -> Templates {
    let content_types: Vec<String> = integration.request_templates.keys().cloned().collect();
    let passthrough = match integration.passthrough.as_deref() {
        Some("NEVER") => Passthrough::Refused,
        Some("WHEN_NO_TEMPLATES") if !content_types.is_empty() => Passthrough::Refused,
        Some(_) | None => Passthrough::HandedOn,
    };
    Templates {
        content_types,
        passthrough,
    }
}

/// The response whose pattern the status matches as a whole, else the one without a pattern.
fn selected<'a>(
    responses: &'a [IntegrationResponse],
    status: Option<&str>,
) -> Option<&'a IntegrationResponse> {
    let pattern_of = |response: &'a IntegrationResponse| match response.selection.as_deref() {
        None | Some("" | "default") => None,
        Some(pattern) => Some(pattern),
    };
    for response in responses {
        let (Some(pattern), Some(status)) = (pattern_of(response), status) else {
            continue;
        };
        let expression = Regex::new(&format!("^(?:{pattern})$")).ok()?;
        if expression.is_match(status) {
            return Some(response);
        }
    }
    let mut defaults = responses.iter().filter(|one| pattern_of(one).is_none());
    defaults.next()
}

/// The status that a request template names when it computes nothing: JSON, or `{statusCode: 200}` as some tools write
/// it. None inside: it names none.
pub(super) fn fixed_status(template: &str) -> Option<Option<String>> {
    if template.contains(['#', '$']) {
        return None;
    }
    let bare: String = template
        .chars()
        .filter(|letter| !letter.is_whitespace() && *letter != '"' && *letter != '\'')
        .collect();
    if bare.is_empty() {
        return Some(None);
    }
    let short = bare
        .strip_prefix("{statusCode:")
        .and_then(|rest| rest.strip_suffix('}'))
        .filter(|status| status.bytes().all(|byte| byte.is_ascii_digit()));
    if let Some(status) = short {
        return Some(Some(status.to_owned()));
    }
    let written: Value = serde_json::from_str(template).ok()?;
    Some(written.get("statusCode").and_then(text_of))
}

/// The body, and the patterns of origins that are let in.
fn body_of(template: &str) -> Option<(String, Vec<String>)> {
    if !template.contains(['#', '$']) {
        return Some((template.to_owned(), Vec::new()));
    }
    Some((String::new(), origins_of(template)?))
}

/// The template that the Serverless Framework writes for CORS with several origins: it answers the request's own origin
/// when that matches one of its patterns, in which dots stand in brackets and `*` has become `.+`.
fn origins_of(template: &str) -> Option<Vec<String>> {
    let squeezed = template.split_whitespace().collect::<Vec<_>>().join(" ");
    let tests = squeezed
        .strip_prefix(
            "#set($origin = $input.params(\"Origin\")) #if($origin == \"\") #set($origin = $input.params(\"origin\")) #end #if(",
        )?
        .strip_suffix(
            ") #set($context.responseOverride.header.Access-Control-Allow-Origin = $origin) #end",
        )?;
    tests.split(" || ").map(origin_of).collect()
}

fn origin_of(test: &str) -> Option<String> {
    let pattern = test
        .strip_prefix("$origin.matches(\"")?
        .strip_suffix("\")")?;
    let origin = pattern.replace("[.]", ".").replace(".+", "*");
    let plain = origin
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || "-._~:/*".contains(letter));
    // A dot that came without brackets, or a star that was none, would be a regular expression of its author's.
    let dots = pattern.matches('.').count()
        == pattern.matches("[.]").count() + pattern.matches(".+").count();
    (plain && dots && pattern.matches('*').count() == 0).then_some(origin)
}
