//! What an extension asks to be told, and where.
//!
//! Lives here: reading and checking it.
//! Does not live here: telling it (`delivery`).
//!
//! Contract: AWS Lambda Developer Guide, "Lambda Telemetry API reference", "Subscribe".
//! Differs: destinations of protocol TCP are refused.

use std::time::Duration;

use serde::Deserialize;

use super::Category;
use crate::process::runtime_api::answers::Refusal;

const SCHEMA_VERSIONS: [&str; 3] = ["2022-07-01", "2022-12-13", "2025-01-29"];
/// The names by which an extension means itself.
const OWN_HOSTS: [&str; 2] = ["sandbox.localdomain", "sandbox"];
const ITEMS: (u64, u64) = (1_000, 10_000);
const BYTES: (u64, u64) = (256 * 1024, 1024 * 1024);
const TIMEOUT_MS: (u64, u64) = (25, 30_000);
const TIMEOUT_MS_DEFAULT: u64 = 1_000;

/// A subscription that can be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::process::runtime_api) struct Subscription {
    is_platform: bool,
    is_function: bool,
    is_extension: bool,
    pub(super) buffering: Buffering,
    pub(super) destination: Destination,
}

/// How many events go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Buffering {
    pub(super) items_max: usize,
    pub(super) bytes_max: usize,
    pub(super) wait_max: Duration,
}

/// A listener of an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: String,
}

impl Subscription {
    pub(super) fn wants(&self, category: Category) -> bool {
        match category {
            Category::Platform => self.is_platform,
            Category::Function => self.is_function,
            Category::Extension => self.is_extension,
        }
    }

    pub(super) fn types(&self) -> Vec<&'static str> {
        let types = [
            (self.is_platform, "platform"),
            (self.is_function, "function"),
            (self.is_extension, "extension"),
        ];
        types
            .into_iter()
            .filter_map(|(is_wanted, name)| is_wanted.then_some(name))
            .collect()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    schema_version: Option<String>,
    #[serde(default)]
    types: Vec<String>,
    destination: Option<DestinationBody>,
    #[serde(default)]
    buffering: BufferingBody,
}

#[derive(Deserialize)]
struct DestinationBody {
    #[serde(default)]
    protocol: String,
    #[serde(default, rename = "URI")]
    uri: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct BufferingBody {
    max_items: Option<u64>,
    max_bytes: Option<u64>,
    timeout_ms: Option<u64>,
}

/// Reads the body of a subscription.
pub(in crate::process::runtime_api) fn read(body: &[u8]) -> Result<Subscription, Refusal> {
    let body: Body =
        serde_json::from_slice(body).map_err(|error| invalid(&format!("invalid JSON: {error}")))?;
    if !SCHEMA_VERSIONS.contains(&body.schema_version.as_deref().unwrap_or_default()) {
        let known = SCHEMA_VERSIONS.join(", ");
        return Err(invalid(&format!("schemaVersion must be one of {known}")));
    }
    if body.types.is_empty() {
        return Err(invalid("types should not be empty"));
    }
    let known = ["platform", "function", "extension"];
    if let Some(unknown) = body.types.iter().find(|it| !known.contains(&it.as_str())) {
        return Err(invalid(&format!("the type {unknown} is unknown")));
    }
    let has = |name: &str| body.types.iter().any(|it| it == name);
    let buffering = &body.buffering;
    Ok(Subscription {
        is_platform: has("platform"),
        is_function: has("function"),
        is_extension: has("extension"),
        buffering: Buffering {
            items_max: within("maxItems", buffering.max_items, ITEMS, ITEMS.0)?,
            bytes_max: within("maxBytes", buffering.max_bytes, BYTES, BYTES.0)?,
            wait_max: Duration::from_millis(within(
                "timeoutMs",
                buffering.timeout_ms,
                TIMEOUT_MS,
                TIMEOUT_MS_DEFAULT,
            )? as u64),
        },
        destination: destination(body.destination)?,
    })
}

fn destination(body: Option<DestinationBody>) -> Result<Destination, Refusal> {
    let body = body.ok_or_else(|| invalid("destination is not provided"))?;
    if body.protocol == "TCP" {
        return Err(invalid(
            "destinations of protocol TCP are not supported here: use HTTP",
        ));
    }
    if body.protocol != "HTTP" {
        return Err(invalid("destination.protocol must be HTTP"));
    }
    let uri: http::Uri = body
        .uri
        .parse()
        .map_err(|_| invalid("destination.URI is not a URI"))?;
    let host = uri.host().unwrap_or_default();
    if uri.scheme_str() != Some("http") || !OWN_HOSTS.contains(&host) {
        return Err(invalid(
            "destination.URI must begin with http://sandbox.localdomain",
        ));
    }
    let port = uri
        .port_u16()
        .ok_or_else(|| invalid("URI port is not provided"))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Ok(Destination {
        host: host.to_owned(),
        port,
        path: path.to_owned(),
    })
}

fn within(
    name: &str,
    given: Option<u64>,
    (min, max): (u64, u64),
    default: u64,
) -> Result<usize, Refusal> {
    let value = given.unwrap_or(default);
    if value < min || max < value {
        return Err(invalid(&format!("{name} must be from {min} to {max}")));
    }
    usize::try_from(value).map_err(|_| invalid(name))
}

fn invalid(text: &str) -> Refusal {
    Refusal::bad_request("ValidationError", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: Result<(usize, u16, &str), &str>) {
        let found = read(body.as_bytes());
        let found = match &found {
            Ok(it) => Ok((
                it.buffering.items_max,
                it.destination.port,
                it.destination.path.as_str(),
            )),
            Err(refusal) => Err(refusal.message.as_str()),
        };
        assert_eq!(found, expected, "{body}");
    }

    #[test]
    fn a_subscription_is_taken_as_the_service_takes_it() {
        check(
            r#"{"schemaVersion":"2022-07-01","types":["platform"],"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:8080"}}"#,
            Ok((1_000, 8080, "/")),
        );
        check(
            r#"{"schemaVersion":"2022-12-13","types":["function"],"buffering":{"maxItems":10000},"destination":{"protocol":"HTTP","URI":"http://sandbox:80/x?y"}}"#,
            Ok((10_000, 80, "/x?y")),
        );
    }

    #[test]
    fn what_cannot_be_carried_out_is_refused_by_name() {
        let with = |rest: &str| format!(r#"{{"schemaVersion":"2022-07-01",{rest}}}"#);
        let to = |destination: &str| {
            with(&format!(
                r#""types":["platform"],"destination":{destination}"#
            ))
        };
        for (body, expected) in [
            (
                "{}".to_owned(),
                "schemaVersion must be one of 2022-07-01, 2022-12-13, 2025-01-29",
            ),
            (with(r#""types":[]"#), "types should not be empty"),
            (with(r#""types":["all"]"#), "the type all is unknown"),
            (
                with(r#""types":["platform"]"#),
                "destination is not provided",
            ),
            (
                with(r#""types":["platform"],"buffering":{"maxItems":999}"#),
                "maxItems must be from 1000 to 10000",
            ),
            (
                with(r#""types":["platform"],"buffering":{"timeoutMs":30001}"#),
                "timeoutMs must be from 25 to 30000",
            ),
            (
                to(r#"{"protocol":"TCP","port":80}"#),
                "destinations of protocol TCP are not supported here: use HTTP",
            ),
            (
                to(r#"{"protocol":"HTTP","URI":"http://sandbox.localdomain"}"#),
                "URI port is not provided",
            ),
            (
                to(r#"{"protocol":"HTTP","URI":"http://169.254.169.254:80"}"#),
                "destination.URI must begin with http://sandbox.localdomain",
            ),
        ] {
            check(&body, Err(expected));
        }
    }
}
