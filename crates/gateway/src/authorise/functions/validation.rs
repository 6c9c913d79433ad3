//! `IdentityValidationExpression`: what a token must look like for its authorizer to be asked.
//!
//! Lives here: the expressions of one revision, compiled; matching in linear time, whatever is sent.
//! Does not live here: which header holds the token (`sources`).
//!
//! Contract: Amazon API Gateway API Reference, "Authorizer", `identityValidationExpression`: the token must match.
//! Differs: expressions that look around or refer to groups cannot be matched in linear time, and are refused.

use std::collections::HashMap;

use model::application::Application;
use model::door::{Authorization, Authorizer, AuthorizerKind};
use regex_lite::{Regex, RegexBuilder};

use super::super::refused::{NotAuthorised, shown};

/// How large an expression may become when it is compiled, in bytes.
const COMPILED_BYTES_MAX: usize = 256 * 1024;

/// The expressions of one revision, by the ids of their authorizers.
#[derive(Debug, Default)]
pub(crate) struct Validations {
    by_id: HashMap<String, Result<Regex, String>>,
}

impl Validations {
    /// Compiles them; one that cannot be lets no token through.
    pub(crate) fn compile(application: &Application) -> Self {
        let methods = application.rest_apis.iter().flat_map(|api| &api.methods);
        let mut by_id = HashMap::new();
        for method in methods {
            if let Authorization::Authorizer { authorizer, .. } = &method.guard.authorization
                && let Some(expression) = expression_of(authorizer)
                && !by_id.contains_key(&authorizer.id)
            {
                by_id.insert(authorizer.id.clone(), compile(expression));
            }
        }
        Self { by_id }
    }

    /// Whether the authorizer may be asked about this token.
    pub(super) fn check(&self, authorizer: &Authorizer, token: &str) -> Result<(), NotAuthorised> {
        match self.by_id.get(&authorizer.id) {
            None => Ok(()),
            Some(Ok(expression)) if expression.is_match(token) => Ok(()),
            Some(Ok(_)) => Err(NotAuthorised::Unidentified(format!(
                "the token does not match the validation expression of the {}",
                shown(authorizer)
            ))),
            Some(Err(error)) => Err(NotAuthorised::Failed(format!(
                "the validation expression of the {} cannot be used: {error}",
                shown(authorizer)
            ))),
        }
    }
}

impl Validations {
    /// Whether user pools take a token for one of these audiences.
    pub(crate) fn check_audience(
        &self,
        authorizer: &Authorizer,
        audience: &[&str],
    ) -> Result<(), String> {
        match self.by_id.get(&authorizer.id) {
            None => Ok(()),
            Some(Ok(expression)) if audience.iter().any(|one| expression.is_match(one)) => Ok(()),
            Some(Ok(_)) => Err("its `aud` does not match the validation expression".to_owned()),
            Some(Err(error)) => Err(format!("the validation expression cannot be used: {error}")),
        }
    }
}

/// The expression of an authorizer: for the token of one that is a function, for the audience of one that is user pools.
fn expression_of(authorizer: &Authorizer) -> Option<&str> {
    match &authorizer.kind {
        AuthorizerKind::Token { validation, .. } | AuthorizerKind::UserPools { validation, .. } => {
            validation.as_deref()
        }
        AuthorizerKind::Jwt { .. } | AuthorizerKind::Request { .. } => None,
    }
}

/// The whole token must match, as with `matches` in Java.
fn compile(expression: &str) -> Result<Regex, String> {
    RegexBuilder::new(&format!(r"\A(?:{expression})\z"))
        .size_limit(COMPILED_BYTES_MAX)
        .build()
        .map_err(|error| error.to_string())
}

/// What is wrong with an expression.
pub(crate) fn problem_of(authorizer: &Authorizer) -> Option<String> {
    compile(expression_of(authorizer)?).err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_token_must_match() {
        for (expression, token, expected) in [
            ("^Bearer [-0-9a-z]+$", "Bearer abc-1", true),
            ("Bearer .*", "Bearer abc", true),
            ("Bearer", "Bearer abc", false),
            ("a|b", "ab", false),
            ("a|b", "b", true),
            (r"\w{5}", "abcde", true),
            (r"\w{5}", "abcdef", false),
            ("^x-[a-z]+", "x-abc\nmore", false),
        ] {
            let matches = compile(expression).unwrap().is_match(token);
            assert_eq!(matches, expected, "{expression} {token:?}");
        }
    }

    #[test]
    fn expressions_that_take_long_are_refused_or_matched_in_linear_time() {
        let hostile = compile("(a+)+").unwrap();
        assert!(!hostile.is_match(&format!("{}b", "a".repeat(8_000))));
        assert!(compile(r"(a)\1").is_err());
        assert!(compile("(?=a)a").is_err());
        assert!(compile("(").is_err());
    }
}
