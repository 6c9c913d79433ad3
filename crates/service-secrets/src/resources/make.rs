//! Making, changing and deleting one resource of each type.

use interfaces::resource_provider::{Made, Properties, ResourceRequest};
use resource_types::text_of;
use serde_json::{Value, json};

use super::tables::{ALIAS, KEY, PARAMETER, SECRET, SECRET_POLICY};
use super::{Secrets, flag, json_text, place, secret_of, text};
use crate::engine::keys::Place;
use crate::engine::lookup::{FoundKey, KeyRef};
use crate::engine::rows::{Key, Secret, Tags};
use crate::engine::state::Step;
use crate::fault::Fault;
use crate::kms::{self, keys};
use crate::secretsmanager::{self as sm, SecretRef};
use crate::ssm;

const USUAL_WINDOW: i64 = 30;

impl Secrets {
    pub(super) async fn make(
        &self,
        request: &ResourceRequest,
        old: Option<&Properties>,
    ) -> Result<Made, Fault> {
        let place = place(request);
        match request.resource_type.as_str() {
            PARAMETER => self.make_parameter(&place, request).await,
            SECRET => self.make_secret(&place, request, old).await,
            SECRET_POLICY => {
                self.set_policy(request, json_text(&request.properties, "ResourcePolicy"))
                    .await
            }
            KEY => self.make_key(&place, request).await,
            ALIAS => self.make_alias(&place, request).await,
            other => Err(Fault::not_implemented(other)),
        }
    }

    pub(super) async fn remove(
        &self,
        physical_id: &str,
        request: &ResourceRequest,
    ) -> Result<(), Fault> {
        let place = place(request);
        let catalogue = &self.catalogue;
        match request.resource_type.as_str() {
            PARAMETER => {
                let names = [physical_id.to_owned()];
                ssm::delete(catalogue, &place, &names).await.map(drop)
            }
            SECRET => sm::delete_now(catalogue, &SecretRef::read(physical_id, &place)).await,
            SECRET_POLICY => match self.set_policy(request, None).await {
                // The secret went before its policy did.
                Err(fault) if fault.code == "ResourceNotFoundException" => Ok(()),
                done => done.map(drop),
            },
            KEY => {
                let wanted = KeyRef::read(physical_id, &place);
                let found = catalogue.key(&wanted).await?;
                let Some(found) = found.filter(|found| found.key.deleted_at.is_none()) else {
                    return Ok(());
                };
                let days = text(&request.properties, "PendingWindowInDays");
                let days = days
                    .and_then(|days| days.parse().ok())
                    .unwrap_or(USUAL_WINDOW);
                keys::schedule(catalogue, &found, days).await.map(drop)
            }
            ALIAS => {
                let step = Step::DropAlias(physical_id.to_owned());
                let decide = |_: &_| Ok::<_, Fault>(((), vec![step]));
                catalogue.change(&place, decide).await
            }
            _ => Ok(()),
        }
    }

    async fn make_parameter(
        &self,
        place: &Place,
        request: &ResourceRequest,
    ) -> Result<Made, Fault> {
        let properties = &request.properties;
        let name = text(properties, "Name").unwrap_or_else(|| request.generated_name.clone());
        let kind = text(properties, "Type");
        let value = text(properties, "Value").unwrap_or_default();
        ssm::judge_data_type(text(properties, "DataType").as_deref())?;
        let tags = properties.get("Tags").and_then(Value::as_object);
        let tags = tags.into_iter().flatten();
        let wish = ssm::Wish {
            kind: kind.clone(),
            value: value.clone(),
            key: None,
            tier: text(properties, "Tier"),
            description: text(properties, "Description"),
            allowed_pattern: text(properties, "AllowedPattern"),
            tags: tags
                .filter_map(|(key, value)| Some((key.clone(), text_of(value)?)))
                .collect(),
            overwrite: false,
            by: format!("arn:aws:iam::{}:root", place.account),
            owner: Some(owner(request)),
            name: name.clone(),
        };
        ssm::put(&self.catalogue, place, wish).await?;
        let mut attributes = Properties::new();
        attributes.insert("Type".to_owned(), kind.into());
        attributes.insert("Value".to_owned(), value.into());
        Ok(Made {
            physical_id: name,
            attributes,
        })
    }

    async fn make_secret(
        &self,
        place: &Place,
        request: &ResourceRequest,
        old: Option<&Properties>,
    ) -> Result<Made, Fault> {
        let properties = &request.properties;
        let name = text(properties, "Name").unwrap_or_else(|| request.generated_name.clone());
        let (description, key) = (
            text(properties, "Description"),
            text(properties, "KmsKeyId"),
        );
        let is_same = |name: &str| old.is_some_and(|old| old.get(name) == properties.get(name));
        let keeps_value = is_same("SecretString") && is_same("GenerateSecretString");
        let value = match keeps_value {
            true => None,
            false => self.value_of(properties)?,
        };
        let tags = tags(properties);
        let token = self.catalogue.random.request_id().to_string();
        let wanted = SecretRef::read(&name, place);
        if old.is_some() {
            let description = Some(description.unwrap_or_default());
            sm::change_secret(
                &self.catalogue,
                &wanted,
                description,
                Some(key.unwrap_or_default()),
            )
            .await?;
            self.edit_secret(&wanted, |secret| secret.tags = Some(tags))
                .await?;
            if let Some(plain) = value {
                let given = sm::Given {
                    plain,
                    version: token,
                    stages: ["AWSCURRENT".to_owned()].into(),
                };
                sm::put_value(&self.catalogue, &wanted, given).await?;
            }
        } else {
            let wish = sm::SecretWish {
                name,
                description,
                key,
                tags: Some(tags).filter(|tags| !tags.is_empty()),
                value,
                token,
                owner: Some(owner(request)),
            };
            sm::make_secret(&self.catalogue, place, wish).await?;
        }
        let shelf = self.catalogue.shelf(place).await?;
        let arn = shelf.look(|state| Some(wanted.find(state)?.arn(place)));
        let arn = arn.ok_or_else(sm::no_secret)?;
        let mut attributes = Properties::new();
        attributes.insert("Id".to_owned(), arn.as_str().into());
        Ok(Made {
            physical_id: arn,
            attributes,
        })
    }

    /// The value that is given, or the one that is drawn.
    fn value_of(&self, properties: &Properties) -> Result<Option<sm::Plain>, Fault> {
        let plain = |text: String| sm::Plain {
            bytes: text.into_bytes(),
            is_binary: false,
        };
        if let Some(given) = text(properties, "SecretString") {
            return Ok(Some(plain(given)));
        }
        let Some(rules) = properties.get("GenerateSecretString") else {
            return Ok(None);
        };
        let read = sm::PasswordRules::read(|name| rules.get(name).cloned())?;
        let password = sm::password(&read, &*self.catalogue.random)?;
        let member = |name: &str| rules.get(name).and_then(Value::as_str);
        let (template, key) = (member("SecretStringTemplate"), member("GenerateStringKey"));
        let (Some(template), Some(key)) = (template, key) else {
            return Ok(Some(plain(password)));
        };
        let mut value: Value = serde_json::from_str(template).unwrap_or_default();
        let Some(members) = value.as_object_mut() else {
            return Err(Fault::validation(
                "SecretStringTemplate is not an object of JSON.",
            ));
        };
        members.insert(key.to_owned(), password.into());
        Ok(Some(plain(value.to_string())))
    }

    async fn edit_secret(
        &self,
        wanted: &SecretRef,
        edit: impl FnOnce(&mut Secret),
    ) -> Result<String, Fault> {
        let now = self.catalogue.clock.now();
        self.catalogue
            .change(&wanted.place, |state| {
                let kept = wanted.find(state).ok_or_else(sm::no_secret)?;
                let mut row = kept.row.clone();
                edit(&mut row);
                row.changed_at = now;
                Ok((kept.arn(&wanted.place), vec![Step::PutSecret(row)]))
            })
            .await
    }

    async fn set_policy(
        &self,
        request: &ResourceRequest,
        policy: Option<String>,
    ) -> Result<Made, Fault> {
        if let Some(policy) = &policy {
            sm::read_policy(policy)?;
        }
        let wanted = secret_of(request);
        let arn = self
            .edit_secret(&wanted, |secret| secret.policy = policy)
            .await?;
        let mut attributes = Properties::new();
        attributes.insert("Id".to_owned(), arn.as_str().into());
        Ok(Made {
            physical_id: arn,
            attributes,
        })
    }

    async fn make_key(&self, place: &Place, request: &ResourceRequest) -> Result<Made, Fault> {
        let properties = &request.properties;
        let (spec, usage) = (text(properties, "KeySpec"), text(properties, "KeyUsage"));
        let policy = json_text(properties, "KeyPolicy");
        if let Some(policy) = &policy {
            kms::read_policy(policy)?;
        }
        let wish = keys::Wish {
            description: text(properties, "Description").unwrap_or_default(),
            spec: keys::spec_of(spec.as_deref(), usage.as_deref())?,
            policy: policy.clone(),
            tags: tags(properties),
            multi_region: flag(properties, "MultiRegion").unwrap_or(false),
            enabled: true,
            owner: Some(owner(request)),
        };
        let found = keys::make(&self.catalogue, place, wish).await?;
        self.settle_key(&found, properties, policy).await?;
        let arn = found.arn();
        let attributes = json!({"Arn": arn, "KeyId": found.key.id});
        Ok(Made {
            physical_id: found.key.id.clone(),
            attributes: attributes.as_object().cloned().unwrap_or_default(),
        })
    }

    /// Brings a key to what its properties say.
    async fn settle_key(
        &self,
        found: &FoundKey,
        properties: &Properties,
        policy: Option<String>,
    ) -> Result<(), Fault> {
        let now = self.catalogue.clock.now();
        let days = text(properties, "RotationPeriodInDays").and_then(|days| days.parse().ok());
        let days: i64 = days.unwrap_or(kms::USUAL_DAYS);
        self.catalogue
            .change(&found.place, |state| {
                let Some(there) = state.keys.get(&found.key.id) else {
                    return Ok::<_, Fault>(((), Vec::new()));
                };
                let mut key = Key::clone(there);
                key.description = text(properties, "Description").unwrap_or_default();
                key.enabled = flag(properties, "Enabled").unwrap_or(true);
                key.tags = tags(properties);
                key.policy = policy.unwrap_or_else(|| keys::default_policy(&found.place));
                let rotates = flag(properties, "EnableKeyRotation") == Some(true);
                let is_so = key
                    .rotation
                    .as_ref()
                    .is_some_and(|rotation| rotation.days == days);
                let mut steps = match (rotates, is_so) {
                    (true, true) => Vec::new(),
                    (true, false) => kms::turn_on(found, &mut key, days, now),
                    (false, _) => kms::turn_off(found, &mut key),
                };
                steps.push(Step::PutKey(key));
                Ok(((), steps))
            })
            .await
    }

    async fn make_alias(&self, place: &Place, request: &ResourceRequest) -> Result<Made, Fault> {
        let properties = &request.properties;
        let name = text(properties, "AliasName").unwrap_or_default();
        kms::judge_alias(&name)?;
        let target = text(properties, "TargetKeyId").unwrap_or_default();
        let wanted = KeyRef::read(&target, place);
        let target = self.catalogue.key(&wanted).await?;
        let wish = kms::AliasWish {
            name: name.clone(),
            target: target.ok_or_else(|| kms::missing(&wanted))?,
            owner: Some(owner(request)),
            may_be_there: false,
        };
        kms::put_alias(&self.catalogue, place, wish).await?;
        Ok(Made {
            physical_id: name,
            attributes: Properties::new(),
        })
    }
}

/// What a resource is made for: another try finds it by this.
fn owner(request: &ResourceRequest) -> String {
    format!(
        "{}/{}/{}",
        request.stack, request.logical_id, request.generated_name
    )
}

fn tags(properties: &Properties) -> Tags {
    let tags = properties.get("Tags").and_then(Value::as_array);
    let tags = tags.into_iter().flatten();
    let read =
        tags.filter_map(|tag| Some((text_of(tag.get("Key")?)?, text_of(tag.get("Value")?)?)));
    read.collect()
}
