//! Objects in buckets: Amazon S3.
