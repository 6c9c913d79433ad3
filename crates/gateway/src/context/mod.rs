//! The variables `$context.…`, of which access logs and gateway responses are written.
//!
//! Lives here: what each variable is for one request, and filling them into a text.
//! Does not live here: where the texts come from (`gateway_responses`, `application`), events (`events`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Variables for data models, authorizers, mapping templates, and
//! CloudWatch access logging for API Gateway" and "Customize HTTP API access logs". The texts are no programs: `#if`
//! and the like mean nothing in them.
//! Differs: where a text is JSON, quotes and backslashes in what a client sent are escaped, so that no client can
//! write a member of an access log.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use http::Version;
use model::ids::AccountId;
use model::time::Timestamp;
use serde_json::Value;

use crate::caller::{Caller, Identity};
use crate::events::{common_log_time, header_text};
use crate::http::Headers;
use crate::routes::{Api, Hit, Kind};

/// What is known of a request when its answer is settled.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) api: &'a Api,
    /// None: no route takes it.
    pub(crate) hit: Option<&'a Hit<'a>>,
    pub(crate) account: &'a AccountId,
    pub(crate) caller: Option<&'a Caller>,
    pub(crate) method: &'a str,
    /// As sent, without the query.
    pub(crate) path: &'a str,
    pub(crate) version: Version,
    pub(crate) headers: &'a Headers,
    pub(crate) source_ip: IpAddr,
    pub(crate) request_id: &'a str,
    pub(crate) extended_request_id: &'a str,
    pub(crate) at: Timestamp,
    /// What was answered; none: that is not settled yet.
    pub(crate) answered: Option<Answered>,
    /// Why the gateway answers itself.
    pub(crate) error: Option<Error<'a>>,
}

/// What was answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    /// None: its length is not known.
    pub(crate) bytes: Option<usize>,
    pub(crate) latency: Duration,
    /// How long the function took; none: it was not asked.
    pub(crate) integration_latency: Option<Duration>,
}

/// Why the gateway answers itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Error<'a> {
    /// The gateway response's type, as `UNAUTHORIZED`.
    pub(crate) response_type: &'a str,
    pub(crate) message: &'a str,
    /// What is wrong with a body.
    pub(crate) validation: Option<&'a str>,
}

impl Facts<'_> {
    /// The value of `$context.NAME`; none: there is no such variable, or nothing to say.
    pub(crate) fn variable(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Some(name) = name.strip_prefix("identity.") {
            return self.identity(name);
        }
        if let Some(name) = name.strip_prefix("authorizer.") {
            return self.authorizer(name);
        }
        if let Some(name) = name.strip_prefix("error.") {
            return self.error(name);
        }
        self.answered(name).or_else(|| self.request(name))
    }

    fn request(&self, name: &str) -> Option<Cow<'_, str>> {
        let text = |text| Some(Cow::Borrowed(text));
        let is_rest = matches!(self.api.kind, Kind::Rest { .. });
        match name {
            "accountId" => text(self.account.as_str()),
            "apiId" => text(self.api.id.as_str()),
            "stage" => text(self.api.stage.as_str()),
            "deploymentId" => match &self.api.kind {
                Kind::Rest { deployment_id, .. } => text(deployment_id),
                Kind::Http { .. } | Kind::FunctionUrl { .. } | Kind::WebSocket { .. } => None,
            },
            "requestId" if is_rest => text(self.request_id),
            "requestId" | "extendedRequestId" => text(self.extended_request_id),
            "httpMethod" => text(self.hit.map_or(self.method, |hit| hit.method)),
            "path" => text(self.hit.map_or(self.path, |hit| &hit.full_path)),
            "resourcePath" => text(&self.hit?.route.resource),
            "resourceId" if is_rest => text(&self.hit?.route.resource_id),
            "routeKey" if !is_rest => text(&self.hit?.route.key),
            "protocol" => text(match self.version {
                Version::HTTP_10 => "HTTP/1.0",
                Version::HTTP_2 => "HTTP/2.0",
                _ => "HTTP/1.1",
            }),
            "domainName" => self.headers.get("host").map(header_text),
            "domainPrefix" => {
                let host = self.headers.text("host")?;
                text(host.split(['.', ':']).next()?)
            }
            "requestTime" => Some(common_log_time(self.at).into()),
            "requestTimeEpoch" => Some(self.at.epoch_ms().to_string().into()),
            _ => None,
        }
    }

    fn identity(&self, name: &str) -> Option<Cow<'_, str>> {
        let text = |text| Some(Cow::Borrowed(text));
        let key = || self.caller?.key.as_ref().map(|used| &used.key);
        let signer = || match &self.caller?.identity {
            Identity::Iam(signer) => Some(signer),
            Identity::Open | Identity::Token { .. } | Identity::Function { .. } => None,
        };
        match name {
            "sourceIp" => Some(self.source_ip.to_string().into()),
            "userAgent" => self.headers.get("user-agent").map(header_text),
            "apiKey" => text(key()?.value.reveal()),
            "apiKeyId" => text(&key()?.id),
            "accountId" => text(&signer()?.account),
            "accessKey" => text(&signer()?.access_key_id),
            "caller" | "user" => text(&signer()?.unique_id),
            "userArn" => text(&signer()?.arn),
            _ => None,
        }
    }

    fn authorizer(&self, name: &str) -> Option<Cow<'_, str>> {
        match &self.caller?.identity {
            Identity::Open | Identity::Iam(_) => None,
            Identity::Token { claims, .. } => {
                let claim = name.strip_prefix("claims.")?;
                let text = match self.api.kind {
                    Kind::Rest { .. } => claims.for_rest().find(|(name, _)| *name == claim),
                    Kind::Http { .. } | Kind::FunctionUrl { .. } | Kind::WebSocket { .. } => {
                        claims.for_http().find(|(name, _)| *name == claim)
                    }
                };
                text.map(|(_, text)| text.into())
            }
            Identity::Function { told, .. } if name == "principalId" => {
                told.principal_id.as_deref().map(Cow::Borrowed)
            }
            Identity::Function { told, .. } => {
                let value = told.context.as_ref()?.get(name)?;
                let text = value.as_str().map(Cow::Borrowed);
                Some(text.unwrap_or_else(|| value.to_string().into()))
            }
        }
    }

    fn error(&self, name: &str) -> Option<Cow<'_, str>> {
        let error = self.error?;
        match name {
            "responseType" => Some(error.response_type.to_owned().into()),
            "message" => Some(error.message.to_owned().into()),
            "messageString" => Some(Value::from(error.message).to_string().into()),
            "validationErrorString" => Some(error.validation?.to_owned().into()),
            _ => None,
        }
    }

    fn answered(&self, name: &str) -> Option<Cow<'_, str>> {
        let answered = self.answered?;
        let milliseconds = |time: Duration| Some(time.as_millis().to_string().into());
        match name {
            "status" => Some(answered.status.to_string().into()),
            "responseLength" => Some(answered.bytes?.to_string().into()),
            "responseLatency" => milliseconds(answered.latency),
            "integrationLatency" | "integration.latency" => {
                milliseconds(answered.integration_latency?)
            }
            _ => None,
        }
    }
}

/// The text with each `$NAME` replaced by what `value` says of it; names are letters, digits and `.-_`.
pub(crate) fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
        let end = after.find(|letter| !is_name(letter)).unwrap_or(after.len());
        let (name, behind) = after.split_at(end);
        // A full stop or a hyphen at the end belongs to the sentence.
        let name_only = name.trim_end_matches(['.', '-']);
        match value(name_only) {
            Some(value) => {
                filled.push_str(&value);
                filled.push_str(name.get(name_only.len()..).unwrap_or_default());
            }
            None => {
                filled.push('$');
                filled.push_str(name);
            }
        }
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

/// One line of an access log: what there is nothing to say of is `-`.
pub(crate) fn access_line(format: &str, facts: &Facts<'_>) -> String {
    line_with(format, |name| facts.variable(name))
}

/// The same, of whatever else is written down.
pub(crate) fn line_with<'a>(
    format: &str,
    variable: impl Fn(&str) -> Option<Cow<'a, str>>,
) -> String {
    let is_json = format.trim_start().starts_with('{');
    fill(format, |name| {
        let name = name.strip_prefix("context.")?;
        let value = variable(name).unwrap_or(Cow::Borrowed("-"));
        let shown = if is_json && name != "error.messageString" {
            escaped(&value)
        } else {
            value.into_owned()
        };
        Some(shown.replace(['\r', '\n'], " "))
    })
}

/// A text as it stands between the quotes of a JSON string.
fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    let inner = quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_and_all_else_stays() {
        for (template, filled) in [
            ("", ""),
            ("$", "$"),
            ("$a", "<a>"),
            ("$a.", "<a>."),
            ("$a.b-c_d!", "<a.b-c_d>!"),
            ("$$a$$", "$<a>$$"),
            ("cost: $5, $none $a", "cost: $5, $none <a>"),
            ("ä$aä", "ä<a>ä"),
        ] {
            let value = |name: &str| name.starts_with('a').then(|| format!("<{name}>"));
            assert_eq!(fill(template, value), filled, "{template}");
        }
    }
}
