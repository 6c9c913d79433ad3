//! `MOCK` integrations: replies of fixed headers, as every tool writes them for a CORS preflight.
//!
//! Lives here: turning an integration's only response into a reply.
//! Does not live here: Velocity templates, of which only the two forms below are understood.
//!
//! Contract: Amazon API Gateway Developer Guide, "Set up mock integrations in API Gateway".

use model::rest_api::MockReply;

use super::integration::{Integration, IntegrationResponse, Refusal};

const HEADER: &str = "method.response.header.";

/// The reply of a `MOCK` integration.
///
/// # Errors
/// [`Refusal`]: it uses more than a fixed reply, or than the origin test of the Serverless Framework.
pub(super) fn reply(integration: &Integration) -> Result<MockReply, Refusal> {
    for template in integration.request_templates.values() {
        if !is_fixed_status(template) {
            return Err(no_templates("request", template));
        }
    }
    let response = only_response(&integration.responses)?;
    let status = response
        .status
        .parse::<u16>()
        .ok()
        .filter(|status| (100..=599).contains(status))
        .ok_or_else(|| Refusal::new(format!("`{}` is not a status code", response.status)))?;
    let mut headers = Vec::new();
    for (target, value) in &response.parameters {
        let fixed = value
            .strip_prefix('\'')
            .and_then(|rest| rest.strip_suffix('\''));
        match (target.strip_prefix(HEADER), fixed) {
            (Some(name), Some(value)) => headers.push((name.to_owned(), value.to_owned())),
            (Some(_), None) | (None, Some(_) | None) => {
                return Err(Refusal::new(format!(
                    "the reply of its mock integration maps `{value}` to `{target}`: only fixed header values are built"
                )));
            }
        }
    }
    let template = response
        .templates
        .get("application/json")
        .or_else(|| response.templates.values().next())
        .map_or("", String::as_str);
    let (body, allowed_origins) = body_of(template)?;
    Ok(MockReply {
        status,
        headers,
        body,
        allowed_origins,
    })
}

/// The one that is taken when no pattern matches: a mock integration answers without an error text.
fn only_response(responses: &[IntegrationResponse]) -> Result<&IntegrationResponse, Refusal> {
    let is_default = |response: &&IntegrationResponse| {
        matches!(response.selection.as_deref(), None | Some("" | "default"))
    };
    let mut defaults = responses.iter().filter(is_default);
    match (defaults.next(), responses.len()) {
        (Some(response), 1) => Ok(response),
        (Some(_), _) => Err(Refusal::new(
            "its mock integration chooses between several replies, which is not built yet",
        )),
        (None, _) => Err(Refusal::new("its mock integration has no default reply")),
    }
}

/// `{"statusCode": 200}`, with or without quotes, and nothing that is computed.
fn is_fixed_status(template: &str) -> bool {
    let bare: String = template
        .chars()
        .filter(|letter| !letter.is_whitespace() && *letter != '"' && *letter != '\'')
        .collect();
    bare.is_empty()
        || bare
            .strip_prefix("{statusCode:")
            .and_then(|rest| rest.strip_suffix('}'))
            .is_some_and(|status| status.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The body, and the patterns of origins that are let in.
fn body_of(template: &str) -> Result<(String, Vec<String>), Refusal> {
    if !template.contains(['#', '$']) {
        return Ok((template.to_owned(), Vec::new()));
    }
    match origins_of(template) {
        Some(origins) => Ok((String::new(), origins)),
        None => Err(no_templates("response", template)),
    }
}

fn no_templates(which: &str, template: &str) -> Refusal {
    let line = template.lines().next().unwrap_or_default();
    Refusal::new(format!(
        "its mock integration has a {which} template that is computed (`{line}`): such templates are not built yet"
    ))
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
