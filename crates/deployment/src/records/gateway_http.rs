//! What is known of the resource types of Amazon API Gateway version 2: HTTP APIs and WebSocket APIs.
//!
//! Lives here: the tables.
//! Does not live here: making routes of them (`application::{http, websockets}`), REST APIs (`gateway_rest`).
//!
//! Contract: AWS CloudFormation Template Reference, "Amazon API Gateway V2".

use resource_types::{
    FOR_PEOPLE, Fate, OF_THE_CLOUD, Property, Shape, TypeTable, carried, idle, missing,
};

/// The types of these APIs that are only records here.
pub(super) const TYPES: &[TypeTable] = &[
    TypeTable {
        name: "AWS::ApiGatewayV2::Api",
        properties: API,
    },
    TypeTable {
        name: "AWS::ApiGatewayV2::Route",
        properties: ROUTE,
    },
    TypeTable {
        name: "AWS::ApiGatewayV2::Integration",
        properties: INTEGRATION,
    },
    TypeTable {
        name: "AWS::ApiGatewayV2::Stage",
        properties: STAGE,
    },
    TypeTable {
        name: "AWS::ApiGatewayV2::Deployment",
        properties: DEPLOYMENT,
    },
    TypeTable {
        name: "AWS::ApiGatewayV2::Authorizer",
        properties: AUTHORIZER,
    },
    TypeTable {
        name: "AWS::ApiGatewayV2::RouteResponse",
        properties: ROUTE_RESPONSE,
    },
    TypeTable {
        name: "AWS::ApiGatewayV2::IntegrationResponse",
        properties: INTEGRATION_RESPONSE,
    },
];

const MODELS: &str = "models check what integrations get that are no proxies, and such are refused";
const VELOCITY: &str =
    "it is for integrations that are no proxies, and such are refused, but for `MOCK`";

const API: &[Property] = &[
    carried("ApiKeySelectionExpression", Shape::Text),
    missing("BasePath", "the base path of a definition is not read"),
    carried("Body", Shape::Any),
    idle("BodyS3Location", "the API is reported, and not served"),
    carried("CorsConfiguration", Shape::Object(CORS)),
    idle(
        "CredentialsArn",
        "functions of this project are invoked whatever the role",
    ),
    idle("Description", FOR_PEOPLE),
    idle(
        "DisableExecuteApiEndpoint",
        "every API has one address here: this machine's",
    ),
    idle("DisableSchemaValidation", MODELS),
    idle(
        "FailOnWarnings",
        "problems of the definition are always reported",
    ),
    idle("IpAddressType", OF_THE_CLOUD),
    carried("Name", Shape::Text),
    carried(
        "ProtocolType",
        Shape::Choice(&[("HTTP", Fate::CarriedOut), ("WEBSOCKET", Fate::CarriedOut)]),
    )
    .replaces(),
    carried("RouteKey", Shape::Text),
    carried("RouteSelectionExpression", Shape::Text),
    idle("Tags", FOR_PEOPLE),
    carried("Target", Shape::Text),
    idle("Version", FOR_PEOPLE),
];

const CORS: &[Property] = &[
    carried("AllowCredentials", Shape::Flag),
    carried("AllowHeaders", Shape::List(&Shape::Text)),
    carried("AllowMethods", Shape::List(&Shape::Text)),
    carried("AllowOrigins", Shape::List(&Shape::Text)),
    carried("ExposeHeaders", Shape::List(&Shape::Text)),
    carried("MaxAge", Shape::Whole(-1, 86_400)),
];

const ROUTE: &[Property] = &[
    carried("ApiId", Shape::Text).required().replaces(),
    carried("ApiKeyRequired", Shape::Flag),
    carried("AuthorizationScopes", Shape::List(&Shape::Text)),
    carried(
        "AuthorizationType",
        Shape::Choice(&[
            ("NONE", Fate::CarriedOut),
            ("AWS_IAM", Fate::CarriedOut),
            ("CUSTOM", Fate::CarriedOut),
            ("JWT", Fate::CarriedOut),
        ]),
    ),
    carried("AuthorizerId", Shape::Text),
    idle("ModelSelectionExpression", MODELS),
    idle("OperationName", FOR_PEOPLE),
    idle("RequestModels", MODELS),
    idle("RequestParameters", MODELS),
    carried("RouteKey", Shape::Text).required(),
    carried("RouteResponseSelectionExpression", Shape::Text),
    carried("Target", Shape::Text),
];

const INTEGRATION: &[Property] = &[
    carried("ApiId", Shape::Text).required().replaces(),
    carried("ConnectionId", Shape::Text),
    carried("ConnectionType", Shape::Text),
    carried("ContentHandlingStrategy", Shape::Text),
    // Services are called as this role; functions of this project are invoked whatever it is.
    carried("CredentialsArn", Shape::Text),
    idle("Description", FOR_PEOPLE),
    carried("IntegrationMethod", Shape::Text),
    carried("IntegrationSubtype", Shape::Text),
    carried("IntegrationType", Shape::Text).required(),
    carried("IntegrationUri", Shape::Text),
    idle("PassthroughBehavior", VELOCITY),
    carried(
        "PayloadFormatVersion",
        Shape::Choice(&[("1.0", Fate::CarriedOut), ("2.0", Fate::CarriedOut)]),
    ),
    carried("RequestParameters", Shape::Any),
    carried("RequestTemplates", Shape::TextMap),
    carried("ResponseParameters", Shape::Any),
    carried("TemplateSelectionExpression", Shape::Text),
    carried("TimeoutInMillis", Shape::Whole(50, 30_000)),
    missing("TlsConfig", "private integrations are not built yet"),
];

const ACCESS_LOG: &str = "every request is logged on the terminal already";

const STAGE: &[Property] = &[
    carried(
        "AccessLogSettings",
        Shape::Object(&[
            carried("DestinationArn", Shape::Text),
            carried("Format", Shape::Text),
        ]),
    ),
    idle("AccessPolicyId", OF_THE_CLOUD),
    carried("ApiId", Shape::Text).required().replaces(),
    carried("AutoDeploy", Shape::Flag),
    idle(
        "ClientCertificateId",
        "functions are invoked, and servers are not called, by WebSocket APIs",
    ),
    carried("DefaultRouteSettings", Shape::Object(ROUTE_SETTINGS)),
    carried("DeploymentId", Shape::Text),
    idle("Description", FOR_PEOPLE),
    carried("RouteSettings", Shape::Map(&Shape::Object(ROUTE_SETTINGS))),
    carried("StageName", Shape::Text).required().replaces(),
    carried("StageVariables", Shape::TextMap),
    idle("Tags", FOR_PEOPLE),
];

const ROUTE_SETTINGS: &[Property] = &[
    idle("DataTraceEnabled", ACCESS_LOG),
    idle("DetailedMetricsEnabled", ACCESS_LOG),
    idle("LoggingLevel", ACCESS_LOG),
    carried("ThrottlingBurstLimit", Shape::Whole(0, 2_147_483_647)),
    carried("ThrottlingRateLimit", Shape::Number),
];

const DEPLOYMENT: &[Property] = &[
    carried("ApiId", Shape::Text).required().replaces(),
    idle("Description", FOR_PEOPLE),
    carried("StageName", Shape::Text),
];

const AUTHORIZER: &[Property] = &[
    carried("ApiId", Shape::Text).required().replaces(),
    idle(
        "AuthorizerCredentialsArn",
        "functions of this project are invoked whatever the role",
    ),
    carried(
        "AuthorizerPayloadFormatVersion",
        Shape::Choice(&[("1.0", Fate::CarriedOut), ("2.0", Fate::CarriedOut)]),
    ),
    carried("AuthorizerResultTtlInSeconds", Shape::Whole(0, 3_600)),
    carried(
        "AuthorizerType",
        Shape::Choice(&[("REQUEST", Fate::CarriedOut), ("JWT", Fate::CarriedOut)]),
    )
    .required(),
    carried("AuthorizerUri", Shape::Text),
    carried("EnableSimpleResponses", Shape::Flag),
    carried("IdentitySource", Shape::List(&Shape::Text)),
    idle(
        "IdentityValidationExpression",
        "the service has no use for it either",
    ),
    carried("JwtConfiguration", Shape::Object(JWT)),
    carried("Name", Shape::Text).required(),
];

const ROUTE_RESPONSE: &[Property] = &[
    carried("ApiId", Shape::Text).required().replaces(),
    idle("ModelSelectionExpression", MODELS),
    idle("ResponseModels", MODELS),
    idle("ResponseParameters", MODELS),
    carried("RouteId", Shape::Text).required(),
    carried(
        "RouteResponseKey",
        Shape::Choice(&[("$default", Fate::CarriedOut)]),
    )
    .required(),
];

const INTEGRATION_RESPONSE: &[Property] = &[
    carried("ApiId", Shape::Text).required().replaces(),
    idle("ContentHandlingStrategy", VELOCITY),
    carried("IntegrationId", Shape::Text).required(),
    carried("IntegrationResponseKey", Shape::Text).required(),
    idle("ResponseParameters", VELOCITY),
    carried("ResponseTemplates", Shape::TextMap),
    carried("TemplateSelectionExpression", Shape::Text),
];

const JWT: &[Property] = &[
    carried("Audience", Shape::List(&Shape::Text)),
    carried("Issuer", Shape::Text),
];
