//! Calls that policies refused, as the developer of the caller is told of them.
//!
//! Lives here: what was refused and why, and the statement of the manifest that would allow it.
//! Does not live here: judging (`service-identity`), what the caller is told (`gateway::service_door`).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use gateway::service_door::RefusalLog;
use interfaces::authorize::Denied;
use model::arn::Arn;
use model::ids::FunctionName;
use model::principal::Principal;
use policy::{Kind, Refusal};

use super::console::Console;
use crate::printer::harmless;
use crate::project::FrontEnd;

/// Refusals that are explained once and then told in a line. When there are more, all are explained anew.
const EXPLAINED_MAX: usize = 1_024;

/// Tells of refusals on the terminal.
pub(super) struct OnConsole {
    console: Arc<Console>,
    front_end: FrontEnd,
    explained: Mutex<HashSet<(String, String, String)>>,
}

impl OnConsole {
    pub(super) fn new(console: &Arc<Console>, front_end: FrontEnd) -> Self {
        Self {
            console: Arc::clone(console),
            front_end,
            explained: Mutex::default(),
        }
    }

    fn is_new(&self, denied: &Denied) -> bool {
        let mut explained = self
            .explained
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if EXPLAINED_MAX <= explained.len() {
            explained.clear();
        }
        explained.insert((
            denied.principal.clone(),
            denied.action.clone(),
            denied.resource.clone(),
        ))
    }
}

impl RefusalLog for OnConsole {
    fn refused(&self, caller: &Principal, denied: &Denied) {
        // Names of objects may hold line breaks, and must not write lines of their own.
        let denied = &Denied {
            resource: denied.resource.replace('\n', "\\n"),
            ..denied.clone()
        };
        let mut text = headline(denied);
        if self.is_new(denied) {
            text.push_str(&explanation(caller, denied, self.front_end));
        }
        self.console.notice(harmless(&text));
    }
}

fn headline(denied: &Denied) -> String {
    format!(
        "refused  {} on {} for {}",
        denied.action, denied.resource, denied.principal
    )
}

/// Why, and what would have to change.
fn explanation(caller: &Principal, denied: &Denied, front_end: FrontEnd) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(text, "\n         {}", why(denied));
    let _ = match (&denied.refusal, caller) {
        (Refusal::NotAllowed(Kind::Identity), Principal::FunctionRole { role, function, .. })
            if front_end == FrontEnd::CloudFormation || is_of_the_framework(role) =>
        {
            write!(
                text,
                "\n         this would allow it, {}:\n{}",
                place(front_end, function),
                statement(front_end, denied)
            )
        }
        (
            Refusal::NotAllowed(Kind::Identity),
            Principal::FunctionRole { role, .. }
            | Principal::Session { role, .. }
            | Principal::Acting { role, .. },
        ) => write!(
            text,
            "\n         a policy of `{role}` with this statement would allow it:\n{}",
            json(denied)
        ),
        (Refusal::NotAllowed(Kind::Identity), _) => write!(
            text,
            "\n         a policy of the caller with this statement would allow it:\n{}",
            json(denied)
        ),
        (Refusal::NotAllowed(Kind::Resource), _) => write!(
            text,
            "\n         the policy of the resource has to name the caller and allow it (of a role: its trust policy)",
        ),
        (Refusal::NotAllowed(kind @ (Kind::Boundary | Kind::Session)), _) => {
            write!(text, "\n         the caller's {kind} has to allow it, too",)
        }
        (Refusal::Denied(kind), _) => write!(
            text,
            "\n         narrow the statement with `Effect: Deny` in its {kind}",
        ),
    };
    text
}

/// Whether it is the role that the Serverless Framework makes, which `provider.iam` is about.
///
/// Contract: Serverless Framework 3, `naming.getRoleName`.
fn is_of_the_framework(role: &Arn) -> bool {
    role.resource.ends_with("-lambdaRole")
}

fn why(denied: &Denied) -> String {
    match denied.refusal {
        Refusal::NotAllowed(kind) => format!("no {kind} allows it"),
        Refusal::Denied(kind) => format!("an explicit deny ({kind}) ends it"),
    }
}

fn place(front_end: FrontEnd, function: &FunctionName) -> String {
    match front_end {
        FrontEnd::ServerlessFramework => "in serverless.yml".to_owned(),
        FrontEnd::CloudFormation => format!(
            "in the template, under `Properties` of the function `{function}` (of SAM; otherwise of its role)"
        ),
    }
}

/// To be pasted as it is.
fn statement(front_end: FrontEnd, denied: &Denied) -> String {
    let (action, resource) = (&denied.action, quoted(&suggested(&denied.resource)));
    match front_end {
        FrontEnd::ServerlessFramework => format!(
            "           provider:
             iam:
               role:
                 statements:
                   - Effect: Allow
                     Action: {action}
                     Resource: {resource}"
        ),
        FrontEnd::CloudFormation => format!(
            "           Policies:
             - Version: '2012-10-17'
               Statement:
                 - Effect: Allow
                   Action: {action}
                   Resource: {resource}"
        ),
    }
}

fn json(denied: &Denied) -> String {
    format!(
        "           {}",
        serde_json::json!({"Effect": "Allow", "Action": denied.action, "Resource": suggested(&denied.resource)})
    )
}

/// Of an object, all objects of its bucket: the next one has another name. Often a policy names the bucket alone, which is not
/// what is in it.
fn suggested(resource: &str) -> Cow<'_, str> {
    let object = resource.strip_prefix("arn:aws:s3:::");
    match object.and_then(|object| object.split_once('/')) {
        Some((bucket, _)) => Cow::Owned(format!("arn:aws:s3:::{bucket}/*")),
        None => Cow::Borrowed(resource),
    }
}

/// `*` alone means something else in YAML.
fn quoted(resource: &str) -> String {
    format!("'{}'", resource.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use model::ids::AccountId;

    use super::*;

    fn denied(refusal: Refusal) -> Denied {
        Denied {
            message: String::new(),
            action: "dynamodb:GetItem".to_owned(),
            resource: "arn:aws:dynamodb:us-east-1:000000000000:table/pets".to_owned(),
            principal: "arn:aws:sts::000000000000:assumed-role/r/get".to_owned(),
            refusal,
        }
    }

    #[test]
    fn of_an_object_all_objects_of_its_bucket_are_suggested() {
        for (resource, expected) in [
            ("arn:aws:s3:::pictures/a/b.png", "arn:aws:s3:::pictures/*"),
            ("arn:aws:s3:::pictures", "arn:aws:s3:::pictures"),
            ("arn:aws:sqs:us-east-1:1:a/b", "arn:aws:sqs:us-east-1:1:a/b"),
        ] {
            assert_eq!(suggested(resource), expected);
        }
    }

    #[test]
    fn a_refusal_shows_the_statement_that_would_allow_it() {
        let caller = Principal::FunctionRole {
            account: AccountId::development(),
            role: Arn::parse("arn:aws:iam::000000000000:role/shop-lambdaRole").unwrap(),
            function: FunctionName::new("get"),
        };
        let missing = denied(Refusal::NotAllowed(Kind::Identity));
        assert_eq!(
            explanation(&caller, &missing, FrontEnd::ServerlessFramework),
            "
         no identity-based policy allows it
         this would allow it, in serverless.yml:
           provider:
             iam:
               role:
                 statements:
                   - Effect: Allow
                     Action: dynamodb:GetItem
                     Resource: 'arn:aws:dynamodb:us-east-1:000000000000:table/pets'"
        );
        assert_eq!(
            explanation(&caller, &missing, FrontEnd::CloudFormation),
            "
         no identity-based policy allows it
         this would allow it, in the template, under `Properties` of the function `get` (of SAM; otherwise of its role):
           Policies:
             - Version: '2012-10-17'
               Statement:
                 - Effect: Allow
                   Action: dynamodb:GetItem
                   Resource: 'arn:aws:dynamodb:us-east-1:000000000000:table/pets'"
        );
        let session = Principal::Session {
            account: AccountId::development(),
            role: Arn::parse("arn:aws:iam::000000000000:role/reader").unwrap(),
            name: "me".to_owned(),
            policies: None,
            tags: Arc::default(),
        };
        assert_eq!(
            explanation(&session, &missing, FrontEnd::ServerlessFramework),
            "
         no identity-based policy allows it
         a policy of `arn:aws:iam::000000000000:role/reader` with this statement would allow it:
           {\"Effect\":\"Allow\",\"Action\":\"dynamodb:GetItem\",\"Resource\":\"arn:aws:dynamodb:us-east-1:000000000000:table/pets\"}"
        );
        let explicit = denied(Refusal::Denied(Kind::Identity));
        assert_eq!(
            explanation(&caller, &explicit, FrontEnd::CloudFormation),
            "
         an explicit deny (identity-based policy) ends it
         narrow the statement with `Effect: Deny` in its identity-based policy"
        );
    }
}
