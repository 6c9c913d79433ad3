//! Who may import whom, and that every third party has one version.
//!
//! Lives here: the import table of the design, compared with `cargo metadata`.
//! Does not live here: what each crate is for (`ARCHITECTURE.md`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Who may import whom, leaves first. Adding an arrow is a design decision: it needs a record.
/// `cloudless` alone may import everything.
const IMPORTS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("interfaces", &["model", "policy"]),
    ("aws-wire", &["model"]),
    ("mapping-templates", &[]),
    ("patterns", &["model"]),
    ("policy", &["model"]),
    ("sandbox", &[]),
    ("cloudformation", &["model"]),
    ("manifest", &["model", "cloudformation"]),
    ("build", &["model"]),
    ("store", &["model"]),
    ("store-embedded", &["model", "store"]),
    ("outbox", &["model", "store"]),
    ("resource-types", &["model", "interfaces"]),
    (
        "gateway",
        &[
            "model",
            "interfaces",
            "aws-wire",
            "policy",
            "mapping-templates",
        ],
    ),
    ("invoker", &["model", "interfaces"]),
    ("runtimes", &["model", "interfaces", "sandbox"]),
    ("service-tables", SERVICE),
    ("service-functions", SERVICE),
    ("service-queues", SERVICE),
    ("service-topics", SERVICE),
    ("service-buses", SERVICE),
    ("service-objects", SERVICE),
    ("service-streams", SERVICE),
    ("service-identity", SERVICE),
    ("service-secrets", SERVICE),
    ("service-logs", SERVICE),
    (
        "event-delivery",
        &[
            "model",
            "interfaces",
            "store",
            "patterns",
            "policy",
            "outbox",
        ],
    ),
    (
        "deployment",
        &[
            "model",
            "interfaces",
            "store",
            "cloudformation",
            "patterns",
            "resource-types",
        ],
    ),
    ("test-kit", &["model", "interfaces", "policy"]),
    ("xtask", &[]),
];

/// What each service may import: the nouns, the seams, and the tools. Never another service.
const SERVICE: &[&str] = &[
    "model",
    "interfaces",
    "store",
    "aws-wire",
    "policy",
    "patterns",
    "outbox",
    "resource-types",
];

/// What only tests may import, besides the table.
const TEST_IMPORTS: &[&str] = &["test-kit", "store-embedded"];

const EVERYTHING: &str = "cloudless";

pub(super) fn violations(root: &Path) -> Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("`cargo metadata` failed")?;
    let mut found = forbidden(&edges(&metadata), IMPORTS);
    found.extend(several_versions(&metadata));
    found.extend(lints_missing(&metadata)?);
    Ok(found)
}

/// `(importer, imported, what for)` between crates of the workspace.
type Edge = (String, String, DependencyKind);

fn edges(metadata: &Metadata) -> Vec<Edge> {
    let members: BTreeSet<&str> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut edges = Vec::new();
    for package in &metadata.packages {
        for dependency in &package.dependencies {
            if members.contains(dependency.name.as_str()) {
                edges.push((
                    package.name.to_string(),
                    dependency.name.clone(),
                    dependency.kind,
                ));
            }
        }
    }
    edges
}

fn forbidden(edges: &[Edge], table: &[(&str, &[&str])]) -> Vec<String> {
    let mut found = Vec::new();
    for (importer, imported, kind) in edges {
        let in_tests = *kind == DependencyKind::Development;
        if importer == EVERYTHING || (in_tests && TEST_IMPORTS.contains(&imported.as_str())) {
            continue;
        }
        let allowed = table
            .iter()
            .find(|(name, _)| name == importer)
            .map(|(_, allowed)| *allowed);
        match allowed {
            None => found.push(format!("`{importer}` is not in the import table of xtask/src/tidy/imports.rs")),
            Some(allowed) if allowed.contains(&imported.as_str()) => {}
            Some(_) => found.push(format!(
                "`{importer}` imports `{imported}` (crates/{importer}/Cargo.toml): siblings never import one another, only \
                 wiring joins them; if the arrow is right, it needs a decision record and a line in xtask/src/tidy/imports.rs"
            )),
        }
    }
    found
}

fn several_versions(metadata: &Metadata) -> Vec<String> {
    let mut wanted: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for dependency in metadata
        .packages
        .iter()
        .flat_map(|package| &package.dependencies)
    {
        wanted
            .entry(&dependency.name)
            .or_default()
            .insert(dependency.req.to_string());
    }
    let several = wanted
        .into_iter()
        .filter(|(_, versions)| versions.len() > 1);
    several.map(|(name, versions)| format!("`{name}` is asked for in several versions: {versions:?}; use `{name}.workspace = true`")).collect()
}

fn lints_missing(metadata: &Metadata) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for package in &metadata.packages {
        let text = std::fs::read_to_string(&package.manifest_path)
            .with_context(|| format!("cannot read {}", package.manifest_path))?;
        if !text.contains("[lints]\nworkspace = true") {
            found.push(format!(
                "{} lacks `[lints] workspace = true`",
                package.manifest_path
            ));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[(&str, &[&str])] = &[
        ("model", &[]),
        ("gateway", &["model"]),
        ("invoker", &["model"]),
    ];

    fn check(importer: &str, imported: &str, kind: DependencyKind) -> usize {
        forbidden(&[(importer.to_owned(), imported.to_owned(), kind)], TABLE).len()
    }

    #[test]
    fn an_arrow_of_the_table_is_allowed() {
        assert_eq!(check("gateway", "model", DependencyKind::Normal), 0);
    }

    #[test]
    fn siblings_may_not_import_one_another() {
        assert_eq!(check("gateway", "invoker", DependencyKind::Normal), 1);
        assert_eq!(check("gateway", "invoker", DependencyKind::Development), 1);
    }

    #[test]
    fn a_crate_that_the_table_does_not_know_is_named() {
        assert_eq!(check("stranger", "model", DependencyKind::Normal), 1);
    }

    #[test]
    fn tests_may_use_the_test_kit_and_the_product_may_not() {
        assert_eq!(check("gateway", "test-kit", DependencyKind::Development), 0);
        assert_eq!(check("gateway", "test-kit", DependencyKind::Normal), 1);
    }
}
