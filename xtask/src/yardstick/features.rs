//! What is built, in the words of the lists.
//!
//! Lives here: the features that applications may need and still be expected to run.
//! Does not live here: whether they do.

use super::row::Row;

/// Features that are built. An application with any other is outside of what is judged.
const BUILT: &[&str] = &[
    // How functions are called, and what stands before them.
    "http",
    "httpapi",
    "catchall",
    "cors",
    "openapi",
    "direct-integration",
    "vtl",
    "lambda-integration",
    "non-proxy-lambda",
    "swagger",
    "AWS::Include",
    "request-validation",
    "models",
    "lambda-authorizer",
    "api-key",
    "usage-plan",
    "iam-auth",
    "jwt",
    "cookies",
    "function-url",
    "response-stream",
    "websocket",
    "postToConnection",
    "implicit-response",
    "invoke",
    // Functions.
    "callback",
    "context.succeed",
    "esm",
    "sdkv2",
    "env",
    "inline-code",
    "shared-codeuri",
    "layers",
    "public-layer",
    "typescript",
    "webpack",
    "babel",
    "esm-source",
    "alias",
    "version",
    "arm64",
    "custom-runtime",
    "rust",
    "go",
    "graphql",
    "xray",
    "lambda-api",
    "conditions",
    // Services.
    "dynamodb",
    "simple-table",
    "gsi",
    "ttl",
    "dynamodb-stream",
    "batching-window",
    "sqs",
    "fifo",
    "dlq",
    "filter-criteria",
    "sns",
    "filter-policy",
    "eventbridge",
    "custom-bus",
    "schedule",
    "resource-policy",
    "s3",
    "s3-notification",
    "lift-construct",
    "ssm",
    "SSM-parameter-type",
    "secrets",
    "kms",
    "kinesis",
    "stream",
    "logs",
    "subscription-filter",
    "presigned-url",
    "sts",
    "iam-leading-keys",
    // Plugins whose work is done here.
    "plugin:serverless-apigateway-service-proxy",
    "plugin:serverless-bundle",
    "plugin:serverless-esbuild",
    "plugin:serverless-lift",
    "plugin:serverless-plugin-typescript",
    "plugin:serverless-webpack",
    // Plugins that need not be run.
    "plugin:serverless-dynamodb-local",
    "plugin:serverless-offline",
    "plugin:serverless-prune-plugin",
    "plugin:serverless-python-requirements",
    "plugin:serverless-iam-roles-per-function",
    "plugin:serverless-better-credentials",
    "plugin:serverless-dotenv-plugin",
];

/// The features of an application that are not built.
pub(super) fn missing(row: &Row) -> Vec<&str> {
    let features = row.features.iter().map(String::as_str);
    features
        .filter(|feature| !BUILT.contains(feature))
        .collect()
}
