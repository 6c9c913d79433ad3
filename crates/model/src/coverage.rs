//! What becomes of the properties of resources: the rows of the reference.
//!
//! Lives here: one row.
//! Does not live here: the tables themselves (next to the code that carries properties out), how pages look.

/// What becomes of one property of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The resource type, as `AWS::DynamoDB::Table`.
    pub resource_type: &'static str,
    /// The way to the property, as `Code.S3Bucket`; ` = Image` behind it when this is about one value alone.
    pub property: String,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It does what it does in the cloud.
    CarriedOut,
    /// It is accepted and does nothing here, for this reason.
    NoEffect(&'static str),
    /// It is reported when it is used; this is what is missing.
    Missing(&'static str),
}
