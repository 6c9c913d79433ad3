//! What authorisation looks at, and the ARN that policies are asked about.
//!
//! Lives here: a request as it came, with its route; `execute-api` ARNs; the condition keys of policies.
//! Does not live here: deciding anything (the sibling files).
//!
//! Contract: Amazon API Gateway Developer Guide, "Control access for invoking an API", resource format, and "AWS
//! condition keys that can be used in API Gateway resource policies".

use http::Method;
use model::limits::METHOD_ARN_BYTES_MAX;

use super::policies::INVOKE;
use super::refused::NotAuthorised;
use super::spelling::tidied;
use crate::events::Exchange;
use crate::http::Scheme;
use crate::routes::{Answer, Kind};
use policy::Context;

/// The digits of an account that refusals show.
const ACCOUNT_DIGITS_SHOWN: usize = 4;
/// What a caller of a function URL does.
///
/// Contract: AWS Lambda Developer Guide, "Control access to Lambda function URLs".
const INVOKE_URL: &str = "lambda:InvokeFunctionUrl";

/// A request, as authorisation looks at it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    /// What events show of it; its body is not among that.
    pub(crate) exchange: Exchange<'a>,
    /// As sent.
    pub(crate) method: &'a Method,
    /// Path and query, as sent.
    pub(crate) target: &'a str,
    /// The body, where a signature covers it.
    pub(crate) body: &'a [u8],
}

impl Question<'_> {
    /// The name in the scope of signatures.
    pub(super) fn service(&self) -> &'static str {
        match self.exchange.api.kind {
            Kind::Rest { .. } | Kind::Http { .. } | Kind::WebSocket { .. } => "execute-api",
            Kind::FunctionUrl { .. } => "lambda",
        }
    }

    /// What the caller would do.
    pub(super) fn action(&self) -> &'static str {
        match self.exchange.api.kind {
            Kind::Rest { .. } | Kind::Http { .. } | Kind::WebSocket { .. } => INVOKE,
            Kind::FunctionUrl { .. } => INVOKE_URL,
        }
    }

    /// `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH` of what is called.
    pub(super) fn arn(&self) -> Result<String, NotAuthorised> {
        let arn = self.arn_of(self.exchange.account.as_str());
        if METHOD_ARN_BYTES_MAX < arn.len() {
            return Err(NotAuthorised::ArnTooLong(arn.len()));
        }
        Ok(arn)
    }

    /// The ARN of what whoever tidies paths up takes the request for, and whether its path leads upwards; none: of the same.
    pub(super) fn tidied_arn(&self) -> Option<(String, bool)> {
        if matches!(
            self.exchange.api.kind,
            Kind::FunctionUrl { .. } | Kind::WebSocket { .. }
        ) {
            return None;
        }
        let tidied = tidied(self.exchange.api.matched(self.exchange.path))?;
        let arn = self.arn_with(self.exchange.account.as_str(), &tidied.path);
        Some((arn, tidied.led_upwards))
    }

    /// [`Self::arn`], as refusals show it.
    pub(super) fn masked_arn(&self) -> String {
        let account = self.exchange.account.as_str();
        let hidden = account.len().saturating_sub(ACCOUNT_DIGITS_SHOWN);
        let shown = account.get(hidden..).unwrap_or_default();
        self.arn_of(&format!("{}{shown}", "*".repeat(hidden)))
    }

    /// The path is the one that was matched: a slash more or less must not show policies another path than the route's.
    fn arn_of(&self, account: &str) -> String {
        let api = self.exchange.api;
        if let (Kind::FunctionUrl { .. }, Answer::Function { callee, .. }) =
            (&api.kind, &self.exchange.route.answer)
        {
            let qualifier = callee.qualifier.as_ref().map(|it| format!(":{it}"));
            return format!(
                "arn:aws:lambda:{}:{account}:function:{}{}",
                api.region,
                callee.function,
                qualifier.unwrap_or_default()
            );
        }
        if let Kind::WebSocket { .. } = &api.kind {
            // Contract: Amazon API Gateway Developer Guide, "Control access to WebSocket APIs with AWS IAM".
            let key = &self.exchange.route.key;
            let (region, id, stage) = (&api.region, &api.id, &api.stage);
            return format!("arn:aws:execute-api:{region}:{account}:{id}/{stage}/{key}");
        }
        self.arn_with(account, api.matched(self.exchange.path))
    }

    fn arn_with(&self, account: &str, path: &str) -> String {
        let api = self.exchange.api;
        format!(
            "arn:aws:execute-api:{}:{account}:{}/{}/{}/{path}",
            api.region, api.id, api.stage, self.exchange.method,
        )
    }

    /// The condition keys that every request has.
    pub(super) fn context(&self) -> Context {
        let mut context = Context::default();
        let seconds = self.exchange.at.epoch_ms().div_euclid(1_000);
        context.set("aws:EpochTime", seconds.to_string());
        context.set("aws:CurrentTime", seconds.to_string());
        context.set("aws:SourceIp", self.exchange.source_ip.to_string());
        let is_secure = self.exchange.forwarded.scheme == Scheme::Https;
        context.set("aws:SecureTransport", is_secure.to_string());
        for (key, header) in [("aws:UserAgent", "user-agent"), ("aws:Referer", "referer")] {
            if let Some(value) = self.exchange.headers.text(header) {
                context.set(key, value);
            }
        }
        context
    }
}
