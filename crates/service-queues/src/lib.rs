//! Queues: Amazon SQS.
