//! The Serverless Framework front end.
