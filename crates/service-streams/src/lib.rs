//! Streams: Amazon Kinesis Data Streams.
