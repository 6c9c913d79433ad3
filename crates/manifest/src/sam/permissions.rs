//! Permissions by which an API may invoke a function.
//!
//! Lives here: what is written for an `Api` or `HttpApi` event.
//! Does not live here: the events (`events`).

use cloudformation::node::Mapping;

use super::apis::{Api, ApiKind};
use super::context::{Context, Declared};
use super::events::{DEFAULT_PATH, Event, api_node};
use super::function::Target;
use super::nodes::{list, mapping, reference, text};
use super::{definition, hash};

/// Writes the permission that an event needs.
pub(super) fn write(
    declared: &Declared<'_>,
    target: &Target,
    event: &Event<'_>,
    api: &Api<'_>,
    context: &mut Context<'_>,
) {
    let place = event.place;
    let any = event.method.eq_ignore_ascii_case("any") || event.method == definition::ANY_METHOD;
    let method = if any {
        "*".to_owned()
    } else {
        event.method.to_ascii_uppercase()
    };
    let path = permitted_path(&event.path);
    let partition = match event.kind {
        ApiKind::Rest => "aws",
        ApiKind::Http => "${AWS::Partition}",
    };
    let source = format!(
        "arn:{partition}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{__ApiId__}}/${{__Stage__}}/{method}{path}"
    );
    let variables = mapping(
        [
            ("__ApiId__", api_node(event)),
            ("__Stage__", text("*", place)),
        ],
        place,
    );
    let source = list(vec![text(source, place), variables], place);
    let mut properties = Mapping::default();
    properties.set("Action", place, text("lambda:InvokeFunction", place));
    properties.set("FunctionName", place, reference(&target.invoked, place));
    properties.set("Principal", place, text("apigateway.amazonaws.com", place));
    properties.set("SourceArn", place, mapping([("Fn::Sub", source)], place));
    let prefix = format!("{}{}Permission", target.function, event.name);
    let id = match event.kind {
        ApiKind::Http => prefix,
        ApiKind::Rest => {
            let suffix = api.stage_suffix();
            if suffix.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                format!("{prefix}{suffix}")
            } else {
                hash::logical_id(&prefix, &suffix)
            }
        }
    };
    context.write_companion(declared, &id, "AWS::Lambda::Permission", properties);
}

/// The path as a permission has it: stars for parameters, no slash at the end, nothing for `$default`.
fn permitted_path(path: &str) -> String {
    if path == DEFAULT_PATH {
        return String::new();
    }
    let path = match path.strip_suffix('/') {
        Some(shorter) if !shorter.is_empty() => shorter,
        Some(_) | None => path,
    };
    let mut permitted = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        permitted.push_str(before);
        match after.split_once('}') {
            Some((_, after)) => {
                permitted.push('*');
                rest = after;
            }
            None => {
                permitted.push('{');
                rest = after;
            }
        }
    }
    permitted.push_str(rest);
    permitted
}
