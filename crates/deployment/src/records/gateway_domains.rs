//! What is known of the resource types of Amazon API Gateway: custom domains, of both versions.
//!
//! Lives here: the tables.
//! Does not live here: what base paths lead to (`application::domains`), choosing by host (`gateway`).
//!
//! Contract: AWS CloudFormation Template Reference, "Amazon API Gateway" and "Amazon API Gateway V2".

use resource_types::{FOR_PEOPLE, OF_THE_CLOUD, Property, Shape, TypeTable, carried, idle};

/// The types that are only records here.
pub(super) const TYPES: &[TypeTable] = &[
    TypeTable {
        name: "AWS::ApiGateway::DomainName",
        properties: REST_DOMAIN,
    },
    TypeTable {
        name: "AWS::ApiGateway::BasePathMapping",
        properties: BASE_PATH_MAPPING,
    },
    TypeTable {
        name: "AWS::ApiGatewayV2::DomainName",
        properties: HTTP_DOMAIN,
    },
    TypeTable {
        name: "AWS::ApiGatewayV2::ApiMapping",
        properties: API_MAPPING,
    },
];

const CERTIFICATE: &str = "certificates of this machine are set where HTTPS is";
const MUTUAL_TLS: &str =
    "no certificate is asked of clients: the domain is reported, and leads nowhere";

const REST_DOMAIN: &[Property] = &[
    idle("CertificateArn", CERTIFICATE),
    carried("DomainName", Shape::Text).required().replaces(),
    idle("EndpointAccessMode", OF_THE_CLOUD),
    idle("EndpointConfiguration", OF_THE_CLOUD),
    idle("MutualTlsAuthentication", MUTUAL_TLS),
    idle("OwnershipVerificationCertificateArn", CERTIFICATE),
    idle("RegionalCertificateArn", CERTIFICATE),
    idle("RoutingMode", "base paths choose, and no rules"),
    idle("SecurityPolicy", OF_THE_CLOUD),
    idle("Tags", FOR_PEOPLE),
];

const BASE_PATH_MAPPING: &[Property] = &[
    carried("BasePath", Shape::Text),
    carried("DomainName", Shape::Text).required().replaces(),
    idle("Id", FOR_PEOPLE),
    carried("RestApiId", Shape::Text),
    carried("Stage", Shape::Text),
];

const HTTP_DOMAIN: &[Property] = &[
    carried("DomainName", Shape::Text).required().replaces(),
    idle("DomainNameConfigurations", CERTIFICATE),
    idle("MutualTlsAuthentication", MUTUAL_TLS),
    idle("RoutingMode", "base paths choose, and no rules"),
    idle("Tags", FOR_PEOPLE),
];

const API_MAPPING: &[Property] = &[
    carried("ApiId", Shape::Text).required(),
    carried("ApiMappingKey", Shape::Text),
    carried("DomainName", Shape::Text).required().replaces(),
    carried("Stage", Shape::Text).required(),
];
