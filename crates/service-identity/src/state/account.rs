//! What an account holds.
//!
//! Lives here: users, groups, roles, policies, instance profiles, keys and sessions: plain data.
//! Does not live here: keeping it (`rows`), the words in which it is shown (`iam`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// IAM and AWS STS quotas: versions of a managed policy.
pub(crate) const VERSIONS_MAX: usize = 5;

/// Things of one kind, by their names.
pub(crate) type Table<T> = BTreeMap<String, Arc<T>>;
/// Tags, by their keys.
pub(crate) type Tags = BTreeMap<String, String>;

/// An account. Copies share their parts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    pub(crate) users: Table<User>,
    pub(crate) groups: Table<Group>,
    pub(crate) roles: Table<Role>,
    /// By their ARNs.
    pub(crate) policies: Table<ManagedPolicy>,
    pub(crate) profiles: Table<Profile>,
    /// By their ids.
    pub(crate) keys: Table<AccessKey>,
    /// By their ids.
    pub(crate) sessions: Table<Session>,
}

/// What a user, a group or a role is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grants {
    /// Its own policies, as JSON, by their names.
    pub(crate) inline: BTreeMap<String, Arc<str>>,
    /// The ARNs of policies, in the order in which they were attached.
    pub(crate) attached: Vec<String>,
    /// The ARN of the policy that says what all others can give at most.
    #[serde(default)]
    pub(crate) boundary: Option<String>,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) created_at: Timestamp,
    #[serde(default)]
    pub(crate) tags: Tags,
    #[serde(default)]
    pub(crate) grants: Grants,
    /// The names of its groups.
    #[serde(default)]
    pub(crate) groups: BTreeSet<String>,
    /// The resource of a template that it is, as `stack/LogicalId`.
    #[serde(default)]
    pub(crate) owner: Option<String>,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) created_at: Timestamp,
    #[serde(default)]
    pub(crate) grants: Grants,
    #[serde(default)]
    pub(crate) owner: Option<String>,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) created_at: Timestamp,
    /// Who may assume it, as JSON.
    pub(crate) trust: Arc<str>,
    #[serde(default)]
    pub(crate) description: Option<String>,
    /// The longest session, in seconds.
    pub(crate) session_s_max: u32,
    #[serde(default)]
    pub(crate) tags: Tags,
    #[serde(default)]
    pub(crate) grants: Grants,
    #[serde(default)]
    pub(crate) owner: Option<String>,
}

/// A policy that can be attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManagedPolicy {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    #[serde(default)]
    pub(crate) description: Option<String>,
    /// Oldest first; never empty.
    pub(crate) versions: Vec<Version>,
    /// The number of the one that holds.
    pub(crate) default: u32,
    /// The number of the latest.
    pub(crate) last: u32,
    #[serde(default)]
    pub(crate) tags: Tags,
    #[serde(default)]
    pub(crate) owner: Option<String>,
}

/// A version of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    /// From 1 on; never used again.
    pub(crate) number: u32,
    /// As JSON.
    pub(crate) document: Arc<str>,
    pub(crate) created_at: Timestamp,
}

/// An instance profile: a role for machines, which are not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) created_at: Timestamp,
    /// The role's name.
    #[serde(default)]
    pub(crate) role: Option<String>,
    #[serde(default)]
    pub(crate) tags: Tags,
    #[serde(default)]
    pub(crate) owner: Option<String>,
}

/// Lasting keys of a user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccessKey {
    pub(crate) id: String,
    pub(crate) secret: String,
    /// The user's name.
    pub(crate) user: String,
    pub(crate) status: KeyStatus,
    pub(crate) created_at: Timestamp,
}

/// Without its secret.
impl std::fmt::Debug for AccessKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("AccessKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Whether keys can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KeyStatus {
    Active,
    Inactive,
}

/// Temporary keys that STS gave out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: String,
    pub(crate) expires_at: Timestamp,
    pub(crate) of: SessionOf,
    /// The unique id of its user or role: another one with the same name is somebody else. Empty for the root.
    #[serde(default)]
    pub(crate) holder: String,
}

/// Without its secrets.
impl std::fmt::Debug for Session {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Session")
            .field("id", &self.id)
            .field("of", &self.of)
            .finish_non_exhaustive()
    }
}

/// Whose session it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SessionOf {
    Root,
    /// By name.
    User(String),
    Role {
        arn: String,
        session_name: String,
        /// Policies, as JSON, that it was limited to.
        policies: Option<Vec<Arc<str>>>,
        tags: Tags,
        /// The keys of tags that sessions inherit which it begins itself.
        transitive: BTreeSet<String>,
    },
}

impl Account {
    /// Whether whatever judges principals is the same in both: keys and sessions are all that differs.
    pub(crate) fn is_judged_as(&self, other: &Self) -> bool {
        is_same(&self.users, &other.users)
            && is_same(&self.groups, &other.groups)
            && is_same(&self.roles, &other.roles)
            && is_same(&self.policies, &other.policies)
    }

    /// The unique id of the user or the role whose session it would be, if that is here.
    pub(crate) fn holder(&self, of: &SessionOf) -> Option<&str> {
        match of {
            SessionOf::Root => Some(""),
            SessionOf::User(name) => self.users.get(name).map(|user| user.id.as_str()),
            SessionOf::Role { arn, .. } => {
                let role = self.roles.get(arn.rsplit('/').next()?)?;
                (role.arn == *arn).then_some(role.id.as_str())
            }
        }
    }

    /// The names of a group's users.
    pub(crate) fn members(&self, group: &str) -> impl Iterator<Item = &Arc<User>> {
        let users = self.users.values();
        users.filter(move |user| user.groups.contains(group))
    }

    /// How many users, groups and roles a policy is attached to.
    pub(crate) fn attachments(&self, arn: &str) -> usize {
        self.grants()
            .filter(|grants| grants.attached.iter().any(|attached| attached == arn))
            .count()
    }

    /// How many users and roles a policy is the boundary of.
    pub(crate) fn boundaries(&self, arn: &str) -> usize {
        self.grants()
            .filter(|grants| grants.boundary.as_deref() == Some(arn))
            .count()
    }

    fn grants(&self) -> impl Iterator<Item = &Grants> {
        let users = self.users.values().map(|user| &user.grants);
        let groups = self.groups.values().map(|group| &group.grants);
        let roles = self.roles.values().map(|role| &role.grants);
        users.chain(groups).chain(roles)
    }
}

impl Account {
    /// Takes all users out of a group that is gone.
    pub(crate) fn forget_group(&mut self, group: &str) {
        for user in self.users.values_mut() {
            if user.groups.contains(group) {
                Arc::make_mut(user).groups.remove(group);
            }
        }
    }

    /// Detaches a policy that is gone from everybody. Whose boundary it was is left with one that gives nothing.
    pub(crate) fn detach_everywhere(&mut self, arn: &str) {
        let has = |grants: &Grants| grants.attached.iter().any(|attached| attached == arn);
        let detach = |grants: &mut Grants| grants.attached.retain(|attached| attached != arn);
        for user in self.users.values_mut().filter(|user| has(&user.grants)) {
            detach(&mut Arc::make_mut(user).grants);
        }
        for group in self.groups.values_mut().filter(|group| has(&group.grants)) {
            detach(&mut Arc::make_mut(group).grants);
        }
        for role in self.roles.values_mut().filter(|role| has(&role.grants)) {
            detach(&mut Arc::make_mut(role).grants);
        }
    }
}

impl Grants {
    /// Attaches a policy; one that is attached already stays where it is.
    pub(crate) fn attach(&mut self, arn: &str) {
        if !self.attached.iter().any(|attached| attached == arn) {
            self.attached.push(arn.to_owned());
        }
    }
}

impl ManagedPolicy {
    /// Adds a version, which holds from now on. The oldest goes when there are too many: as CloudFormation does it.
    pub(crate) fn add(&mut self, document: Arc<str>, now: Timestamp) {
        if VERSIONS_MAX <= self.versions.len() {
            self.versions.remove(0);
        }
        self.last = self.last.saturating_add(1);
        self.versions.push(Version {
            number: self.last,
            document,
            created_at: now,
        });
        self.default = self.last;
        self.updated_at = now;
    }

    /// The version that holds.
    pub(crate) fn current(&self) -> Option<&Version> {
        self.version(self.default)
    }

    pub(crate) fn version(&self, number: u32) -> Option<&Version> {
        self.versions
            .iter()
            .find(|version| version.number == number)
    }
}

/// Whether two tables share all of their parts.
fn is_same<T>(table: &Table<T>, other: &Table<T>) -> bool {
    let mut pairs = table.values().zip(other.values());
    table.len() == other.len() && pairs.all(|(one, another)| Arc::ptr_eq(one, another))
}
