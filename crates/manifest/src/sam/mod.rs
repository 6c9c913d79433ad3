//! The SAM and CloudFormation front end.
