//! Log groups, and the role that functions share.
//!
//! Lives here: what the generated role may do before functions add to it.
//! Does not live here: what single settings of a function add (`functions`, `invocations`).

use cloudformation::node::{Kind, Node};
use model::problem::Place;
use serde_json::json;

use super::{Draft, tag_list};
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::service::{self, Service};
use crate::serverless_framework::{lift, naming, script};

pub(super) const LOGICAL_ID: &str = "IamRoleLambdaExecution";

/// The generated role.
pub(super) struct Role {
    place: Place,
    /// Everything but the policies, and who assumes it.
    properties: Object,
    assumed_by: Vec<&'static str>,
    policy_name: Node,
    pub(super) statements: Vec<Node>,
    managed_policies: Vec<Node>,
}

impl Role {
    /// Lets one more service assume the role.
    pub(super) fn let_assume(&mut self, service: &'static str) {
        self.assumed_by.push(service);
    }

    pub(super) fn resource(self) -> Object {
        let place = &self.place;
        let document = Object::new(place)
            .with("Version", "2012-10-17")
            .with("Statement", self.statements);
        let policy = Object::new(place)
            .with("PolicyName", self.policy_name)
            .with("PolicyDocument", document);
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": self.assumed_by},
            "Action": ["sts:AssumeRole"],
        }]});
        let mut properties = self
            .properties
            .with("AssumeRolePolicyDocument", trust)
            .with("Policies", vec![policy]);
        if !self.managed_policies.is_empty() {
            properties.set("ManagedPolicyArns", self.managed_policies);
        }
        build::resource("AWS::IAM::Role", properties)
    }
}

pub(super) fn write(service: &Service<'_>, draft: &mut Draft) {
    for function in service.functions() {
        if script::truthy(function.node.get("disableLogs")).is_some() {
            continue;
        }
        let name = script::text_of(&function.name(service)).unwrap_or_default();
        let group = log_group(service, &format!("/aws/lambda/{name}"), function.place);
        let group = group
            .with_some(
                "RetentionInDays",
                function.or_provider("logRetentionInDays", service),
            )
            .with_some(
                "DataProtectionPolicy",
                function.or_provider("logDataProtectionPolicy", service),
            );
        let id = naming::log_group(function.key);
        draft.add(&id, build::resource("AWS::Logs::LogGroup", group));
    }
    let has_functions = service.functions().next().is_some();
    let is_needed = has_functions
        && service::given_role(service).is_none()
        && service.root.at_path(["provider", "role"]).is_none()
        && service
            .functions()
            .any(|function| function.node.get("role").is_none());
    if is_needed {
        draft.role = Some(generated(service));
    }
}

/// The properties of a log group, the provider's retention included.
pub(super) fn log_group(service: &Service<'_>, name: &str, place: &Place) -> Object {
    Object::new(place)
        .with("LogGroupName", name)
        .with_some(
            "RetentionInDays",
            script::truthy(service.setting("logRetentionInDays")),
        )
        .with_some(
            "DataProtectionPolicy",
            script::truthy(service.setting("logDataProtectionPolicy")),
        )
}

fn generated(service: &Service<'_>) -> Role {
    let iam = service.setting_at(&["iam", "role"]);
    let place = iam.map_or(&service.root.place, |node| &node.place).clone();
    let option = |key: &str| script::truthy(iam.and_then(|role| role.get(key)));
    let name = option("name").cloned().unwrap_or_else(|| {
        let parts = vec![
            Node::string(service.name.clone(), &place),
            Node::string(service.stage.clone(), &place),
            build::reference("AWS::Region", &place),
            Node::string("lambdaRole", &place),
        ];
        build::joined("-", parts, &place)
    });
    let path = option("path").cloned();
    let mut properties = Object::new(&place)
        .with("Path", path.unwrap_or_else(|| Node::string("/", &place)))
        .with("RoleName", name)
        .with_some(
            "PermissionsBoundary",
            option("permissionsBoundary")
                .or_else(|| option("permissionBoundary"))
                .or_else(|| script::truthy(service.setting("rolePermissionsBoundary"))),
        );
    if let Some(tags) = option("tags") {
        properties.set("Tags", tag_list(&[tags], &tags.place));
    }
    let texts = [service.name.as_str(), &service.stage, "lambda"];
    let policy_name = texts.map(|text| Node::string(text, &place)).to_vec();
    let mut statements = log_statements(service, &place);
    let own_statements =
        option("statements").or_else(|| script::truthy(service.setting("iamRoleStatements")));
    statements.extend(items(own_statements));
    statements.extend(lift::statements(service));
    Role {
        properties,
        assumed_by: vec!["lambda.amazonaws.com"],
        policy_name: build::joined("-", policy_name, &place),
        statements,
        managed_policies: managed_policies(service, option("managedPolicies"), &place),
        place,
    }
}

/// Writing logs: by the prefix of generated names, and by name for functions with one of their own.
fn log_statements(service: &Service<'_>, place: &Place) -> Vec<Node> {
    let prefix = format!("{}-{}", service.name, service.stage);
    let arn = |name: &str, suffix: &str| {
        let arn = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}";
        build::substituted(
            &format!("{arn}:log-group:/aws/lambda/{name}{suffix}"),
            place,
        )
    };
    let mut streams = Vec::new();
    let mut events = Vec::new();
    let mut silent = Vec::new();
    let mut shares_prefix = false;
    for function in service.functions() {
        let name = script::text_of(&function.name(service)).unwrap_or_default();
        let is_silent = script::truthy(function.node.get("disableLogs")).is_some();
        match (name.starts_with(&prefix), is_silent) {
            (true, true) => silent.push(arn(&name, ":*")),
            (true, false) => shares_prefix = true,
            (false, true) => {}
            (false, false) => {
                streams.push(arn(&name, ":*"));
                events.push(arn(&name, ":*:*"));
            }
        }
    }
    if shares_prefix {
        streams.push(arn(&prefix, "*:*"));
        events.push(arn(&prefix, "*:*:*"));
    }
    let statement = |effect: &str, actions: Node, resources: Vec<Node>| {
        Object::new(place)
            .with("Effect", effect)
            .with("Action", actions)
            .with("Resource", resources)
            .node()
    };
    let actions = |json: serde_json::Value| Node::from_json(&json, place);
    let mut statements = vec![
        statement(
            "Allow",
            actions(json!([
                "logs:CreateLogStream",
                "logs:CreateLogGroup",
                "logs:TagResource"
            ])),
            streams,
        ),
        statement("Allow", actions(json!(["logs:PutLogEvents"])), events),
    ];
    if shares_prefix && !silent.is_empty() {
        statements.push(statement(
            "Deny",
            actions(json!("logs:PutLogEvents")),
            silent,
        ));
    }
    statements
}

fn managed_policies(service: &Service<'_>, own: Option<&Node>, place: &Place) -> Vec<Node> {
    let mut policies = items(own.or_else(|| script::truthy(service.setting("iamManagedPolicies"))));
    let uses_vpc = service
        .functions()
        .any(|function| function.node.get("vpc").is_some())
        || script::truthy(service.setting("vpc")).is_some();
    if uses_vpc {
        let parts = [
            "arn:",
            "AWS::Partition",
            ":iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole",
        ];
        policies.push(build::joined("", build::arn_parts(&parts, place), place));
    }
    policies
}

/// The items of a list; a single value is a list of one.
fn items(node: Option<&Node>) -> Vec<Node> {
    match node {
        None => Vec::new(),
        Some(node) => match &node.kind {
            Kind::Sequence(items) => items.clone(),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Number { .. }
            | Kind::String(_)
            | Kind::Mapping(_) => vec![node.clone()],
        },
    }
}
