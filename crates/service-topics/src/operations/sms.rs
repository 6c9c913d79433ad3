//! Text messages: settings are kept, none is ever sent, so nobody opts out.
//!
//! Lives here: attributes of text messages, opting in and out, what a telephone number looks like.
//!
//! Contract: Amazon SNS API Reference, `SetSMSAttributes`, `GetSMSAttributes`; transcripts of the service's answers.

use super::{Answer, Call, answer, empty, write_map};
use crate::form;
use crate::refusal::Refusal;
use crate::state::catalogue::Change;

const NAMES: [&str; 6] = [
    "MonthlySpendLimit",
    "DeliveryStatusIAMRole",
    "DeliveryStatusSuccessSamplingRate",
    "DefaultSenderID",
    "DefaultSMSType",
    "UsageReportS3Bucket",
];
const SENDER_CHARS_MAX: usize = 11;

pub(super) fn is_opted_out(call: Call<'_>) -> Result<Answer, Refusal> {
    number(call)?;
    answer(|xml| xml.text("isOptedOut", "false"))
}

pub(super) fn opted_out() -> Result<Answer, Refusal> {
    answer(|xml| xml.element("phoneNumbers", |_| {}))
}

pub(super) fn opt_in(call: Call<'_>) -> Result<Answer, Refusal> {
    number(call)?;
    empty()
}

fn number(call: Call<'_>) -> Result<(), Refusal> {
    let number = form::required(call.form, "phoneNumber")?;
    if is_number(number) {
        return Ok(());
    }
    Err(Refusal::parameter(
        "PhoneNumber Reason: input incorrectly formatted",
    ))
}

pub(super) async fn attributes(call: Call<'_>) -> Result<Answer, Refusal> {
    let mut kept = call.own().await?.sms();
    kept.entry("MonthlySpendLimit".to_owned())
        .or_insert_with(|| "1".to_owned());
    let wanted = call.form.texts("attributes");
    if !wanted.is_empty() {
        kept.retain(|name, _| wanted.contains(name));
    }
    answer(move |xml| {
        let pairs = kept
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        write_map(xml, "attributes", pairs);
    })
}

pub(super) async fn set_attributes(call: Call<'_>) -> Result<Answer, Refusal> {
    let given = form::attributes(call.form, "attributes");
    for (name, value) in &given {
        if !NAMES.contains(&name.as_str()) {
            return Err(Refusal::invalid(format!("{name} is not a valid attribute")));
        }
        let is_valid = match name.as_str() {
            "DefaultSMSType" => value == "Promotional" || value == "Transactional",
            "DefaultSenderID" => is_sender(value),
            "DeliveryStatusSuccessSamplingRate" => {
                value.parse::<u8>().is_ok_and(|rate| rate <= 100)
            }
            "MonthlySpendLimit" => value.parse::<u32>().is_ok(),
            _ => true,
        };
        if !is_valid {
            return Err(Refusal::invalid(format!("{name} is invalid")));
        }
    }
    let region = call.own().await?;
    let _turn = region.turn.lock().await;
    let mut kept = region.sms();
    kept.extend(given);
    let change = Change::PutSms(kept);
    call.service
        .catalogue
        .change(&region, vec![change], &[])
        .await?;
    empty()
}

fn is_sender(text: &str) -> bool {
    (1..=SENDER_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Digits, a single separator between two of them at most, a plus in front.
pub(crate) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let is_digit = |char: Option<char>| char.is_some_and(|char| char.is_ascii_digit());
    let has_ends = is_digit(digits.chars().next()) && is_digit(digits.chars().next_back());
    let chars: Vec<char> = digits.chars().collect();
    let is_fine = chars.windows(2).all(|pair| match pair {
        [first, second] => [first, second].into_iter().any(char::is_ascii_digit),
        _ => true,
    });
    let allowed = |char: &char| char.is_ascii_digit() || "/-. ".contains(*char);
    has_ends && is_fine && chars.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telephone_number_is_told_from_what_is_none() {
        for (text, expected) in [
            ("+1234567890", true),
            ("+12/34-567.890", true),
            ("+15--551234567", false),
            ("NAA+15551234567", false),
            ("+15551234567.", false),
            ("/+15551234567", false),
            ("+1a234", false),
            ("", false),
            ("invalid", false),
        ] {
            assert_eq!(is_number(text), expected, "{text}");
        }
    }
}
