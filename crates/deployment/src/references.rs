//! Dynamic references of templates: evaluating until everything that a part of the template refers to is known.
//!
//! Lives here: taking references apart, looking them up between evaluations.
//! Does not live here: finding them in texts (`cloudformation::intrinsics`), the values (`interfaces::stored_values`).
//!
//! Contract: AWS CloudFormation User Guide, "Get values stored in other services using dynamic references".

use std::collections::BTreeMap;

use cloudformation::intrinsics::{Context, Environment, Evaluated, Lookup};
use cloudformation::node::Node;
use interfaces::stored_values::{Found, Kind, NoValue, Reference, StoredValues, Wanted};
use model::problem::Problem;
use serde_json::Value;

use crate::apply::{Deployer, Run};
use crate::deployed::DeployRequest;
use crate::scope::{Stored, World};
use crate::state::ExportRecord;

/// Evaluations of one part: each finds at least one more reference, and a text has few.
const ROUNDS_MAX: usize = 64;
/// Parts of a secret's ARN, up to its name.
const ARN_PARTS: usize = 7;

impl Deployer {
    /// The values of parameters and conditions.
    pub(crate) async fn parameters<'r>(
        &self,
        request: &DeployRequest<'r>,
        environment: &'r Environment,
        exports: &BTreeMap<String, ExportRecord>,
        stored: &mut Stored,
    ) -> (Context<'r>, Vec<Problem>) {
        let mut rounds = 0;
        loop {
            let found = {
                let world = World {
                    environment,
                    standing: &BTreeMap::new(),
                    exports,
                    stored,
                };
                Context::new(request.template, environment, request.parameters, &world)
            };
            rounds += 1;
            if !look_up(self.values.as_ref(), request, stored).await || ROUNDS_MAX <= rounds {
                return found;
            }
        }
    }
}

impl Run<'_> {
    /// Evaluates a node, with everything that it refers to.
    pub(crate) async fn evaluate(&mut self, node: &Node) -> Evaluated {
        self.stored.forget_missing();
        let mut rounds = 0;
        loop {
            let evaluated = {
                let world = World {
                    environment: self.environment,
                    standing: &self.standing,
                    exports: self.exports,
                    stored: &self.stored,
                };
                self.context.evaluate(node, &world)
            };
            rounds += 1;
            let values = self.deployer.values.as_ref();
            let has_more = look_up(values, &self.request, &mut self.stored).await;
            if self.stored.looked_up.has_secrets() {
                self.state.sealing.note_secrets();
            }
            if !has_more || ROUNDS_MAX <= rounds {
                return evaluated;
            }
        }
    }
}

/// Looks up what an evaluation came upon. Whether there was anything.
async fn look_up(
    values: &dyn StoredValues,
    request: &DeployRequest<'_>,
    stored: &mut Stored,
) -> bool {
    let wanted = stored.take_wanted();
    let has_any = !wanted.is_empty();
    for (service, key) in wanted {
        let value = value(values, request, &service, &key).await;
        let lookup = match value {
            Ok((value, kind)) => {
                stored.looked_up.note(kind, &value);
                Lookup::Found(Value::String(value))
            }
            Err(error) => Lookup::Missing(error.reason),
        };
        stored.know((service, key), lookup);
    }
    has_any
}

async fn value(
    values: &dyn StoredValues,
    request: &DeployRequest<'_>,
    service: &str,
    key: &str,
) -> Result<(String, Kind), NoValue> {
    let (reference, member) = read(service, key)?;
    let wanted = Wanted {
        account: request.account.clone(),
        region: request.region.clone(),
        reference,
    };
    let Found { value, kind } = values.look_up(&wanted).await?;
    if kind == Kind::StandIn {
        return Ok((value, kind));
    }
    if service == "ssm" && kind == Kind::Secret {
        let reason = format!("it is a SecureString: write `{{{{resolve:ssm-secure:{key}}}}}`");
        return Err(NoValue { reason });
    }
    let value = match member {
        Some(member) => member_of(&value, &member)?,
        None => value,
    };
    Ok((value, kind))
}

/// What a reference names: of a secret, perhaps one member of its JSON.
fn read(service: &str, key: &str) -> Result<(Reference, Option<String>), NoValue> {
    if service != "secretsmanager" {
        return Ok((Reference::Parameter(key.to_owned()), None));
    }
    let parts: Vec<&str> = key.split(':').collect();
    let id_parts = if key.starts_with("arn:") {
        ARN_PARTS
    } else {
        1
    };
    let (id, rest) = parts.split_at(id_parts.min(parts.len()));
    let part = |index: usize| {
        rest.get(index)
            .filter(|part| !part.is_empty())
            .map(|part| (*part).to_owned())
    };
    if let Some(other) = part(0).filter(|part| part != "SecretString") {
        let reason = format!("`{other}` is no part of a secret: only `SecretString` is");
        return Err(NoValue { reason });
    }
    let reference = Reference::Secret {
        id: id.join(":"),
        stage: part(2),
        version: part(3),
    };
    Ok((reference, part(1)))
}

fn member_of(text: &str, member: &str) -> Result<String, NoValue> {
    let value: Option<Value> = serde_json::from_str(text).ok();
    let found = value.as_ref().and_then(|value| value.get(member));
    match found {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Ok(other.to_string()),
        None => Err(NoValue {
            reason: format!("the secret's text is no JSON object with a member `{member}`"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_to_secrets_are_taken_apart() {
        let secret = |id: &str, stage: Option<&str>, version: Option<&str>| Reference::Secret {
            id: id.to_owned(),
            stage: stage.map(str::to_owned),
            version: version.map(str::to_owned),
        };
        let arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:db-AbCdEf";
        for (key, reference, member) in [
            ("db", secret("db", None, None), None),
            ("db:SecretString", secret("db", None, None), None),
            (
                "db:SecretString:user",
                secret("db", None, None),
                Some("user"),
            ),
            (
                "db:SecretString::AWSPREVIOUS",
                secret("db", Some("AWSPREVIOUS"), None),
                None,
            ),
            (
                "db:SecretString:user::v1",
                secret("db", None, Some("v1")),
                Some("user"),
            ),
            (
                &format!("{arn}:SecretString:user"),
                secret(arn, None, None),
                Some("user"),
            ),
        ] {
            let read = read("secretsmanager", key).unwrap();
            assert_eq!(read, (reference, member.map(str::to_owned)), "{key}");
        }
        assert!(read("secretsmanager", "db:SecretBinary").is_err());
        assert_eq!(
            read("ssm", "/a/b:3").unwrap().0,
            Reference::Parameter("/a/b:3".to_owned())
        );
    }

    #[test]
    fn members_are_texts() {
        assert_eq!(member_of(r#"{"a": "x", "b": 5}"#, "a").unwrap(), "x");
        assert_eq!(member_of(r#"{"a": "x", "b": 5}"#, "b").unwrap(), "5");
        assert!(member_of("plain", "a").is_err());
    }
}
