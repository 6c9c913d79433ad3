//! Tests of what requests must bring, as tables of cases.

use http::HeaderValue;
use model::application::Application;
use model::door::Callee;
use model::ids::{ApiId, FunctionName, LogicalId, RevisionId, StageName};
use model::limits::REST_INTEGRATION_TIMEOUT;
use model::rest_api::{RestApi, RestIntegration, RestMethod};

use super::*;
use crate::routes::{Asked, Located, Table};

const PET: &str = r#"{"type": "object", "required": ["name"]}"#;

fn parameter(location: ParameterLocation, name: &str) -> Parameter {
    Parameter {
        location,
        name: name.to_owned(),
    }
}

fn check(
    validation: Validation,
    target: &str,
    headers: &[(&str, &'static str)],
    body: &str,
) -> Result<(), Invalid> {
    let integration = RestIntegration::LambdaProxy {
        callee: Callee::unqualified(FunctionName::new("f")),
        timeout: REST_INTEGRATION_TIMEOUT,
        is_streamed: false,
    };
    let mut api = RestApi::new(
        LogicalId::new("Api"),
        ApiId::new("api"),
        StageName::new("dev"),
    );
    api.methods.push(RestMethod {
        validation,
        ..RestMethod::new("/pets/{id}", "POST", integration)
    });
    let mut application = Application::empty(RevisionId::new("r1"));
    application.rest_apis.push(api);
    let (table, problems) = Table::compile(&application);
    assert_eq!(problems, []);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let asked = Asked {
        host: None,
        method: "POST",
        method_override: None,
        path,
        preflight_for: None,
    };
    let Located::Route(hit) = table.locate(&asked) else {
        panic!("no route for {target}");
    };
    let headers: Headers = headers
        .iter()
        .map(|(name, value)| (*name, HeaderValue::from_static(value)))
        .collect();
    let sent = Sent {
        headers: &headers,
        query: Some(query),
        body: body.as_bytes(),
    };
    hit.route.rules.check(&hit, sent)
}

#[test]
fn what_is_missing_or_blank_is_named_by_place_and_name() {
    let required = || Validation {
        required: vec![
            parameter(ParameterLocation::Query, "q"),
            parameter(ParameterLocation::Path, "id"),
            parameter(ParameterLocation::Header, "X-Tenant"),
            parameter(ParameterLocation::Query, "a b"),
            parameter(ParameterLocation::MultiValueQuery, "tag"),
        ],
        ..Validation::default()
    };
    for (target, headers, missing) in [
        ("/dev/pets/1", &[][..], &["X-Tenant", "tag", "a b", "q"][..]),
        ("/dev/pets/1?q=1&a+b=2&tag=3", &[("x-tenant", "t")], &[]),
        (
            "/dev/pets/1?q=&a%20b=+&tag=3",
            &[("x-tenant", " ")],
            &["X-Tenant", "a b", "q"],
        ),
        ("/dev/pets/1?q=&q=1&a+b=2&tag=3", &[("x-tenant", "t")], &[]),
        (
            "/dev/pets/1?q=1&q=&a+b=2&tag=3&tag=",
            &[("x-tenant", "t"), ("x-tenant", "")],
            &["X-Tenant", "q"],
        ),
        ("/dev/pets/1?Q=1&a+b=2&tag=3", &[("X-TENANT", "t")], &["q"]),
    ] {
        let expected = if missing.is_empty() {
            Ok(())
        } else {
            Err(Invalid::Missing(
                missing.iter().map(|&name| name.to_owned()).collect(),
            ))
        };
        assert_eq!(check(required(), target, headers, ""), expected, "{target}");
    }
}

#[test]
fn a_second_content_type_does_not_lead_past_a_model() {
    let validation = || Validation {
        models: [("application/json".to_owned(), PET.into())].into(),
        ..Validation::default()
    };
    for types in [
        &["application/json"][..],
        &["text/plain", "application/json"],
        &["application/json", "text/plain"],
    ] {
        let headers: Vec<_> = types.iter().map(|&it| ("Content-Type", it)).collect();
        let checked = check(validation(), "/dev/pets/1", &headers, "{}");
        assert!(matches!(checked, Err(Invalid::Body(_))), "{types:?}");
    }
}

#[test]
fn a_body_is_held_to_the_model_of_its_type_and_no_other() {
    let models = |types: &[&str]| Validation {
        models: types
            .iter()
            .map(|&name| (name.to_owned(), PET.into()))
            .collect(),
        ..Validation::default()
    };
    let json = &["application/json"][..];
    let cases = [
        (json, "application/json", r#"{"name": 1}"#, true),
        (json, "application/json", "{}", false),
        (json, "application/json", "", false),
        (json, "application/json", "{", false),
        (json, "application/json", "[]", false),
        (json, "Application/JSON; charset=utf-8", "{}", false),
        (json, "text/plain", "{}", true),
        (json, "application/json+x", "{}", true),
        (json, "", "{}", false),
        (&["$default"], "text/plain", "{}", false),
        (&["$default"], "text/plain", r#"{"name": 1}"#, true),
        (&["text/plain"], "application/json", "{}", true),
    ];
    for (types, content_type, body, fits) in cases {
        let checked = check(
            models(types),
            "/dev/pets/1",
            &[("content-type", content_type)],
            body,
        );
        assert_eq!(checked.is_ok(), fits, "{types:?} {content_type} {body}");
    }
    assert!(check(models(json), "/dev/pets/1", &[], "{}").is_err());
}

#[test]
fn a_content_type_without_a_template_is_refused_or_of_no_use() {
    let templates = |passthrough| Validation {
        templates: Some(Templates {
            content_types: vec!["application/json".to_owned()],
            passthrough,
        }),
        ..Validation::default()
    };
    let sent = |passthrough, content_type| {
        check(
            templates(passthrough),
            "/dev/pets/1",
            &[("content-type", content_type)],
            "",
        )
    };
    assert_eq!(sent(Passthrough::Refused, "application/json; a=b"), Ok(()));
    assert_eq!(
        sent(Passthrough::Refused, "text/xml"),
        Err(Invalid::ContentType("text/xml".to_owned()))
    );
    assert_eq!(
        sent(Passthrough::HandedOn, "text/xml"),
        Err(Invalid::HandedOn("text/xml".to_owned()))
    );
    assert_eq!(
        check(templates(Passthrough::Refused), "/dev/pets/1", &[], ""),
        Ok(())
    );
}

#[test]
fn nesting_without_end_is_refused_and_does_no_harm() {
    let validation = Validation {
        models: [(
            "$default".to_owned(),
            r##"{"items": {"$ref": "#"}}"##.into(),
        )]
        .into(),
        ..Validation::default()
    };
    let body = "[".repeat(100_000);
    assert!(check(validation, "/dev/pets/1", &[], &body).is_err());
}
