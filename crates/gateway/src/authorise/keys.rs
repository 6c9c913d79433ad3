//! API keys and the usage plans that make them worth something.
//!
//! Lives here: finding a key by its value, and the plan by which it opens a stage.
//! Does not live here: what the plan lets it do (`throttle`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Usage plans and API keys for REST APIs": a key opens a stage through a
//! plan that names both; a stage is in one plan of a key at most.

use std::collections::HashMap;
use std::sync::Arc;

use model::application::Application;
use model::door::{ApiKey, KeyValue, UsagePlan};
use model::ids::{ApiId, StageName};

use crate::caller::KeyInUse;

/// All keys of a revision, by their values.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    by_value: HashMap<KeyValue, Entry>,
}

#[derive(Debug)]
struct Entry {
    key: Arc<ApiKey>,
    plans: Vec<Arc<UsagePlan>>,
}

impl Keys {
    pub(crate) fn compile(application: &Application) -> Self {
        let plans: Vec<Arc<UsagePlan>> = application
            .usage_plans
            .iter()
            .cloned()
            .map(Arc::new)
            .collect();
        let entry = |key: &ApiKey| {
            let opens = |plan: &&Arc<UsagePlan>| plan.keys.contains(&key.id);
            let entry = Entry {
                key: Arc::new(key.clone()),
                plans: plans.iter().filter(opens).cloned().collect(),
            };
            (key.value.clone(), entry)
        };
        Self {
            by_value: application.api_keys.iter().map(entry).collect(),
        }
    }

    /// The key of this value, if it opens the stage.
    pub(crate) fn find(
        &self,
        value: &str,
        api: &ApiId,
        stage: &StageName,
    ) -> Result<KeyInUse, BadKey> {
        let entry = self
            .by_value
            .get(&KeyValue::new(value))
            .ok_or(BadKey::Unknown)?;
        if !entry.key.is_enabled {
            return Err(BadKey::Disabled {
                name: entry.key.name.clone(),
            });
        }
        let opens = |plan: &&Arc<UsagePlan>| {
            let mut stages = plan.stages.iter();
            stages.any(|one| one.api == *api && one.stage == *stage)
        };
        let plan = entry
            .plans
            .iter()
            .find(opens)
            .ok_or_else(|| BadKey::NoPlan {
                name: entry.key.name.clone(),
            })?;
        Ok(KeyInUse {
            key: Arc::clone(&entry.key),
            plan: Arc::clone(plan),
        })
    }
}

/// Why a key does not open a stage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadKey {
    #[error("no API key has the value that was sent")]
    Unknown,
    #[error("the API key `{name}` is switched off; enable it")]
    Disabled { name: String },
    #[error(
        "no usage plan joins the API key `{name}` with this stage; add the stage to a plan of the key"
    )]
    NoPlan { name: String },
}
