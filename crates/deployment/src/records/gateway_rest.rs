//! What is known of the resource types of Amazon API Gateway: REST APIs.
//!
//! Lives here: the tables.
//! Does not live here: making routes of them (`application::rest`), HTTP APIs (`gateway_http`). What guards a method
//! and cannot be enforced yet is reported there, too, where the method is shut.
//!
//! Contract: AWS CloudFormation Template Reference, "Amazon API Gateway".

use resource_types::{
    FOR_PEOPLE, Fate, OF_THE_CLOUD, Property, Shape, TypeTable, carried, idle, missing,
};

/// The types of REST APIs that are only records here.
pub(super) const TYPES: &[TypeTable] = &[
    TypeTable {
        name: "AWS::ApiGateway::RestApi",
        properties: REST_API,
    },
    TypeTable {
        name: "AWS::ApiGateway::Resource",
        properties: RESOURCE,
    },
    TypeTable {
        name: "AWS::ApiGateway::Method",
        properties: METHOD,
    },
    TypeTable {
        name: "AWS::ApiGateway::Deployment",
        properties: DEPLOYMENT,
    },
    TypeTable {
        name: "AWS::ApiGateway::Stage",
        properties: STAGE,
    },
    TypeTable {
        name: "AWS::ApiGateway::Account",
        properties: ACCOUNT,
    },
    TypeTable {
        name: "AWS::ApiGateway::Authorizer",
        properties: AUTHORIZER,
    },
    TypeTable {
        name: "AWS::ApiGateway::RequestValidator",
        properties: REQUEST_VALIDATOR,
    },
    TypeTable {
        name: "AWS::ApiGateway::GatewayResponse",
        properties: GATEWAY_RESPONSE,
    },
    TypeTable {
        name: "AWS::ApiGateway::Model",
        properties: MODEL,
    },
];

const REST_API: &[Property] = &[
    carried(
        "ApiKeySourceType",
        Shape::Choice(&[
            ("HEADER", Fate::CarriedOut),
            ("AUTHORIZER", Fate::CarriedOut),
        ]),
    ),
    carried("BinaryMediaTypes", Shape::List(&Shape::Text)),
    carried("Body", Shape::Any),
    idle("BodyS3Location", "the API is reported, and not served"),
    missing("CloneFrom", "there is no other API to clone"),
    idle("Description", FOR_PEOPLE),
    idle("DisableExecuteApiEndpoint", ONE_ADDRESS),
    idle("EndpointAccessMode", OF_THE_CLOUD),
    idle("EndpointConfiguration", ONE_ADDRESS),
    idle(
        "FailOnWarnings",
        "problems of the definition are always reported",
    ),
    carried("MinimumCompressionSize", Shape::Whole(0, 10_485_760)),
    idle("Mode", "the definition is always the whole API"),
    carried("Name", Shape::Text),
    carried("Parameters", Shape::TextMap),
    carried("Policy", Shape::Any),
    idle("SecurityPolicy", OF_THE_CLOUD),
    idle("Tags", FOR_PEOPLE),
];

const ONE_ADDRESS: &str = "every API has one address here: this machine's";

const RESOURCE: &[Property] = &[
    carried("ParentId", Shape::Text).required().replaces(),
    carried("PathPart", Shape::Text).required().replaces(),
    carried("RestApiId", Shape::Text).required().replaces(),
];

const METHOD: &[Property] = &[
    carried("ApiKeyRequired", Shape::Flag),
    carried("AuthorizationScopes", Shape::List(&Shape::Text)),
    carried(
        "AuthorizationType",
        Shape::Choice(&[
            ("NONE", Fate::CarriedOut),
            ("AWS_IAM", Fate::CarriedOut),
            ("CUSTOM", Fate::CarriedOut),
            ("COGNITO_USER_POOLS", Fate::CarriedOut),
        ]),
    ),
    carried("AuthorizerId", Shape::Text),
    carried("HttpMethod", Shape::Text).required().replaces(),
    carried("Integration", Shape::Object(INTEGRATION)),
    carried("MethodResponses", Shape::List(&Shape::Any)),
    carried("OperationName", Shape::Text),
    carried("RequestModels", Shape::TextMap),
    carried("RequestParameters", Shape::TextMap),
    carried("RequestValidatorId", Shape::Text),
    carried("ResourceId", Shape::Text).required().replaces(),
    carried("RestApiId", Shape::Text).required().replaces(),
];

const INTEGRATION: &[Property] = &[
    carried("CacheKeyParameters", Shape::List(&Shape::Text)),
    carried("CacheNamespace", Shape::Text),
    carried("ConnectionId", Shape::Text),
    carried("ConnectionType", Shape::Text),
    carried("ContentHandling", Shape::Text),
    carried("Credentials", Shape::Text),
    carried("IntegrationHttpMethod", Shape::Text),
    carried("IntegrationResponses", Shape::List(&Shape::Any)),
    missing(
        "IntegrationTarget",
        "private integrations are not built yet",
    ),
    carried("PassthroughBehavior", Shape::Text),
    carried("RequestParameters", Shape::TextMap),
    carried("RequestTemplates", Shape::TextMap),
    carried(
        "ResponseTransferMode",
        Shape::Choice(&[("BUFFERED", Fate::CarriedOut), ("STREAM", Fate::CarriedOut)]),
    ),
    // Half a minute is a quota that can be raised; a reply that streams may take a quarter of an hour.
    carried("TimeoutInMillis", Shape::Whole(50, 900_000)),
    carried("Type", Shape::Text).required(),
    carried("Uri", Shape::Text),
];

const DEPLOYMENT: &[Property] = &[
    missing("DeploymentCanarySettings", TRAFFIC).replaces(),
    idle("Description", FOR_PEOPLE),
    carried("RestApiId", Shape::Text).required().replaces(),
    carried("StageDescription", Shape::Object(STAGE_DESCRIPTION)),
    carried("StageName", Shape::Text),
];

const TRAFFIC: &str = "traffic is not split: the last deployment takes all of it";

const STAGE_DESCRIPTION: &[Property] = &[
    carried(
        "AccessLogSetting",
        Shape::Object(&[
            carried("DestinationArn", Shape::Text),
            carried("Format", Shape::Text),
        ]),
    ),
    carried("CacheClusterEnabled", Shape::Flag),
    carried("CacheClusterSize", Shape::Number),
    idle("CacheDataEncrypted", OF_THE_CLOUD),
    carried("CacheTtlInSeconds", CACHE_TTL),
    carried("CachingEnabled", Shape::Flag),
    missing("CanarySetting", TRAFFIC),
    missing(
        "ClientCertificateId",
        "no certificate is shown to integrations",
    ),
    idle("DataTraceEnabled", ACCESS_LOG),
    idle("Description", FOR_PEOPLE),
    idle("DocumentationVersion", FOR_PEOPLE),
    idle("LoggingLevel", ACCESS_LOG),
    carried(
        "MethodSettings",
        Shape::List(&Shape::Object(METHOD_SETTING)),
    ),
    idle("MetricsEnabled", ACCESS_LOG),
    idle("Tags", FOR_PEOPLE),
    carried("ThrottlingBurstLimit", BURST),
    carried("ThrottlingRateLimit", Shape::Number),
    carried("TracingEnabled", Shape::Choice(TRACES)),
    carried("Variables", Shape::TextMap),
];

const ACCESS_LOG: &str = "every request is logged on the terminal already";
/// Amazon API Gateway, "Quotas": the longest time to live, in seconds.
const CACHE_TTL: Shape = Shape::Whole(0, 3_600);
/// Any burst that four bytes can hold.
const BURST: Shape = Shape::Whole(0, 2_147_483_647);
const TRACES: &[(&str, Fate)] = &[
    ("false", Fate::CarriedOut),
    ("true", Fate::Missing("traces are not sent to X-Ray")),
];

const METHOD_SETTING: &[Property] = &[
    idle("CacheDataEncrypted", OF_THE_CLOUD),
    carried("CacheTtlInSeconds", CACHE_TTL),
    carried("CachingEnabled", Shape::Flag),
    idle("DataTraceEnabled", ACCESS_LOG),
    carried("HttpMethod", Shape::Text),
    idle("LoggingLevel", ACCESS_LOG),
    idle("MetricsEnabled", ACCESS_LOG),
    // The service has these two, and CloudFormation has not: plugins of the Serverless Framework set them.
    carried("RequireAuthorizationForCacheControl", Shape::Flag),
    carried("ResourcePath", Shape::Text),
    carried("ThrottlingBurstLimit", BURST),
    carried("ThrottlingRateLimit", Shape::Number),
    carried(
        "UnauthorizedCacheControlHeaderStrategy",
        Shape::Choice(&[
            ("FAIL_WITH_403", Fate::CarriedOut),
            ("SUCCEED_WITH_RESPONSE_HEADER", Fate::CarriedOut),
            ("SUCCEED_WITHOUT_RESPONSE_HEADER", Fate::CarriedOut),
        ]),
    ),
];

const STAGE: &[Property] = &[
    carried(
        "AccessLogSetting",
        Shape::Object(&[
            carried("DestinationArn", Shape::Text),
            carried("Format", Shape::Text),
        ]),
    ),
    carried("CacheClusterEnabled", Shape::Flag),
    carried("CacheClusterSize", Shape::Number),
    missing("CanarySetting", TRAFFIC),
    missing(
        "ClientCertificateId",
        "no certificate is shown to integrations",
    ),
    carried("DeploymentId", Shape::Text),
    idle("Description", FOR_PEOPLE),
    idle("DocumentationVersion", FOR_PEOPLE),
    carried(
        "MethodSettings",
        Shape::List(&Shape::Object(METHOD_SETTING)),
    ),
    carried("RestApiId", Shape::Text).required().replaces(),
    carried("StageName", Shape::Text).replaces(),
    idle("Tags", FOR_PEOPLE),
    carried("TracingEnabled", Shape::Choice(TRACES)),
    carried("Variables", Shape::TextMap),
];

const ACCOUNT: &[Property] = &[idle("CloudWatchRoleArn", ACCESS_LOG)];

const AUTHORIZER: &[Property] = &[
    idle("AuthType", FOR_PEOPLE),
    idle(
        "AuthorizerCredentials",
        "functions of this project are invoked whatever the role",
    ),
    carried("AuthorizerResultTtlInSeconds", Shape::Whole(0, 3_600)),
    carried("AuthorizerUri", Shape::Text),
    carried("IdentitySource", Shape::Text),
    carried("IdentityValidationExpression", Shape::Text),
    carried("Name", Shape::Text).required(),
    carried("ProviderARNs", Shape::List(&Shape::Text)),
    carried("RestApiId", Shape::Text).required().replaces(),
    carried(
        "Type",
        Shape::Choice(&[
            ("TOKEN", Fate::CarriedOut),
            ("REQUEST", Fate::CarriedOut),
            ("COGNITO_USER_POOLS", Fate::CarriedOut),
        ]),
    )
    .required(),
];

const REQUEST_VALIDATOR: &[Property] = &[
    carried("Name", Shape::Text).replaces(),
    carried("RestApiId", Shape::Text).required().replaces(),
    carried("ValidateRequestBody", Shape::Flag),
    carried("ValidateRequestParameters", Shape::Flag),
];

const GATEWAY_RESPONSE: &[Property] = &[
    carried("ResponseParameters", Shape::TextMap),
    carried("ResponseTemplates", Shape::TextMap),
    carried("ResponseType", Shape::Text).required(),
    carried("RestApiId", Shape::Text).required().replaces(),
    carried("StatusCode", Shape::Whole(400, 599)),
];

const MODEL: &[Property] = &[
    idle(
        "ContentType",
        "a method says for which types it uses a model",
    )
    .replaces(),
    idle("Description", FOR_PEOPLE),
    carried("Name", Shape::Text).replaces(),
    carried("RestApiId", Shape::Text).required().replaces(),
    carried("Schema", Shape::Any),
];
