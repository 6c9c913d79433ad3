//! An application, as deployed: its functions and the doors through which they are reached.
//!
//! Lives here: the immutable snapshot that one revision is.
//! Does not live here: how it is computed from a template (`deployment`), resources that keep state (their services).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::function::Function;
use crate::http_api::HttpApi;
use crate::ids::{FunctionName, RevisionId};
use crate::rest_api::RestApi;

/// One revision of an application. It is swapped whole and never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// The revision's id.
    pub revision: RevisionId,
    /// Its functions, by name.
    pub functions: BTreeMap<FunctionName, Arc<Function>>,
    /// Its REST APIs.
    pub rest_apis: Vec<RestApi>,
    /// Its HTTP APIs.
    pub http_apis: Vec<HttpApi>,
}

impl Application {
    /// An application without any part.
    #[must_use]
    pub fn empty(revision: RevisionId) -> Self {
        Self {
            revision,
            functions: BTreeMap::new(),
            rest_apis: Vec::new(),
            http_apis: Vec::new(),
        }
    }
}
