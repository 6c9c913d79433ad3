//! Topics: Amazon SNS.
