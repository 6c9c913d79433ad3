//! Rules.

use model::time::Timestamp;
use patterns::{Pattern, PatternError};
use serde_json::{Value, json};

use super::{BusRef, Context};
use crate::engine::catalogue::Change;
use crate::engine::clockwork::due_of_rule;
use crate::engine::keys::{Fires, Place};
use crate::engine::publish::text;
use crate::engine::rows::{Json, Rule, Tags};
use crate::engine::state::{DEFAULT, KeptRule, State, Step};
use crate::fault::{Answer, Fault};
use crate::fields::{self, ARN, BUS, DESCRIPTION, Fields, NAME, Text, insert, page, paged};
use crate::roles::{self, By};
use crate::times::Expression;

/// Rules of a bus.
const RULES_MAX: usize = 10_000;
const PAGE_MAX: i64 = 100;
const STATES: Text = Text::one_of(&[
    "ENABLED",
    "DISABLED",
    "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
]);
const PATTERN: Text = Text::long(0, 4_096);
const EXPRESSION: Text = Text::long(0, 256);
const UNLIMITED: Text = Text::long(0, usize::MAX);
/// What an event that is to be tried has to have.
const EVENT_MEMBERS: [&str; 6] = ["id", "account", "source", "time", "region", "detail-type"];

/// A rule as somebody wants it.
pub(crate) struct Wish {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) pattern: Option<String>,
    pub(crate) expression: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) tags: Option<Tags>,
    /// Those that it has from now on; none: those that it has.
    pub(crate) targets: Option<Vec<Json>>,
    /// The resource of a stack that it is for.
    pub(crate) owner: Option<String>,
}

pub(super) async fn put_rule(context: &Context<'_>, mut fields: Fields) -> Answer {
    let wish = Wish {
        name: fields.required("Name", &NAME),
        expression: fields.text("ScheduleExpression", &EXPRESSION),
        pattern: fields.text("EventPattern", &PATTERN),
        state: fields.text("State", &STATES),
        description: fields.text("Description", &DESCRIPTION),
        role: fields.text("RoleArn", &ARN),
        tags: fields::tags(&mut fields)?,
        targets: None,
        owner: None,
    };
    let bus = fields.text("EventBusName", &BUS);
    fields.finish()?;
    let bus = BusRef::read(bus.as_deref(), context.place);
    put(context, &bus, wish).await
}

/// Makes or changes a rule.
pub(crate) async fn put(context: &Context<'_>, bus: &BusRef, wish: Wish) -> Answer {
    let is_given = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    if !is_given(&wish.pattern) && !is_given(&wish.expression) {
        return Err(Fault::validation(
            "Parameter(s) EventPattern or ScheduleExpression must be specified.",
        ));
    }
    if is_given(&wish.expression) && bus.name != DEFAULT {
        return Err(Fault::validation(
            "ScheduleExpression is supported only on the default event bus.",
        ));
    }
    if let Some(pattern) = wish.pattern.as_deref().filter(|text| !text.is_empty()) {
        Pattern::parse(pattern).map_err(|error| pattern_fault(&error))?;
    }
    if let Some(expression) = wish.expression.as_deref().filter(|text| !text.is_empty())
        && Expression::of_rule(expression).is_none()
    {
        return Err(Fault::validation(
            "Parameter ScheduleExpression is not valid.",
        ));
    }
    let now = context.catalogue.clock.now();
    let arn = bus.place.rule_arn(&bus.name, &wish.name);
    let of_targets = wish.targets.iter().flatten();
    let of_targets = of_targets.filter_map(|target| text(target, "RoleArn"));
    for role in wish.role.as_deref().into_iter().chain(of_targets) {
        let by = By::of(wish.owner.as_ref());
        roles::judge(&*context.catalogue.authorize, role, &arn, by)?;
    }
    let arn = arn.to_string();
    context
        .catalogue
        .change(&bus.place, |state| {
            super::buses::find(state, &bus.name)?;
            let there = state.rule(&bus.name, &wish.name).map(|kept| &kept.row);
            if there.is_none() && RULES_MAX <= state.rules_of(&bus.name).count() {
                return Err(Fault::limit());
            }
            let rule = merged(&bus.name, wish, there, now);
            let change = with_due(state, there, rule, now);
            Ok((json!({"RuleArn": arn}), change))
        })
        .await
}

fn merged(bus: &str, wish: Wish, there: Option<&Rule>, now: Timestamp) -> Rule {
    let not_empty = |text: Option<String>| text.filter(|text| !text.is_empty());
    let expression = not_empty(wish.expression);
    let is_same = there.is_some_and(|rule| rule.expression == expression);
    Rule {
        // A deployment that changes nothing does not set the clock back.
        anchor: match there {
            Some(rule) if is_same => rule.anchor,
            Some(_) | None => now,
        },
        bus: bus.to_owned(),
        name: wish.name,
        description: wish.description,
        pattern: not_empty(wish.pattern),
        expression,
        state: wish.state.unwrap_or_else(|| "ENABLED".to_owned()),
        role: wish.role,
        // Contract: `PutRule`: tags of a rule that is there are left alone.
        tags: match (there, wish.tags, &wish.owner) {
            (Some(rule), _, None) => rule.tags.clone(),
            (_, tags, _) => tags.unwrap_or_default(),
        },
        targets: match (wish.targets, there) {
            (Some(targets), _) => targets,
            (None, Some(rule)) => rule.targets.clone(),
            (None, None) => Vec::new(),
        },
        owner: wish
            .owner
            .or_else(|| there.and_then(|rule| rule.owner.clone())),
    }
}

/// The change to this rule, with the time at which it fires next.
fn with_due(state: &State, there: Option<&Rule>, rule: Rule, now: Timestamp) -> Change {
    let key = state.due_key(Fires::Rule, &rule.bus, &rule.name);
    let due = state.dues.get(&key).copied();
    let goes_on =
        there.is_some_and(|there| there.expression == rule.expression && there.state == rule.state);
    let next = match due {
        Some(due) if goes_on => Some(due),
        Some(_) | None => due_of_rule(&rule, now),
    };
    let mut change = Change::default();
    if next != due {
        change.steps.push(Step::SetDue(key, next));
    }
    change.steps.push(Step::PutRule(rule));
    change
}

pub(super) async fn delete_rule(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &NAME);
    let bus = fields.text("EventBusName", &BUS);
    fields.take("Force");
    fields.finish()?;
    let bus = BusRef::read(bus.as_deref(), context.place);
    context
        .catalogue
        .change(&bus.place, |state| {
            super::buses::find(state, &bus.name)?;
            let there = state.rule(&bus.name, &name);
            if there.is_some_and(|kept| !kept.row.targets.is_empty()) {
                let message = "Rule can't be deleted since it has targets.";
                return Err(Fault::validation(message));
            }
            Ok((Value::Null, dropped(state, there)))
        })
        .await
}

/// Deletes a rule with its targets; one that is gone is no error.
pub(crate) async fn delete(context: &Context<'_>, bus: &BusRef, name: &str) -> Result<(), Fault> {
    context
        .catalogue
        .change(&bus.place, |state| {
            Ok(((), dropped(state, state.rule(&bus.name, name))))
        })
        .await
}

fn dropped(state: &State, rule: Option<&std::sync::Arc<KeptRule>>) -> Change {
    let mut change = Change::default();
    if let Some(kept) = rule {
        let (bus, name) = (&kept.row.bus, &kept.row.name);
        let key = state.due_key(Fires::Rule, bus, name);
        if state.dues.contains_key(&key) {
            change.steps.push(Step::SetDue(key, None));
        }
        change.steps.push(Step::DropRule(bus.clone(), name.clone()));
    }
    change
}

pub(super) async fn switch(context: &Context<'_>, mut fields: Fields, to: &str) -> Answer {
    let name = fields.required("Name", &NAME);
    let bus = fields.text("EventBusName", &BUS);
    fields.finish()?;
    let bus = BusRef::read(bus.as_deref(), context.place);
    let now = context.catalogue.clock.now();
    context
        .catalogue
        .change(&bus.place, |state| {
            let there = find(state, &bus.name, &name)?;
            if there.row.state == to {
                return Ok((Value::Null, Change::default()));
            }
            let rule = Rule {
                state: to.to_owned(),
                // A rate counts from when it is switched on.
                anchor: now,
                ..there.row.clone()
            };
            Ok((Value::Null, with_due(state, Some(&there.row), rule, now)))
        })
        .await
}

pub(super) async fn describe_rule(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &NAME);
    let bus = fields.text("EventBusName", &BUS);
    fields.finish()?;
    let bus = BusRef::read(bus.as_deref(), context.place);
    let shelf = context.catalogue.shelf(&bus.place).await?;
    shelf.look(|state| {
        let mut shown = description(&bus.place, &find(state, &bus.name, &name)?.row);
        insert(&mut shown, "CreatedBy", bus.place.account.as_str());
        Ok(shown)
    })
}

pub(super) async fn list_rules(context: &Context<'_>, mut fields: Fields) -> Answer {
    let prefix = fields.text("NamePrefix", &NAME).unwrap_or_default();
    let bus = fields.text("EventBusName", &BUS);
    let limit = fields.whole("Limit", 1, PAGE_MAX).unwrap_or(PAGE_MAX);
    let after = fields.take("NextToken");
    fields.finish()?;
    let bus = BusRef::read(bus.as_deref(), context.place);
    let shelf = context.catalogue.shelf(&bus.place).await?;
    shelf.look(|state| {
        super::buses::find(state, &bus.name)?;
        let rules = state.rules_of(&bus.name).map(|kept| &kept.row);
        let named = rules.filter(|rule| rule.name.starts_with(&prefix));
        let shown = named.map(|rule| (rule.name.clone(), description(&bus.place, rule)));
        let limit = usize::try_from(limit).unwrap_or(1);
        let (rules, token) = page(shown, after.as_ref().and_then(Value::as_str), limit);
        Ok(paged("Rules", json!(rules), token))
    })
}

pub(super) fn test_event_pattern(mut fields: Fields) -> Answer {
    let pattern = fields.required("EventPattern", &PATTERN);
    let event = fields.required("Event", &UNLIMITED);
    fields.finish()?;
    let invalid = || Fault::validation("Parameter Event is not valid.");
    let event: Value = serde_json::from_str(&event).map_err(|_| invalid())?;
    let members = event.as_object().ok_or_else(invalid)?;
    if EVENT_MEMBERS
        .iter()
        .any(|name| !members.contains_key(*name))
    {
        return Err(invalid());
    }
    let pattern = Pattern::parse(&pattern).map_err(|error| pattern_fault(&error))?;
    Ok(json!({"Result": pattern.matches(&event)}))
}

/// Ours: fires every schedule of a name, or that calls a function of that name.
pub(super) async fn fire(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &UNLIMITED);
    fields.finish()?;
    let fired = context.catalogue.fire_now(context.place, &name).await?;
    if fired.is_empty() {
        return Err(Fault::not_found(format!(
            "No schedule is called {name}, and none calls a function of that name."
        )));
    }
    Ok(json!({"Fired": fired}))
}

/// A rule that has to be there, on a bus that has to be there.
pub(super) fn find<'s>(state: &'s State, bus: &str, name: &str) -> Result<&'s KeptRule, Fault> {
    super::buses::find(state, bus)?;
    let found = state.rule(bus, name).map(|kept| &**kept);
    found.ok_or_else(|| Fault::no_rule(bus, name))
}

pub(crate) fn pattern_fault(error: &PatternError) -> Fault {
    let message = format!("Event pattern is not valid. Reason: {}", error.in_full());
    Fault::new("InvalidEventPatternException", message)
}

fn description(place: &Place, rule: &Rule) -> Value {
    let mut shown = json!({
        "Name": rule.name,
        "Arn": place.rule_arn(&rule.bus, &rule.name).to_string(),
    });
    for (name, value) in [
        ("EventPattern", &rule.pattern),
        ("State", &Some(rule.state.clone())),
        ("Description", &rule.description),
        ("ScheduleExpression", &rule.expression),
        ("RoleArn", &rule.role),
        ("EventBusName", &Some(rule.bus.clone())),
    ] {
        if let Some(value) = value {
            insert(&mut shown, name, value.as_str());
        }
    }
    shown
}
