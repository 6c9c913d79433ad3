//! The providers' quotas, each named after its own name there: limits are part of the contract.
//!
//! Lives here: every number that a provider documents and that we enforce.
//! Does not live here: limits of our own making (next to what they bound).

use std::time::Duration;

const MIB: usize = 1024 * 1024;

/// AWS Lambda, "Lambda quotas": invocation payload (request and response), synchronous.
pub const LAMBDA_SYNC_PAYLOAD_BYTES_MAX: usize = 6 * MIB;
/// AWS Lambda, "Lambda quotas": invocation payload, asynchronous.
pub const LAMBDA_ASYNC_PAYLOAD_BYTES_MAX: usize = MIB;
/// AWS Lambda, "Lambda quotas": streamed responses.
pub const LAMBDA_STREAMED_REPLY_BYTES_MAX: usize = 200 * MIB;
/// AWS Lambda, "Lambda quotas": a deployment package, zipped, in a request.
pub const LAMBDA_PACKAGE_BYTES_MAX: usize = 50 * MIB;
/// AWS Lambda: a request with such a package, as its own refusals tell.
pub const LAMBDA_REQUEST_BYTES_MAX: usize = 70_167_211;
/// AWS Lambda, "Lambda quotas": a deployment package, unzipped, layers included.
pub const LAMBDA_UNPACKED_BYTES_MAX: usize = 250 * MIB;
/// AWS Lambda, "Lambda quotas": function layers.
pub const LAMBDA_LAYERS_MAX: usize = 5;
/// AWS Lambda, "Lambda quotas": function timeout.
pub const LAMBDA_TIMEOUT_MAX: Duration = Duration::from_secs(900);
/// AWS Lambda, `CreateFunction`: the timeout of a function that names none.
pub const LAMBDA_TIMEOUT_DEFAULT: Duration = Duration::from_secs(3);
/// AWS Lambda, `CreateFunction`: memory of a function that names none, in MB.
pub const LAMBDA_MEMORY_MB_DEFAULT: u32 = 128;
/// AWS Lambda, "Lambda quotas": function memory allocation, smallest, in MB.
pub const LAMBDA_MEMORY_MB_MIN: u32 = 128;
/// AWS Lambda, "Lambda quotas": function memory allocation, largest, in MB.
pub const LAMBDA_MEMORY_MB_MAX: u32 = 10_240;
/// AWS Lambda, "Lambda quotas": `/tmp` of a function that names no size, in MB.
pub const LAMBDA_EPHEMERAL_STORAGE_MB_DEFAULT: u32 = 512;
/// AWS Lambda, "Lambda runtimes": the init phase is limited to ten seconds.
pub const LAMBDA_INIT_MAX: Duration = Duration::from_secs(10);
/// AWS Lambda, "Lambda quotas": concurrent executions of an account in a region.
pub const LAMBDA_CONCURRENT_EXECUTIONS: usize = 1_000;
/// AWS Lambda Developer Guide, "Configuring reserved concurrency": what an account keeps for functions that reserve
/// nothing.
pub const LAMBDA_UNRESERVED_CONCURRENCY_MIN: usize = 100;
/// AWS Lambda Developer Guide, "Lambda scaling behavior": instances that a function may gain within
/// [`LAMBDA_SCALING_INTERVAL`].
pub const LAMBDA_SCALING_INSTANCES: u32 = 1_000;
/// The interval of [`LAMBDA_SCALING_INSTANCES`].
pub const LAMBDA_SCALING_INTERVAL: Duration = Duration::from_secs(10);
/// AWS Lambda, "Lambda quotas": all environment variables of a function together, in bytes.
pub const LAMBDA_ENVIRONMENT_BYTES_MAX: usize = 4 * 1024;
/// AWS Lambda, `Invoke`, `LogType: Tail`: the last 4 KB of the log.
pub const LAMBDA_LOG_TAIL_BYTES_MAX: usize = 4 * 1024;

/// Amazon API Gateway, "Account-level quotas": requests a second of all APIs of an account in a region.
pub const GATEWAY_ACCOUNT_RATE: u64 = 10_000;
/// Amazon API Gateway, "Account-level quotas": the burst of [`GATEWAY_ACCOUNT_RATE`].
pub const GATEWAY_ACCOUNT_BURST: u64 = 5_000;
/// Amazon API Gateway, "Quotas for REST APIs" and "… for HTTP APIs": payload size.
pub const GATEWAY_PAYLOAD_BYTES_MAX: usize = 10 * MIB;
/// Amazon API Gateway, "Quotas for REST APIs": total combined size of request line and header values.
pub const REST_HEADER_BYTES_MAX: usize = 10_240;
/// Amazon API Gateway, "Quotas for HTTP APIs": total combined size of request line and header values.
pub const HTTP_API_HEADER_BYTES_MAX: usize = 10_240;
/// Amazon API Gateway, "Quotas for REST APIs": integration timeout.
pub const REST_INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);
/// Amazon API Gateway, "Quotas for HTTP APIs": maximum integration timeout.
pub const HTTP_API_INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);
/// Amazon API Gateway, "Quotas for HTTP APIs": timeout for a Lambda authorizer's response.
pub const HTTP_API_AUTHORIZER_TIMEOUT: Duration = Duration::from_secs(10);
/// Amazon API Gateway, "Quotas for REST APIs": integration timeout, which holds for its Lambda authorizers too.
pub const REST_AUTHORIZER_TIMEOUT: Duration = Duration::from_secs(29);
/// Amazon API Gateway, "Quotas for REST APIs": AWS Lambda authorizer result size.
pub const AUTHORIZER_RESULT_BYTES_MAX: usize = 8 * 1024;
/// Amazon API Gateway, "Authorizer": the longest `authorizerResultTtlInSeconds`.
pub const AUTHORIZER_TTL_MAX: Duration = Duration::from_hours(1);
/// Amazon API Gateway, "Quotas for WebSocket APIs": message payload size, in either direction.
pub const WEBSOCKET_MESSAGE_BYTES_MAX: usize = 128 * 1024;
/// Amazon API Gateway, "Quotas for WebSocket APIs": WebSocket frame size.
pub const WEBSOCKET_FRAME_BYTES_MAX: usize = 32 * 1024;
/// Amazon API Gateway, "Quotas for WebSocket APIs": idle connection timeout.
pub const WEBSOCKET_IDLE_TIME_MAX: Duration = Duration::from_mins(10);
/// Amazon API Gateway, "Quotas for WebSocket APIs": connection duration.
pub const WEBSOCKET_LIFETIME_MAX: Duration = Duration::from_hours(2);
/// Amazon API Gateway, "Quotas for WebSocket APIs": integration timeout, which holds for its Lambda authorizers too.
pub const WEBSOCKET_INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);
/// Amazon API Gateway, "Quotas for WebSocket APIs": the length of an API's URL.
pub const WEBSOCKET_URL_BYTES_MAX: usize = 4_096;
/// Amazon API Gateway, "Quotas for WebSocket APIs": new connections a second of all WebSocket APIs of an account.
pub const WEBSOCKET_CONNECTIONS_A_SECOND: u64 = 500;
/// Amazon API Gateway, "Quotas for REST APIs": ARN length of a method with authorization.
pub const METHOD_ARN_BYTES_MAX: usize = 1_600;

/// Elastic Load Balancing, "Lambda functions as targets": the body of a request, and the JSON of a response.
pub const LOAD_BALANCER_PAYLOAD_BYTES_MAX: usize = MIB;
/// Elastic Load Balancing, "Troubleshoot your Application Load Balancers", HTTP 463: addresses in `X-Forwarded-For`.
pub const LOAD_BALANCER_FORWARDED_FOR_MAX: usize = 30;

/// Amazon DynamoDB, "Service, account, and table quotas": item size.
pub const DYNAMODB_ITEM_BYTES_MAX: usize = 400 * 1024;
/// Amazon DynamoDB, "Service, account, and table quotas": partition key length.
pub const DYNAMODB_PARTITION_KEY_BYTES_MAX: usize = 2_048;
/// Amazon DynamoDB, "Service, account, and table quotas": sort key length.
pub const DYNAMODB_SORT_KEY_BYTES_MAX: usize = 1_024;
/// Amazon DynamoDB, `Query` and `Scan`: data read for one page.
pub const DYNAMODB_PAGE_BYTES_MAX: usize = MIB;
/// Amazon DynamoDB, "Low-level API": a request's body.
pub const DYNAMODB_REQUEST_BYTES_MAX: usize = 16 * MIB;
/// Amazon DynamoDB, "Service, account, and table quotas": nesting of attributes.
pub const DYNAMODB_NESTING_MAX: usize = 32;

/// Amazon SQS, "Message quotas": messages in flight of a queue, standard or FIFO.
pub const SQS_IN_FLIGHT_MAX: usize = 120_000;
/// Amazon SQS, "Message quotas": the size of a message, and of all messages of a batch.
pub const SQS_MESSAGE_BYTES_MAX: usize = MIB;
/// Amazon SQS, "Message quotas": entries of a batch.
pub const SQS_BATCH_ENTRIES_MAX: usize = 10;
/// Amazon SQS, "Message quotas": attributes of a message.
pub const SQS_MESSAGE_ATTRIBUTES_MAX: usize = 10;
/// Amazon SQS Developer Guide, "Visibility timeout": how long a message is in flight at most, since it was received.
pub const SQS_VISIBILITY_MAX: Duration = Duration::from_hours(12);
/// Amazon SQS Developer Guide, "Exactly-once processing": for how long deduplication ids are remembered.
pub const SQS_DEDUPLICATION_INTERVAL: Duration = Duration::from_mins(5);
