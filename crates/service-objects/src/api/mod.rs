//! Amazon S3, as requests speak of it.
//!
//! Lives here: which operation a request means, what it says, answers and refusals.
//! Does not live here: what is kept (`engine`).

mod acl;
mod answers;
mod attributes;
pub(crate) mod buckets;
mod checks;
mod checks_elsewhere;
mod checksums;
mod conditions;
mod copy;
mod cors;
mod delete;
mod encryption;
pub(crate) mod form;
mod get;
mod lists;
mod locks;
mod multipart;
mod older_signature;
pub(crate) mod operations;
mod parts;
mod policies;
mod post;
mod put;
mod ranges;
pub(crate) mod request;
pub(crate) mod service;
pub(crate) mod settings;
mod tags;
mod unasked;
mod upload_lists;
