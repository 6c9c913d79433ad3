//! Front ends: what people's manifests say, as a CloudFormation template and the code to build.
//!
//! Lives here: one folder a front end, each reading a manifest as its own tool reads it.
//! Does not live here: I/O. A reader asks for what it needs and is run again with the answers (`reading`).

pub mod dotenv;
pub mod reading;
pub mod sam;
pub mod serverless_framework;
