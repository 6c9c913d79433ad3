//! Log groups.

use model::arn::Arn;
use serde_json::{Value, json};

use super::Context;
use crate::engine::catalogue::Change;
use crate::engine::rows::{Group, Tags};
use crate::engine::state::{KeptGroup, State, Step};
use crate::fault::{Answer, Fault};
use crate::fields::{self, Fields, Text, group_name, page, paged, set, token_of};

/// Groups of an account and region. Contract: CloudWatch Logs quotas, of which more are given on request.
const GROUPS_MAX: usize = 10_000;
const PAGE_MAX: i64 = 50;
const CLASSES: &[&str] = &["STANDARD", "INFREQUENT_ACCESS", "DELIVERY"];
/// Contract: `PutRetentionPolicy`.
pub(crate) const RETENTIONS: &[i64] = &[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

/// A group as somebody wants it.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    pub(crate) name: String,
    pub(crate) kms_key: Option<String>,
    pub(crate) class: Option<String>,
    pub(crate) is_protected: bool,
    pub(crate) retention_days: Option<i64>,
    pub(crate) tags: Tags,
    /// The resource of a stack that it is for.
    pub(crate) owner: Option<String>,
}

pub(super) async fn create_log_group(context: &Context<'_>, mut fields: Fields) -> Answer {
    let wish = Wish {
        name: group_name(&mut fields, "logGroupName")?,
        kms_key: fields.text("kmsKeyId", &Text::long(0, 256)),
        class: fields.text("logGroupClass", &Text::one_of(CLASSES)),
        is_protected: fields.flag("deletionProtectionEnabled").unwrap_or(false),
        retention_days: None,
        tags: fields::tags(&mut fields)?.unwrap_or_default(),
        owner: None,
    };
    fields.finish()?;
    create(context, wish).await?;
    Ok(Value::Null)
}

/// Makes a group, or changes the one that was made for the same resource.
pub(crate) async fn create(context: &Context<'_>, wish: Wish) -> Result<(), Fault> {
    let now_ms = context.catalogue.now_ms();
    let decide = |state: &State| {
        let there = state.groups.get(&wish.name).map(|kept| &kept.row);
        // A function may have written before its group was made: the resource takes it over.
        let is_taken = |group: &&Group| match &wish.owner {
            None => true,
            owner => group.owner.is_some() && group.owner != *owner,
        };
        if there.filter(is_taken).is_some() {
            return Err(Fault::exists("The specified log group already exists"));
        }
        if there.is_none() && GROUPS_MAX <= state.groups.len() {
            return Err(Fault::limit());
        }
        let group = Group {
            created_ms: there.map_or(now_ms, |there| there.created_ms),
            subscriptions: there
                .map(|there| there.subscriptions.clone())
                .unwrap_or_default(),
            metric_filters: there
                .map(|there| there.metric_filters.clone())
                .unwrap_or_default(),
            retention_days: wish.retention_days,
            kms_key: wish.kms_key,
            class: wish.class.unwrap_or_else(|| "STANDARD".to_owned()),
            is_protected: wish.is_protected,
            tags: wish.tags,
            owner: wish.owner,
            name: wish.name,
        };
        Ok(((), Change::one(Step::PutGroup(group))))
    };
    context.catalogue.change(context.place, decide).await
}

pub(super) async fn delete_log_group(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = group_name(&mut fields, "logGroupName")?;
    fields.finish()?;
    delete(context, &name).await?;
    Ok(Value::Null)
}

pub(crate) async fn delete(context: &Context<'_>, name: &str) -> Result<(), Fault> {
    let decide = |state: &State| {
        if find(state, name)?.row.is_protected {
            let message = "The log group is protected from deletion.";
            return Err(Fault::new("OperationAbortedException", message));
        }
        let mut change = Change::one(Step::DropGroup(name.to_owned()));
        for stream in state.streams_of(name) {
            change.doomed.push(stream.id);
            change
                .steps
                .push(Step::DropStream(name.to_owned(), stream.name.clone()));
        }
        Ok(((), change))
    };
    context.catalogue.change(context.place, decide).await
}

pub(super) async fn describe_log_groups(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse(
        "DescribeLogGroups",
        &["includeLinkedAccounts", "accountIdentifiers"],
    )?;
    let prefix = fields.text("logGroupNamePrefix", &Text::long(1, 512));
    let pattern = fields
        .text("logGroupNamePattern", &Text::long(0, 512))
        .filter(|text| !text.is_empty());
    let class = fields.text("logGroupClass", &Text::one_of(CLASSES));
    let identifiers = fields.texts("logGroupIdentifiers");
    let limit = fields.limit("limit", PAGE_MAX, 50);
    let token = fields.text("nextToken", &Text::long(1, usize::MAX));
    fields.finish()?;
    if prefix.is_some() && pattern.is_some() {
        let message =
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.";
        return Err(Fault::parameter(message));
    }
    let identified: Option<Vec<String>> =
        identifiers.map(|all| all.iter().map(|one| name_in(one).to_owned()).collect());
    let pattern = pattern.map(|pattern| pattern.to_lowercase());
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        let is_meant = |group: &Group| {
            prefix
                .as_ref()
                .is_none_or(|prefix| group.name.starts_with(prefix.as_str()))
                && pattern
                    .as_ref()
                    .is_none_or(|part| group.name.to_lowercase().contains(part.as_str()))
                && class.as_ref().is_none_or(|class| group.class == *class)
                && identified
                    .as_ref()
                    .is_none_or(|names| names.contains(&group.name))
        };
        let groups = state.groups.values().filter(|kept| is_meant(&kept.row));
        let shown = groups.map(|kept| (kept.row.name.clone(), shown(context, state, kept)));
        let (mut listed, mut next) = page(shown, limit, token.as_deref())?;
        // Contract: the recorded answers: a search tells less, and one more page, which is empty.
        if pattern.is_some() {
            for one in listed.iter_mut().filter_map(Value::as_object_mut) {
                one.retain(|name, _| name != "storedBytes" && name != "deletionProtectionEnabled");
            }
            let last = listed
                .last()
                .and_then(|one| one.get("logGroupName")?.as_str());
            next = next.or_else(|| last.map(token_of));
        }
        Ok(paged("logGroups", listed, next))
    })
}

fn shown(context: &Context<'_>, state: &State, kept: &KeptGroup) -> Value {
    let group = &kept.row;
    let arn = context.place.group_arn(&group.name).to_string();
    set(json!({
        "logGroupName": group.name,
        "creationTime": group.created_ms,
        "retentionInDays": group.retention_days,
        "metricFilterCount": group.metric_filters.len(),
        "arn": format!("{arn}:*"),
        "logGroupArn": arn,
        "storedBytes": state.bytes_of(&group.name),
        "kmsKeyId": group.kms_key,
        "logGroupClass": group.class,
        "deletionProtectionEnabled": group.is_protected,
    }))
}

pub(super) async fn list_log_groups(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse(
        "ListLogGroups",
        &[
            "includeLinkedAccounts",
            "accountIdentifiers",
            "dataSources",
            "fieldIndexNames",
        ],
    )?;
    let pattern = fields.text("logGroupNamePattern", &Text::long(3, 129));
    let class = fields.text("logGroupClass", &Text::one_of(CLASSES));
    let limit = fields.limit("limit", 1_000, 50);
    let token = fields.text("nextToken", &Text::long(1, usize::MAX));
    fields.finish()?;
    if pattern
        .as_deref()
        .is_some_and(|pattern| pattern.contains(['*', '(', '[', '\\', '+', '?']))
    {
        return Err(Fault::not_implemented(
            "ListLogGroups with a regular expression as its logGroupNamePattern",
        ));
    }
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        // The pattern is made of names that are sought, or that names begin with, separated by bars.
        let is_like = |name: &str, part: &str| match part.strip_prefix('^') {
            Some(start) => name.starts_with(start),
            None => name.contains(part),
        };
        let is_meant = |group: &Group| {
            let pattern = pattern.as_deref();
            pattern.is_none_or(|pattern| pattern.split('|').any(|part| is_like(&group.name, part)))
                && class.as_ref().is_none_or(|class| group.class == *class)
        };
        let groups = state.groups.values().filter(|kept| is_meant(&kept.row));
        let shown = groups.map(|kept| {
            let arn = context.place.group_arn(&kept.row.name).to_string();
            let shown = json!({"logGroupName": kept.row.name, "logGroupArn": arn, "logGroupClass": kept.row.class});
            (kept.row.name.clone(), shown)
        });
        let (listed, token) = page(shown, limit, token.as_deref())?;
        Ok(paged("logGroups", listed, token))
    })
}

pub(super) async fn put_retention_policy(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = group_name(&mut fields, "logGroupName")?;
    let days = fields
        .take("retentionInDays")
        .and_then(|days| days.as_i64());
    fields.finish()?;
    let days = days.filter(|days| RETENTIONS.contains(days));
    let days =
        days.ok_or_else(|| Fault::parameter("Specify a valid value for retentionInDays."))?;
    edit(context, &name, |group| group.retention_days = Some(days)).await
}

pub(super) async fn delete_retention_policy(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = group_name(&mut fields, "logGroupName")?;
    fields.finish()?;
    edit(context, &name, |group| group.retention_days = None).await
}

pub(super) async fn associate_kms_key(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = group_of(&mut fields, "logGroupName", "resourceIdentifier")?;
    let key = fields.required("kmsKeyId", &Text::long(0, 256));
    fields.finish()?;
    edit(context, &name, |group| group.kms_key = Some(key)).await
}

pub(super) async fn disassociate_kms_key(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = group_of(&mut fields, "logGroupName", "resourceIdentifier")?;
    fields.finish()?;
    edit(context, &name, |group| group.kms_key = None).await
}

pub(super) async fn put_protection(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("logGroupIdentifier", &Text::long(1, 2_048));
    let is_protected = fields.flag("deletionProtectionEnabled").unwrap_or(false);
    fields.finish()?;
    edit(context, name_in(&name), |group| {
        group.is_protected = is_protected
    })
    .await
}

/// Changes a group.
pub(super) async fn edit(
    context: &Context<'_>,
    name: &str,
    change: impl FnOnce(&mut Group),
) -> Answer {
    let decide = |state: &State| {
        let mut group = find(state, name)?.row.clone();
        change(&mut group);
        Ok((Value::Null, Change::one(Step::PutGroup(group))))
    };
    context.catalogue.change(context.place, decide).await
}

pub(crate) fn find<'s>(state: &'s State, name: &str) -> Result<&'s KeptGroup, Fault> {
    let found = state.groups.get(name).map(AsRef::as_ref);
    found.ok_or_else(Fault::no_group)
}

/// A group, by one member as its name or by another as name or ARN.
pub(super) fn group_of(fields: &mut Fields, by_name: &str, by_arn: &str) -> Result<String, Fault> {
    let identifier = fields.text(by_arn, &Text::long(1, 2_048));
    let name = fields.text(by_name, &Text::long(1, usize::MAX));
    match (name, identifier) {
        (Some(_), Some(_)) => {
            let message = "LogGroup name and LogGroup ARN are mutually exclusive parameters.";
            Err(Fault::new("ValidationException", message))
        }
        (Some(name), None) if 512 < name.len() => {
            let message =
                "Invalid LogGroup or LogStream, both must have length less than or equal to 512.";
            Err(Fault::parameter(message))
        }
        (Some(name), None) => Ok(name),
        (None, Some(identifier)) => Ok(name_in(&identifier).to_owned()),
        (None, None) => {
            let message = "Either logGroupName or logGroupIdentifier must be given.";
            Err(Fault::new("ValidationException", message))
        }
    }
}

/// The name of a group in its ARN, or itself.
pub(crate) fn name_in(identifier: &str) -> &str {
    let name = match Arn::parse(identifier) {
        Ok(_) => identifier.split_once(":log-group:").map(|(_, rest)| rest),
        Err(_) => None,
    };
    let name = name.map(|name| name.split(':').next().unwrap_or_default());
    name.unwrap_or(identifier)
}
