//! What is known of the resource types of Elastic Load Balancing version 2: Application Load Balancers.
//!
//! Lives here: the tables, the attributes that are lists of keys and values, ids.
//! Does not live here: making listeners of them (`application::load_balancers`).
//!
//! Contract: AWS CloudFormation Template Reference, "Elastic Load Balancing V2"; User Guide for Application Load Balancers,
//! "Load balancer attributes".

use interfaces::resource_provider::{Made, Properties, PropertyProblem, ResourceRequest};
use model::arn::Arn;
use resource_types::{
    Details, FOR_PEOPLE, Fate, OF_THE_CLOUD, Property, Shape, TypeTable, carried, idle, missing,
    problem_at, text_of,
};
use serde_json::{Value, json};

use super::identity::{digits_of, id_in_hex, made, name_of};

/// The types that are only records here.
pub(super) const TYPES: &[TypeTable] = &[
    TypeTable {
        name: "AWS::ElasticLoadBalancingV2::LoadBalancer",
        properties: LOAD_BALANCER,
    },
    TypeTable {
        name: "AWS::ElasticLoadBalancingV2::Listener",
        properties: LISTENER,
    },
    TypeTable {
        name: "AWS::ElasticLoadBalancingV2::ListenerRule",
        properties: RULE,
    },
    TypeTable {
        name: "AWS::ElasticLoadBalancingV2::ListenerCertificate",
        properties: CERTIFICATE,
    },
    TypeTable {
        name: "AWS::ElasticLoadBalancingV2::TargetGroup",
        properties: TARGET_GROUP,
    },
];

const NETWORKS: &str = "there are no virtual networks here: the listener is on this machine";
const TLS: &str = "certificates are those of this server: `[tls]` of cloudless.toml, or `--https`";
const HEALTH: &str = "nobody calls functions to see whether they are well";
const REPORTED: &str = "it is reported, and not served";

const LOAD_BALANCER: &[Property] = &[
    idle("EnableCapacityReservationProvisionStabilize", OF_THE_CLOUD),
    idle("EnablePrefixForIpv6SourceNat", NETWORKS),
    idle(
        "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic",
        NETWORKS,
    ),
    idle("IpAddressType", NETWORKS),
    idle("Ipv4IpamPoolId", NETWORKS),
    carried("LoadBalancerAttributes", ATTRIBUTES),
    idle("MinimumLoadBalancerCapacity", OF_THE_CLOUD),
    carried("Name", Shape::Text).replaces(),
    idle("Scheme", NETWORKS).replaces(),
    idle("SecurityGroups", NETWORKS),
    idle("SubnetMappings", NETWORKS),
    idle("Subnets", NETWORKS),
    idle("Tags", FOR_PEOPLE),
    carried(
        "Type",
        Shape::Choice(&[
            ("application", Fate::CarriedOut),
            ("network", Fate::NothingToDo(REPORTED)),
            ("gateway", Fate::NothingToDo(REPORTED)),
        ]),
    )
    .replaces(),
];

const ATTRIBUTES: Shape = Shape::List(&Shape::Object(&[
    carried("Key", Shape::Text).required(),
    carried("Value", Shape::Text).required(),
]));

const LISTENER: &[Property] = &[
    idle("AlpnPolicy", "it belongs to network load balancers"),
    idle("Certificates", TLS),
    carried("DefaultActions", Shape::List(&ACTION)).required(),
    missing("ListenerAttributes", "headers are not changed on their way"),
    carried("LoadBalancerArn", Shape::Text)
        .required()
        .replaces(),
    missing(
        "MutualAuthentication",
        "certificates of clients are not asked for",
    ),
    carried("Port", Shape::Whole(1, 65_535)),
    carried("Protocol", Shape::Text),
    idle("SslPolicy", TLS),
];

const RULE: &[Property] = &[
    carried("Actions", Shape::List(&ACTION)).required(),
    carried("Conditions", Shape::List(&Shape::Object(CONDITION))).required(),
    carried("ListenerArn", Shape::Text).replaces(),
    carried("Priority", Shape::Whole(1, 50_000)).required(),
    missing("Transforms", "hosts and paths are not rewritten"),
];

const ACTION: Shape = Shape::Object(&[
    idle("AuthenticateCognitoConfig", REPORTED),
    idle("AuthenticateOidcConfig", REPORTED),
    carried(
        "FixedResponseConfig",
        Shape::Object(&[
            carried("ContentType", Shape::Text),
            carried("MessageBody", Shape::Text),
            carried("StatusCode", Shape::Whole(200, 599)).required(),
        ]),
    ),
    carried(
        "ForwardConfig",
        Shape::Object(&[
            carried("TargetGroupStickinessConfig", STICKINESS),
            carried(
                "TargetGroups",
                Shape::List(&Shape::Object(&[
                    carried("TargetGroupArn", Shape::Text),
                    carried("Weight", Shape::Whole(0, 999)),
                ])),
            ),
        ]),
    ),
    idle("JwtValidationConfig", REPORTED),
    carried("Order", Shape::Whole(1, 50_000)),
    carried(
        "RedirectConfig",
        Shape::Object(&[
            carried("Host", Shape::Text),
            carried("Path", Shape::Text),
            carried("Port", Shape::Text),
            carried("Protocol", Shape::Text),
            carried("Query", Shape::Text),
            carried(
                "StatusCode",
                Shape::Choice(&[
                    ("HTTP_301", Fate::CarriedOut),
                    ("HTTP_302", Fate::CarriedOut),
                ]),
            )
            .required(),
        ]),
    ),
    carried("TargetGroupArn", Shape::Text),
    carried("Type", Shape::Text).required(),
]);

/// Templates that are generated say that it is off.
const STICKINESS: Shape = Shape::Object(&[
    idle("DurationSeconds", "nothing is sticky"),
    carried(
        "Enabled",
        Shape::Choice(&[
            ("false", Fate::CarriedOut),
            (
                "true",
                Fate::Missing("each request goes to any of the target groups"),
            ),
        ]),
    ),
]);

const CONDITION: &[Property] = &[
    carried("Field", Shape::Text),
    carried("HostHeaderConfig", Shape::Object(PATTERNS)),
    carried(
        "HttpHeaderConfig",
        Shape::Object(&[
            carried("HttpHeaderName", Shape::Text),
            idle("RegexValues", REPORTED),
            carried("Values", Shape::List(&Shape::Text)),
        ]),
    ),
    carried("HttpRequestMethodConfig", Shape::Object(VALUES)),
    carried("PathPatternConfig", Shape::Object(PATTERNS)),
    carried(
        "QueryStringConfig",
        Shape::Object(&[carried(
            "Values",
            Shape::List(&Shape::Object(&[
                carried("Key", Shape::Text),
                carried("Value", Shape::Text),
            ])),
        )]),
    ),
    idle("RegexValues", REPORTED),
    carried("SourceIpConfig", Shape::Object(VALUES)),
    carried("Values", Shape::List(&Shape::Text)),
];

const PATTERNS: &[Property] = &[
    idle("RegexValues", REPORTED),
    carried("Values", Shape::List(&Shape::Text)),
];

const VALUES: &[Property] = &[carried("Values", Shape::List(&Shape::Text))];

const CERTIFICATE: &[Property] = &[
    idle("Certificates", TLS),
    carried("ListenerArn", Shape::Text).required().replaces(),
];

const TARGET_GROUP: &[Property] = &[
    idle("HealthCheckEnabled", HEALTH),
    idle("HealthCheckIntervalSeconds", HEALTH),
    idle("HealthCheckPath", HEALTH),
    idle("HealthCheckPort", HEALTH),
    idle("HealthCheckProtocol", HEALTH),
    idle("HealthCheckTimeoutSeconds", HEALTH),
    idle("HealthyThresholdCount", HEALTH),
    idle("IpAddressType", NETWORKS),
    idle("Matcher", HEALTH),
    carried("Name", Shape::Text).replaces(),
    idle("Port", "functions have none"),
    idle("Protocol", "functions are called by none"),
    idle("ProtocolVersion", "functions are called by none"),
    idle("Tags", FOR_PEOPLE),
    idle("TargetControlPort", "functions have none"),
    carried("TargetGroupAttributes", ATTRIBUTES),
    carried("TargetType", Shape::Text).replaces(),
    carried(
        "Targets",
        Shape::List(&Shape::Object(&[
            idle("AvailabilityZone", NETWORKS),
            carried("Id", Shape::Text).required(),
            idle("Port", "functions have none"),
            idle("QuicServerId", "functions have none"),
        ])),
    ),
    idle("UnhealthyThresholdCount", HEALTH),
    idle("VpcId", NETWORKS),
];

/// What becomes of attributes, by the beginning of their key.
const FATES: &[(&str, Fate)] = &[
    ("routing.http.xff_header_processing.mode", Fate::CarriedOut),
    ("lambda.multi_value_headers.enabled", Fate::CarriedOut),
    (
        "routing.http.x_amzn_tls_version_and_cipher_suite.enabled",
        Fate::Missing("functions are not told how the connection is encrypted"),
    ),
    (
        "routing.http.xff_client_port.enabled",
        Fate::Missing("functions are not told the client's port"),
    ),
    (
        "routing.http.",
        Fate::NothingToDo("requests are framed strictly, and hosts stay as they are sent"),
    ),
    (
        "routing.http2.enabled",
        Fate::NothingToDo("the port speaks both"),
    ),
    (
        "idle_timeout.timeout_seconds",
        Fate::NothingToDo("functions are waited for"),
    ),
    ("client_keep_alive.seconds", Fate::NothingToDo(OF_THE_CLOUD)),
    ("access_logs.", Fate::NothingToDo(LOGGED)),
    ("connection_logs.", Fate::NothingToDo(LOGGED)),
    ("health_check_logs.", Fate::NothingToDo(LOGGED)),
    ("deletion_protection.", Fate::NothingToDo(OF_THE_CLOUD)),
    ("deregistration_delay.", Fate::NothingToDo(OF_THE_CLOUD)),
    ("dns_record.", Fate::NothingToDo(OF_THE_CLOUD)),
    ("ipv6.", Fate::NothingToDo(NETWORKS)),
    ("load_balancing.", Fate::NothingToDo(OF_THE_CLOUD)),
    ("slow_start.", Fate::NothingToDo(OF_THE_CLOUD)),
    ("stickiness.", Fate::NothingToDo(OF_THE_CLOUD)),
    ("target_group_health.", Fate::NothingToDo(HEALTH)),
    ("waf.", Fate::NothingToDo(OF_THE_CLOUD)),
    ("zonal_shift.", Fate::NothingToDo(OF_THE_CLOUD)),
];

const LOGGED: &str = "every request is logged on the terminal already";

/// The properties that hold attributes.
const LISTS: [&str; 2] = ["LoadBalancerAttributes", "TargetGroupAttributes"];

/// What the tables cannot say of attributes.
pub(super) fn check_attributes(properties: &Properties, problems: &mut Vec<PropertyProblem>) {
    for list in LISTS {
        let attributes = properties.get(list).and_then(Value::as_array);
        for (index, attribute) in attributes.into_iter().flatten().enumerate() {
            let key = attribute.get("Key").and_then(text_of).unwrap_or_default();
            let is_off = attribute.get("Value").and_then(text_of).as_deref() == Some("false");
            let fate = FATES.iter().find(|(begin, _)| key.starts_with(begin));
            let index = index.to_string();
            let path = [list, &index, "Key"];
            match fate {
                Some((_, Fate::CarriedOut | Fate::NothingToDo(_))) => {}
                Some((_, Fate::Missing(_))) if is_off => {}
                Some((_, Fate::Missing(why))) => problems.push(
                    problem_at(&path, format!("`{key}` is not carried out"))
                        .warning()
                        .because(*why),
                ),
                None => problems.push(
                    problem_at(&path, format!("there is no attribute `{key}`")).because(format!(
                        "Load balancer attribute key '{key}' is not recognized"
                    )),
                ),
            }
        }
    }
}

/// Elastic Load Balancing: the longest name.
const NAME_LENGTH_MAX: usize = 32;
/// The hosted zone in which the cloud keeps the names of load balancers of `us-east-1`: nothing resolves them here.
const HOSTED_ZONE: &str = "Z35SXDOTRQ7X7K";

pub(super) fn load_balancer(request: &ResourceRequest) -> Made {
    let name = name_of(request, "Name", NAME_LENGTH_MAX);
    let full = format!("app/{name}/{}", id_in_hex(request));
    let arn = arn(request, format!("loadbalancer/{full}"));
    let groups = request.properties.get("SecurityGroups");
    made(
        &arn,
        json!({
            "LoadBalancerArn": arn,
            "LoadBalancerName": name,
            "LoadBalancerFullName": full,
            "DNSName": format!("{name}-{}.{}.elb.amazonaws.com", digits_of(request), request.region),
            "CanonicalHostedZoneID": HOSTED_ZONE,
            "SecurityGroups": groups.cloned().unwrap_or_else(|| json!([])),
        }),
    )
}

/// Below its load balancer's ARN.
pub(super) fn listener(request: &ResourceRequest) -> Made {
    let below = below(request, "LoadBalancerArn", "loadbalancer/");
    let arn = arn(request, format!("listener/{below}/{}", id_in_hex(request)));
    made(&arn, json!({"ListenerArn": arn}))
}

/// Below its listener's ARN.
pub(super) fn rule(request: &ResourceRequest) -> Made {
    let below = below(request, "ListenerArn", "listener/");
    let arn = arn(
        request,
        format!("listener-rule/{below}/{}", id_in_hex(request)),
    );
    made(&arn, json!({"RuleArn": arn, "IsDefault": false}))
}

pub(super) fn target_group(request: &ResourceRequest) -> Made {
    let name = name_of(request, "Name", NAME_LENGTH_MAX);
    let full = format!("targetgroup/{name}/{}", id_in_hex(request));
    let arn = arn(request, full.clone());
    made(
        &arn,
        json!({
            "TargetGroupArn": arn,
            "TargetGroupName": name,
            "TargetGroupFullName": full,
            "LoadBalancerArns": [],
        }),
    )
}

fn arn(request: &ResourceRequest, resource: String) -> String {
    let (region, account) = (&request.region, &request.account);
    Arn::new("elasticloadbalancing", region, account, resource).to_string()
}

fn below(request: &ResourceRequest, property: &str, kind: &str) -> String {
    let parent = request.properties.get(property).and_then(text_of);
    let parent = parent.unwrap_or_default();
    let rest = parent.split_once(kind).map(|(_, rest)| rest);
    rest.unwrap_or(&parent).to_owned()
}
