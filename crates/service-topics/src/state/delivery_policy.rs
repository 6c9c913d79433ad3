//! Delivery policies: how addresses are called again.
//!
//! Lives here: reading and checking policies of topics and of subscriptions, what holds in the end, the waits that follow.
//! Does not live here: waiting and trying (`event-delivery`).
//!
//! Contract: Amazon SNS Developer Guide, "Creating an HTTP/S delivery policy".

use serde_json::{Map, Value, json};

use super::subscription::Subscription;
use super::topic::Topic;
use crate::refusal::Refusal;

/// Tries after the first, at most.
const RETRIES_MAX: u64 = 100;
/// Waits, in seconds, at most.
const DELAY_S_MAX: u64 = 3_600;
const CONTENT_TYPE: &str = "text/plain; charset=UTF-8";
const FUNCTIONS: [&str; 4] = ["arithmetic", "exponential", "geometric", "linear"];
const NUMBERS: [&str; 6] = [
    "minDelayTarget",
    "maxDelayTarget",
    "numRetries",
    "numMaxDelayRetries",
    "numNoDelayRetries",
    "numMinDelayRetries",
];

/// The policy of a topic, in the form in which it is shown.
pub(crate) fn of_topic(text: &str) -> Result<String, Refusal> {
    let policy = parse(text)?;
    let mut shown = Map::new();
    if let Some(http) = policy.get("http") {
        let http = object(http, "http")?;
        let mut kept = Map::new();
        for (name, value) in http {
            match name.as_str() {
                "defaultHealthyRetryPolicy" if value.is_null() => {}
                "defaultHealthyRetryPolicy" => {
                    retry_policy(value, "http.defaultHealthyRetryPolicy")?;
                    kept.insert(name.clone(), value.clone());
                }
                "disableSubscriptionOverrides" if value.is_boolean() => {
                    kept.insert(name.clone(), value.clone());
                }
                "defaultRequestPolicy" | "defaultThrottlePolicy" if value.is_null() => {}
                "defaultRequestPolicy" | "defaultThrottlePolicy" if value.is_object() => {
                    kept.insert(name.clone(), value.clone());
                }
                "defaultSicklyRetryPolicy" if value.is_null() => {}
                _ => return Err(unknown(&format!("http.{name}"))),
            }
        }
        kept.entry("disableSubscriptionOverrides")
            .or_insert(Value::Bool(false));
        shown.insert("http".to_owned(), Value::Object(kept));
    }
    if let Some(other) = policy.keys().find(|name| *name != "http") {
        return Err(unknown(other));
    }
    Ok(Value::Object(shown).to_string())
}

/// The policy of a subscription, in the form in which it is shown.
pub(crate) fn of_subscription(text: &str) -> Result<String, Refusal> {
    let policy = parse(text)?;
    let mut shown = json!({
        "healthyRetryPolicy": null, "sicklyRetryPolicy": null, "throttlePolicy": null,
        "requestPolicy": null, "guaranteed": false,
    });
    for (name, value) in &policy {
        match name.as_str() {
            "healthyRetryPolicy" if value.is_object() => {
                retry_policy(value, name)?;
                let given = value.as_object().cloned().unwrap_or_default();
                set(&mut shown, name, completed(Some(&given)));
            }
            "throttlePolicy" | "requestPolicy" if value.is_object() => {
                set(&mut shown, name, value.clone());
            }
            "healthyRetryPolicy" | "sicklyRetryPolicy" | "throttlePolicy" | "requestPolicy"
                if value.is_null() => {}
            "guaranteed" if *value == Value::Bool(false) => {}
            _ => return Err(unknown(name)),
        }
    }
    Ok(shown.to_string())
}

/// What holds for a topic's addresses.
pub(crate) fn effective_of_topic(topic: &Topic) -> Value {
    let set = topic.attribute("DeliveryPolicy").and_then(read);
    let http = set.as_ref().and_then(|policy| policy.get("http"));
    let part = |name: &str| http.and_then(|http| http.get(name));
    let retries = part("defaultHealthyRetryPolicy").and_then(Value::as_object);
    let overrides = part("disableSubscriptionOverrides").cloned();
    let request = part("defaultRequestPolicy").cloned();
    let mut effective = json!({
        "defaultHealthyRetryPolicy": completed(retries),
        "disableSubscriptionOverrides": overrides.unwrap_or(Value::Bool(false)),
        "defaultRequestPolicy":
            request.unwrap_or_else(|| json!({"headerContentType": CONTENT_TYPE})),
    });
    if let Some(throttle) = part("defaultThrottlePolicy") {
        self::set(&mut effective, "defaultThrottlePolicy", throttle.clone());
    }
    json!({"http": effective})
}

/// What holds for one subscription.
pub(crate) fn effective_of_subscription(topic: &Topic, subscription: &Subscription) -> Value {
    let of_topic = effective_of_topic(topic);
    let http = of_topic.get("http");
    let default = |name: &str| http.and_then(|http| http.get(name)).cloned();
    let is_overridden = default("disableSubscriptionOverrides") == Some(Value::Bool(true));
    let own = subscription.attribute("DeliveryPolicy").and_then(read);
    let part = |name: &str, default_name: &str| {
        let own = own.as_ref().filter(|_| !is_overridden);
        let own = own.and_then(|policy| policy.get(name));
        let own = own.filter(|value| !value.is_null()).cloned();
        own.or_else(|| default(default_name)).unwrap_or_default()
    };
    json!({
        "healthyRetryPolicy": part("healthyRetryPolicy", "defaultHealthyRetryPolicy"),
        "sicklyRetryPolicy": null,
        "throttlePolicy": part("throttlePolicy", "defaultThrottlePolicy"),
        "requestPolicy": part("requestPolicy", "defaultRequestPolicy"),
        "guaranteed": false,
    })
}

/// The type of what is sent, and the seconds before each further try.
pub(crate) fn of_requests(topic: &Topic, subscription: &Subscription) -> (String, Vec<u32>) {
    let effective = effective_of_subscription(topic, subscription);
    let content_type = effective
        .pointer("/requestPolicy/headerContentType")
        .and_then(Value::as_str);
    let retries = effective
        .get("healthyRetryPolicy")
        .and_then(Value::as_object);
    let content_type = content_type.unwrap_or(CONTENT_TYPE).to_owned();
    (content_type, retries.map(delays).unwrap_or_default())
}

/// Phases: at once, after the least wait, after growing waits, after the longest.
fn delays(policy: &Map<String, Value>) -> Vec<u32> {
    let number = |name: &str| {
        let number = policy.get(name).and_then(Value::as_u64).unwrap_or(0);
        u32::try_from(number).unwrap_or(u32::MAX)
    };
    let all = number("numRetries").min(100);
    let at_once = number("numNoDelayRetries").min(all);
    let least = number("numMinDelayRetries").min(all - at_once);
    let longest = number("numMaxDelayRetries").min(all - at_once - least);
    let growing = all - at_once - least - longest;
    let (low, high) = (number("minDelayTarget"), number("maxDelayTarget"));
    let function = policy.get("backoffFunction").and_then(Value::as_str);
    let grown = (0..growing).map(|step| grown(function, (low, high), step, growing));
    std::iter::repeat_n(0, at_once as usize)
        .chain(std::iter::repeat_n(low, least as usize))
        .chain(grown)
        .chain(std::iter::repeat_n(high, longest as usize))
        .collect()
}

/// From the least to the longest wait, in so many steps.
fn grown(function: Option<&str>, (low, high): (u32, u32), step: u32, steps: u32) -> u32 {
    let last = steps.saturating_sub(1);
    if last == 0 || high <= low {
        return low;
    }
    let (from, to) = (f64::from(low.max(1)), f64::from(high));
    let part = f64::from(step) / f64::from(last);
    let at = match function {
        // The quotient of two waits is the same.
        Some("geometric") => from * (to / from).powf(part),
        // Each wait is twice the one before, up to the longest.
        Some("exponential") => (from * 2_f64.powi(i32::try_from(step).unwrap_or(i32::MAX))).min(to),
        // The growth grows.
        Some("arithmetic") => from + (to - from) * part * (part + 1.0) / 2.0,
        Some(_) | None => from + (to - from) * part,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it lies between the two waits"
    )]
    let rounded = at.round() as u32;
    rounded.clamp(low, high)
}

fn completed(given: Option<&Map<String, Value>>) -> Value {
    let mut policy = json!({
        "minDelayTarget": 20, "maxDelayTarget": 20, "numRetries": 3, "numMaxDelayRetries": 0,
        "numNoDelayRetries": 0, "numMinDelayRetries": 0, "backoffFunction": "linear",
    });
    for (name, value) in given.into_iter().flatten() {
        set(&mut policy, name, value.clone());
    }
    policy
}

fn retry_policy(value: &Value, path: &str) -> Result<(), Refusal> {
    let members = object(value, path)?;
    let number = |name: &str| members.get(name).and_then(Value::as_u64);
    for (name, value) in members {
        let refuse = |what: &str| Err(wrong(&format!("{path}.{name} {what}")));
        if name == "backoffFunction" {
            if !value.as_str().is_some_and(|one| FUNCTIONS.contains(&one)) {
                return refuse("must be one of arithmetic, exponential, geometric, linear");
            }
        } else if !NUMBERS.contains(&name.as_str()) {
            return Err(unknown(&format!("{path}.{name}")));
        } else if value.as_u64().is_none() {
            return refuse("must be a number that is not negative");
        } else if name == "numRetries" && number(name).is_some_and(|one| RETRIES_MAX < one) {
            return refuse("must be less than or equal to 100");
        } else if name.ends_with("DelayTarget")
            && !number(name).is_some_and(|one| (1..=DELAY_S_MAX).contains(&one))
        {
            return refuse("must be between 1 and 3600");
        }
    }
    let low = number("minDelayTarget").unwrap_or(20);
    if number("maxDelayTarget").unwrap_or(low.max(20)) < low {
        return Err(wrong(&format!(
            "{path}.maxDelayTarget must be greater than or equal to minDelayTarget"
        )));
    }
    let phases = [
        "numNoDelayRetries",
        "numMinDelayRetries",
        "numMaxDelayRetries",
    ];
    let phases = phases.iter().filter_map(|name| number(name));
    if number("numRetries").unwrap_or(3) < phases.fold(0, u64::saturating_add) {
        return Err(wrong(&format!(
            "{path}.numRetries must be greater than or equal to total of numMinDelayRetries, numNoDelayRetries and numMaxDelayRetries"
        )));
    }
    Ok(())
}

fn parse(text: &str) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(wrong("must be a JSON object")),
        Err(error) => Err(wrong(&format!("failed to parse JSON. {error}"))),
    }
}

fn read(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn object<'v>(value: &'v Value, path: &str) -> Result<&'v Map<String, Value>, Refusal> {
    let members = value.as_object();
    members.ok_or_else(|| wrong(&format!("{path} must be a JSON object")))
}

fn set(value: &mut Value, name: &str, part: Value) {
    if let Some(members) = value.as_object_mut() {
        members.insert(name.to_owned(), part);
    }
}

fn wrong(what: &str) -> Refusal {
    Refusal::parameter(format!("DeliveryPolicy: {what}"))
}

fn unknown(name: &str) -> Refusal {
    wrong(&format!("{name} is not a known field"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: &Value, expected: &[u32]) {
        let policy = completed(policy.as_object());
        assert_eq!(delays(policy.as_object().unwrap()), expected, "{policy}");
    }

    #[test]
    fn waits_follow_the_phases() {
        check(&json!({}), &[20, 20, 20]);
        check(&json!({"numRetries": 0}), &[]);
        check(
            &json!({"numRetries": 8, "numNoDelayRetries": 1, "numMinDelayRetries": 2, "numMaxDelayRetries": 1,
                "minDelayTarget": 2, "maxDelayTarget": 8}),
            &[0, 2, 2, 2, 4, 6, 8, 8],
        );
        check(
            &json!({"numRetries": 4, "minDelayTarget": 1, "maxDelayTarget": 8, "backoffFunction": "geometric"}),
            &[1, 2, 4, 8],
        );
        check(
            &json!({"numRetries": 5, "minDelayTarget": 1, "maxDelayTarget": 5, "backoffFunction": "exponential"}),
            &[1, 2, 4, 5, 5],
        );
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for text in [
            "[]",
            "{",
            r#"{"http":1}"#,
            r#"{"sqs":{}}"#,
            r#"{"http":{"defaultHealthyRetryPolicy":{"numRetries":101}}}"#,
            r#"{"http":{"defaultHealthyRetryPolicy":{"numRetries":-1}}}"#,
            r#"{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":0}}}"#,
            r#"{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":30,"maxDelayTarget":20}}}"#,
            r#"{"http":{"defaultHealthyRetryPolicy":{"numRetries":1,"numNoDelayRetries":2}}}"#,
            r#"{"http":{"defaultHealthyRetryPolicy":{"backoffFunction":"none"}}}"#,
        ] {
            assert!(of_topic(text).is_err(), "{text}");
        }
    }
}
