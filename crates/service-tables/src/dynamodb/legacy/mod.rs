//! The parameters that expressions have replaced.
//!
//! Lives here: `Expected`, `QueryFilter`, `ScanFilter`, `KeyConditions` (`conditions`) and `AttributeUpdates` (`updates`):
//! reading them, DynamoDB's words for what is wrong, and the conditions and updates that they come to.
//! Does not live here: judging and changing items (`expressions`), which parameters exclude one another
//! (`operations::expression_fields`).
//!
//! Contract: Amazon DynamoDB Developer Guide, "Legacy DynamoDB conditional parameters".

pub(super) mod conditions;
pub(super) mod updates;
