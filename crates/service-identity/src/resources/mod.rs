//! Roles, users, groups and policies of templates.
//!
//! Lives here: making, changing and deleting them.
//! Does not live here: what their properties may be (`tables`), their ids and attributes (`identity`), putting them into an
//! account (`grants`) and taking them out (`removal`).

mod grants;
mod identity;
mod problems;
mod removal;
mod tables;
#[cfg(test)]
mod tests;

use interfaces::BoxFuture;
use interfaces::resource_provider::{
    Made, Properties, PropertyProblem, ProviderError, ResourceProvider, ResourceRequest, UpdatePlan,
};
use model::coverage::Coverage;
use resource_types::TypeTable;
use store::{CommitError, ReadError};

use crate::service::Service;

pub(crate) use grants::{Whose, grants_of};

/// What becomes of each property of each type of AWS IAM.
#[must_use]
pub fn coverage() -> Vec<Coverage> {
    resource_types::coverage(tables::TYPES)
}

/// Makes what templates say of AWS IAM.
pub(crate) struct Provider {
    service: Service,
    types: Vec<&'static str>,
}

/// Why a resource could not be made: the words of CloudFormation's `ResourceStatusReason`.
pub(crate) struct Failed(pub(crate) String);

impl From<CommitError> for Failed {
    fn from(error: CommitError) -> Self {
        Self(format!("the state could not be written: {error}"))
    }
}

impl From<ReadError> for Failed {
    fn from(error: ReadError) -> Self {
        Self(format!("the state could not be read: {error}"))
    }
}

impl From<Failed> for ProviderError {
    fn from(failed: Failed) -> Self {
        Self { message: failed.0 }
    }
}

impl Provider {
    pub(crate) fn new(service: Service) -> Self {
        let types = tables::TYPES.iter().map(|table| table.name).collect();
        Self { service, types }
    }

    async fn put(
        &self,
        old: Option<&Properties>,
        request: &ResourceRequest,
    ) -> Result<Made, ProviderError> {
        self.service.load().await.map_err(Failed::from)?;
        let now = self.service.clock.now();
        let drawn = crate::keys::lasting(&*self.service.random);
        let state = &self.service.state;
        let made: Result<Made, Failed> = state
            .change(&request.account, |account| {
                let change = grants::Change { old, request, now };
                change.put(account, drawn)
            })
            .await;
        Ok(made?)
    }

    async fn remove(
        &self,
        physical_id: &str,
        request: &ResourceRequest,
    ) -> Result<(), ProviderError> {
        self.service.load().await.map_err(Failed::from)?;
        let state = &self.service.state;
        let removed: Result<(), Failed> = state
            .change(&request.account, |account| {
                removal::remove(account, physical_id, request);
                Ok(())
            })
            .await;
        Ok(removed?)
    }
}

impl ResourceProvider for Provider {
    fn resource_types(&self) -> &[&'static str] {
        &self.types
    }

    fn check(&self, resource_type: &str, properties: &Properties) -> Vec<PropertyProblem> {
        let mut problems =
            table_of(resource_type).map_or_else(Vec::new, |table| table.check(properties));
        problems::find(resource_type, properties, &mut problems);
        problems
    }

    fn physical_id(&self, request: &ResourceRequest) -> String {
        identity::of(request).physical_id
    }

    fn plan_update(&self, resource_type: &str, old: &Properties, new: &Properties) -> UpdatePlan {
        table_of(resource_type).map_or(UpdatePlan::InPlace, |table| table.plan_update(old, new))
    }

    fn create<'a>(
        &'a self,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>> {
        Box::pin(self.put(None, request))
    }

    /// Roles and policies that earlier builds kept as records alone.
    fn keep<'a>(
        &'a self,
        physical_id: &'a str,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async move {
            self.service.load().await.map_err(Failed::from)?;
            let snapshot = self.service.state.snapshot(&request.account);
            if !removal::is_there(&snapshot.account, physical_id, request) {
                self.put(None, request).await?;
            }
            Ok(())
        })
    }

    fn update<'a>(
        &'a self,
        physical_id: &'a str,
        old: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>> {
        Box::pin(async move {
            let made = self.put(Some(old), request).await?;
            // An update in place never changes what `Ref` gives: what would is a replacement.
            Ok(Made {
                physical_id: physical_id.to_owned(),
                ..made
            })
        })
    }

    fn delete<'a>(
        &'a self,
        physical_id: &'a str,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(self.remove(physical_id, request))
    }
}

fn table_of(resource_type: &str) -> Option<&'static TypeTable> {
    tables::TYPES
        .iter()
        .find(|table| table.name == resource_type)
}
