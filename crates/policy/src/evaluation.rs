//! All policies that concern a request, put together.
//!
//! Lives here: the order in which they are asked, and why a request is refused.
//! Does not live here: what one policy says (`document`), which policies a caller has (whoever keeps them).
//!
//! Contract: IAM User Guide, "Policy evaluation logic": an explicit deny ends it; inside one account it is enough that
//! the caller's policies or the resource's allow it, within the boundary and the session's policies; across accounts both
//! must. "Troubleshoot access denied error messages" has the words.

use std::fmt;
use std::sync::Arc;

use crate::document::{Finding, Policy};
use crate::principal::{Caller, Named};
use crate::statement::{Asked, Request};

/// The policies that concern a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policies<'a> {
    /// The caller's own, its groups' included.
    pub identity: &'a [Policy],
    /// What its own can give it at most.
    pub boundary: Option<&'a Policy>,
    /// What its session was limited to when the role was assumed.
    pub session: Option<&'a [Arc<Policy>]>,
    /// The resource's.
    pub resource: Option<&'a Policy>,
    /// Whether the caller's own are enough without it.
    pub resource_rule: ResourceRule,
    /// The account that the resource belongs to.
    pub resource_account: &'a str,
}

/// What the policy of a resource means to callers of its own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResourceRule {
    /// It is enough that it allows something, or that the caller's own policies do.
    #[default]
    Sufficient,
    /// Nothing is allowed that it does not allow: the trust policy of a role, the policy of a key of KMS.
    Necessary,
}

/// What comes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may go on.
    Allowed,
    /// It may not.
    Refused(Refusal),
}

/// Why a request may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A policy of this kind refuses it.
    Denied(Kind),
    /// No policy of this kind allows it.
    NotAllowed(Kind),
}

/// Kinds of policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The caller's own.
    Identity,
    /// The caller's boundary.
    Boundary,
    /// The session's.
    Session,
    /// The resource's.
    Resource,
}

/// Whether the request may go on.
#[must_use]
pub fn judge(policies: &Policies<'_>, request: &Request<'_>) -> Verdict {
    let asked = Asked::new(request);
    let identity = strongest(policies.identity, &asked);
    let boundary = policies.boundary.map(|policy| policy.finding(&asked));
    let session = policies
        .session
        .map(|all| strongest(all.iter().map(Arc::as_ref), &asked));
    let resource = policies
        .resource
        .map_or(Finding::Nothing, |policy| policy.finding(&asked));
    let all = [
        (Kind::Identity, Some(identity)),
        (Kind::Resource, Some(resource)),
        (Kind::Boundary, boundary),
        (Kind::Session, session),
    ];
    let denied = all
        .iter()
        .find(|(_, finding)| *finding == Some(Finding::Deny));
    if let Some((kind, _)) = denied {
        return Verdict::Refused(Refusal::Denied(*kind));
    }
    let account = match request.caller {
        Caller::Anonymous | Caller::Service { .. } => {
            return verdict(&[(matches!(resource, Finding::Allow(_)), Kind::Resource)]);
        }
        Caller::Root { account } | Caller::Identity { account, .. } => account,
    };
    let is_root = matches!(request.caller, Caller::Root { .. });
    let is_own = is_root || matches!(identity, Finding::Allow(_));
    let (is_given, missing) = if account == policies.resource_account {
        match resource {
            Finding::Allow(Named::ByItself) => return Verdict::Allowed,
            Finding::Allow(Named::ByRole | Named::AsEverybody) => (true, Kind::Resource),
            Finding::Allow(Named::ByAccount) => (is_own, Kind::Identity),
            Finding::Nothing | Finding::Deny => match policies.resource_rule {
                ResourceRule::Sufficient => (is_own, Kind::Identity),
                ResourceRule::Necessary => (false, Kind::Resource),
            },
        }
    } else if is_own {
        (matches!(resource, Finding::Allow(_)), Kind::Resource)
    } else {
        (false, Kind::Identity)
    };
    let is_within =
        |limit: Option<Finding>| limit.is_none_or(|finding| matches!(finding, Finding::Allow(_)));
    let demands = [
        (is_given, missing),
        (is_within(boundary), Kind::Boundary),
        (is_within(session), Kind::Session),
    ];
    verdict(&demands)
}

/// The first that is not met decides.
fn verdict(demands: &[(bool, Kind)]) -> Verdict {
    let unmet = demands.iter().find(|(is_met, _)| !is_met);
    unmet.map_or(Verdict::Allowed, |(_, kind)| {
        Verdict::Refused(Refusal::NotAllowed(*kind))
    })
}

/// What several policies of one kind say together.
fn strongest<'p>(policies: impl IntoIterator<Item = &'p Policy>, asked: &Asked<'_>) -> Finding {
    let mut together = Finding::Nothing;
    for policy in policies {
        match policy.finding(asked) {
            Finding::Deny => return Finding::Deny,
            Finding::Allow(named) => together = Finding::Allow(named),
            Finding::Nothing => {}
        }
    }
    together
}

impl Refusal {
    /// The end of the cloud's message, from `because` or `with` on.
    #[must_use]
    pub fn because(&self, action: &str) -> String {
        match self {
            Self::Denied(kind) => format!("with an explicit deny in {} {kind}", kind.article()),
            Self::NotAllowed(kind) => format!("because no {kind} allows the {action} action"),
        }
    }
}

impl Kind {
    const fn article(self) -> &'static str {
        match self {
            Self::Identity => "an",
            Self::Boundary | Self::Session | Self::Resource => "a",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Identity => "identity-based policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
            Self::Resource => "resource-based policy",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;

    const ROLE: &str = "arn:aws:iam::000000000000:role/pets";
    const SESSION: &str = "arn:aws:sts::000000000000:assumed-role/pets/api";
    const TABLE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/pets";

    fn policy(effect: &str, action: &str, resource: &str, principal: &str) -> Policy {
        let principal = match principal {
            "" => String::new(),
            "*" => r#""Principal": "*","#.to_owned(),
            name => format!(r#""Principal": {{"AWS": "{name}"}},"#),
        };
        let json = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "{effect}", {principal} "Action": "{action}", "Resource": "{resource}"}}}}"#
        );
        Policy::read(&json).unwrap()
    }

    fn own(effect: &str, action: &str, resource: &str) -> Policy {
        policy(effect, action, resource, "")
    }

    fn session() -> Caller {
        Caller::Identity {
            account: "000000000000".to_owned(),
            arn: SESSION.to_owned(),
            role: Some(ROLE.to_owned()),
        }
    }

    fn judged(caller: &Caller, policies: Policies<'_>) -> Verdict {
        let request = Request {
            action: "dynamodb:GetItem",
            resource: TABLE,
            caller,
            context: &Context::default(),
        };
        judge(&policies, &request)
    }

    const HERE: &str = "000000000000";

    #[test]
    fn a_callers_own_policies_allow_unless_one_denies() {
        let not_allowed = Verdict::Refused(Refusal::NotAllowed(Kind::Identity));
        let denied = Verdict::Refused(Refusal::Denied(Kind::Identity));
        for (policies, expected) in [
            (vec![], not_allowed),
            (
                vec![own("Allow", "dynamodb:GetItem", TABLE)],
                Verdict::Allowed,
            ),
            (vec![own("Allow", "DynamoDB:get*", "*")], Verdict::Allowed),
            (vec![own("Allow", "dynamodb:PutItem", TABLE)], not_allowed),
            (
                vec![own("Allow", "*", "arn:aws:dynamodb:*:*:table/toys")],
                not_allowed,
            ),
            (
                vec![own("Allow", "*", "*"), own("Deny", "dynamodb:*", "*")],
                denied,
            ),
        ] {
            let given = Policies {
                identity: &policies,
                resource_account: HERE,
                ..Policies::default()
            };
            assert_eq!(judged(&session(), given), expected, "{policies:?}");
        }
    }

    #[test]
    fn a_resources_policy_allows_by_how_it_names_the_caller() {
        let not_allowed = |kind| Verdict::Refused(Refusal::NotAllowed(kind));
        for (principal, account, with_own, expected) in [
            (SESSION, HERE, false, Verdict::Allowed),
            (ROLE, HERE, false, Verdict::Allowed),
            ("*", HERE, false, Verdict::Allowed),
            // The account is trusted, and has not allowed it.
            (
                "arn:aws:iam::000000000000:root",
                HERE,
                false,
                not_allowed(Kind::Identity),
            ),
            ("000000000000", HERE, true, Verdict::Allowed),
            // Across accounts both sides must allow it.
            ("*", "111111111111", false, not_allowed(Kind::Identity)),
            ("*", "111111111111", true, Verdict::Allowed),
            (
                "arn:aws:iam::222222222222:root",
                "111111111111",
                true,
                not_allowed(Kind::Resource),
            ),
        ] {
            let of_resource = policy("Allow", "dynamodb:*", "*", principal);
            let of_caller = own("Allow", "dynamodb:*", "*");
            let given = Policies {
                identity: if with_own {
                    std::slice::from_ref(&of_caller)
                } else {
                    &[]
                },
                resource: Some(&of_resource),
                resource_account: account,
                ..Policies::default()
            };
            assert_eq!(
                judged(&session(), given),
                expected,
                "{principal} {account} {with_own}"
            );
        }
    }

    #[test]
    fn boundaries_and_session_policies_limit_what_is_given() {
        let everything = own("Allow", "*", "*");
        let nothing = own("Allow", "s3:*", "*");
        let given = Policies {
            identity: std::slice::from_ref(&everything),
            resource_account: HERE,
            ..Policies::default()
        };
        for (boundary, limit, expected) in [
            (Some(&everything), Some(&everything), Verdict::Allowed),
            (
                Some(&nothing),
                None,
                Verdict::Refused(Refusal::NotAllowed(Kind::Boundary)),
            ),
            (
                None,
                Some(&nothing),
                Verdict::Refused(Refusal::NotAllowed(Kind::Session)),
            ),
        ] {
            let limit = limit.map(|policy| [Arc::new(policy.clone())]);
            let limited = Policies {
                boundary,
                session: limit.as_ref().map(<[_; 1]>::as_slice),
                ..given
            };
            assert_eq!(judged(&session(), limited), expected);
        }
    }

    #[test]
    fn whoever_is_nobody_needs_a_policy_that_names_everybody() {
        let open = policy("Allow", "*", "*", "*");
        let given = Policies {
            resource: Some(&open),
            resource_account: HERE,
            ..Policies::default()
        };
        assert_eq!(judged(&Caller::Anonymous, given), Verdict::Allowed);
        let closed = policy("Allow", "*", "*", ROLE);
        let given = Policies {
            resource: Some(&closed),
            ..given
        };
        let refused = Verdict::Refused(Refusal::NotAllowed(Kind::Resource));
        assert_eq!(judged(&Caller::Anonymous, given), refused);
        let root = Caller::Root {
            account: HERE.to_owned(),
        };
        assert_eq!(judged(&root, given), Verdict::Allowed);
    }

    #[test]
    fn refusals_end_as_the_clouds_do() {
        for (refusal, expected) in [
            (
                Refusal::NotAllowed(Kind::Identity),
                "because no identity-based policy allows the sqs:SendMessage action",
            ),
            (
                Refusal::NotAllowed(Kind::Boundary),
                "because no permissions boundary allows the sqs:SendMessage action",
            ),
            (
                Refusal::Denied(Kind::Resource),
                "with an explicit deny in a resource-based policy",
            ),
            (
                Refusal::Denied(Kind::Identity),
                "with an explicit deny in an identity-based policy",
            ),
        ] {
            assert_eq!(refusal.because("sqs:SendMessage"), expected);
        }
    }

    #[test]
    fn malformed_documents_are_refused_with_their_statement() {
        for (json, expected) in [
            ("[]", "a policy is an object"),
            (
                r#"{"Version": "2013-01-01"}"#,
                "`2013-01-01` is not a version of the policy language; use 2012-10-17",
            ),
            (
                r#"{"Statement": {"Effect": "Maybe", "Action": "*"}}"#,
                "`Effect` of statement 1 cannot be read",
            ),
            (
                r#"{"Statement": [{"Effect": "Allow"}]}"#,
                "statement 1 has no `Action`",
            ),
            (
                r#"{"Statement": [{"Effect": "Allow", "Action": "*", "Condition": {"Equals": {"a": "b"}}}]}"#,
                "in statement 1: there is no condition operator `Equals`",
            ),
        ] {
            assert_eq!(
                Policy::read(json).unwrap_err().to_string(),
                expected,
                "{json}"
            );
        }
    }
}
