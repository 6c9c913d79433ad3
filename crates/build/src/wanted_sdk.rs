//! Which of the cloud's SDKs a function's runtime is given.
//!
//! Lives here: the bundles that there are, and what goes beyond them.
//! Does not live here: what sources mention (`scan`), installing (`sdk`).

use std::collections::BTreeSet;

use crate::sdk;

/// Packages that the bundle lacks. A scope without a name is a name that is put together at run time.
pub(crate) fn additional(absent: BTreeSet<String>) -> Option<Sdk> {
    let packages: BTreeSet<String> = absent
        .into_iter()
        .filter(|package| !package.ends_with('/') && !sdk::node_v3_has(package))
        .collect();
    (!packages.is_empty()).then_some(Sdk::NodeV3Additional(packages))
}

/// The bundles that there are.
pub(crate) enum Sdk {
    Python,
    NodeV3,
    NodeV3Additional(BTreeSet<String>),
    NodeV2,
}
