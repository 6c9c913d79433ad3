//! `conformance/operations.md` says of every operation of the services here whether it is carried out, and names all of
//! them: it is held against botocore's models.
//!
//! Lives here: how the page looks. `UPDATE_REFERENCE=1 cargo test -p cloudless --test operations` writes it.
//! Does not live here: the lists (each service's `operations`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and read the environment"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use support::clients::python_with;
use support::text;

/// The release whose models the lists are held against: a newer one may know operations that ours do not name yet.
const BOTOCORE: &str = "1.44.5";

/// Prints the names of all operations of the services that it is given, as botocore has them.
const MODELS: &str = "
import json, sys
import botocore.session
session = botocore.session.get_session()
models = {name: session.get_service_model(name).operation_names for name in sys.argv[1:]}
print(json.dumps({name: list(names) for name, names in models.items()}))
";

/// The operations of each service by their names, with whether they are carried out; services as botocore calls them.
type Operations = BTreeMap<&'static str, BTreeMap<&'static str, bool>>;

fn operations() -> Operations {
    let of = |service: &'static str, names: Vec<(&'static str, bool)>| {
        names
            .into_iter()
            .map(move |(name, is_done)| (service, name, is_done))
    };
    let mut all: Operations = BTreeMap::new();
    let rows = of("lambda", service_functions::operations())
        .chain(of("sqs", service_queues::Service::operations()))
        .chain(of("sns", service_topics::operations().collect()))
        .chain(of("events", service_buses::event_operations().collect()))
        .chain(of(
            "scheduler",
            service_buses::scheduler_operations().collect(),
        ))
        .chain(of("kinesis", service_streams::operations().collect()))
        .chain(of("kms", service_secrets::kms_operations().collect()))
        .chain(of(
            "secretsmanager",
            service_secrets::secretsmanager_operations().collect(),
        ))
        .chain(of("ssm", service_secrets::ssm_operations().collect()))
        .chain(of("logs", service_logs::log_operations().collect()))
        .chain(of(
            "cloudwatch",
            service_logs::metric_operations().collect(),
        ))
        .chain(of("s3", service_objects::operations().collect()))
        .chain(service_identity::operations())
        .chain(service_tables::operations());
    for (service, name, is_done) in rows {
        let twice = all.entry(service).or_default().insert(name, is_done);
        assert_eq!(twice, None, "{service} names {name} twice");
    }
    all
}

#[test]
fn the_page_of_operations_is_what_the_services_list() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/operations.md");
    let page = page(&operations());
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let stale = written
        .lines()
        .zip(page.lines())
        .find(|(is, due)| is != due);
    assert!(
        written == page,
        "conformance/operations.md is stale: UPDATE_REFERENCE=1 cargo test -p cloudless --test operations\n{stale:#?}"
    );
}

#[test]
fn the_services_list_all_operations_of_botocores_models_and_no_others() {
    let ours = operations();
    let wanted = format!("botocore=={BOTOCORE}");
    let python = python_with(&format!("botocore-{BOTOCORE}"), &[&wanted]);
    let output = Command::new(python.join("bin/python3"))
        .args(["-c", MODELS])
        .args(ours.keys())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let models: BTreeMap<String, BTreeSet<String>> =
        serde_json::from_slice(&output.stdout).unwrap();
    let mut faults = Vec::new();
    for (service, names) in &ours {
        let model = models.get(*service).unwrap();
        let missing = model
            .iter()
            .filter(|name| !names.contains_key(name.as_str()));
        faults.extend(missing.map(|name| format!("{service} does not list {name}")));
        let more = names.keys().filter(|name| !model.contains(**name));
        faults.extend(more.map(|name| format!("{service} lists {name}, which is in no model")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn page(operations: &Operations) -> String {
    let mut page = format!(
        "# Operations of the services\n\n\
         Written by `UPDATE_REFERENCE=1 cargo test -p cloudless --test operations`; not to be edited. Names of services and of \
         operations are those of botocore {BOTOCORE}, and the same test holds each list against its models.\n\n\
         An operation that is not carried out is refused by name. What becomes of the parameters of those that are is said on \
         the pages of the [guide](../docs/guide).\n\n\
         | service | carried out | of |\n| --- | ---: | ---: |\n",
    );
    for (service, names) in operations {
        let done = names.values().filter(|is_done| **is_done).count();
        let all = names.len();
        writeln!(page, "| [`{service}`](#{service}) | {done} | {all} |").unwrap();
    }
    for (service, names) in operations {
        write!(
            page,
            "\n## `{service}`\n\n| operation | here |\n| --- | --- |\n"
        )
        .unwrap();
        for (name, is_done) in names {
            let fate = if *is_done { "carried out" } else { "refused" };
            writeln!(page, "| `{name}` | {fate} |").unwrap();
        }
    }
    page
}
