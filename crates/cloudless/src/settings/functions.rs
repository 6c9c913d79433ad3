//! What `cloudless.toml` says of functions, applied to those that there are.
//!
//! Lives here: finding the functions that are named, and changing them.
//! Does not live here: what the changes lead to (`runtimes`).

use std::collections::BTreeMap;
use std::sync::Arc;

use model::application::Application;
use model::function::{Function, Starts};
use model::problem::Problem;
use model::suggestion;

use super::keys::word_of;
use super::{OneFunction, Settings};
use crate::functions;

/// Names that are listed when one is not found.
const LISTED_MAX: usize = 12;

impl Settings {
    /// Changes the functions as it says; the problems are names that none of them has.
    ///
    /// `declared` holds the names of all functions of the project by their logical ids: also of those that do not run.
    #[must_use]
    pub fn apply(
        &self,
        application: &mut Application,
        declared: &BTreeMap<String, String>,
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut named: BTreeMap<&str, &OneFunction> = BTreeMap::new();
        for one in &self.functions {
            let Some(name) = functions::find(declared, &one.name) else {
                problems.push(unknown(one, declared));
                continue;
            };
            if let Some(first) = named.insert(name, one) {
                problems.push(twice(one, first));
            }
        }
        let latest = application.functions.values_mut();
        let qualified = application.qualified.values_mut();
        for function in latest.chain(qualified.flat_map(BTreeMap::values_mut)) {
            let own = named.get(function.name.as_str()).and_then(|one| one.starts);
            if let Some(starts) = own.or(self.starts) {
                set_starts(function, starts);
            }
        }
        problems
    }
}

fn set_starts(function: &mut Arc<Function>, starts: Starts) {
    if function.starts == starts {
        return;
    }
    let function = Arc::make_mut(function);
    function.starts = starts;
    // Instances that came to be in another way are none of this version's.
    function.fingerprint = format!("{}-{}", function.fingerprint, word_of(starts));
}

fn unknown(one: &OneFunction, declared: &BTreeMap<String, String>) -> Problem {
    let written: Vec<String> = declared
        .keys()
        .map(|id| functions::written_name(id))
        .collect();
    let known = written
        .iter()
        .chain(declared.keys())
        .chain(declared.values());
    let title = format!("no function is called `{}`", one.name);
    let problem = Problem::error("settings::unknown-function", title).at(&one.place);
    if let Some(meant) = suggestion::nearest(&one.name, known.map(String::as_str)) {
        return problem.help(format!("did you mean `{meant}`?"));
    }
    let listed: Vec<String> = written
        .iter()
        .take(LISTED_MAX)
        .map(|name| format!("`{name}`"))
        .collect();
    problem.help(match written.len() {
        0 => "the project has no functions: remove the table".to_owned(),
        count if LISTED_MAX < count => format!("there are {} and more", listed.join(", ")),
        _ => format!("there are {}", listed.join(", ")),
    })
}

fn twice(one: &OneFunction, first: &OneFunction) -> Problem {
    let title = format!("`{}` and `{}` are the same function", first.name, one.name);
    Problem::error("settings::function-twice", title)
        .at(&one.place)
        .because(format!("what is said of `{}` counts", one.name))
        .help("remove one of the two tables")
}
