//! Platform applications and their endpoints: records, since no push service is reached.
//!
//! Lives here: what is kept of them.
//! Does not live here: making and changing them (`operations::platform`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An application, by `PLATFORM/NAME`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Application {
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) application: String,
    pub(crate) id: String,
    pub(crate) attributes: BTreeMap<String, String>,
}
