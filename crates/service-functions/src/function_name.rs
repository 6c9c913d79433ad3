//! The forms in which a request names a function.
//!
//! Lives here: name, partial ARN and full ARN, each with or without a qualifier.
//! Does not live here: whether there is such a function.
//!
//! Contract: AWS Lambda API Reference, `Invoke`, URI request parameters.

use model::arn::Arn;
use model::function::LATEST;
use model::ids::{AccountId, FunctionName, Region};

use crate::answers::Refusal;
use crate::request::broken;

/// The provider's pattern, as its answer quotes it.
const PATTERN: &str = "Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_\\.]+)(:(\\$LATEST(\\.PUBLISHED)?|[a-zA-Z0-9-_]+))?";
/// `NamespacedFunctionName`: the longest form of all.
const LENGTH_MAX: usize = 256;
const LENGTH: &str = "Member must have length less than or equal to 256";
const QUALIFIER_LENGTH_MAX: usize = 128;
const QUALIFIER_PATTERN: &str =
    "Member must satisfy regular expression pattern: \\$(LATEST(\\.PUBLISHED)?)|[a-zA-Z0-9-_$]+";
const ACCOUNT_DIGITS: usize = 12;

/// A function, and which of its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) function: FunctionName,
    pub(crate) qualifier: Option<String>,
}

impl Named {
    /// Reads the name from the path, percent-decoded, and the `Qualifier` from the query.
    ///
    /// # Errors
    /// The name has none of the forms, is of another region or account, or names another qualifier than the query.
    pub(crate) fn read(
        text: &str,
        qualifier: Option<&str>,
        region: &Region,
        account: &AccountId,
    ) -> Result<Self, Refusal> {
        let mut errors = Vec::new();
        if LENGTH_MAX < text.len() {
            errors.push(broken(text, "functionName", LENGTH));
        }
        let parts = take_apart(text);
        if parts.is_none() {
            errors.push(broken(text, "functionName", PATTERN));
        }
        errors.extend(qualifier.and_then(qualifier_error));
        let Some(parts) = parts.filter(|_| errors.is_empty()) else {
            return Err(Refusal::validations(&errors));
        };
        if let Some(asked) = parts.region.filter(|asked| *asked != region.as_str()) {
            return Err(Refusal::other_region(asked, region.as_str()));
        }
        if parts.account.is_some_and(|asked| asked != account.as_str()) {
            return Err(Refusal::other_account());
        }
        if let (Some(derived), Some(specified)) = (parts.qualifier, qualifier)
            && derived != specified
        {
            return Err(Refusal::invalid_parameter(
                "The derived qualifier from the function name does not match the specified qualifier.",
            ));
        }
        Ok(Self {
            function: FunctionName::new(parts.name),
            qualifier: parts.qualifier.or(qualifier).map(str::to_owned),
        })
    }

    /// The qualified ARN, as refusals show it.
    pub(crate) fn arn(&self, region: &Region, account: &AccountId) -> String {
        let arn = Arn::of_function(region, account, &self.function);
        let qualifier = self.qualifier.as_deref().unwrap_or(LATEST);
        format!("{arn}:{qualifier}")
    }
}

/// What is wrong with a qualifier of its own.
fn qualifier_error(text: &str) -> Option<String> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_$".contains(&byte);
    if QUALIFIER_LENGTH_MAX < text.len() {
        let constraint =
            format!("Member must have length less than or equal to {QUALIFIER_LENGTH_MAX}");
        return Some(broken(text, "qualifier", &constraint));
    }
    let is_valid = text == "$LATEST.PUBLISHED" || (!text.is_empty() && text.bytes().all(is_word));
    (!is_valid).then(|| broken(text, "qualifier", QUALIFIER_PATTERN))
}

/// As `us-east-1`, `us-gov-west-1`, `eusc-de-east-1`.
fn is_region(text: &str) -> bool {
    let text = text.strip_prefix("eusc-").unwrap_or(text);
    let parts: Vec<&str> = text.split('-').collect();
    let is_letters =
        |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_lowercase());
    let is_digit = |text: &str| text.len() == 1 && text.bytes().all(|it| it.is_ascii_digit());
    match parts.as_slice() {
        [country, place, number] => {
            country.len() == 2 && is_letters(country) && is_letters(place) && is_digit(number)
        }
        [country, kind, place, number] => {
            let is_known = *kind == "gov" || (kind.starts_with("iso") && kind.len() <= 4);
            country.len() == 2
                && is_letters(country)
                && is_known
                && is_letters(place)
                && is_digit(number)
        }
        _ => false,
    }
}

#[derive(Default)]
struct Parts<'a> {
    region: Option<&'a str>,
    account: Option<&'a str>,
    name: &'a str,
    qualifier: Option<&'a str>,
}

fn take_apart(text: &str) -> Option<Parts<'_>> {
    let mut parts = Parts::default();
    let mut rest = text;
    if let Some(after) = text.strip_prefix("arn:") {
        let (partition, after) = after.split_once(':')?;
        let is_partition = partition.starts_with("aws")
            && partition
                .bytes()
                .all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
        rest = after.strip_prefix("lambda:").filter(|_| is_partition)?;
    }
    if let Some((region, after)) = rest.split_once(':')
        && is_region(region)
    {
        parts.region = Some(region);
        rest = after;
    }
    if let Some((account, after)) = rest.split_once(':')
        && account.len() == ACCOUNT_DIGITS
        && account.bytes().all(|byte| byte.is_ascii_digit())
    {
        parts.account = Some(account);
        rest = after;
    }
    // A function that is itself called `function` is not preceded by that word.
    rest = rest.strip_prefix("function:").unwrap_or(rest);
    let (name, qualifier) = match rest.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (rest, None),
    };
    let is_word = |text: &str, others: &[u8]| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
    };
    let is_qualifier =
        |text: &str| matches!(text, LATEST | "$LATEST.PUBLISHED") || is_word(text, b"-_");
    let is_valid = is_word(name, b"-_.") && qualifier.is_none_or(is_qualifier);
    (parts.name, parts.qualifier) = (name, qualifier);
    is_valid.then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, qualifier: Option<&str>) -> Result<(String, Option<String>), Refusal> {
        let named = Named::read(
            text,
            qualifier,
            &Region::new("us-east-1"),
            &AccountId::development(),
        )?;
        Ok((named.function.to_string(), named.qualifier))
    }

    #[test]
    fn every_form_names_the_function() {
        for text in [
            "f",
            "function:f",
            "000000000000:function:f",
            "000000000000:f",
            "arn:aws:lambda:us-east-1:000000000000:function:f",
        ] {
            assert_eq!(read(text, None), Ok(("f".to_owned(), None)), "{text}");
            let qualified = format!("{text}:live");
            assert_eq!(
                read(&qualified, None),
                Ok(("f".to_owned(), Some("live".to_owned()))),
                "{text}"
            );
        }
    }

    #[test]
    fn the_qualifier_is_taken_from_either_place() {
        assert_eq!(
            read("f", Some("1")),
            Ok(("f".to_owned(), Some("1".to_owned())))
        );
        assert_eq!(
            read("f:1", Some("1")),
            Ok(("f".to_owned(), Some("1".to_owned())))
        );
        assert_eq!(
            read("f:1", Some("2")),
            Err(Refusal::invalid_parameter(
                "The derived qualifier from the function name does not match the specified qualifier."
            ))
        );
    }

    #[test]
    fn what_is_elsewhere_is_refused() {
        assert_eq!(
            read("arn:aws:lambda:eu-west-1:000000000000:function:f", None),
            Err(Refusal::other_region("eu-west-1", "us-east-1"))
        );
        assert_eq!(
            read("123456789012:function:f", None),
            Err(Refusal::other_account())
        );
    }

    #[test]
    fn what_has_none_of_the_forms_is_refused() {
        for text in [
            "",
            "a b",
            "f:",
            "f:a:b",
            "arn:aws:s3:::f",
            "arn:aws:lambda:us-east-1:123400000000@function:f",
            "f:$OLD",
        ] {
            assert_eq!(
                read(text, None),
                Err(Refusal::validation(text, "functionName", PATTERN)),
                "{text}"
            );
        }
    }
}
