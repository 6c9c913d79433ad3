//! Buckets and objects, apart from how the cloud's API speaks of them.
//!
//! Lives here: what is kept and where, and what changes belong together.
//! Does not live here: requests and answers (`api`).

pub(crate) mod access;
pub(crate) mod blobs;
pub(crate) mod bucket;
pub(crate) mod catalogue;
pub(crate) mod checksum;
pub(crate) mod configuration;
pub(crate) mod dates;
pub(crate) mod fault;
pub(crate) mod keys;
pub(crate) mod lifecycle;
pub(crate) mod listing;
pub(crate) mod multipart;
pub(crate) mod node;
pub(crate) mod notification;
pub(crate) mod objects;
pub(crate) mod preconditions;
pub(crate) mod reading;
pub(crate) mod receiving;
pub(crate) mod sealing;
mod slot_writer;
pub(crate) mod slots;
mod strand;
pub(crate) mod tags;
pub(crate) mod trash;
pub(crate) mod version;
