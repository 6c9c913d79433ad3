//! Logs and metrics: Amazon CloudWatch Logs and CloudWatch.
