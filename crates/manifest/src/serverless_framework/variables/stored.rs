//! Variables whose values services keep: `${ssm:/path}`, `${cf:stack.output}`, `${s3:bucket/key}`; those of constructs.
//!
//! Lives here: what each asks for, and what is made of the answers.
//! Does not live here: looking values up (whoever reads the manifest).
//!
//! Contract: Serverless Framework 3, Guide, "Variables": "SSM Parameter Store", "CloudFormation Outputs", "S3 Objects".

use cloudformation::node::Node;
use serde_json::Value;

use super::faults::{Stop, fault};
use super::resolver::Resolver;
use super::sources::{Call, null, required_address};
use crate::reading::Need;
use crate::serverless_framework::{lift, script};

/// Parameters below it are secrets of Secrets Manager, whose JSON is taken apart.
const OF_SECRETS: &str = "/aws/reference/secretsmanager/";

impl Resolver<'_> {
    /// `${ssm:/path}`, `${ssm(us-west-2):/path}`, `${ssm(raw):/path}`.
    pub(super) fn stored_parameter(&mut self, call: &Call<'_>) -> Result<Node, Stop> {
        let name = required_address(call)?;
        let (mut region, mut is_raw) = (None, false);
        for param in call.params.iter().filter_map(script::text_of) {
            match param.as_str() {
                "raw" => is_raw = true,
                "noDecrypt" => {
                    return Err(fault(
                        "manifest::variable-source-not-implemented",
                        "`noDecrypt` is not carried out: a parameter's value is always opened",
                    ));
                }
                other => region = Some(other.to_owned()),
            }
        }
        let region = match region {
            Some(region) => region,
            None => self.region()?,
        };
        let need = Need::Parameter {
            region,
            name: name.clone(),
        };
        let Some(answer) = self.answer(need)? else {
            return Ok(null(call));
        };
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let text = answer
            .get("value")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let kind = answer.get("kind").and_then(Value::as_str);
        let value = if is_raw {
            Value::from(text)
        } else if kind == Some("list") {
            text.split(',').map(Value::from).collect()
        } else if name.starts_with(OF_SECRETS) {
            serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
        } else {
            Value::from(text)
        };
        Ok(Node::from_json(&value, call.place))
    }

    /// `${cf:stack.output}`, `${cf(us-west-2):stack.output}`.
    pub(super) fn output_of_stack(&mut self, call: &Call<'_>) -> Result<Node, Stop> {
        let address = required_address(call)?;
        let Some((stack, name)) = address.split_once('.') else {
            return Err(fault(
                "manifest::variable-syntax",
                format!(
                    "`cf` needs a stack and its output, as `stack.Output`, and not `{address}`"
                ),
            ));
        };
        let region = match call.params.first().and_then(script::text_of) {
            Some(region) => region,
            None => self.region()?,
        };
        let need = Need::Output {
            region,
            stack: stack.to_owned(),
            name: name.to_owned(),
        };
        let Some(answer) = self.answer(need)? else {
            return Ok(null(call));
        };
        let value: Value = serde_json::from_str(&answer).unwrap_or_default();
        Ok(Node::from_json(&value, call.place))
    }

    /// `${s3:bucket/key}`.
    pub(super) fn object(&mut self, call: &Call<'_>) -> Result<Node, Stop> {
        let address = required_address(call)?;
        let Some((bucket, key)) = address.split_once('/') else {
            return Err(fault(
                "manifest::variable-syntax",
                format!("`s3` needs a bucket and a key, as `bucket/key`, and not `{address}`"),
            ));
        };
        let need = Need::Object {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        };
        let answer = self.answer(need)?;
        Ok(answer.map_or_else(|| null(call), |text| Node::string(text, call.place)))
    }

    /// `${construct:jobs.queueUrl}` of serverless-lift.
    pub(super) fn of_construct(&mut self, call: &Call<'_>) -> Result<Node, Stop> {
        let address = required_address(call)?;
        let value = lift::variable(&self.root, &address);
        Ok(value.map_or_else(|| null(call), |value| Node::from_json(&value, call.place)))
    }

    fn answer(&mut self, need: Need) -> Result<Option<String>, Stop> {
        let Some(answer) = self.answers.get(&need) else {
            self.needs.insert(need);
            return Err(Stop::Waiting);
        };
        Ok(answer.map(str::to_owned))
    }
}

/// The command that makes what is missing.
pub(super) fn remedy(source: &str, address: &str) -> Option<String> {
    let made = match source {
        "ssm" => match address.strip_prefix(OF_SECRETS) {
            Some(secret) => {
                format!("secretsmanager create-secret --name {secret} --secret-string …")
            }
            None => format!("ssm put-parameter --name {address} --type String --value …"),
        },
        "s3" => format!("s3 cp FILE s3://{address}"),
        _others => return None,
    };
    Some(format!(
        "give the variable a fallback, or make it and save the manifest again: `aws --endpoint-url http://127.0.0.1:4566 {made}`"
    ))
}
