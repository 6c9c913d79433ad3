//! What services are sent by service proxies.
//!
//! Lives here: the integration of each service, with its parameters and templates.
//! Does not live here: what clients see of the answer (`responses`).

use cloudformation::node::Node;

use super::{Kind, Proxy, substituted};
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::script;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const QUERY: &str = "integration.request.querystring.";
const CONTENT_TYPE: &str = "integration.request.header.Content-Type";

/// Records of a request that has several.
const RECORDS: &str = r#"[
  #foreach($elem in $input.path('$.records'))
      {
        "Data": "$util.base64Encode($elem.data)",
        "PartitionKey": "$elem.partition-key"
      }#if($foreach.hasNext),#end
  #end
]"#;

/// The attributes of an item, which the body has with their types, behind those of its key.
const ATTRIBUTES: &str = r#"
      #set ($body = $util.parseJson($input.body))
      #foreach( $key in $body.keySet())
        #set ($item = $body.get($key))
        #foreach( $type in $item.keySet())
          "$key":{"$type" : "$item.get($type)"}
        #if($foreach.hasNext()),#end
        #end
      #if($foreach.hasNext()),#end
      #end
    }
    "#;

/// All but its responses.
pub(super) fn integration(proxy: &Proxy<'_>, parameters: &[(String, Node)]) -> Object {
    let place = &proxy.place;
    let method = match (proxy.kind, proxy.text("action").as_deref()) {
        (Kind::Objects, Some("GetObject")) => "GET",
        (Kind::Objects, Some("PutObject")) => "PUT",
        (Kind::Objects, Some("DeleteObject")) => "DELETE",
        _others => "POST",
    };
    let mut sent = Object::new(place);
    for (name, value) in parameters {
        sent.set(name, value);
    }
    let integration = Object::new(place)
        .with("IntegrationHttpMethod", method)
        .with("Type", "AWS")
        .with("Credentials", proxy.role())
        .with("Uri", uri(proxy))
        .with_some("PassthroughBehavior", pass_through(proxy))
        .with_some(
            "RequestParameters",
            (proxy.kind != Kind::Kinesis).then_some(sent),
        )
        .with_some("RequestTemplates", templates(proxy));
    let handling = proxy
        .option("request")
        .and_then(|request| request.get("contentHandling"));
    integration.with_some(
        "ContentHandling",
        handling.filter(|_| proxy.kind == Kind::Topics),
    )
}

fn uri(proxy: &Proxy<'_>) -> Node {
    let place = &proxy.place;
    let service = "arn:${AWS::Partition}:apigateway:${AWS::Region}:";
    let action = proxy.text("action");
    match proxy.kind {
        Kind::Kinesis => {
            let action = action.unwrap_or_else(|| "PutRecord".to_owned());
            build::substituted(&format!("{service}kinesis:action/{action}"), place)
        }
        Kind::Queues => proxy.with_target(&format!(
            "{service}sqs:path//${{AWS::AccountId}}/${{queueName}}"
        )),
        Kind::Objects => {
            let object = proxy.text("pathOverride");
            let object = object.unwrap_or_else(|| "{object}".to_owned());
            let text = format!("{service}s3:path/{{bucket}}/{object}");
            substituted(&text, Object::new(place), place)
        }
        Kind::Topics => build::substituted(&format!("{service}sns:path//"), place),
        Kind::Tables => {
            let action = Object::new(place).with_some("action", action);
            substituted(
                &format!("{service}dynamodb:action/${{action}}"),
                action,
                place,
            )
        }
        Kind::Events => build::substituted(&format!("{service}events:action/PutEvents"), place),
    }
}

/// Templates that the manifest has for requests.
fn own_templates<'a>(proxy: &Proxy<'a>) -> Option<&'a Node> {
    let template = proxy.option("request")?.get("template")?;
    let is_empty = template.as_mapping().is_none_or(|all| all.is_empty());
    (!is_empty).then_some(template)
}

fn pass_through(proxy: &Proxy<'_>) -> Option<Node> {
    let place = &proxy.place;
    let never = Some(Node::string("NEVER", place));
    match proxy.kind {
        Kind::Queues => never.filter(|_| own_templates(proxy).is_some()),
        Kind::Objects if own_templates(proxy).is_none() => {
            Some(Node::string("WHEN_NO_MATCH", place))
        }
        Kind::Topics => {
            let request = proxy.option("request");
            let own = request.and_then(|request| request.get("passThrough"));
            own.cloned().or(never)
        }
        Kind::Kinesis | Kind::Objects | Kind::Tables | Kind::Events => never,
    }
}

/// Parameters of the service's request, the manifest's own last.
pub(super) fn parameters(proxy: &Proxy<'_>) -> Vec<(String, Node)> {
    let place = &proxy.place;
    let is_templated = own_templates(proxy).is_some();
    let text = |name: &str, value: &str| (name.to_owned(), Node::string(value, place));
    let mut all = match proxy.kind {
        Kind::Kinesis | Kind::Tables => Vec::new(),
        Kind::Queues if is_templated => {
            vec![text(CONTENT_TYPE, "'application/x-www-form-urlencoded'")]
        }
        Kind::Queues => vec![
            text("integration.request.querystring.Action", "'SendMessage'"),
            text(
                "integration.request.querystring.MessageBody",
                "method.request.body",
            ),
        ],
        Kind::Objects => of_bucket(proxy),
        Kind::Topics => vec![text(CONTENT_TYPE, "'application/x-www-form-urlencoded'")],
        Kind::Events => vec![
            text(
                "integration.request.header.X-Amz-Target",
                "'AWSEvents.PutEvents'",
            ),
            text(CONTENT_TYPE, "'application/x-amz-json-1.1'"),
        ],
    };
    let own = proxy.option("requestParameters").and_then(Node::as_mapping);
    for entry in own.into_iter().flatten() {
        // A template writes all of the form that a query would be.
        let is_query = entry.key.trim().starts_with(QUERY);
        if proxy.kind == Kind::Queues && is_templated && is_query {
            continue;
        }
        match all.iter_mut().find(|(name, _)| *name == entry.key) {
            Some((_, value)) => value.clone_from(&entry.value),
            None => all.push((entry.key.clone(), entry.value.clone())),
        }
    }
    all
}

fn of_bucket(proxy: &Proxy<'_>) -> Vec<(String, Node)> {
    let place = &proxy.place;
    let text = |name: &str, value: String| {
        let name = format!("integration.request.{name}");
        (name, Node::string(value, place))
    };
    let from = |what: &str| format!("method.request.{what}");
    let mut all = match proxy.text("action").as_deref() {
        Some("GetObject") => vec![text("header.Range", from("header.Range"))],
        Some("PutObject") => vec![
            text("header.x-amz-acl", "'authenticated-read'".to_owned()),
            text("header.Content-Type", from("header.Content-Type")),
        ],
        _others => Vec::new(),
    };
    let bucket = proxy.with_target("'${bucket}'");
    all.push(("integration.request.path.bucket".to_owned(), bucket));
    if let Some(key) = script::present(proxy.options.get("key")) {
        let part = |name: &str| script::truthy(key.get(name)).and_then(script::text_of);
        let object = match (part("pathParam"), part("queryStringParam")) {
            (Some(name), _) => from(&format!("path.{name}")),
            (None, Some(name)) => from(&format!("querystring.{name}")),
            (None, None) => format!("'{}'", script::text_of(key).unwrap_or_default()),
        };
        all.push(text("path.object", object));
    }
    all
}

fn templates(proxy: &Proxy<'_>) -> Option<Object> {
    let place = &proxy.place;
    let both = |template: Node| {
        Object::new(place)
            .with(JSON, template.clone())
            .with(FORM, template)
    };
    let own = own_templates(proxy);
    let mut all = match proxy.kind {
        Kind::Kinesis => both(records(proxy)),
        Kind::Queues if own.is_none() => {
            return Some(Object::new(place).with(JSON, "{statusCode:200}"));
        }
        Kind::Queues => Object::new(place).with(
            JSON,
            "Action=SendMessage&MessageBody=$util.urlEncode($input.body)",
        ),
        Kind::Objects if own.is_none() => return None,
        Kind::Objects => Object::new(place),
        Kind::Topics => {
            let parts = vec![
                Node::string(
                    "Action=Publish&Message=$util.urlEncode($input.body)&TopicArn=$util.urlEncode('",
                    place,
                ),
                proxy.with_target(&proxy.kind.arn()),
                Node::string("')", place),
            ];
            both(build::joined("", parts, place))
        }
        Kind::Tables => both(item(proxy)),
        Kind::Events => both(event(proxy)),
    };
    for entry in own.and_then(Node::as_mapping).into_iter().flatten() {
        all.set(&entry.key, &entry.value);
    }
    Some(all)
}

/// What a template takes from the request, or a fixed text.
fn taken(node: Option<&Node>, default: &str) -> String {
    let Some(node) = script::present(node) else {
        return default.to_owned();
    };
    let part = |name: &str| script::truthy(node.get(name)).and_then(script::text_of);
    if let Some(name) = part("pathParam") {
        format!("$input.params().path.{name}")
    } else if let Some(name) = part("queryStringParam") {
        format!("$input.params().querystring.{name}")
    } else if let Some(name) = part("bodyParam") {
        format!("$util.parseJson($input.body).{name}")
    } else {
        script::text_of(node).unwrap_or_default()
    }
}

fn records(proxy: &Proxy<'_>) -> Node {
    let place = &proxy.place;
    let variables = Object::new(place).with_some("StreamName", proxy.options.get("streamName"));
    if proxy.text("action").as_deref() == Some("PutRecords") {
        let text = r#"{"StreamName":"${StreamName}","Records":${Records}}"#;
        return substituted(text, variables.with("Records", RECORDS), place);
    }
    let key = taken(proxy.options.get("partitionKey"), "$context.requestId");
    let variables = variables
        .with("Data", "$util.base64Encode($input.body)")
        .with("PartitionKey", key);
    let text =
        r#"{"StreamName":"${StreamName}","Data":"${Data}","PartitionKey":"${PartitionKey}"}"#;
    substituted(text, variables, place)
}

fn item(proxy: &Proxy<'_>) -> Node {
    let place = &proxy.place;
    let is_put = proxy.text("action").as_deref() == Some("PutItem");
    let is_read = proxy.text("action").as_deref() == Some("GetItem");
    let mut variables = Object::new(place).with_some("TableName", proxy.options.get("tableName"));
    let mut parts = Vec::new();
    for (key, prefix) in [("hashKey", "Hash"), ("rangeKey", "Range")] {
        let Some(node) = proxy.option(key) else {
            continue;
        };
        let name = script::truthy(node.get("pathParam"))
            .or_else(|| script::truthy(node.get("queryStringParam")));
        variables = variables
            .with_some(&format!("{prefix}Key"), name)
            .with_some(&format!("{prefix}AttributeType"), node.get("attributeType"))
            .with(&format!("{prefix}AttributeValue"), taken(Some(node), ""));
        parts.push(format!(
            "\"${{{prefix}Key}}\": {{\"${{{prefix}AttributeType}}\": \"${{{prefix}AttributeValue}}\"}}"
        ));
    }
    let keys = parts.join(",");
    let condition = proxy.options.get("condition").filter(|_| !is_read);
    let condition_text = match condition {
        Some(_) => ",\"ConditionExpression\": \"${ConditionExpression}\"",
        None => "",
    };
    let variables = variables.with_some("ConditionExpression", condition);
    let text = if is_put {
        format!(
            "{{\"TableName\": \"${{TableName}}\",\"Item\": {{{keys},{ATTRIBUTES}{condition_text}}}"
        )
    } else {
        format!("{{\"TableName\": \"${{TableName}}\",\"Key\":{{{keys}}}{condition_text}}}")
    };
    substituted(&text, variables, place)
}

fn event(proxy: &Proxy<'_>) -> Node {
    let place = &proxy.place;
    let option = |key: &str| proxy.options.get(key);
    // A proxy that names no part of the body sends all of it.
    let part = option("detail").filter(|detail| script::truthy(detail.get("bodyParam")).is_some());
    let detail = taken(part, "$input.body");
    let variables = Object::new(place)
        .with_some("EventBusName", option("eventBusName"))
        .with("Detail", format!("$util.escapeJavaScript({detail})"))
        .with(
            "DetailType",
            taken(option("detailType"), "$context.requestId"),
        )
        .with("Source", taken(option("source"), ""));
    let text = r#"{"Entries":[{"Detail": "${Detail}","DetailType": "${DetailType}","EventBusName": "${EventBusName}","Source": "${Source}"}]}"#;
    substituted(text, variables, place)
}
