//! Amazon resource names.
//!
//! Lives here: taking an ARN apart and putting one together.
//! Does not live here: matching ARNs against policies (`policy`), which resource has which ARN (its service).
//!
//! Contract: AWS General Reference, "Amazon Resource Names (ARNs)".

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{AccountId, FunctionName, Region};

/// The partition of every ARN that we form.
pub const PARTITION: &str = "aws";

/// An ARN: `arn:partition:service:region:account:resource`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Arn {
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// The service's prefix, as `lambda`.
    pub service: String,
    /// The region; empty for global services.
    pub region: String,
    /// The account; empty where the service leaves it out.
    pub account: String,
    /// All that follows, colons included.
    pub resource: String,
}

/// The text is not an ARN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an ARN of the form arn:partition:service:region:account:resource")]
pub struct ParseArnError {
    /// What was read.
    pub text: String,
}

impl Arn {
    /// Reads an ARN.
    ///
    /// # Errors
    /// [`ParseArnError`] when one of the six parts is missing, or the first is not `arn`.
    pub fn parse(text: &str) -> Result<Self, ParseArnError> {
        let fail = || ParseArnError {
            text: text.to_owned(),
        };
        let mut parts = text.splitn(6, ':');
        let mut part = || parts.next().ok_or_else(fail);
        if part()? != "arn" {
            return Err(fail());
        }
        let arn = Self {
            partition: part()?.to_owned(),
            service: part()?.to_owned(),
            region: part()?.to_owned(),
            account: part()?.to_owned(),
            resource: part()?.to_owned(),
        };
        if arn.partition.is_empty() || arn.service.is_empty() || arn.resource.is_empty() {
            return Err(fail());
        }
        Ok(arn)
    }

    /// The ARN of a resource in our partition.
    #[must_use]
    pub fn new(
        service: &str,
        region: &Region,
        account: &AccountId,
        resource: impl Into<String>,
    ) -> Self {
        Self {
            partition: PARTITION.to_owned(),
            service: service.to_owned(),
            region: region.to_string(),
            account: account.to_string(),
            resource: resource.into(),
        }
    }

    /// The unqualified ARN of a function.
    #[must_use]
    pub fn of_function(region: &Region, account: &AccountId, name: &FunctionName) -> Self {
        Self::new("lambda", region, account, format!("function:{name}"))
    }

    /// The function's name, when this is the ARN of a function (with or without a qualifier).
    #[must_use]
    pub fn function_name(&self) -> Option<FunctionName> {
        self.function().map(|(name, _)| name)
    }

    /// The function's name and its qualifier, when this is the ARN of a function.
    #[must_use]
    pub fn function(&self) -> Option<(FunctionName, Option<String>)> {
        let mut parts = self.resource.strip_prefix("function:")?.split(':');
        let name = parts.next().filter(|name| !name.is_empty())?;
        let qualifier = parts.next().filter(|qualifier| !qualifier.is_empty());
        (self.service == "lambda").then(|| (FunctionName::new(name), qualifier.map(str::to_owned)))
    }
}

impl Serialize for Arn {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Arn {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            service,
            region,
            account,
            resource,
        } = self;
        write!(
            out,
            "arn:{partition}:{service}:{region}:{account}:{resource}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_reads_back_as_it_was_written() {
        for text in [
            "arn:aws:lambda:us-east-1:000000000000:function:hello:live",
            "arn:aws:s3:::bucket/key:with:colons",
            "arn:aws:dynamodb:eu-west-1:000000000000:table/pets",
        ] {
            assert_eq!(Arn::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_lacks_a_part_is_refused() {
        for text in [
            "",
            "arn",
            "arn:aws:s3",
            "urn:aws:s3:::b",
            "arn:aws:s3:::",
            "arn::s3:::b",
        ] {
            assert!(Arn::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_function_is_named_with_and_without_its_qualifier() {
        let name = |text: &str| {
            Arn::parse(text)
                .unwrap()
                .function_name()
                .map(|name| name.to_string())
        };
        assert_eq!(name("arn:aws:lambda:r:1:function:f").as_deref(), Some("f"));
        assert_eq!(
            name("arn:aws:lambda:r:1:function:f:$LATEST").as_deref(),
            Some("f")
        );
        assert_eq!(name("arn:aws:sqs:r:1:function:f"), None);
    }
}
