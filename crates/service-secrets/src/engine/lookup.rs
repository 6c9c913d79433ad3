//! Finding keys, and making those that belong to services.
//!
//! Lives here: the four forms of a key's id, keys of services, which are there when they are first asked for.
//! Does not live here: what keys do (`cipher`), the operations of KMS (`kms`).

use std::sync::Arc;

use model::arn::Arn;
use serde_json::json;

use super::catalogue::{Catalogue, Error};
use super::cipher::new_material;
use super::keys::Place;
use super::rows::{Alias, Key, Spec, Tags};
use super::state::{State, Step};

/// The services that have a key of their own, as `alias/aws/NAME`.
const MANAGED: &[&str] = &[
    "acm",
    "dynamodb",
    "ebs",
    "kinesis",
    "lambda",
    "rds",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
];

/// A key by whatever a request calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRef {
    pub(crate) place: Place,
    /// An id, or an alias with `alias/`.
    pub(crate) name: String,
}

/// A key, and where it is.
#[derive(Debug, Clone)]
pub(crate) struct FoundKey {
    pub(crate) place: Place,
    pub(crate) key: Arc<Key>,
}

impl FoundKey {
    pub(crate) fn arn(&self) -> String {
        self.key.arn(&self.place)
    }
}

impl KeyRef {
    /// Reads an id, an alias, or the ARN of either.
    pub(crate) fn read(given: &str, place: &Place) -> Self {
        let arn = Arn::parse(given).ok().filter(|arn| arn.service == "kms");
        let Some(arn) = arn else {
            return Self {
                place: place.clone(),
                name: given.to_owned(),
            };
        };
        let name = arn.resource.strip_prefix("key/").unwrap_or(&arn.resource);
        Self {
            place: Place::of_arn(&arn),
            name: name.to_owned(),
        }
    }

    /// The ARN of what it names.
    pub(crate) fn arn(&self) -> String {
        let resource = match self.name.starts_with("alias/") {
            true => self.name.clone(),
            false => format!("key/{}", self.name),
        };
        self.place.arn("kms", resource)
    }

    /// The key of a service.
    pub(crate) fn managed(service: &str, place: &Place) -> Self {
        Self {
            place: place.clone(),
            name: format!("alias/aws/{service}"),
        }
    }
}

impl State {
    /// A key by its id or an alias.
    pub(crate) fn key(&self, name: &str) -> Option<&Arc<Key>> {
        let id = match self.aliases.get(name) {
            Some(alias) => &alias.target,
            None => name,
        };
        self.keys.get(id)
    }
}

impl Catalogue {
    /// A key; none when there is no such one. One of a service is made when it is first asked for.
    pub(crate) async fn key(&self, wanted: &KeyRef) -> Result<Option<FoundKey>, Error> {
        let now = self.clock.now();
        let shelf = self.shelf(&wanted.place).await?;
        let found = shelf.look(|state| state.key(&wanted.name).cloned());
        let service = wanted.name.strip_prefix("alias/aws/");
        let key = match (found, service) {
            (Some(key), _) => key,
            (None, Some(service)) if MANAGED.contains(&service) => {
                self.make_managed(&wanted.place, service).await?
            }
            (None, _) => return Ok(None),
        };
        // Its time is over, and it is about to be removed.
        let is_over = key.deleted_at.is_some_and(|at| at <= now);
        Ok((!is_over).then(|| FoundKey {
            place: wanted.place.clone(),
            key,
        }))
    }

    async fn make_managed(&self, place: &Place, service: &str) -> Result<Arc<Key>, Error> {
        let alias = format!("alias/aws/{service}");
        let now = self.clock.now();
        let root = self.root().await?;
        let id = self.random.request_id().to_string();
        let material = new_material((root, &*self.random), &id, Spec::Symmetric, now, false)?;
        let key = Key {
            description: format!(
                "Default key that protects my {service} data when no other key is defined"
            ),
            spec: Spec::Symmetric,
            materials: vec![material],
            policy: managed_policy(place, service),
            tags: Tags::new(),
            enabled: true,
            multi_region: false,
            created_at: now,
            deleted_at: None,
            rotation: None,
            managed_by: Some(service.to_owned()),
            grants: Vec::new(),
            owner: None,
            id,
        };
        self.change(place, |state| {
            if let Some(there) = state.key(&alias) {
                return Ok((Arc::clone(there), Vec::new()));
            }
            let named = Alias {
                name: alias.clone(),
                target: key.id.clone(),
                created_at: now,
                modified_at: now,
                owner: None,
            };
            let steps = vec![Step::PutKey(key.clone()), Step::PutAlias(named)];
            Ok((Arc::new(key), steps))
        })
        .await
    }
}

/// Everybody of the account, through the service alone; and looking at the key by itself.
fn managed_policy(place: &Place, service: &str) -> String {
    let account = place.account.as_str();
    let region = place.region.as_str();
    json!({
        "Version": "2012-10-17",
        "Id": format!("auto-{service}-1"),
        "Statement": [
            {
                "Sid": format!("Allow access through {service} for all principals in the account that are authorized to use it"),
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey"],
                "Resource": "*",
                "Condition": {"StringEquals": {
                    "kms:CallerAccount": account,
                    "kms:ViaService": format!("{service}.{region}.amazonaws.com"),
                }},
            },
            {
                "Sid": "Allow direct access to key metadata to the account",
                "Effect": "Allow",
                "Principal": {"AWS": format!("arn:aws:iam::{account}:root")},
                "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
                "Resource": "*",
            },
        ],
    })
    .to_string()
}
