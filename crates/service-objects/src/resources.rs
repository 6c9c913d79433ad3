//! Buckets of templates.
//!
//! Lives here: nothing yet
//! Does not live here: nothing yet
use interfaces::resource_provider::*;
use crate::api::service::Service;
pub(crate) struct Buckets(Service);
impl Buckets { pub(crate) fn new(s: Service) -> Self { Self(s) } }
