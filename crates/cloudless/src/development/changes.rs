//! What a reload changed, in one line.
//!
//! Lives here: comparing two revisions of an application as its developer sees it: functions, routes, event sources.
//! Does not live here: what else changed, as tables, which their services say (`deployment`).

use std::collections::{BTreeMap, BTreeSet};

use gateway::routes::routes_table;
use model::application::Application;
use model::function::LATEST;

use crate::functions;

/// Names that are listed of one kind of change.
const LISTED_MAX: usize = 3;

/// As `functions changed: hello; routes added: GET /a, GET /b`; empty when none of them did.
pub(super) fn between(before: &Application, after: &Application) -> String {
    [
        ("functions", functions_of(before), functions_of(after)),
        ("routes", routes_of(before), routes_of(after)),
        (
            "event sources",
            event_sources_of(before),
            event_sources_of(after),
        ),
    ]
    .into_iter()
    .flat_map(|(what, before, after)| compare(what, &before, &after))
    .collect::<Vec<_>>()
    .join("; ")
}

/// What a developer could notice of each, by its name.
type Marks = BTreeMap<String, BTreeSet<String>>;

fn functions_of(application: &Application) -> Marks {
    let latest = application.functions.values().map(|it| (LATEST, it));
    let qualified = application.qualified.values().flatten();
    let qualified = qualified.map(|(qualifier, it)| (qualifier.as_str(), it));
    let mut marks = Marks::new();
    for (qualifier, function) in latest.chain(qualified) {
        let mark = format!(
            "{qualifier} {} {:?} {}",
            function.fingerprint, function.reserved_concurrency, function.provisioned_concurrency
        );
        let name = functions::written_name(function.logical_id.as_str());
        marks.entry(name).or_default().insert(mark);
    }
    marks
}

/// Two APIs may have one route.
fn routes_of(application: &Application) -> Marks {
    let mut marks = Marks::new();
    for row in routes_table(application) {
        marks
            .entry(format!("{} {}", row.method, row.path))
            .or_default()
            .insert(row.answered_by.to_string());
    }
    marks
}

/// By what they call: that is how their owner knows them.
fn event_sources_of(application: &Application) -> Marks {
    let mut marks = Marks::new();
    for mapping in &application.event_sources {
        let resource = &mapping.source.resource;
        let source = resource.split('/').nth(1).unwrap_or(resource);
        marks
            .entry(format!("{source} → {}", mapping.callee.function))
            .or_default()
            .insert(format!("{mapping:?}"));
    }
    marks
}

fn compare(what: &str, before: &Marks, after: &Marks) -> Vec<String> {
    let missing_in = |other: &Marks, all: &Marks| -> Vec<String> {
        let names = all.keys().filter(|name| !other.contains_key(*name));
        names.cloned().collect()
    };
    let differs = |name: &&String| {
        let (before, after) = (before.get(*name), after.get(*name));
        before.is_some() && after.is_some() && before != after
    };
    let changed = after.keys().filter(differs).cloned().collect();
    [
        ("added", missing_in(before, after)),
        ("removed", missing_in(after, before)),
        ("changed", changed),
    ]
    .into_iter()
    .filter(|(_, names)| !names.is_empty())
    .map(|(how, names)| format!("{what} {how}: {}", list(&names)))
    .collect()
}

pub(super) fn list(names: &[String]) -> String {
    let listed = names.iter().take(LISTED_MAX).cloned();
    let text = listed.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED_MAX) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::function::Function;
    use model::ids::RevisionId;

    use super::*;

    fn check(before: &[(&str, &str)], after: &[(&str, &str)], expected: &[&str]) {
        let marks = |pairs: &[(&str, &str)]| -> Marks {
            let pairs = pairs.iter();
            pairs
                .map(|(name, mark)| ((*name).to_owned(), BTreeSet::from([(*mark).to_owned()])))
                .collect()
        };
        assert_eq!(compare("routes", &marks(before), &marks(after)), expected);
    }

    #[test]
    fn what_came_went_and_changed_is_told_apart() {
        check(&[("a", "1")], &[("a", "1")], &[]);
        check(
            &[("a", "1"), ("b", "1")],
            &[("b", "2"), ("c", "1")],
            &["routes added: c", "routes removed: a", "routes changed: b"],
        );
    }

    #[test]
    fn what_is_provisioned_for_a_version_is_told_of_its_function() {
        let with = |provisioned_concurrency: usize| {
            let latest = test_kit::function("hello");
            let published = Function {
                version: "1".to_owned(),
                provisioned_concurrency,
                ..latest.clone()
            };
            let mut application = Application::empty(RevisionId::new("r1"));
            let versions = BTreeMap::from([("1".to_owned(), Arc::new(published))]);
            application.qualified.insert(latest.name.clone(), versions);
            application
                .functions
                .insert(latest.name.clone(), Arc::new(latest));
            application
        };
        assert_eq!(between(&with(1), &with(1)), "");
        assert_eq!(between(&with(1), &with(2)), "functions changed: hello");
    }

    #[test]
    fn a_long_list_is_cut() {
        let after = [("a", ""), ("b", ""), ("c", ""), ("d", ""), ("e", "")];
        check(&[], &after, &["routes added: a, b, c and 2 more"]);
    }
}
