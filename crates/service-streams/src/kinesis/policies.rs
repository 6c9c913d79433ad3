//! Policies of streams and consumers.

use policy::Policy;
use serde_json::{Value, json};

use super::{Context, StreamRef, nothing};
use crate::engine::rows::{Json, Stream};
use crate::fault::{Answer, Fault};
use crate::fields::{ARN, Fields, Text};

/// Bytes of a policy.
///
/// Contract: Developer Guide, "Sharing your data stream with another account": 20 KB.
const POLICY_BYTES_MAX: usize = 20 * 1_024;
const POLICY: Text = Text::long(0, usize::MAX);

pub(super) async fn put_resource_policy(context: &Context<'_>, mut fields: Fields) -> Answer {
    let arn = fields.required("ResourceARN", &ARN);
    let policy = fields.required("Policy", &POLICY);
    fields.finish()?;
    let policy = read_policy(&policy)?;
    let asked = StreamRef::read_arn(&arn)?;
    let done = context.change(&asked, |stream| {
        *policy_of(stream, &asked, &arn)? = Some(policy.clone());
        Ok(())
    });
    done.await.map(nothing)
}

pub(super) async fn get_resource_policy(context: &Context<'_>, mut fields: Fields) -> Answer {
    let arn = fields.required("ResourceARN", &ARN);
    fields.finish()?;
    let asked = StreamRef::read_arn(&arn)?;
    let mut stream = context.stream(&asked).await?;
    let policy = policy_of(&mut stream, &asked, &arn)?.take();
    // Without one, the answer is that of the recorded one: an empty document.
    let policy = Value::Object(policy.unwrap_or_default());
    Ok(json!({"Policy": policy.to_string()}))
}

pub(super) async fn delete_resource_policy(context: &Context<'_>, mut fields: Fields) -> Answer {
    let arn = fields.required("ResourceARN", &ARN);
    fields.finish()?;
    let asked = StreamRef::read_arn(&arn)?;
    let done = context.change(&asked, |stream| {
        let there = policy_of(stream, &asked, &arn)?.take();
        match there {
            Some(_) => Ok(()),
            None => Err(Fault::not_found(format!(
                "No resource policy found for resource ARN {arn}"
            ))),
        }
    });
    done.await.map(nothing)
}

/// Reads a policy.
pub(crate) fn read_policy(text: &str) -> Result<Json, Fault> {
    if POLICY_BYTES_MAX < text.len() {
        return Err(Fault::argument(format!(
            "A policy has {POLICY_BYTES_MAX} bytes at most."
        )));
    }
    let invalid = |why: String| Fault::argument(format!("Policy is not valid: {why}"));
    let value: Value = serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
    Policy::from_value(&value).map_err(|error| invalid(error.to_string()))?;
    let Value::Object(policy) = value else {
        return Err(invalid("a policy is an object".to_owned()));
    };
    Ok(policy)
}

/// The policy of the stream, or of the consumer with this ARN.
fn policy_of<'s>(
    stream: &'s mut Stream,
    asked: &StreamRef,
    arn: &str,
) -> Result<&'s mut Option<Json>, Fault> {
    let stream_arn = asked.arn();
    if arn == stream_arn {
        return Ok(&mut stream.policy);
    }
    let mut consumers = stream.consumers.iter_mut();
    let found = consumers.find(|consumer| consumer.arn(&stream_arn) == arn);
    let found = found.ok_or_else(|| super::consumers::missing(arn))?;
    Ok(&mut found.policy)
}
