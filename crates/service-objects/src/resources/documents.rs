//! Properties of templates as the documents that settings are.
//!
//! Lives here: what each property is called in a request.
//! Does not live here: which documents are valid (`engine::configuration`).

use interfaces::resource_provider::Properties;
use resource_types::text_of;
use serde_json::Value;

use crate::engine::bucket::Setting;
use crate::engine::node::Node;

/// The settings that properties ask for; what they do not name is none.
pub(super) fn settings(properties: &Properties) -> Vec<(Setting, Option<Node>)> {
    let get = |name: &str| properties.get(name);
    vec![
        (
            Setting::Versioning,
            get("VersioningConfiguration").map(versioning),
        ),
        (
            Setting::ObjectLock,
            get("ObjectLockConfiguration").map(object_lock),
        ),
        (Setting::Cors, get("CorsConfiguration").map(cors)),
        (Setting::Encryption, get("BucketEncryption").map(encryption)),
        (
            Setting::Lifecycle,
            get("LifecycleConfiguration").map(lifecycle),
        ),
        (
            Setting::Notification,
            get("NotificationConfiguration").map(notification),
        ),
        (Setting::Tagging, get("Tags").and_then(tags)),
        (Setting::Ownership, get("OwnershipControls").map(ownership)),
        (
            Setting::PublicAccessBlock,
            get("PublicAccessBlockConfiguration")
                .map(|value| same(value, "PublicAccessBlockConfiguration")),
        ),
    ]
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(text_of)
}

fn list(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(values)) => values,
        Some(single @ Value::Object(_)) => std::slice::from_ref(single),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => &[],
    }
}

/// Members that are called the same in requests.
fn same(value: &Value, name: &str) -> Node {
    let mut node = Node::new(name);
    if let Value::Object(members) = value {
        for (member, value) in members {
            node.children.push(match text_of(value) {
                Some(text) => Node::of_text(member, text),
                None => same(value, member),
            });
        }
    }
    node
}

fn versioning(value: &Value) -> Node {
    same(value, "VersioningConfiguration")
}

fn object_lock(value: &Value) -> Node {
    let mut node = same(value, "ObjectLockConfiguration");
    if node.child("ObjectLockEnabled").is_none() {
        node.children
            .insert(0, Node::of_text("ObjectLockEnabled", "Enabled"));
    }
    node
}

fn ownership(value: &Value) -> Node {
    let rules = list(value.get("Rules"))
        .iter()
        .map(|rule| same(rule, "Rule"));
    rules.fold(Node::new("OwnershipControls"), Node::with)
}

fn tags(value: &Value) -> Option<Node> {
    let tags = list(Some(value)).iter().map(|tag| same(tag, "Tag"));
    let set = tags.fold(Node::new("TagSet"), Node::with);
    (!set.children.is_empty()).then(|| Node::new("Tagging").with(set))
}

fn cors(value: &Value) -> Node {
    let mut node = Node::new("CORSConfiguration");
    for rule in list(value.get("CorsRules")) {
        let mut made = Node::new("CORSRule");
        for (property, element) in [
            ("AllowedHeaders", "AllowedHeader"),
            ("AllowedMethods", "AllowedMethod"),
            ("AllowedOrigins", "AllowedOrigin"),
            ("ExposedHeaders", "ExposeHeader"),
        ] {
            for one in list(rule.get(property)) {
                made.children
                    .push(Node::of_text(element, text_of(one).unwrap_or_default()));
            }
        }
        push(&mut made, "ID", text(rule.get("Id")));
        push(&mut made, "MaxAgeSeconds", text(rule.get("MaxAge")));
        node.children.push(made);
    }
    node
}

fn push(node: &mut Node, name: &str, value: Option<String>) {
    node.children
        .extend(value.map(|text| Node::of_text(name, text)));
}

fn encryption(value: &Value) -> Node {
    let mut node = Node::new("ServerSideEncryptionConfiguration");
    for rule in list(value.get("ServerSideEncryptionConfiguration")) {
        let mut made = Node::new("Rule");
        if let Some(by_default) = rule.get("ServerSideEncryptionByDefault") {
            made.children
                .push(same(by_default, "ApplyServerSideEncryptionByDefault"));
        }
        push(
            &mut made,
            "BucketKeyEnabled",
            text(rule.get("BucketKeyEnabled")),
        );
        node.children.push(made);
    }
    node
}

fn lifecycle(value: &Value) -> Node {
    let rules = list(value.get("Rules")).iter().map(lifecycle_rule);
    rules.fold(Node::new("LifecycleConfiguration"), Node::with)
}

fn lifecycle_rule(rule: &Value) -> Node {
    let mut node = Node::new("Rule");
    push(&mut node, "ID", text(rule.get("Id")));
    push(&mut node, "Status", text(rule.get("Status")));
    let mut and = Node::new("And");
    push(&mut and, "Prefix", text(rule.get("Prefix")));
    for tag in list(rule.get("TagFilters")) {
        and.children.push(same(tag, "Tag"));
    }
    for size in ["ObjectSizeGreaterThan", "ObjectSizeLessThan"] {
        push(&mut and, size, text(rule.get(size)));
    }
    let filter = Node::new("Filter");
    node.children.push(match and.children.as_slice() {
        [] => filter.with(Node::new("Prefix")),
        [single] => filter.with(single.clone()),
        _ => filter.with(and),
    });
    let mut expiration = Node::new("Expiration");
    push(&mut expiration, "Days", text(rule.get("ExpirationInDays")));
    push(&mut expiration, "Date", text(rule.get("ExpirationDate")));
    push(
        &mut expiration,
        "ExpiredObjectDeleteMarker",
        text(rule.get("ExpiredObjectDeleteMarker")),
    );
    if !expiration.children.is_empty() {
        node.children.push(expiration);
    }
    if let Some(days) = text(rule.get("NoncurrentVersionExpirationInDays")) {
        let older = Node::new("NoncurrentVersionExpiration");
        node.children
            .push(older.with(Node::of_text("NoncurrentDays", days)));
    }
    for name in [
        "NoncurrentVersionExpiration",
        "AbortIncompleteMultipartUpload",
    ] {
        node.children
            .extend(rule.get(name).map(|value| same(value, name)));
    }
    transitions(rule, &mut node);
    node
}

fn transitions(rule: &Value, node: &mut Node) {
    for (single, many, element) in [
        ("Transition", "Transitions", "Transition"),
        (
            "NoncurrentVersionTransition",
            "NoncurrentVersionTransitions",
            "NoncurrentVersionTransition",
        ),
    ] {
        let all = list(rule.get(single)).iter().chain(list(rule.get(many)));
        for transition in all {
            let mut made = Node::new(element);
            let days = if element == "Transition" {
                "Days"
            } else {
                "NoncurrentDays"
            };
            push(
                &mut made,
                "StorageClass",
                text(transition.get("StorageClass")),
            );
            push(&mut made, days, text(transition.get("TransitionInDays")));
            push(&mut made, "Date", text(transition.get("TransitionDate")));
            push(
                &mut made,
                "NewerNoncurrentVersions",
                text(transition.get("NewerNoncurrentVersions")),
            );
            node.children.push(made);
        }
    }
}

fn notification(value: &Value) -> Node {
    let mut node = Node::new("NotificationConfiguration");
    for (property, element, target, named) in [
        (
            "LambdaConfigurations",
            "CloudFunctionConfiguration",
            "Function",
            "CloudFunction",
        ),
        (
            "QueueConfigurations",
            "QueueConfiguration",
            "Queue",
            "Queue",
        ),
        (
            "TopicConfigurations",
            "TopicConfiguration",
            "Topic",
            "Topic",
        ),
    ] {
        for rule in list(value.get(property)) {
            let mut made = Node::new(element);
            push(&mut made, named, text(rule.get(target)));
            push(&mut made, "Event", text(rule.get("Event")));
            let rules = rule
                .get("Filter")
                .and_then(|filter| filter.get("S3Key"))
                .and_then(|key| key.get("Rules"));
            let filters = list(rules).iter().map(|one| same(one, "FilterRule"));
            let key = filters.fold(Node::new("S3Key"), Node::with);
            if !key.children.is_empty() {
                made.children.push(Node::new("Filter").with(key));
            }
            node.children.push(made);
        }
    }
    if let Some(bridge) = value.get("EventBridgeConfiguration") {
        let is_off = text(bridge.get("EventBridgeEnabled")).is_some_and(|text| text == "false");
        if !is_off {
            node.children.push(Node::new("EventBridgeConfiguration"));
        }
    }
    node
}
