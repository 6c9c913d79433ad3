//! The pages in `docs/reference` say what the tables in the source say.
//!
//! Lives here: how the pages look. `UPDATE_REFERENCE=1 cargo test -p cloudless --test reference` writes them.
//! Does not live here: the tables (`deployment::records`, the services, `manifest::serverless_framework::keys`,
//! `cloudless::settings::keys`).

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use cloudless::settings::keys::{self as settings, SECTIONS, Section};
use manifest::serverless_framework::keys::{self, Key, Shape, Status};
use model::coverage::{Coverage, Fate};

#[test]
fn the_page_of_resources_is_what_their_tables_say() {
    check("cloudformation.md", &cloudformation());
}

#[test]
fn the_page_of_serverless_yml_is_what_its_tables_say() {
    check("serverless-yml.md", &serverless_yml());
}

#[test]
fn the_page_of_cloudless_toml_is_what_its_table_says() {
    check("cloudless-toml.md", &cloudless_toml());
}

fn check(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/reference")
        .join(name);
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let stale = written
        .lines()
        .zip(page.lines())
        .find(|(is, due)| is != due);
    assert!(
        written == page,
        "docs/reference/{name} is stale: UPDATE_REFERENCE=1 cargo test -p cloudless --test reference\n{stale:#?}"
    );
}

fn cloudformation() -> String {
    let mut types: BTreeMap<&str, Vec<Coverage>> = BTreeMap::new();
    let rows = [
        deployment::records::coverage(),
        service_buses::coverage(),
        service_secrets::coverage(),
        service_streams::coverage(),
        service_identity::coverage(),
        service_logs::coverage(),
        service_objects::coverage(),
        service_queues::coverage(),
        service_tables::coverage(),
        service_topics::coverage(),
    ];
    for row in rows.into_iter().flatten() {
        types.entry(row.resource_type).or_default().push(row);
    }
    let mut page = String::from(
        "# Resources of templates\n\n\
         <!-- Written by a test: UPDATE_REFERENCE=1 cargo test -p cloudless --test reference -->\n\n\
         These are the resource types that Cloudless makes, in SAM and CloudFormation templates and in the `resources` of a \
         `serverless.yml`, with what becomes of each property:\n\n\
         - **carried out**: it does what it does in the cloud;\n\
         - **no effect**: it is accepted, and does nothing here;\n\
         - **missing**: Cloudless says so when a template uses it, and does without it.\n\n\
         Some resources are reported as a whole, since what they stand for is not served: buckets, for one, are only names, and \
         methods behind an authorizer are refused.\n\n\
         A property that is not listed is refused as CloudFormation refuses it, or belongs to a value that is passed on as it is. \
         A resource of any other type is reported as [`deployment::unknown-type`](../errors/README.md) and left out.\n",
    );
    for (resource_type, rows) in types {
        write!(
            page,
            "\n## `{resource_type}`\n\n| property | here |\n| --- | --- |\n"
        )
        .unwrap();
        for row in rows {
            let fate = match row.fate {
                Fate::CarriedOut => "carried out".to_owned(),
                Fate::NoEffect(why) => format!("no effect: {why}"),
                Fate::Missing(what) => format!("missing: {what}"),
            };
            writeln!(page, "| `{}` | {} |", row.property, cell(&fate)).unwrap();
        }
    }
    page
}

fn serverless_yml() -> String {
    let mut sections: BTreeMap<(usize, &str), Vec<&Key>> = BTreeMap::new();
    for key in keys::all() {
        sections.entry(section(key.path)).or_default().push(key);
    }
    let mut page = String::from(
        "# Keys of `serverless.yml`\n\n\
         <!-- Written by a test: UPDATE_REFERENCE=1 cargo test -p cloudless --test reference -->\n\n\
         These are the keys that the Serverless Framework 3 knows, with what becomes of each. `*` is any name, `[]` each item of a \
         list.\n\n\
         - **carried out**: the template gets what the Serverless Framework would write into it; what becomes of that is in \
         [Resources of templates](cloudformation.md);\n\
         - **no effect**: it is accepted, and does nothing here;\n\
         - **missing**: Cloudless says so when a manifest uses it, and does without it.\n\n\
         Any other key is reported as [`manifest::unknown-key`](../errors/README.md).\n",
    );
    for ((_, title), mut keys) in sections {
        keys.sort_by_key(|key| key.path);
        write!(
            page,
            "\n## {title}\n\n| key | value | here |\n| --- | --- | --- |\n"
        )
        .unwrap();
        for key in keys {
            let status = match key.status {
                Status::Done => "carried out".to_owned(),
                Status::NoEffect(why) => format!("no effect: {why}"),
                Status::Refused(what) => format!("missing: {what}"),
            };
            let (path, shape) = (key.path, shape(key.shape));
            writeln!(page, "| `{path}` | {shape} | {} |", cell(&status)).unwrap();
        }
    }
    page
}

fn cloudless_toml() -> String {
    let mut page = String::from(
        "# Keys of `cloudless.toml`\n\n\
         <!-- Written by a test: UPDATE_REFERENCE=1 cargo test -p cloudless --test reference -->\n\n\
         The file is optional and stands beside the manifest; [Configuration](../guide/configuration.md) says how it is used. Any \
         other key is reported as [`settings::unknown-key`](../errors/README.md).\n",
    );
    for section in SECTIONS {
        let (name, note) = match section {
            Section::Functions => (
                "`[functions]`",
                "For all functions, or for one under `[functions.NAME]`, which wins. Takes effect when the file is saved.",
            ),
            Section::Limits => ("`[limits]`", "Takes effect when the server starts."),
            Section::Sandbox => (
                "`[sandbox]`",
                "How functions are locked in; see [Sandboxes](../guide/sandbox.md). Takes effect when the server starts.",
            ),
            Section::Server => ("`[server]`", "Takes effect when the server starts."),
            Section::Services => (
                "`[services.NAME]`",
                "An engine in place of a service; `NAME` is `dynamodb`, `events`, `kinesis`, `logs`, `monitoring`, `s3`, `scheduler`, `sns` or `sqs`. See \
                 [Real engines](../guide/real-engines.md). Takes effect when the server starts.",
            ),
            Section::Tls => (
                "`[tls]`",
                "HTTPS; see [Tokens, HTTPS and proxies](../guide/tokens.md). Takes effect when the server starts.",
            ),
        };
        write!(
            page,
            "\n## {name}\n\n{note}\n\n| key | value | without it | what it sets |\n| --- | --- | --- | --- |\n"
        )
        .unwrap();
        for key in section.keys() {
            let settings::Key {
                name,
                value,
                default,
                meaning,
                ..
            } = key;
            writeln!(page, "| `{name}` | {value} | {default} | {meaning} |").unwrap();
        }
    }
    page
}

/// Where a key stands on the page: sections come in the order in which people write manifests.
fn section(path: &str) -> (usize, &'static str) {
    if path.starts_with("functions.*.events[].") {
        (3, "Events")
    } else if path.starts_with("functions") {
        (2, "Functions")
    } else if path.starts_with("provider") {
        (1, "Provider")
    } else {
        (0, "Service")
    }
}

fn shape(shape: Shape) -> &'static str {
    match shape {
        Shape::Any => "any",
        Shape::Text => "text",
        Shape::Number => "number",
        Shape::Flag => "boolean",
        Shape::List => "list",
        Shape::ArnOrList => "ARN or list",
        Shape::Mapping => "mapping",
    }
}

/// A text that fits into a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
