//! Tests of listeners of load balancers.

use model::load_balancer::{
    Action, Condition, DefaultAction, ForwardedFor, Protocol, QueryPair, Target, Values,
};
use model::problem::Severity;
use serde_json::json;

use super::*;

const ARN: &str = "arn:aws:lambda:eu-west-1:000000000000:function:hello";
const GROUP: &str = "arn:aws:elasticloadbalancing:eu-west-1:000000000000:targetgroup/g/1";
const BALANCER: &str =
    "arn:aws:elasticloadbalancing:eu-west-1:000000000000:loadbalancer/app/shop/1";
const LISTENER: &str = "arn:aws:elasticloadbalancing:eu-west-1:000000000000:listener/app/shop/1/2";
const ELSEWHERE: &str =
    "arn:aws:elasticloadbalancing:eu-west-1:000000000000:listener/app/other/3/4";

fn balancer(properties: Value) -> Row {
    let kind = "AWS::ElasticLoadBalancingV2::LoadBalancer";
    ("Shop", kind, BALANCER, properties, json!({}))
}

fn listener(properties: Value) -> Row {
    let all = json!({"LoadBalancerArn": BALANCER, "Protocol": "HTTP", "Port": 80,
        "DefaultActions": [fixed("404")]});
    let kind = "AWS::ElasticLoadBalancingV2::Listener";
    ("Web", kind, LISTENER, with(all, &properties), json!({}))
}

fn rule(name: &'static str, properties: Value) -> Row {
    let all = json!({"ListenerArn": LISTENER, "Priority": 1,
        "Actions": [{"Type": "forward", "TargetGroupArn": GROUP}],
        "Conditions": [{"Field": "path-pattern", "Values": ["/a"]}]});
    let kind = "AWS::ElasticLoadBalancingV2::ListenerRule";
    (name, kind, name, with(all, &properties), json!({}))
}

fn group(properties: Value) -> Row {
    let all = json!({"TargetType": "lambda", "Targets": [{"Id": ARN}]});
    let kind = "AWS::ElasticLoadBalancingV2::TargetGroup";
    ("Group", kind, GROUP, with(all, &properties), json!({}))
}

fn permission() -> Row {
    let properties = json!({"Action": "lambda:InvokeFunction", "FunctionName": ARN,
        "Principal": "elasticloadbalancing.amazonaws.com"});
    (
        "May",
        "AWS::Lambda::Permission",
        "may",
        properties,
        json!({}),
    )
}

fn fixed(status: &str) -> Value {
    json!({"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": status}})
}

fn with(mut all: Value, more: &Value) -> Value {
    let members = all.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    all
}

fn deployed(rows: &[Row]) -> (Application, Vec<&'static str>) {
    let base = [hello(json!({})), permission()];
    let (application, problems) = assemble(&[&base, rows].concat());
    let codes = problems.iter().map(|problem| problem.code).collect();
    (application, codes)
}

#[test]
fn rules_are_tried_in_the_order_of_their_priorities() {
    let (application, problems) = deployed(&[
        balancer(json!({})),
        listener(json!({})),
        group(json!({})),
        rule("Second", json!({"Priority": 2})),
        rule("First", json!({"Priority": "1"})),
    ]);
    assert!(problems.is_empty(), "{problems:?}");
    let [listener] = application.listeners.as_slice() else {
        panic!("{:?}", application.listeners)
    };
    assert_eq!((listener.protocol, listener.port), (Protocol::Http, 80));
    assert_eq!(listener.name, "shop");
    let priorities: Vec<u32> = listener.rules.iter().map(|rule| rule.priority).collect();
    assert_eq!(priorities, [1, 2]);
    let Action::Forward(groups) = &listener.rules[0].action else {
        panic!("{:?}", listener.rules[0].action)
    };
    let callee = Callee::unqualified(FunctionName::new("hello"));
    assert_eq!(groups[0].group.target, Target::Function(callee));
    let DefaultAction::Declared(Action::FixedResponse(fixed)) = &listener.default else {
        panic!("{:?}", listener.default)
    };
    assert_eq!(fixed.status, 404);
}

#[test]
fn a_listener_may_be_kept_elsewhere() {
    let (application, problems) = deployed(&[
        group(json!({})),
        rule("One", json!({ "ListenerArn": ELSEWHERE })),
        rule("Two", json!({"ListenerArn": ELSEWHERE, "Priority": 2})),
    ]);
    assert!(problems.is_empty(), "{problems:?}");
    let [listener] = application.listeners.as_slice() else {
        panic!("{:?}", application.listeners)
    };
    assert_eq!((listener.name.as_str(), listener.rules.len()), ("other", 2));
    assert_eq!(listener.default, DefaultAction::Unknown);
    assert_eq!(listener.place, None);
}

#[test]
fn every_kind_of_condition_is_read() {
    let conditions = json!([
        {"Field": "host-header", "HostHeaderConfig": {"Values": ["*.example.com"]}},
        {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/a", "/b/*"]}},
        {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET"]}},
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "x-a", "Values": ["1"]}},
        {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "q", "Value": "1"}, {"Value": "2"}]}},
        {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}},
    ]);
    let (application, _) = deployed(&[
        balancer(json!({})),
        listener(json!({})),
        group(json!({})),
        rule("One", json!({ "Conditions": conditions })),
    ]);
    let text = |values: &[&str]| values.iter().map(|it| (*it).to_owned()).collect();
    let pair = |key: Option<&str>, value: &str| QueryPair {
        key: key.map(str::to_owned),
        value: value.to_owned(),
    };
    assert_eq!(
        application.listeners[0].rules[0].conditions,
        [
            Condition::Host(text(&["*.example.com"])),
            Condition::Path(text(&["/a", "/b/*"])),
            Condition::Method(text(&["GET"])),
            Condition::Header {
                name: "x-a".to_owned(),
                values: text(&["1"])
            },
            Condition::Query(vec![pair(Some("q"), "1"), pair(None, "2")]),
            Condition::SourceIp(text(&["10.0.0.0/8"])),
        ]
    );
}

#[test]
fn what_is_not_said_of_a_redirect_stays() {
    let action = json!([{"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443",
        "StatusCode": "HTTP_301"}}]);
    let (application, problems) = deployed(&[
        balancer(json!({})),
        listener(json!({ "DefaultActions": action })),
    ]);
    assert!(problems.is_empty(), "{problems:?}");
    let DefaultAction::Declared(Action::Redirect(redirect)) = &application.listeners[0].default
    else {
        panic!("{:?}", application.listeners[0])
    };
    let parts = [
        &redirect.protocol,
        &redirect.host,
        &redirect.port,
        &redirect.path,
        &redirect.query,
    ];
    assert_eq!(parts, ["HTTPS", "#{host}", "443", "/#{path}", "#{query}"]);
    assert_eq!(redirect.status, 301);
}

#[test]
fn attributes_say_how_values_and_addresses_are_shown() {
    let attribute = |key: &str, value: Value| json!([{"Key": key, "Value": value}]);
    let (application, _) = deployed(&[
        balancer(json!({"LoadBalancerAttributes":
            attribute("routing.http.xff_header_processing.mode", json!("remove"))})),
        listener(json!({})),
        group(json!({"TargetGroupAttributes":
            attribute("lambda.multi_value_headers.enabled", json!(true))})),
        rule("One", json!({})),
    ]);
    let listener = &application.listeners[0];
    assert_eq!(listener.forwarded_for, ForwardedFor::Remove);
    let Action::Forward(groups) = &listener.rules[0].action else {
        panic!("{:?}", listener.rules[0].action)
    };
    assert_eq!(groups[0].group.values, Values::All);
}

#[test]
fn what_cannot_be_served_keeps_its_place_and_is_reported() {
    let authenticated = json!([
        {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {}},
        {"Type": "forward", "Order": 2, "TargetGroupArn": GROUP},
    ]);
    for (actions, expected) in [
        (authenticated, "`authenticate-oidc` is not built"),
        (
            json!([{"Type": "forward", "TargetGroupArn": "arn:other"}]),
            "is not one of this project",
        ),
        (
            json!([{"Type": "teleport"}]),
            "no action of type `teleport`",
        ),
        (json!([]), "it has no action"),
    ] {
        let (application, problems) = deployed(&[
            balancer(json!({})),
            listener(json!({})),
            group(json!({})),
            rule("One", json!({ "Actions": actions })),
        ]);
        assert_eq!(problems, ["deployment::not-served"]);
        let action = &application.listeners[0].rules[0].action;
        let is_refused =
            matches!(action, Action::NotServed { reason } if reason.contains(expected));
        assert!(is_refused, "{action:?}");
    }
}

#[test]
fn machines_are_no_targets_here() {
    for (properties, reason) in [
        (json!({"TargetType": "ip"}), "targets of type `ip`"),
        (json!({"TargetType": null}), "targets of type `instance`"),
        (
            json!({"Targets": [{"Id": "i-123"}]}),
            "no ARN of a function",
        ),
        (
            json!({"Targets": [{"Id": ARN}, {"Id": ARN}]}),
            "takes one function",
        ),
    ] {
        let (application, problems) = deployed(&[
            balancer(json!({})),
            listener(json!({})),
            group(properties),
            rule("One", json!({})),
        ]);
        assert_eq!(problems, ["deployment::not-served"]);
        let Action::Forward(groups) = &application.listeners[0].rules[0].action else {
            panic!("{application:?}")
        };
        let target = &groups[0].group.target;
        let is_refused =
            matches!(target, Target::NotServed { reason: said } if said.contains(reason));
        assert!(is_refused, "{target:?}");
    }
}

#[test]
fn what_the_cloud_would_refuse_or_never_match_is_warned_of() {
    let path = |path: &str| json!([{"Field": "path-pattern", "Values": [path]}]);
    let rows = [
        hello(json!({})),
        balancer(json!({})),
        listener(json!({})),
        group(json!({})),
        rule("One", json!({"Conditions": path("bare")})),
        rule("Two", json!({"Conditions": path("*.png")})),
    ];
    let (application, problems) = assemble(&rows);
    let warnings: Vec<&str> = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Warning)
        .map(|problem| problem.code)
        .collect();
    assert_eq!(
        warnings,
        [
            "deployment::target-without-permission",
            "deployment::path-without-slash",
            "deployment::priority-in-use"
        ]
    );
    let rules = &application.listeners[0].rules;
    let conditions: Vec<&Condition> = rules.iter().map(|rule| &rule.conditions[0]).collect();
    assert_eq!(
        conditions,
        [
            &Condition::Path(vec!["/bare".to_owned()]),
            &Condition::Path(vec!["*.png".to_owned()])
        ]
    );
}

#[test]
fn a_rule_that_is_not_understood_is_left_out() {
    for conditions in [
        json!([]),
        json!([{"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/a"]}}]),
        json!([{"Field": "moon-phase", "Values": ["full"]}]),
        json!([{"Field": "path-pattern", "Values": []}]),
    ] {
        let (application, problems) = deployed(&[
            balancer(json!({})),
            listener(json!({})),
            group(json!({})),
            rule("One", json!({ "Conditions": conditions })),
        ]);
        assert_eq!(problems, ["deployment::not-served"]);
        assert!(application.listeners[0].rules.is_empty());
    }
}

#[test]
fn a_listener_speaks_http() {
    for (listener_of, balancer_of) in [
        (json!({"Protocol": "TCP"}), json!({})),
        (json!({}), json!({"Type": "network"})),
    ] {
        let (application, problems) = deployed(&[
            balancer(balancer_of),
            listener(listener_of),
            group(json!({})),
            rule("One", json!({})),
        ]);
        assert_eq!(problems, ["deployment::not-served"]);
        assert!(application.listeners.is_empty());
    }
}
