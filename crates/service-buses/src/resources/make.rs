//! Making, changing and deleting one resource of each type.

use interfaces::resource_provider::{Made, Properties, ResourceRequest};
use resource_types::{attributes, tags_in, text_in};
use serde_json::{Value, json};

use super::tables::{ARCHIVE, BUS, BUS_POLICY, CONNECTION, DESTINATION, GROUP, RULE, SCHEDULE};
use super::{Buses, bus_of, json_text, place};
use crate::engine::catalogue::Change;
use crate::engine::keys::Place;
use crate::engine::rows::{Bus, Connection, Destination, Group, Json, Schedule};
use crate::engine::state::{DEFAULT, Step};
use crate::events::{self, ArchiveWish, BusWish, Context, RuleWish};
use crate::fault::Fault;
use crate::fields::{Fields, insert};
use crate::scheduler;

const NUMBERS: [&str; 3] = [
    "MaximumEventAgeInSeconds",
    "MaximumRetryAttempts",
    "MaximumWindowInMinutes",
];

impl Buses {
    pub(super) async fn make(&self, request: &ResourceRequest) -> Result<Made, Fault> {
        let place = &place(request);
        let context = &self.context(place);
        match request.resource_type.as_str() {
            RULE => make_rule(context, request).await,
            BUS => self.make_bus(context, request).await,
            BUS_POLICY => self.make_policy(place, request).await,
            CONNECTION => self.make_connection(context, request).await,
            DESTINATION => self.make_destination(context, request).await,
            ARCHIVE => make_archive(context, request).await,
            SCHEDULE => self.make_schedule(place, request).await,
            GROUP => self.make_group(place, request).await,
            other => Err(Fault::not_implemented(other)),
        }
    }

    pub(super) async fn remove(
        &self,
        physical_id: &str,
        request: &ResourceRequest,
    ) -> Result<(), Fault> {
        let place = &place(request);
        let context = &self.context(place);
        let of_scheduler = scheduler::Context {
            catalogue: &self.catalogue,
            place,
        };
        let drop = |step: Step| async move {
            let decide = |_: &_| Ok::<_, Fault>(((), Change::one(step)));
            self.catalogue.change(place, decide).await
        };
        match request.resource_type.as_str() {
            RULE => {
                let name = physical_id.rsplit('|').next().unwrap_or_default();
                let bus = bus_of(&request.properties, place);
                events::delete_rule(context, &bus, name).await
            }
            BUS => events::delete_bus(context, place, physical_id)
                .await
                .map(drop_answer),
            BUS_POLICY => self.remove_policy(place, physical_id).await,
            CONNECTION => drop(Step::DropConnection(physical_id.to_owned())).await,
            DESTINATION => drop(Step::DropDestination(physical_id.to_owned())).await,
            ARCHIVE => events::delete_archive(context, physical_id)
                .await
                .map(drop_answer),
            SCHEDULE => {
                let group = text_in(&request.properties, "GroupName");
                let group = group.unwrap_or_else(|| DEFAULT.to_owned());
                let deleted = scheduler::delete_schedule(&of_scheduler, &group, physical_id);
                deleted.await.map(drop_answer)
            }
            GROUP => {
                let deleted = scheduler::delete_group(&of_scheduler, physical_id);
                deleted.await.map(drop_answer)
            }
            _ => Ok(()),
        }
    }

    fn context<'c>(&'c self, place: &'c Place) -> Context<'c> {
        Context {
            catalogue: &self.catalogue,
            place,
            trace: None,
        }
    }

    async fn make_bus(
        &self,
        context: &Context<'_>,
        request: &ResourceRequest,
    ) -> Result<Made, Fault> {
        let (place, properties) = (context.place, &request.properties);
        let name = text_in(properties, "Name").unwrap_or_default();
        let mut shown = Json::new();
        for member in [
            "Description",
            "KmsKeyIdentifier",
            "DeadLetterConfig",
            "LogConfig",
        ] {
            if let Some(value) = properties.get(member).filter(|value| !value.is_null()) {
                shown.insert(member.to_owned(), value.clone());
            }
        }
        let wish = BusWish {
            name: name.clone(),
            shown,
            tags: tags_in(properties).collect(),
            owner: Some(owner(request)),
        };
        events::create_bus(context, place, wish).await?;
        let policy = json_text(properties, "Policy");
        if let Some(policy) = &policy {
            let policy = events::read_policy(policy)?;
            self.edit_policy(place, &name, |_| Some(policy)).await?;
        }
        let arn = place.bus_arn(&name).to_string();
        let mut attributes = attributes(&[("Arn", &arn), ("Name", &name)]);
        if let Some(policy) = policy {
            attributes.insert("Policy".to_owned(), policy.into());
        }
        Ok(Made {
            physical_id: name,
            attributes,
        })
    }

    async fn make_policy(&self, place: &Place, request: &ResourceRequest) -> Result<Made, Fault> {
        let properties = &request.properties;
        let bus = bus_of(properties, place);
        let id = text_in(properties, "StatementId").unwrap_or_default();
        let mut statement = match json_text(properties, "Statement") {
            Some(statement) => serde_json::from_str(&statement)
                .map_err(|error| Fault::validation(format!("Statement is no JSON: {error}")))?,
            None => {
                let principal = match text_in(properties, "Principal").unwrap_or_default() {
                    everybody if everybody == "*" => json!("*"),
                    account => json!({"AWS": format!("arn:aws:iam::{account}:root")}),
                };
                let mut statement = json!({
                    "Effect": "Allow",
                    "Principal": principal,
                    "Action": text_in(properties, "Action"),
                    "Resource": bus.arn(),
                });
                if let Some(condition) = properties.get("Condition") {
                    let member = |name: &str| condition.get(name).and_then(Value::as_str);
                    let key = member("Key").unwrap_or_default();
                    let kind = member("Type").unwrap_or_default();
                    insert(
                        &mut statement,
                        "Condition",
                        json!({kind: {key: member("Value")}}),
                    );
                }
                statement
            }
        };
        insert(&mut statement, "Sid", id.as_str());
        let judged = json!({"Version": "2012-10-17", "Statement": [statement]});
        events::read_policy(&judged.to_string())?;
        self.edit_policy(&bus.place, &bus.name, |there| {
            let mut statements = there.map(events::statements).unwrap_or_default();
            statements.retain(|one| one.get("Sid").and_then(Value::as_str) != Some(&id));
            statements.push(statement);
            Some(events::policy_of(statements))
        })
        .await?;
        Ok(Made {
            physical_id: format!("{}|{id}", bus.name),
            attributes: Properties::new(),
        })
    }

    async fn remove_policy(&self, place: &Place, physical_id: &str) -> Result<(), Fault> {
        let (bus, id) = physical_id
            .split_once('|')
            .unwrap_or((DEFAULT, physical_id));
        let removed = self.edit_policy(place, bus, |there| {
            let mut statements = there.map(events::statements).unwrap_or_default();
            statements.retain(|one| one.get("Sid").and_then(Value::as_str) != Some(id));
            (!statements.is_empty()).then(|| events::policy_of(statements))
        });
        match removed.await {
            // The bus went before its policy did.
            Err(fault) if fault.code == "ResourceNotFoundException" => Ok(()),
            done => done,
        }
    }

    async fn edit_policy(
        &self,
        place: &Place,
        bus: &str,
        edit: impl FnOnce(Option<&Json>) -> Option<Json>,
    ) -> Result<(), Fault> {
        let now = self.catalogue.clock.now();
        self.catalogue
            .change(place, |state| {
                let there = state.buses.get(bus).ok_or_else(|| Fault::no_bus(bus))?;
                let edited = Bus {
                    policy: edit(there.row.policy.as_ref()),
                    modified_at: now,
                    ..there.row.clone()
                };
                Ok(((), Change::one(Step::PutBus(edited))))
            })
            .await
    }

    async fn make_connection(
        &self,
        context: &Context<'_>,
        request: &ResourceRequest,
    ) -> Result<Made, Fault> {
        let (place, properties) = (context.place, &request.properties);
        let kind = text_in(properties, "AuthorizationType").unwrap_or_default();
        let parameters = properties.get("AuthParameters").cloned();
        let now = self.catalogue.clock.now();
        let name = text_in(properties, "Name").unwrap_or_else(|| request.generated_name.clone());
        let wish = Connection {
            id: self.catalogue.random.request_id().to_string(),
            secret_id: self.catalogue.random.request_id().to_string(),
            description: text_in(properties, "Description"),
            parameters: events::read_parameters(&kind, parameters)?,
            created_at: now,
            modified_at: now,
            owner: Some(owner(request)),
            name: name.clone(),
            kind,
        };
        events::create_connection(context, wish).await?;
        let shelf = self.catalogue.shelf(place).await?;
        let made = shelf.look(|state| state.connections.get(&name).cloned());
        let (arn, secret) = made.map_or_else(Default::default, |made| {
            (
                made.arn(place).to_string(),
                events::secret_arn(place, &made),
            )
        });
        let for_policy = place
            .arn("events", format!("connection/{name}"))
            .to_string();
        Ok(Made {
            physical_id: name,
            attributes: attributes(&[
                ("Arn", &arn),
                ("ArnForPolicy", &for_policy),
                ("SecretArn", &secret),
            ]),
        })
    }

    async fn make_destination(
        &self,
        context: &Context<'_>,
        request: &ResourceRequest,
    ) -> Result<Made, Fault> {
        let (place, properties) = (context.place, &request.properties);
        let member = |name: &str| text_in(properties, name).unwrap_or_default();
        let now = self.catalogue.clock.now();
        let name = text_in(properties, "Name").unwrap_or_else(|| request.generated_name.clone());
        let limit = text_in(properties, "InvocationRateLimitPerSecond");
        let wish = Destination {
            id: self.catalogue.random.request_id().to_string(),
            description: text_in(properties, "Description"),
            connection_arn: member("ConnectionArn"),
            endpoint: member("InvocationEndpoint"),
            method: member("HttpMethod"),
            rate_limit: limit.and_then(|limit| limit.parse().ok()).unwrap_or(300),
            created_at: now,
            modified_at: now,
            owner: Some(owner(request)),
            name: name.clone(),
        };
        let answer = events::create_destination(context, wish).await?;
        let arn = answer.get("ApiDestinationArn").and_then(Value::as_str);
        let for_policy = place
            .arn("events", format!("api-destination/{name}"))
            .to_string();
        Ok(Made {
            physical_id: name,
            attributes: attributes(&[
                ("Arn", arn.unwrap_or_default()),
                ("ArnForPolicy", &for_policy),
            ]),
        })
    }

    async fn make_schedule(&self, place: &Place, request: &ResourceRequest) -> Result<Made, Fault> {
        let mut members = with_numbers(&request.properties);
        members
            .entry("Name")
            .or_insert_with(|| request.generated_name.as_str().into());
        let now = self.catalogue.clock.now();
        let schedule = Schedule {
            owner: Some(owner(request)),
            ..scheduler::read_schedule(Fields::of(members), now)?
        };
        let context = scheduler::Context {
            catalogue: &self.catalogue,
            place,
        };
        let name = schedule.name.clone();
        let shelf = self.catalogue.shelf(place).await?;
        let there = shelf.look(|state| state.schedule(&schedule.group, &name).cloned());
        if there.is_some_and(|there| there.owner != schedule.owner) {
            return Err(Fault::exists(format!("Schedule {name} already exists.")));
        }
        let arn = place.schedule_arn(&schedule.group, &name).to_string();
        scheduler::put_schedule(&context, schedule).await?;
        Ok(Made {
            physical_id: name,
            attributes: attributes(&[("Arn", &arn)]),
        })
    }

    async fn make_group(&self, place: &Place, request: &ResourceRequest) -> Result<Made, Fault> {
        let properties = &request.properties;
        let name = text_in(properties, "Name").unwrap_or_else(|| request.generated_name.clone());
        let now = self.catalogue.clock.now();
        let context = scheduler::Context {
            catalogue: &self.catalogue,
            place,
        };
        let wish = Group {
            tags: tags_in(properties).collect(),
            created_at: now,
            modified_at: now,
            token: None,
            owner: Some(owner(request)),
            name: name.clone(),
        };
        scheduler::create_group(&context, wish).await?;
        let arn = place.group_arn(&name).to_string();
        let date = crate::times::iso(now);
        Ok(Made {
            physical_id: name,
            attributes: attributes(&[
                ("Arn", &arn),
                ("CreationDate", &date),
                ("LastModificationDate", &date),
                ("State", "ACTIVE"),
            ]),
        })
    }
}

/// Contract: `AWS::Events::Archive`: `Ref` is the name, and the attributes are `Arn` and `ArchiveName`.
async fn make_archive(context: &Context<'_>, request: &ResourceRequest) -> Result<Made, Fault> {
    let properties = &request.properties;
    let name = text_in(properties, "ArchiveName");
    let name = name.unwrap_or_else(|| request.generated_name.clone());
    let days = text_in(properties, "RetentionDays").and_then(|days| days.parse().ok());
    let wish = ArchiveWish {
        name: name.clone(),
        source: text_in(properties, "SourceArn").unwrap_or_default(),
        description: text_in(properties, "Description"),
        pattern: json_text(properties, "EventPattern"),
        retention_days: days.unwrap_or_default(),
        kms_key: text_in(properties, "KmsKeyIdentifier"),
        owner: Some(owner(request)),
    };
    events::create_archive(context, wish).await?;
    let arn = events::archive_arn(context.place, &name);
    Ok(Made {
        attributes: attributes(&[("Arn", &arn), ("ArchiveName", &name)]),
        physical_id: name,
    })
}

async fn make_rule(context: &Context<'_>, request: &ResourceRequest) -> Result<Made, Fault> {
    let properties = &request.properties;
    let bus = bus_of(properties, context.place);
    let name = text_in(properties, "Name").unwrap_or_else(|| request.generated_name.clone());
    let listed = properties.get("Targets").and_then(Value::as_array);
    let mut targets: Vec<Json> = Vec::new();
    for target in listed.into_iter().flatten().filter_map(Value::as_object) {
        let target = with_numbers(target);
        events::targets::judge(&target)?;
        targets.push(target);
    }
    let shelf = context.catalogue.shelf(&bus.place).await?;
    let owner = owner(request);
    let there = shelf.look(|state| state.rule(&bus.name, &name).cloned());
    if there.is_some_and(|there| there.row.owner.as_ref() != Some(&owner)) {
        return Err(Fault::exists(format!("Rule {name} already exists.")));
    }
    let wish = RuleWish {
        name: name.clone(),
        description: text_in(properties, "Description"),
        pattern: json_text(properties, "EventPattern"),
        expression: text_in(properties, "ScheduleExpression"),
        state: text_in(properties, "State"),
        role: text_in(properties, "RoleArn"),
        tags: Some(tags_in(properties).collect()),
        targets: Some(targets),
        owner: Some(owner),
    };
    events::put_rule(context, &bus, wish).await?;
    let arn = bus.place.rule_arn(&bus.name, &name).to_string();
    Ok(Made {
        physical_id: match bus.name.as_str() {
            DEFAULT => name,
            bus => format!("{bus}|{name}"),
        },
        attributes: attributes(&[("Arn", &arn)]),
    })
}

/// The resource of a stack, as rows note whose they are.
fn owner(request: &ResourceRequest) -> String {
    format!("{}/{}", request.stack, request.logical_id)
}

/// Parameters of templates are texts; CloudFormation takes them for numbers where numbers are wanted.
fn with_numbers(members: &Json) -> Json {
    let converted = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::String(text) if NUMBERS.contains(&name.as_str()) => text
                .parse::<i64>()
                .map_or_else(|_| value.clone(), Value::from),
            Value::Object(inner) if name != "InputTransformer" => with_numbers(inner).into(),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => value.clone(),
        };
        (name.clone(), value)
    };
    let given = members.iter().filter(|(_, value)| !value.is_null());
    given.map(converted).collect()
}

fn drop_answer(_: Value) {}
