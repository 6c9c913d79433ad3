//! What clients of service proxies see.
//!
//! Lives here: the integration's responses by `response` of a proxy, and the declarations of the method.
//! Does not live here: what services are sent (`requests`).

use cloudformation::node::{Entry, Node};
use model::problem::Place;
use serde_json::{Value, json};

use super::{Kind, Proxy};
use crate::serverless_framework::build::{Object, Part};
use crate::serverless_framework::script;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
/// As the plugin spells it where a proxy of a table has templates of its own: no client asks for it.
const FORM_MISSPELT: &str = "application/x-www-form-urlendcoded";
const ALLOW_ORIGIN: &str = "method.response.header.Access-Control-Allow-Origin";

/// What an item becomes that `GetItem` answers: its attributes by name, without their types.
const ITEM: &str = "#set($item = $input.path('$.Item')){#foreach($key in $item.keySet())\
    #set ($value = $item.get($key))#foreach( $type in $value.keySet())\"$key\":\"$value.get($type)\"\
    #if($foreach.hasNext()),#end#end#if($foreach.hasNext()),#end#end}";

/// One response of an integration.
pub(super) struct Answer {
    status: Option<Node>,
    pattern: Option<Node>,
    parameters: Vec<(String, Node)>,
    templates: Vec<(String, Node)>,
}

/// The kinds of templates of a proxy, with the status of each.
const CLASSES: [(&str, u32); 3] = [("success", 200), ("clientError", 400), ("serverError", 500)];

pub(super) fn of(proxy: &Proxy<'_>) -> Vec<Answer> {
    let mut answers = without_cors(proxy);
    if let Some(origin) = origin(proxy) {
        for answer in &mut answers {
            let value = Node::string(format!("'{origin}'"), &proxy.place);
            answer.parameters.push((ALLOW_ORIGIN.to_owned(), value));
        }
    }
    answers
}

fn without_cors(proxy: &Proxy<'_>) -> Vec<Answer> {
    let place = &proxy.place;
    let response = proxy.option("response");
    let template = |class: &str| {
        let template = response.and_then(|response| response.at_path(["template", class]));
        script::truthy(template)
    };
    let templates = |class: &str| -> Vec<(String, Node)> {
        let types: &[&str] = match proxy.kind {
            Kind::Events => &[],
            Kind::Tables => &[JSON, FORM_MISSPELT],
            Kind::Kinesis | Kind::Queues | Kind::Objects | Kind::Topics => &[JSON],
        };
        let named = types
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), template(class)?.clone())));
        named.collect()
    };
    if proxy.kind == Kind::Objects {
        return of_bucket(proxy, &templates);
    }
    // The plugin takes the short form where it says what success looks like; proxies of streams always do.
    if proxy.kind == Kind::Kinesis || template("success").is_some() {
        let answers = CLASSES.iter().map(|(class, status)| {
            let status = (*status).into_node(place);
            answer(status.clone(), status, templates(class))
        });
        return answers.collect();
    }
    if let Some(list) = response.and_then(Node::as_sequence)
        && proxy.kind != Kind::Events
    {
        return list.iter().map(listed).collect();
    }
    let answers = CLASSES.iter().map(|(_, status)| {
        let (first, number) = (status / 100, (*status).into_node(place));
        if proxy.kind != Kind::Tables {
            return answer(number.clone(), number, Vec::new());
        }
        let is_read = *status == 200 && proxy.text("action").as_deref() == Some("GetItem");
        let item = [JSON, FORM].map(|name| (name.to_owned(), Node::string(ITEM, place)));
        let templates = if is_read { item.to_vec() } else { Vec::new() };
        let pattern = Node::string(format!("{first}\\d{{2}}"), place);
        answer(number, pattern, templates)
    });
    answers.collect()
}

fn answer(status: Node, pattern: Node, templates: Vec<(String, Node)>) -> Answer {
    Answer {
        status: Some(status),
        pattern: Some(pattern),
        parameters: Vec::new(),
        templates,
    }
}

/// An item of the long form of `response`.
fn listed(item: &Node) -> Answer {
    let members = |key: &str| -> Vec<(String, Node)> {
        let mapping = item.get(key).and_then(Node::as_mapping);
        let member = |entry: &Entry| (entry.key.clone(), entry.value.clone());
        mapping.into_iter().flatten().map(member).collect()
    };
    let status = script::present(item.get("statusCode"));
    Answer {
        status: status.cloned(),
        pattern: script::truthy(item.get("selectionPattern"))
            .or(status)
            .cloned(),
        parameters: members("responseParameters"),
        templates: members("responseTemplates"),
    }
}

/// Buckets answer with headers that clients need, and with parts of objects.
fn of_bucket(proxy: &Proxy<'_>, templates: &dyn Fn(&str) -> Vec<(String, Node)>) -> Vec<Answer> {
    let headers: &[&str] = match proxy.text("action").as_deref() {
        Some("PutObject") => &["Content-Type", "Content-Length"],
        Some("DeleteObject") => &["Content-Type", "Date"],
        Some(_) | None => &[
            "content-type",
            "Content-Type",
            "accept-ranges",
            "Accept-Ranges",
            "content-range",
            "Content-Range",
        ],
    };
    let classes = [
        ("clientError", 400_u32, "4\\d{2}"),
        ("serverError", 500, "5\\d{2}"),
        ("success", 200, "2(?!06)\\d{2}"),
        ("success", 206, "206"),
    ];
    let answers = classes.into_iter().map(|(class, status, pattern)| {
        let place = &proxy.place;
        let pattern = Node::string(pattern, place);
        let mut answer = answer(status.into_node(place), pattern, templates(class));
        if class == "success" {
            answer.parameters = headers
                .iter()
                .map(|name| {
                    let from = Node::string(format!("integration.response.header.{name}"), place);
                    (format!("method.response.header.{name}"), from)
                })
                .collect();
        }
        answer
    });
    answers.collect()
}

/// What replies allow browsers of other origins.
fn origin(proxy: &Proxy<'_>) -> Option<String> {
    let cors = proxy.cors()?;
    if cors.as_mapping().is_none() {
        return Some("*".to_owned());
    }
    let listed = script::truthy(cors.get("origins")).and_then(script::text_of);
    let listed = listed.filter(|origins| !origins.is_empty());
    let one = || script::truthy(cors.get("origin")).and_then(script::text_of);
    // The plugin sends this very word; `read` warns of it.
    Some(
        listed
            .or_else(one)
            .unwrap_or_else(|| "undefined".to_owned()),
    )
}

pub(super) fn written(answers: &[Answer], place: &Place) -> Vec<Object> {
    let members = |list: &[(String, Node)]| {
        let mut object = Object::new(place);
        for (name, value) in list {
            object.set(name, value);
        }
        object
    };
    let written = answers.iter().map(|answer| {
        Object::new(place)
            .with_some("StatusCode", answer.status.as_ref())
            .with_some("SelectionPattern", answer.pattern.as_ref())
            .with("ResponseParameters", members(&answer.parameters))
            .with("ResponseTemplates", members(&answer.templates))
    });
    written.collect()
}

/// The responses that the method declares.
pub(super) fn declared(proxy: &Proxy<'_>, answers: &[Answer]) -> Vec<Object> {
    let place = &proxy.place;
    let mut statuses = vec![200_u32, 400, 500];
    if proxy.kind == Kind::Objects {
        statuses.push(206);
    }
    let declared = statuses.into_iter().map(|status| {
        let mut parameters = Object::new(place);
        if proxy.kind == Kind::Objects {
            let same = answers.iter().filter(|answer| {
                let number = answer.status.as_ref().map(Node::to_json);
                number == Some(Value::from(status))
            });
            for (name, _) in same.flat_map(|answer| &answer.parameters) {
                parameters.set(name, true);
            }
        } else if let Some(origin) = origin(proxy) {
            parameters.set(ALLOW_ORIGIN, format!("'{origin}'"));
        }
        Object::new(place)
            .with("ResponseParameters", parameters)
            .with("ResponseModels", json!({}))
            .with("StatusCode", status)
    });
    declared.collect()
}
