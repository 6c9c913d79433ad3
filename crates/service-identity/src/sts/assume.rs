//! `AssumeRole`.
//!
//! Lives here: its parameters, whom the role's trust policy lets in, the session that it begins.
//! Does not live here: judging (`judge`), keys (`keys`).
//!
//! Contract: AWS Security Token Service API Reference, `AssumeRole`; recorded answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_wire::query::Form;
use http::StatusCode;
use interfaces::authorize::Check;
use interfaces::service::ServiceCall;
use model::arn::Arn;
use model::ids::AccountId;
use model::principal::Principal;
use policy::Policy;

use super::{begin, credentials, duration};
use crate::documents::{self, Of};
use crate::judge;
use crate::service::Service;
use crate::state::{Role, SessionOf};
use crate::wire::{Answer, Fault, Node, check_name, only, required, tags};

const PARAMETERS: [&str; 8] = [
    "DurationSeconds",
    "ExternalId",
    "Policy",
    "PolicyArns",
    "RoleArn",
    "RoleSessionName",
    "Tags",
    "TransitiveTagKeys",
];
/// The longest name of a session.
const SESSION_NAME_CHARS_MAX: usize = 64;
/// Seconds that a session of a role lasts at least, and without a wish.
const SECONDS_MIN: u32 = 900;
const SECONDS: u32 = 3_600;
/// Contract: "Role chaining limits your AWS CLI or AWS API role session to a maximum of one hour."
const CHAINED_S_MAX: u32 = 3_600;
/// The longest that any role lets a session be.
const SECONDS_MAX: u32 = 43_200;
/// Session policies of one session.
const POLICY_ARNS_MAX: usize = 10;
/// Tags of one session.
const TAGS_MAX: usize = 50;

/// What the caller asks of the role. A role that is not there lets nobody in, in the same words.
pub(super) fn checks(service: &Service, call: &ServiceCall, form: &Form) -> Vec<Check> {
    let arn = form.text("RoleArn").unwrap_or_default();
    if read_arn(arn).is_none() || session_name(form).is_err() {
        // It is refused for that.
        return Vec::new();
    }
    let role = find(service, arn);
    let trust = role.and_then(|role| Policy::read(&role.trust).ok());
    let trust = Arc::new(trust.unwrap_or_default());
    let account = arn.split(':').nth(4).unwrap_or_default();
    let account = AccountId::new(account);
    let wanted = tags(form);
    let check = |action: &str| {
        let mut check = Check::new(action, arn, &account)
            .with_policy(Some(Arc::clone(&trust)))
            .ruled_by_its_policy();
        for (key, parameter) in [
            ("sts:ExternalId", "ExternalId"),
            ("sts:RoleSessionName", "RoleSessionName"),
        ] {
            if let Some(value) = form.text(parameter) {
                check.context.set(key, value);
            }
        }
        let transitive = form.texts("TransitiveTagKeys");
        if !transitive.is_empty() {
            check.context.set_all("sts:TransitiveTagKeys", transitive);
        }
        if !wanted.is_empty() {
            let keys = wanted.keys().cloned().collect();
            check.context.set_all("aws:TagKeys", keys);
        }
        for (key, value) in &wanted {
            check
                .context
                .set(&format!("aws:RequestTag/{key}"), value.as_str());
        }
        check
    };
    let mut checks = vec![check("sts:AssumeRole")];
    if !wanted.is_empty() || !inherited(service, call).is_empty() {
        checks.push(check("sts:TagSession"));
    }
    checks
}

pub(super) async fn run(
    service: &Service,
    call: &ServiceCall,
    form: &Form,
) -> Result<Answer, Fault> {
    only(form, &PARAMETERS)?;
    let arn = required(form, "RoleArn")?;
    let arn = read_arn(arn).ok_or_else(|| Fault::invalid(format!("{arn} is invalid")))?;
    let name = session_name(form)?;
    let (tags, transitive) = session_tags(service, call, form)?;
    let denied = || {
        let message = format!(
            "User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}",
            call.caller.arn()
        );
        Fault::new(StatusCode::FORBIDDEN, "AccessDenied", message)
    };
    // It was there when its trust policy was asked.
    let role = find(service, &arn.to_string()).ok_or_else(denied)?;
    let seconds = seconds(call, form, &role)?;
    // It is of the role's account, whoever asked for it.
    let account = AccountId::new(arn.account.as_str());
    let of = SessionOf::Role {
        arn: role.arn.clone(),
        session_name: name.to_owned(),
        policies: session_policies(service, &account, form)?,
        tags,
        transitive,
    };
    let session = begin(service, &account, of, seconds).await?;
    Ok(Some(Node::Structure(vec![
        ("Credentials", credentials(&session)),
        (
            "AssumedRoleUser",
            Node::Structure(vec![
                ("AssumedRoleId", Node::Text(format!("{}:{name}", role.id))),
                (
                    "Arn",
                    Node::Text(format!(
                        "arn:aws:sts::{account}:assumed-role/{}/{name}",
                        role.name
                    )),
                ),
            ]),
        ),
    ])))
}

fn session_name(form: &Form) -> Result<&str, Fault> {
    let name = required(form, "RoleSessionName")?;
    check_name("RoleSessionName", name, SESSION_NAME_CHARS_MAX)?;
    if name.chars().count() < 2 {
        return Err(Fault::invalid(format!(
            "1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint: Member must \
             have length greater than or equal to 2"
        )));
    }
    Ok(name)
}

fn read_arn(text: &str) -> Option<Arn> {
    Arn::parse(text)
        .ok()
        .filter(|arn| arn.resource.contains('/') || arn.service == "iam")
}

fn find(service: &Service, arn: &str) -> Option<Arc<Role>> {
    let account = AccountId::new(arn.split(':').nth(4)?);
    let snapshot = service.state.snapshot(&account);
    let role = snapshot.account.roles.get(arn.rsplit('/').next()?)?;
    (role.arn == arn).then(|| Arc::clone(role))
}

fn seconds(call: &ServiceCall, form: &Form, role: &Role) -> Result<u32, Fault> {
    let seconds = duration(form, (SECONDS_MIN, SECONDS, SECONDS_MAX))?;
    if role.session_s_max < seconds {
        return Err(Fault::invalid(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    let is_chained = matches!(
        call.caller,
        Principal::Session { .. } | Principal::Acting { .. } | Principal::FunctionRole { .. }
    );
    if is_chained && CHAINED_S_MAX < seconds {
        return Err(Fault::invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        ));
    }
    Ok(seconds)
}

/// Policies that limit the session: one in the request, and those named by it.
fn session_policies(
    service: &Service,
    account: &AccountId,
    form: &Form,
) -> Result<Option<Vec<Arc<str>>>, Fault> {
    let mut policies = Vec::new();
    if let Some(text) = form.text("Policy") {
        let malformed = |why| Fault::new(StatusCode::BAD_REQUEST, "MalformedPolicyDocument", why);
        policies.push(documents::read(Of::Identity, text).map_err(malformed)?);
    }
    let arns = form.list("PolicyArns");
    if POLICY_ARNS_MAX < arns.len() {
        return Err(Fault::invalid(format!(
            "a session has {POLICY_ARNS_MAX} policies by ARN at most"
        )));
    }
    let snapshot = service.state.snapshot(account);
    for arn in arns {
        let arn = arn.text("arn").unwrap_or_default();
        let found = judge::document(&snapshot.account, arn);
        policies.push(found.ok_or_else(|| {
            Fault::missing(format!("Policy {arn} does not exist or is not attachable."))
        })?);
    }
    Ok((!policies.is_empty()).then_some(policies))
}

/// The tags of the session, and the keys of those that its own sessions inherit.
type SessionTags = (BTreeMap<String, String>, BTreeSet<String>);

fn session_tags(service: &Service, call: &ServiceCall, form: &Form) -> Result<SessionTags, Fault> {
    let refuse = |message: &str| {
        Fault::new(
            StatusCode::BAD_REQUEST,
            "InvalidParameterValue",
            message.to_owned(),
        )
    };
    let given = form.list("Tags");
    if TAGS_MAX < given.len() {
        return Err(refuse("A session has 50 tags at most."));
    }
    let mut keys = BTreeSet::new();
    let is_distinct = given.iter().all(|tag| {
        let key = tag.text("Key").unwrap_or_default();
        keys.insert(key.to_lowercase())
    });
    if !is_distinct {
        return Err(refuse(
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        ));
    }
    let mut all = tags(form);
    let transitive: BTreeSet<String> = form.texts("TransitiveTagKeys").into_iter().collect();
    if transitive
        .iter()
        .any(|key| !keys.contains(&key.to_lowercase()))
    {
        return Err(refuse(
            "The specified transitive tag key must be included in the requested tags.",
        ));
    }
    let inherited = inherited(service, call);
    if inherited
        .keys()
        .any(|key| keys.contains(&key.to_lowercase()))
    {
        return Err(refuse(
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the \
             calling session.",
        ));
    }
    let transitive = transitive.into_iter().chain(inherited.keys().cloned());
    let transitive = transitive.collect();
    all.extend(inherited);
    Ok((all, transitive))
}

/// Tags that the caller's own session passes on.
fn inherited(service: &Service, call: &ServiceCall) -> BTreeMap<String, String> {
    let Some(key) = access_key_id(call) else {
        return BTreeMap::new();
    };
    let snapshot = service.state.snapshot(&call.account);
    match snapshot
        .account
        .sessions
        .get(&key)
        .map(|session| &session.of)
    {
        Some(SessionOf::Role {
            tags, transitive, ..
        }) => tags
            .iter()
            .filter(|(key, _)| transitive.contains(*key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        Some(SessionOf::Root | SessionOf::User(_)) | None => BTreeMap::new(),
    }
}

/// The key that signed the call: it was verified at the door.
fn access_key_id(call: &ServiceCall) -> Option<String> {
    let presented = aws_wire::sigv4::Presented::find(&call.path_and_query, &call.headers);
    presented.ok().map(|presented| presented.access_key_id)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use interfaces::authorize::Authorize as _;
    use interfaces::principals::{Key, Principals as _};
    use model::ids::{Region, RequestId};
    use model::time::Timestamp;
    use store_embedded::Memory;
    use test_kit::{CountingRandom, StoppedClock};

    use super::*;
    use crate::state::{Grants, Tags};

    const ROLE: &str = "arn:aws:iam::111111111111:role/reader";

    #[tokio::test]
    async fn a_session_is_of_the_account_of_its_role() {
        let service = Service::new(
            Arc::new(Memory::new()),
            Arc::new(StoppedClock::at(Timestamp::from_micros(0))),
            Arc::new(CountingRandom::default()),
        );
        let theirs = AccountId::new("111111111111");
        let made: Result<(), Fault> = service
            .state
            .change(&theirs, |account| {
                account.roles.insert("reader".to_owned(), role());
                Ok(())
            })
            .await;
        made.unwrap();
        let form = Form::parse(&format!("RoleArn={ROLE}&RoleSessionName=desk"));
        run(&service, &call(), &form).await.unwrap();
        let snapshot = service.state.snapshot(&theirs);
        let key = snapshot.account.sessions.keys().next().unwrap();
        let Key::Issued(holder) = service.find(key) else {
            panic!("the session's key is not known");
        };
        assert_eq!(*holder.principal.account(), theirs);
        assert_eq!(
            holder.principal.arn().to_string(),
            "arn:aws:sts::111111111111:assumed-role/reader/desk"
        );
        let read = Check::new("s3:GetObject", "arn:aws:s3:::theirs/a", &theirs);
        service.authorize(&holder.principal, &[read]).unwrap();
    }

    fn role() -> Arc<Role> {
        let everything = r#"{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}"#;
        Arc::new(Role {
            name: "reader".to_owned(),
            path: "/".to_owned(),
            id: "AROA1".to_owned(),
            arn: ROLE.to_owned(),
            created_at: Timestamp::from_micros(0),
            trust: "{}".into(),
            description: None,
            session_s_max: 3_600,
            tags: Tags::new(),
            grants: Grants {
                inline: [("read".to_owned(), everything.into())].into(),
                ..Grants::default()
            },
            owner: None,
        })
    }

    fn call() -> ServiceCall {
        let account = AccountId::development();
        ServiceCall {
            request_id: RequestId::new("1"),
            caller: Principal::Root {
                account: account.clone(),
            },
            account,
            region: Region::new("us-east-1"),
            method: Method::POST,
            path_and_query: "/".to_owned(),
            headers: HeaderMap::new(),
            body: bytes::Bytes::new(),
            stream: None,
        }
    }
}
