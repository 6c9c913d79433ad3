//! Putting resources of templates into an account.
//!
//! Lives here: one function a type, and what each takes back when it changes or goes.
//! Does not live here: keeping it (`state`), ids and attributes (`identity`).

use std::sync::Arc;

use interfaces::resource_provider::{Made, Properties, ResourceRequest};
use model::time::Timestamp;
use resource_types::{text_in, texts_in};
use serde_json::{Value, json};

use super::Failed;
use super::identity::{self, path_of, unique_id};
use crate::documents::{self, Of};
use crate::iam::linked_role;
use crate::state::{
    AccessKey, Account, Grants, Group, KeyStatus, ManagedPolicy, Profile, Role, Tags, User,
};

/// The longest session of a role that says nothing of it, in seconds.
const SESSION_S: u32 = 3_600;

/// A resource that is made, or changed from what it was.
pub(super) struct Change<'a> {
    pub(super) old: Option<&'a Properties>,
    pub(super) request: &'a ResourceRequest,
    pub(super) now: Timestamp,
}

/// To whom a policy is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    User,
    Group,
    Role,
}

pub(super) const EVERYBODY: [(&str, Whose); 3] = [
    ("Users", Whose::User),
    ("Groups", Whose::Group),
    ("Roles", Whose::Role),
];

impl Change<'_> {
    pub(super) fn put(
        &self,
        account: &mut Account,
        drawn: (String, String),
    ) -> Result<Made, Failed> {
        let made = identity::of(self.request);
        match self.request.resource_type.as_str() {
            "AWS::IAM::Role" => self.role(account, &made),
            "AWS::IAM::ServiceLinkedRole" => self.service_linked_role(account, &made),
            "AWS::IAM::User" => self.user(account, &made),
            "AWS::IAM::Group" => self.group(account, &made),
            "AWS::IAM::ManagedPolicy" => self.managed_policy(account, &made),
            "AWS::IAM::InstanceProfile" => self.profile(account, &made),
            "AWS::IAM::AccessKey" => return self.access_key(account, made, drawn),
            "AWS::IAM::UserToGroupAddition" => self.addition(account),
            "AWS::IAM::Policy" => self.policy(account),
            other => self.single(account, other),
        }?;
        Ok(made)
    }

    fn properties(&self) -> &Properties {
        &self.request.properties
    }

    fn owner(&self) -> Option<String> {
        Some(owner(self.request))
    }

    /// Whether something of this name is somebody else's.
    fn claim(&self, kind: &str, name: &str, there: Option<Option<&String>>) -> Result<(), Failed> {
        match there {
            None => Ok(()),
            Some(owner) if owner == self.owner().as_ref() => Ok(()),
            Some(_) => Err(Failed(format!("{kind} with name {name} already exists."))),
        }
    }

    fn role(&self, account: &mut Account, made: &Made) -> Result<(), Failed> {
        let (name, there) = (&made.physical_id, account.roles.get(&made.physical_id));
        self.claim("Role", name, there.map(|role| role.owner.as_ref()))?;
        let trust = self.document(Of::Trust, "AssumeRolePolicyDocument")?;
        let old = there.map(|role| role.grants.clone()).unwrap_or_default();
        let session_s_max = text_in(self.properties(), "MaxSessionDuration");
        let role = Role {
            name: name.clone(),
            path: path_of(self.properties()),
            id: unique_id(self.request, "AROA"),
            arn: attribute(made, "Arn"),
            created_at: there.map_or(self.now, |role| role.created_at),
            trust,
            description: text_in(self.properties(), "Description"),
            session_s_max: session_s_max
                .and_then(|text| text.parse().ok())
                .unwrap_or(SESSION_S),
            tags: self.tags(),
            grants: self.grants(old)?,
            owner: self.owner(),
        };
        account.roles.insert(name.clone(), Arc::new(role));
        Ok(())
    }

    fn service_linked_role(&self, account: &mut Account, made: &Made) -> Result<(), Failed> {
        let (name, there) = (&made.physical_id, account.roles.get(&made.physical_id));
        self.claim("Role", name, there.map(|role| role.owner.as_ref()))?;
        let service = text_in(self.properties(), "AWSServiceName").unwrap_or_default();
        let suffix = text_in(self.properties(), "CustomSuffix");
        let description = text_in(self.properties(), "Description");
        let draft = linked_role(&service, suffix.as_deref(), description.as_deref());
        let draft = draft.map_err(|fault| Failed(fault.message))?;
        let id = unique_id(self.request, "AROA");
        let since = there.map_or(self.now, |role| role.created_at);
        let role = draft.role(id, attribute(made, "Arn"), since, self.owner());
        account.roles.insert(name.clone(), Arc::new(role));
        Ok(())
    }

    fn user(&self, account: &mut Account, made: &Made) -> Result<(), Failed> {
        let (name, there) = (&made.physical_id, account.users.get(&made.physical_id));
        self.claim("User", name, there.map(|user| user.owner.as_ref()))?;
        let mut groups = there.map(|user| user.groups.clone()).unwrap_or_default();
        for group in self
            .old
            .map(|old| texts_in(old, "Groups"))
            .unwrap_or_default()
        {
            groups.remove(&group);
        }
        for group in texts_in(self.properties(), "Groups") {
            if !account.groups.contains_key(&group) {
                return Err(not_found(Whose::Group, &group));
            }
            groups.insert(group);
        }
        let old = there.map(|user| user.grants.clone()).unwrap_or_default();
        let user = User {
            name: name.clone(),
            path: path_of(self.properties()),
            id: unique_id(self.request, "AIDA"),
            arn: attribute(made, "Arn"),
            created_at: there.map_or(self.now, |user| user.created_at),
            tags: self.tags(),
            grants: self.grants(old)?,
            groups,
            owner: self.owner(),
        };
        account.users.insert(name.clone(), Arc::new(user));
        Ok(())
    }

    fn group(&self, account: &mut Account, made: &Made) -> Result<(), Failed> {
        let (name, there) = (&made.physical_id, account.groups.get(&made.physical_id));
        self.claim("Group", name, there.map(|group| group.owner.as_ref()))?;
        let old = there.map(|group| group.grants.clone()).unwrap_or_default();
        let group = Group {
            name: name.clone(),
            path: path_of(self.properties()),
            id: unique_id(self.request, "AGPA"),
            arn: attribute(made, "Arn"),
            created_at: there.map_or(self.now, |group| group.created_at),
            grants: self.grants(old)?,
            owner: self.owner(),
        };
        account.groups.insert(name.clone(), Arc::new(group));
        Ok(())
    }

    fn managed_policy(&self, account: &mut Account, made: &Made) -> Result<(), Failed> {
        let arn = &made.physical_id;
        let name = arn.rsplit('/').next().unwrap_or_default().to_owned();
        let there = account.policies.get(arn);
        self.claim("Policy", &name, there.map(|policy| policy.owner.as_ref()))?;
        let document = self.document(Of::Identity, "PolicyDocument")?;
        let mut policy = match there {
            Some(there) => ManagedPolicy::clone(there),
            None => ManagedPolicy {
                name,
                path: path_of(self.properties()),
                id: unique_id(self.request, "ANPA"),
                arn: arn.clone(),
                created_at: self.now,
                updated_at: self.now,
                description: text_in(self.properties(), "Description"),
                versions: Vec::new(),
                default: 0,
                last: 0,
                tags: Tags::new(),
                owner: self.owner(),
            },
        };
        policy.tags = self.tags();
        if policy.current().map(|version| &version.document) != Some(&document) {
            policy.add(document, self.now);
        }
        account.policies.insert(arn.clone(), Arc::new(policy));
        self.give(
            account,
            |grants| grants.attach(arn),
            |grants| {
                grants.attached.retain(|attached| attached != arn);
            },
        )
    }

    /// The document is everybody's own whom the policy names.
    fn policy(&self, account: &mut Account) -> Result<(), Failed> {
        let document = self.document(Of::Identity, "PolicyDocument")?;
        let name = text_in(self.properties(), "PolicyName").unwrap_or_default();
        let old = self.old.and_then(|old| text_in(old, "PolicyName"));
        self.give(
            account,
            |grants| {
                grants.inline.insert(name.clone(), Arc::clone(&document));
            },
            |grants| {
                grants.inline.remove(old.as_ref().unwrap_or(&name));
            },
        )
    }

    /// Takes from whom the old properties name, and gives to whom the new ones do.
    fn give(
        &self,
        account: &mut Account,
        give: impl Fn(&mut Grants),
        take: impl Fn(&mut Grants),
    ) -> Result<(), Failed> {
        for (property, whose) in EVERYBODY {
            for name in self
                .old
                .map(|old| texts_in(old, property))
                .unwrap_or_default()
            {
                if let Some(grants) = grants_of(account, whose, &name) {
                    take(grants);
                }
            }
        }
        for (property, whose) in EVERYBODY {
            for name in texts_in(self.properties(), property) {
                let grants = grants_of(account, whose, &name);
                give(grants.ok_or_else(|| not_found(whose, &name))?);
            }
        }
        Ok(())
    }

    /// `RolePolicy`, `UserPolicy`, `GroupPolicy`.
    fn single(&self, account: &mut Account, resource_type: &str) -> Result<(), Failed> {
        let Some((property, whose)) = single(resource_type) else {
            return Err(Failed(format!("{resource_type} is not known here")));
        };
        let name = text_in(self.properties(), property).unwrap_or_default();
        let policy = text_in(self.properties(), "PolicyName").unwrap_or_default();
        let document = self.document(Of::Identity, "PolicyDocument")?;
        let grants = grants_of(account, whose, &name).ok_or_else(|| not_found(whose, &name))?;
        grants.inline.insert(policy, document);
        Ok(())
    }

    fn profile(&self, account: &mut Account, made: &Made) -> Result<(), Failed> {
        let (name, there) = (&made.physical_id, account.profiles.get(&made.physical_id));
        self.claim(
            "Instance Profile",
            name,
            there.map(|profile| profile.owner.as_ref()),
        )?;
        let role = texts_in(self.properties(), "Roles").into_iter().next();
        if let Some(role) = role.as_ref()
            && !account.roles.contains_key(role)
        {
            return Err(not_found(Whose::Role, role));
        }
        let profile = Profile {
            name: name.clone(),
            path: path_of(self.properties()),
            id: unique_id(self.request, "AIPA"),
            arn: attribute(made, "Arn"),
            created_at: there.map_or(self.now, |profile| profile.created_at),
            role,
            tags: Tags::new(),
            owner: self.owner(),
        };
        account.profiles.insert(name.clone(), Arc::new(profile));
        Ok(())
    }

    /// The secret is drawn once: whoever asks again gets the one that was made.
    fn access_key(
        &self,
        account: &mut Account,
        mut made: Made,
        (_, drawn): (String, String),
    ) -> Result<Made, Failed> {
        let user = text_in(self.properties(), "UserName").unwrap_or_default();
        if !account.users.contains_key(&user) {
            return Err(not_found(Whose::User, &user));
        }
        let id = &made.physical_id;
        let there = account.keys.get(id);
        let status = match text_in(self.properties(), "Status").as_deref() {
            Some("Inactive") => KeyStatus::Inactive,
            Some(_) | None => KeyStatus::Active,
        };
        let key = AccessKey {
            id: id.clone(),
            secret: there.map_or(drawn, |key| key.secret.clone()),
            user,
            status,
            created_at: there.map_or(self.now, |key| key.created_at),
        };
        let secret = json!(key.secret);
        account.keys.insert(id.clone(), Arc::new(key));
        made.attributes.insert("SecretAccessKey".to_owned(), secret);
        Ok(made)
    }

    fn addition(&self, account: &mut Account) -> Result<(), Failed> {
        if let Some(old) = self.old {
            leave(account, old);
        }
        let group = text_in(self.properties(), "GroupName").unwrap_or_default();
        if !account.groups.contains_key(&group) {
            return Err(not_found(Whose::Group, &group));
        }
        for name in texts_in(self.properties(), "Users") {
            let user = account.users.get_mut(&name);
            let user = user.ok_or_else(|| not_found(Whose::User, &name))?;
            Arc::make_mut(user).groups.insert(group.clone());
        }
        Ok(())
    }

    /// What the properties give, beside what was given by others since.
    fn grants(&self, mut grants: Grants) -> Result<Grants, Failed> {
        if let Some(old) = self.old {
            let named = own_policies(old).map(|(name, _)| name);
            for name in named {
                grants.inline.remove(&name);
            }
            let attached = texts_in(old, "ManagedPolicyArns");
            grants.attached.retain(|arn| !attached.contains(arn));
        }
        for (name, document) in own_policies(self.properties()) {
            let document = documents::from_template(Of::Identity, document).map_err(Failed)?;
            grants.inline.insert(name, document);
        }
        for arn in texts_in(self.properties(), "ManagedPolicyArns") {
            grants.attach(&arn);
        }
        grants.boundary = text_in(self.properties(), "PermissionsBoundary");
        Ok(grants)
    }

    fn document(&self, of: Of, property: &str) -> Result<Arc<str>, Failed> {
        let document = self.properties().get(property).unwrap_or(&Value::Null);
        documents::from_template(of, document).map_err(Failed)
    }

    fn tags(&self) -> Tags {
        resource_types::tags_in(self.properties()).collect()
    }
}

/// What a user, a group or a role is given.
pub(crate) fn grants_of<'a>(
    account: &'a mut Account,
    whose: Whose,
    name: &str,
) -> Option<&'a mut Grants> {
    match whose {
        Whose::User => Some(&mut Arc::make_mut(account.users.get_mut(name)?).grants),
        Whose::Group => Some(&mut Arc::make_mut(account.groups.get_mut(name)?).grants),
        Whose::Role => Some(&mut Arc::make_mut(account.roles.get_mut(name)?).grants),
    }
}

pub(super) fn single(resource_type: &str) -> Option<(&'static str, Whose)> {
    match resource_type {
        "AWS::IAM::RolePolicy" => Some(("RoleName", Whose::Role)),
        "AWS::IAM::UserPolicy" => Some(("UserName", Whose::User)),
        "AWS::IAM::GroupPolicy" => Some(("GroupName", Whose::Group)),
        _ => None,
    }
}

pub(super) fn leave(account: &mut Account, properties: &Properties) {
    let group = text_in(properties, "GroupName").unwrap_or_default();
    for name in texts_in(properties, "Users") {
        if let Some(user) = account.users.get_mut(&name) {
            Arc::make_mut(user).groups.remove(&group);
        }
    }
}

fn own_policies(properties: &Properties) -> impl Iterator<Item = (String, &Value)> {
    let policies = properties.get("Policies").and_then(Value::as_array);
    policies.into_iter().flatten().filter_map(|policy| {
        let name = policy.get("PolicyName").and_then(resource_types::text_of)?;
        Some((name, policy.get("PolicyDocument")?))
    })
}

pub(super) fn owner(request: &ResourceRequest) -> String {
    format!("{}/{}", request.stack, request.logical_id)
}

fn attribute(made: &Made, name: &str) -> String {
    let value = made.attributes.get(name).and_then(Value::as_str);
    value.unwrap_or_default().to_owned()
}

/// Contract: recorded answers, `NoSuchEntity`.
pub(crate) fn not_found(whose: Whose, name: &str) -> Failed {
    let kind = match whose {
        Whose::User => "user",
        Whose::Group => "group",
        Whose::Role => "role",
    };
    Failed(format!("The {kind} with name {name} cannot be found."))
}
