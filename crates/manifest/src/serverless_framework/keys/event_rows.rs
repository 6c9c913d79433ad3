//! Keys of events.
//!
//! Lives here: one row for each type of event, and for each option of the types that are carried out.
//! Does not live here: what rows mean (`keys`).

use super::{Key, Shape, done, no_effect, refused};

/// The way to the type of an event.
pub(super) const PREFIX: &str = "functions.*.events[].";

pub(super) const ROWS: &[Key] = &[
    done("functions.*.events[].schedule", Shape::Any),
    done("functions.*.events[].schedule.rate", Shape::List),
    done("functions.*.events[].schedule.rate[]", Shape::Any),
    done("functions.*.events[].schedule.enabled", Shape::Flag),
    done("functions.*.events[].schedule.name", Shape::Text),
    done("functions.*.events[].schedule.description", Shape::Text),
    done("functions.*.events[].schedule.input", Shape::Any),
    done("functions.*.events[].schedule.inputPath", Shape::Text),
    done(
        "functions.*.events[].schedule.inputTransformer",
        Shape::Mapping,
    ),
    done(
        "functions.*.events[].schedule.inputTransformer.inputTemplate",
        Shape::Text,
    ),
    done(
        "functions.*.events[].schedule.inputTransformer.inputPathsMap",
        Shape::Mapping,
    ),
    done("functions.*.events[].schedule.method", Shape::Text),
    done("functions.*.events[].schedule.timezone", Shape::Text),
    done("functions.*.events[].sqs", Shape::Any),
    done("functions.*.events[].sqs.arn", Shape::Any),
    done("functions.*.events[].sqs.batchSize", Shape::Number),
    done("functions.*.events[].sqs.enabled", Shape::Flag),
    done(
        "functions.*.events[].sqs.maximumBatchingWindow",
        Shape::Number,
    ),
    done("functions.*.events[].sqs.functionResponseType", Shape::Text),
    done("functions.*.events[].sqs.filterPatterns", Shape::List),
    done("functions.*.events[].sqs.maximumConcurrency", Shape::Number),
    done("functions.*.events[].sns", Shape::Any),
    done("functions.*.events[].sns.arn", Shape::Any),
    done("functions.*.events[].sns.topicName", Shape::Text),
    done("functions.*.events[].sns.displayName", Shape::Text),
    done("functions.*.events[].sns.filterPolicy", Shape::Mapping),
    done("functions.*.events[].sns.filterPolicyScope", Shape::Text),
    done("functions.*.events[].sns.redrivePolicy", Shape::Mapping),
    done(
        "functions.*.events[].sns.redrivePolicy.deadLetterTargetArn",
        Shape::Text,
    ),
    done(
        "functions.*.events[].sns.redrivePolicy.deadLetterTargetRef",
        Shape::Text,
    ),
    done(
        "functions.*.events[].sns.redrivePolicy.deadLetterTargetImport",
        Shape::Mapping,
    ),
    done(
        "functions.*.events[].sns.redrivePolicy.deadLetterTargetImport.arn",
        Shape::Text,
    ),
    done(
        "functions.*.events[].sns.redrivePolicy.deadLetterTargetImport.url",
        Shape::Text,
    ),
    done("functions.*.events[].s3", Shape::Any),
    done("functions.*.events[].s3.bucket", Shape::Any),
    done("functions.*.events[].s3.event", Shape::Text),
    done("functions.*.events[].s3.rules", Shape::List),
    done("functions.*.events[].s3.rules[]", Shape::Mapping),
    done("functions.*.events[].s3.rules[].prefix", Shape::Any),
    done("functions.*.events[].s3.rules[].suffix", Shape::Any),
    done("functions.*.events[].s3.existing", Shape::Flag),
    no_effect(
        "functions.*.events[].s3.forceDeploy",
        Shape::Flag,
        "it concerns buckets that exist already",
    ),
    done("functions.*.events[].eventBridge", Shape::Mapping),
    done("functions.*.events[].eventBridge.eventBus", Shape::Any),
    done("functions.*.events[].eventBridge.name", Shape::Text),
    done("functions.*.events[].eventBridge.description", Shape::Text),
    done("functions.*.events[].eventBridge.enabled", Shape::Flag),
    done("functions.*.events[].eventBridge.schedule", Shape::Any),
    done("functions.*.events[].eventBridge.pattern", Shape::Mapping),
    done("functions.*.events[].eventBridge.input", Shape::Mapping),
    done("functions.*.events[].eventBridge.inputPath", Shape::Text),
    done(
        "functions.*.events[].eventBridge.inputTransformer",
        Shape::Mapping,
    ),
    done(
        "functions.*.events[].eventBridge.inputTransformer.inputTemplate",
        Shape::Text,
    ),
    done(
        "functions.*.events[].eventBridge.inputTransformer.inputPathsMap",
        Shape::Mapping,
    ),
    done(
        "functions.*.events[].eventBridge.retryPolicy",
        Shape::Mapping,
    ),
    done(
        "functions.*.events[].eventBridge.retryPolicy.maximumEventAge",
        Shape::Number,
    ),
    done(
        "functions.*.events[].eventBridge.retryPolicy.maximumRetryAttempts",
        Shape::Number,
    ),
    done(
        "functions.*.events[].eventBridge.deadLetterQueueArn",
        Shape::Any,
    ),
    done("functions.*.events[].cloudwatchEvent", Shape::Mapping),
    done("functions.*.events[].cloudwatchEvent.event", Shape::Mapping),
    done("functions.*.events[].cloudwatchEvent.name", Shape::Text),
    done(
        "functions.*.events[].cloudwatchEvent.description",
        Shape::Text,
    ),
    done("functions.*.events[].cloudwatchEvent.enabled", Shape::Flag),
    done("functions.*.events[].cloudwatchEvent.input", Shape::Any),
    done(
        "functions.*.events[].cloudwatchEvent.inputPath",
        Shape::Text,
    ),
    done(
        "functions.*.events[].cloudwatchEvent.inputTransformer",
        Shape::Mapping,
    ),
    done(
        "functions.*.events[].cloudwatchEvent.inputTransformer.inputTemplate",
        Shape::Text,
    ),
    done(
        "functions.*.events[].cloudwatchEvent.inputTransformer.inputPathsMap",
        Shape::Mapping,
    ),
    done("functions.*.events[].cloudwatchLog", Shape::Any),
    done("functions.*.events[].cloudwatchLog.logGroup", Shape::Text),
    done("functions.*.events[].cloudwatchLog.filter", Shape::Text),
    refused(
        "functions.*.events[].stream.startingPositionTimestamp",
        Shape::Number,
        "the tool hands it on with a `consumer` alone, and those are missing",
    ),
    done("functions.*.events[].stream", Shape::Any),
    done("functions.*.events[].stream.arn", Shape::Any),
    done("functions.*.events[].stream.type", Shape::Text),
    done("functions.*.events[].stream.batchSize", Shape::Number),
    done("functions.*.events[].stream.batchWindow", Shape::Number),
    done(
        "functions.*.events[].stream.bisectBatchOnFunctionError",
        Shape::Flag,
    ),
    refused(
        "functions.*.events[].stream.consumer",
        Shape::Any,
        "consumers with a throughput of their own are missing: without it, records come through `GetRecords`",
    ),
    done("functions.*.events[].stream.destinations", Shape::Mapping),
    done(
        "functions.*.events[].stream.destinations.onFailure",
        Shape::Any,
    ),
    done("functions.*.events[].stream.enabled", Shape::Flag),
    done("functions.*.events[].stream.filterPatterns", Shape::List),
    done(
        "functions.*.events[].stream.functionResponseType",
        Shape::Text,
    ),
    done(
        "functions.*.events[].stream.maximumRecordAgeInSeconds",
        Shape::Number,
    ),
    done(
        "functions.*.events[].stream.maximumRetryAttempts",
        Shape::Number,
    ),
    done(
        "functions.*.events[].stream.parallelizationFactor",
        Shape::Number,
    ),
    done("functions.*.events[].stream.startingPosition", Shape::Text),
    done(
        "functions.*.events[].stream.tumblingWindowInSeconds",
        Shape::Number,
    ),
    refused(
        "functions.*.events[].websocket",
        Shape::Any,
        "WebSocket APIs are missing",
    ),
    refused(
        "functions.*.events[].alb",
        Shape::Any,
        "load balancers are missing",
    ),
    refused(
        "functions.*.events[].alexaSkill",
        Shape::Any,
        "Alexa is missing",
    ),
    refused(
        "functions.*.events[].alexaSmartHome",
        Shape::Any,
        "Alexa is missing",
    ),
    refused(
        "functions.*.events[].cognitoUserPool",
        Shape::Any,
        "no user pool calls the function",
    ),
    refused("functions.*.events[].iot", Shape::Any, "IoT is missing"),
    refused(
        "functions.*.events[].iotFleetProvisioning",
        Shape::Any,
        "IoT is missing",
    ),
    refused(
        "functions.*.events[].kafka",
        Shape::Any,
        "nothing reads the topic",
    ),
    refused(
        "functions.*.events[].msk",
        Shape::Any,
        "nothing reads the topic",
    ),
    refused(
        "functions.*.events[].activemq",
        Shape::Any,
        "nothing reads the queue",
    ),
    refused(
        "functions.*.events[].rabbitmq",
        Shape::Any,
        "nothing reads the queue",
    ),
    refused(
        "functions.*.events[].cloudFront",
        Shape::Any,
        "CloudFront is missing",
    ),
    done("functions.*.events[].http", Shape::Any),
    done("functions.*.events[].http.path", Shape::Text),
    done("functions.*.events[].http.method", Shape::Text),
    done("functions.*.events[].http.operationId", Shape::Text),
    done("functions.*.events[].http.private", Shape::Flag),
    done("functions.*.events[].http.integration", Shape::Text),
    done("functions.*.events[].http.async", Shape::Flag),
    done("functions.*.events[].http.connectionId", Shape::Text),
    done("functions.*.events[].http.connectionType", Shape::Text),
    done("functions.*.events[].http.cors", Shape::Any),
    done(
        "functions.*.events[].http.cors.allowCredentials",
        Shape::Flag,
    ),
    done("functions.*.events[].http.cors.cacheControl", Shape::Text),
    done("functions.*.events[].http.cors.headers", Shape::List),
    done("functions.*.events[].http.cors.maxAge", Shape::Number),
    done("functions.*.events[].http.cors.methods", Shape::List),
    done("functions.*.events[].http.cors.origin", Shape::Text),
    done("functions.*.events[].http.cors.origins", Shape::List),
    done("functions.*.events[].http.authorizer", Shape::Any),
    done("functions.*.events[].http.authorizer.arn", Shape::Text),
    done(
        "functions.*.events[].http.authorizer.authorizerId",
        Shape::Text,
    ),
    done("functions.*.events[].http.authorizer.claims", Shape::List),
    done(
        "functions.*.events[].http.authorizer.identitySource",
        Shape::Text,
    ),
    done(
        "functions.*.events[].http.authorizer.identityValidationExpression",
        Shape::Text,
    ),
    done(
        "functions.*.events[].http.authorizer.managedExternally",
        Shape::Flag,
    ),
    done("functions.*.events[].http.authorizer.name", Shape::Text),
    done(
        "functions.*.events[].http.authorizer.resultTtlInSeconds",
        Shape::Number,
    ),
    done("functions.*.events[].http.authorizer.scopes", Shape::List),
    done("functions.*.events[].http.authorizer.type", Shape::Text),
    done("functions.*.events[].http.request", Shape::Mapping),
    done("functions.*.events[].http.request.uri", Shape::Text),
    done("functions.*.events[].http.request.schemas", Shape::Any),
    done(
        "functions.*.events[].http.request.parameters",
        Shape::Mapping,
    ),
    done(
        "functions.*.events[].http.request.parameters.querystrings",
        Shape::Mapping,
    ),
    done(
        "functions.*.events[].http.request.parameters.headers",
        Shape::Mapping,
    ),
    done(
        "functions.*.events[].http.request.parameters.paths",
        Shape::Mapping,
    ),
    done("functions.*.events[].http.request.template", Shape::Any),
    done("functions.*.events[].http.request.passThrough", Shape::Text),
    done(
        "functions.*.events[].http.request.contentHandling",
        Shape::Text,
    ),
    done("functions.*.events[].http.request.method", Shape::Text),
    done("functions.*.events[].http.response", Shape::Mapping),
    done(
        "functions.*.events[].http.response.transferMode",
        Shape::Text,
    ),
    done(
        "functions.*.events[].http.response.contentHandling",
        Shape::Text,
    ),
    done("functions.*.events[].http.response.headers", Shape::Mapping),
    done(
        "functions.*.events[].http.response.statusCodes",
        Shape::Mapping,
    ),
    done("functions.*.events[].http.response.template", Shape::Text),
    done("functions.*.events[].http.caching", Shape::Mapping),
    done("functions.*.events[].http.caching.enabled", Shape::Flag),
    done(
        "functions.*.events[].http.caching.ttlInSeconds",
        Shape::Number,
    ),
    no_effect(
        "functions.*.events[].http.caching.dataEncrypted",
        Shape::Flag,
        "what is kept stays in this process's memory",
    ),
    no_effect(
        "functions.*.events[].http.caching.inheritCloudWatchSettingsFromStage",
        Shape::Flag,
        "every request is logged",
    ),
    done(
        "functions.*.events[].http.caching.cacheKeyParameters",
        Shape::List,
    ),
    done(
        "functions.*.events[].http.caching.cacheKeyParameters[]",
        Shape::Mapping,
    ),
    done(
        "functions.*.events[].http.caching.cacheKeyParameters[].name",
        Shape::Text,
    ),
    done(
        "functions.*.events[].http.caching.cacheKeyParameters[].mappedFrom",
        Shape::Text,
    ),
    done(
        "functions.*.events[].http.caching.perKeyInvalidation",
        Shape::Mapping,
    ),
    done(
        "functions.*.events[].http.caching.perKeyInvalidation.requireAuthorization",
        Shape::Flag,
    ),
    done(
        "functions.*.events[].http.caching.perKeyInvalidation.handleUnauthorizedRequests",
        Shape::Text,
    ),
    refused(
        "functions.*.events[].http.throttling",
        Shape::Any,
        "of the plugin serverless-api-gateway-throttling: requests are not throttled",
    ),
    no_effect(
        "functions.*.events[].http.documentation",
        Shape::Any,
        "of plugins that write documents",
    ),
    done("functions.*.events[].httpApi", Shape::Any),
    done("functions.*.events[].httpApi.path", Shape::Text),
    done("functions.*.events[].httpApi.method", Shape::Text),
    done("functions.*.events[].httpApi.authorizer", Shape::Any),
    done("functions.*.events[].httpApi.authorizer.id", Shape::Text),
    done("functions.*.events[].httpApi.authorizer.name", Shape::Text),
    done(
        "functions.*.events[].httpApi.authorizer.scopes",
        Shape::List,
    ),
    done("functions.*.events[].httpApi.authorizer.type", Shape::Text),
];
