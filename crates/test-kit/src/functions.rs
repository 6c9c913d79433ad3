//! A function of which only the name matters.
//!
//! Lives here: plain values for everything else.
//! Does not live here: functions that really run (`runtimes` brings code and an interpreter).

use std::collections::BTreeMap;
use std::time::Duration;

use model::arn::Arn;
use model::function::{Function, LATEST, Language, RuntimeName, Starts, Toolchain};
use model::ids::{AccountId, FunctionName, LogicalId, Region, RevisionId};
use model::limits::{LAMBDA_EPHEMERAL_STORAGE_MB_DEFAULT, LAMBDA_MEMORY_MB_MIN};

/// The function of this name, of the development account.
#[must_use]
pub fn function(name: &str) -> Function {
    let (account, region) = (AccountId::development(), Region::new("us-east-1"));
    let logical_id = LogicalId::new(name);
    let name = FunctionName::new(name);
    Function {
        logical_id,
        arn: Arn::of_function(&region, &account, &name),
        role: Arn::new("iam", &region, &account, "role/f"),
        name,
        version: LATEST.to_owned(),
        account,
        region,
        runtime: RuntimeName {
            language: Language::Node,
            major: 20,
            minor: 0,
        },
        handler: "app.handler".to_owned(),
        code_root: "/code".into(),
        layers: Vec::new(),
        toolchain: Toolchain {
            interpreter: "/bin/node".into(),
            version: "20.0.0".to_owned(),
            dependency_paths: Vec::new(),
            sdk_paths: Vec::new(),
        },
        environment: BTreeMap::new(),
        memory_mb: LAMBDA_MEMORY_MB_MIN,
        timeout: Duration::from_secs(3),
        ephemeral_storage_mb: LAMBDA_EPHEMERAL_STORAGE_MB_DEFAULT,
        reserved_concurrency: None,
        provisioned_concurrency: 0,
        log_group: None,
        starts: Starts::default(),
        fingerprint: "1".to_owned(),
        revision: RevisionId::new("r1"),
        place: None,
    }
}
