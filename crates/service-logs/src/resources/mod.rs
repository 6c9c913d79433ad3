//! Log groups and what belongs to them, and alarms, that templates ask for.
//!
//! Lives here: the provider.
//! Does not live here: the properties (`tables`), the order of resources (`deployment`).
//!
//! Contract: AWS CloudFormation Template Reference, `AWS::Logs` and `AWS::CloudWatch`, "Return values" of each type.

mod tables;

use std::sync::Arc;

use interfaces::BoxFuture;
use interfaces::resource_provider::{
    Made, Properties, PropertyProblem, ProviderError, ResourceProvider, ResourceRequest, UpdatePlan,
};
use resource_types::{Details as _, problem_at, text_of};
use serde_json::{Map, Value, json};

use crate::engine::catalogue::Catalogue;
use crate::engine::keys::Place;
use crate::engine::rows::{Subscription, Tags};
use crate::fault::Fault;
use crate::filter::Pattern;
use crate::logs::{Context, groups, metric_filters, policies, streams, subscriptions};
use crate::metrics;

pub use tables::coverage;
use tables::{ALARM, GROUP, METRIC_FILTER, POLICY, STREAM, SUBSCRIPTION, TYPES, table};

/// The provider of all these types.
pub(crate) struct Logs {
    catalogue: Arc<Catalogue>,
}

impl Logs {
    pub(crate) fn new(catalogue: Arc<Catalogue>) -> Self {
        Self { catalogue }
    }

    async fn make(
        &self,
        physical_id: Option<&str>,
        request: &ResourceRequest,
    ) -> Result<Made, Fault> {
        let place = &place(request);
        let context = &Context {
            catalogue: &self.catalogue,
            place,
        };
        let properties = &request.properties;
        let id = physical_id.map_or_else(|| self.physical_id(request), str::to_owned);
        let group =
            || groups::name_in(&text(properties, "LogGroupName").unwrap_or_default()).to_owned();
        let mut attributes = Properties::new();
        match request.resource_type.as_str() {
            GROUP => {
                groups::create(context, group_wish(&id, request)).await?;
                let arn = format!("{}:*", place.group_arn(&id));
                attributes.insert("Arn".to_owned(), arn.into());
            }
            STREAM => match streams::create(context, &group(), &id).await {
                Err(fault) if fault.code == "ResourceAlreadyExistsException" => {}
                made => made?,
            },
            SUBSCRIPTION => {
                let wanted = self.subscription(&id, properties);
                subscriptions::put_declared(context, &group(), wanted).await?;
            }
            METRIC_FILTER => {
                let pattern = text(properties, "FilterPattern").unwrap_or_default();
                let given = properties
                    .get("MetricTransformations")
                    .unwrap_or(&Value::Null);
                let transformations = transformations(given);
                let filter = metric_filters::read(
                    id.clone(),
                    pattern,
                    &transformations,
                    self.catalogue.now_ms(),
                )?;
                metric_filters::put(context, &group(), filter).await?;
            }
            POLICY => {
                let document = document(properties);
                policies::put(context, id.clone(), document).await?;
            }
            ALARM => {
                let mut members: Map<String, Value> = properties.clone();
                members.insert("AlarmName".to_owned(), id.as_str().into());
                let context = metrics::Context {
                    catalogue: &self.catalogue,
                    place,
                };
                metrics::alarms::put(&context, &members, Some(owner(request)))
                    .await
                    .map_err(of_metrics)?;
                let arn = place.arn("cloudwatch", format!("alarm:{id}")).to_string();
                attributes.insert("Arn".to_owned(), arn.into());
            }
            other => return Err(Fault::not_implemented(other)),
        }
        Ok(Made {
            physical_id: id,
            attributes,
        })
    }

    fn subscription(&self, name: &str, properties: &Properties) -> Subscription {
        let distribution = text(properties, "Distribution");
        Subscription {
            name: name.to_owned(),
            pattern: text(properties, "FilterPattern").unwrap_or_default(),
            destination: text(properties, "DestinationArn").unwrap_or_default(),
            role: text(properties, "RoleArn"),
            distribution: distribution.unwrap_or_else(|| "ByLogStream".to_owned()),
            created_ms: self.catalogue.now_ms(),
        }
    }

    async fn remove(&self, id: &str, request: &ResourceRequest) -> Result<(), Fault> {
        let place = &place(request);
        let context = &Context {
            catalogue: &self.catalogue,
            place,
        };
        let group = text(&request.properties, "LogGroupName").unwrap_or_default();
        let group = groups::name_in(&group);
        let gone = match request.resource_type.as_str() {
            GROUP => groups::delete(context, id).await,
            STREAM => streams::delete(context, group, id).await,
            SUBSCRIPTION => subscriptions::delete(context, group, id).await,
            METRIC_FILTER => metric_filters::delete(context, group, id).await,
            POLICY => policies::delete(context, id).await,
            ALARM => {
                let context = metrics::Context {
                    catalogue: &self.catalogue,
                    place,
                };
                metrics::alarms::delete(&context, &[id.to_owned()])
                    .await
                    .map_err(of_metrics)
            }
            _ => Ok(()),
        };
        match gone {
            Err(fault) if fault.code == "ResourceNotFoundException" => Ok(()),
            gone => gone,
        }
    }
}

impl ResourceProvider for Logs {
    fn resource_types(&self) -> &[&'static str] {
        TYPES
    }

    fn check(&self, resource_type: &str, properties: &Properties) -> Vec<PropertyProblem> {
        let mut problems =
            table(resource_type).map_or_else(Vec::new, |table| table.check(properties));
        if let Some(pattern) = text(properties, "FilterPattern")
            && let Err(error) = Pattern::parse(&pattern)
        {
            let title = "CloudWatch Logs would refuse this pattern".to_owned();
            problems.push(problem_at(&["FilterPattern"], title).because(error.reason));
        }
        if resource_type == GROUP {
            let days =
                text(properties, "RetentionInDays").and_then(|days| days.parse::<i64>().ok());
            if days.is_some_and(|days| !groups::RETENTIONS.contains(&days)) {
                let title = "CloudWatch Logs keeps events for no such time".to_owned();
                let known: Vec<String> = groups::RETENTIONS.iter().map(i64::to_string).collect();
                let cause = format!("RetentionInDays is one of {}", known.join(", "));
                problems.push(problem_at(&["RetentionInDays"], title).because(cause));
            }
        }
        if resource_type == ALARM {
            let problem = problem_at(&[], "this alarm never fires".to_owned()).warning();
            problems
                .push(problem.because("alarms are kept and shown; nothing evaluates them here"));
        }
        problems
    }

    fn physical_id(&self, request: &ResourceRequest) -> String {
        let name = match request.resource_type.as_str() {
            GROUP => "LogGroupName",
            STREAM => "LogStreamName",
            SUBSCRIPTION | METRIC_FILTER => "FilterName",
            POLICY => "PolicyName",
            _ => "AlarmName",
        };
        text(&request.properties, name).unwrap_or_else(|| request.generated_name.clone())
    }

    fn plan_update(&self, resource_type: &str, old: &Properties, new: &Properties) -> UpdatePlan {
        table(resource_type).map_or(UpdatePlan::Nothing, |table| table.plan_update(old, new))
    }

    fn create<'a>(
        &'a self,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>> {
        Box::pin(async move { self.make(None, request).await.map_err(failed) })
    }

    fn update<'a>(
        &'a self,
        physical_id: &'a str,
        _old: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>> {
        Box::pin(async move { self.make(Some(physical_id), request).await.map_err(failed) })
    }

    fn delete<'a>(
        &'a self,
        physical_id: &'a str,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async move { self.remove(physical_id, request).await.map_err(failed) })
    }
}

fn failed(fault: Fault) -> ProviderError {
    ProviderError {
        message: fault.message,
    }
}

fn of_metrics(fault: metrics::MetricFault) -> Fault {
    Fault::new("ValidationException", fault.message)
}

fn place(request: &ResourceRequest) -> Place {
    Place {
        account: request.account.clone(),
        region: request.region.clone(),
    }
}

/// The resource of a stack, as rows note whose they are.
fn owner(request: &ResourceRequest) -> String {
    format!("{}/{}", request.stack, request.logical_id)
}

fn group_wish(name: &str, request: &ResourceRequest) -> groups::Wish {
    let properties = &request.properties;
    groups::Wish {
        name: name.to_owned(),
        kms_key: text(properties, "KmsKeyId"),
        class: text(properties, "LogGroupClass"),
        is_protected: text(properties, "DeletionProtectionEnabled").as_deref() == Some("true"),
        retention_days: text(properties, "RetentionInDays").and_then(|days| days.parse().ok()),
        tags: tags(properties),
        owner: Some(owner(request)),
    }
}

fn tags(properties: &Properties) -> Tags {
    let listed = properties.get("Tags").and_then(Value::as_array);
    let member = |tag: &Value, name: &str| tag.get(name).and_then(text_of);
    let tag = |tag: &Value| Some((member(tag, "Key")?, member(tag, "Value")?));
    listed.into_iter().flatten().filter_map(tag).collect()
}

/// The text of a property; an empty one is none.
fn text(properties: &Properties, name: &str) -> Option<String> {
    properties
        .get(name)
        .and_then(text_of)
        .filter(|text| !text.is_empty())
}

fn document(properties: &Properties) -> String {
    match properties.get("PolicyDocument") {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// As the API has them: members begin with small letters, dimensions are a map.
fn transformations(given: &Value) -> Value {
    let of_map = |dimensions: &Value| {
        let listed = dimensions.as_array().into_iter().flatten();
        let pairs = listed.filter_map(|one| {
            Some((
                one.get("Key")?.as_str()?.to_owned(),
                one.get("Value")?.clone(),
            ))
        });
        Value::Object(pairs.collect())
    };
    let one = |one: &Value| {
        let member = |name: &str| one.get(name).and_then(text_of);
        let standard = member("DefaultValue").and_then(|text| text.parse::<f64>().ok());
        crate::fields::set(json!({
            "metricName": member("MetricName"),
            "metricNamespace": member("MetricNamespace"),
            "metricValue": member("MetricValue"),
            "unit": member("Unit"),
            "defaultValue": standard,
            "dimensions": one.get("Dimensions").map(of_map),
        }))
    };
    given.as_array().into_iter().flatten().map(one).collect()
}
