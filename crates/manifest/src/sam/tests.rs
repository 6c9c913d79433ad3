//! Tests of the front end: what it reads, what it asks for, and what it says of mistakes.

use std::collections::BTreeMap;

use cloudformation::node::Node;
use model::artefact::{ArtefactKind, CodeSource};
use model::ids::AccountId;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::read;
use crate::reading::{Answers, Need, ReadRequest, Reading, Step};

fn request(text: &str) -> ReadRequest {
    ReadRequest {
        manifest: "app/template.yaml".to_owned(),
        text: text.to_owned(),
        folder_name: "my shop".to_owned(),
        stage: None,
        region: Some("eu-west-1".to_owned()),
        params: BTreeMap::new(),
        account: AccountId::development(),
        now_ms: 0,
    }
}

fn done(text: &str) -> Reading {
    match read(&request(text), &Answers::default()) {
        Step::Done(reading) => *reading,
        Step::Needs(needs) => panic!("unexpected needs: {needs:?}"),
    }
}

/// A SAM template of these resources.
fn sam(resources: &str) -> String {
    format!("Transform: AWS::Serverless-2016-10-31\nResources:\n{resources}")
}

/// One line a problem: code, line, title.
fn problems(text: &str) -> Vec<String> {
    done(text)
        .problems
        .iter()
        .map(|problem| {
            let line = problem.place.as_ref().map_or(0, |place| place.line);
            let help = problem
                .help
                .as_ref()
                .map_or(String::new(), |help| format!(" ({help})"));
            format!("{} {line} {}{help}", problem.code, problem.title)
        })
        .collect()
}

fn resource<'r>(reading: &'r Reading, name: &str) -> &'r Node {
    let template = reading.template.as_ref().unwrap();
    template.at_path(["Resources", name]).unwrap()
}

#[test]
fn code_is_found_relative_to_the_template() {
    let reading = done(&sam(
        "  A: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: ./src/, Handler: a.b, Runtime: python3.12}}
  B: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: ../out/b.zip, Handler: a.b, Runtime: nodejs22.x}}
  C: {Type: 'AWS::Serverless::Function', Properties: {InlineCode: 'x = 1', Handler: index.b, Runtime: python3.12}}
  D: {Type: 'AWS::Serverless::Function', Properties: {Handler: a.b, Runtime: python3.12}}
  E: {Type: 'AWS::Serverless::LayerVersion', Properties: {ContentUri: layer}}
  F: {Type: 'AWS::Lambda::Function', Properties: {Code: plain, Handler: a.b, Runtime: python3.12}}
  G: {Type: 'AWS::Lambda::Function', Properties: {Code: {ZipFile: 'y = 1'}, Handler: index.b, Runtime: python3.12}}\n",
    ));
    assert_eq!(reading.problems, []);
    let found: Vec<(String, CodeSource)> = reading
        .artefacts
        .into_iter()
        .map(|artefact| (artefact.logical_id.to_string(), artefact.source))
        .collect();
    let layer = found[4].0.clone();
    assert!(layer.starts_with('E') && layer.len() == 11, "{layer}");
    assert_eq!(
        found,
        [
            ("A".to_owned(), CodeSource::Folder("app/src".into())),
            ("B".to_owned(), CodeSource::Archive("out/b.zip".into())),
            ("C".to_owned(), CodeSource::Inline("x = 1".to_owned())),
            ("D".to_owned(), CodeSource::Folder("app".into())),
            (layer, CodeSource::Folder("app/layer".into())),
            ("F".to_owned(), CodeSource::Folder("app/plain".into())),
            ("G".to_owned(), CodeSource::Inline("y = 1".to_owned())),
        ]
    );
}

#[test]
fn plain_cloudformation_is_left_as_it_is_but_for_paths_of_code() {
    let reading = done(
        "Resources:\n  F: {Type: 'AWS::Lambda::Function', Properties: {Code: src, Handler: a.b, Runtime: python3.12}}\n",
    );
    assert_eq!(
        resource(&reading, "F").to_json(),
        json!({"Type": "AWS::Lambda::Function", "Properties": {
            "Code": {"S3Bucket": "local-artefacts", "S3Key": "app/src"},
            "Handler": "a.b", "Runtime": "python3.12",
        }})
    );
    assert!(matches!(
        reading.artefacts[0].kind,
        ArtefactKind::Function { .. }
    ));
    assert_eq!(reading.stack.as_str(), "my-shop");
    assert_eq!(reading.region.as_str(), "eu-west-1");
}

#[test]
fn parameters_that_are_given_win_over_defaults() {
    let text = format!(
        "Parameters: {{Version: {{Type: String, Default: python3.9}}}}\n{}",
        sam(
            "  A: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: src, Handler: a.b, Runtime: !Ref Version}}\n"
        )
    );
    let mut request = request(&text);
    request
        .params
        .insert("Version".to_owned(), "python3.13".to_owned());
    let Step::Done(reading) = read(&request, &Answers::default()) else {
        panic!("nothing is needed");
    };
    let ArtefactKind::Function { runtime, .. } = &reading.artefacts[0].kind else {
        panic!("a function");
    };
    assert_eq!(runtime.to_string(), "python3.13");
    assert_eq!(reading.parameters["Version"], "python3.13");
}

#[test]
fn a_definition_in_a_file_is_asked_for_and_read() {
    for definition in [
        "DefinitionUri: api.json",
        "DefinitionBody: {'Fn::Transform': {Name: 'AWS::Include', Parameters: {Location: api.json}}}",
    ] {
        let text = sam(&format!(
            "  Api: {{Type: 'AWS::Serverless::Api', Properties: {{StageName: dev, {definition}}}}}\n"
        ));
        let need = Need::File("app/api.json".to_owned());
        let mut answers = Answers::default();
        let Step::Needs(needs) = read(&request(&text), &answers) else {
            panic!("the file is needed");
        };
        assert_eq!(needs, std::slice::from_ref(&need));
        answers.insert(need, Some(r#"{"swagger": "2.0", "paths": {}}"#.to_owned()));
        let Step::Done(reading) = read(&request(&text), &answers) else {
            panic!("nothing more is needed");
        };
        let body = resource(&reading, "Api")
            .at_path(["Properties", "Body", "swagger"])
            .unwrap();
        assert_eq!(body.as_str(), Some("2.0"));
        assert_eq!(&*body.place.file, "app/api.json");
    }
}

#[test]
fn a_file_that_is_not_there_is_a_problem() {
    let text = sam(
        "  Api: {Type: 'AWS::Serverless::Api', Properties: {StageName: dev, DefinitionUri: api.json}}\n",
    );
    let mut answers = Answers::default();
    answers.insert(Need::File("app/api.json".to_owned()), None);
    let Step::Done(reading) = read(&request(&text), &answers) else {
        panic!("nothing more is needed");
    };
    assert_eq!(reading.problems[0].code, "manifest::file-not-found");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn every_mistake_has_its_place_and_all_are_named_at_once() {
    let cases = [
        (
            "[]\n",
            "manifest::invalid-template 1 the template is not a mapping",
        ),
        (
            "Resources: {A: {Type: 'AWS::Serverless::Function'}}\n",
            "manifest::invalid-template 1 `AWS::Serverless::Function` needs the SAM transform (add `Transform: AWS::Serverless-2016-10-31` at the top of the template)",
        ),
        (
            "Transform: [AWS::LanguageExtensions]\nResources: {}\n",
            "manifest::transform-not-implemented 1 transform `AWS::LanguageExtensions` is not built yet",
        ),
        (
            &sam("  A: {Type: 'AWS::Serverless::Nonsense'}\n"),
            "manifest::invalid-type 3 there is no type `AWS::Serverless::Nonsense`",
        ),
        (
            &sam(
                "  A:\n    Type: AWS::Serverless::SimpleTable\n    Properties:\n      TablName: x\n",
            ),
            "manifest::invalid-property 6 `A` has no property `TablName` (did you mean `TableName`?)",
        ),
        (
            &sam(
                "  A: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: 's3://b/k', Handler: a.b, Runtime: python3.12}}\n",
            ),
            "manifest::code-in-bucket-not-implemented 3 the code of `A` is in a bucket, which is not fetched (give a path in the project instead)",
        ),
        (
            &sam(
                "  A: {Type: 'AWS::Serverless::Function', Properties: {InlineCode: !Sub 'x = 1', Handler: a.b, Runtime: python3.12}}\n",
            ),
            "manifest::computed-code-not-implemented 3 the code of `A` is not a plain text (write the text out, or put it into a file; hand it values by `Environment`)",
        ),
        (
            "Resources:\n  A: {Type: 'AWS::Lambda::Function', Properties: {Code: {ZipFile: !Sub 'x = 1'}, Handler: a.b, Runtime: python3.12}}\n",
            "manifest::computed-code-not-implemented 2 the code of `A` is not a plain text (write the text out, or put it into a file; hand it values by `Environment`)",
        ),
        (
            "Resources:\n  A: {Type: 'AWS::Lambda::Function', Properties: {PackageType: Image, Code: {ImageUri: x}}}\n",
            "manifest::image-not-implemented 2 container image of function `A` is not built yet",
        ),
        (
            &sam(
                "  A: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: src, Handler: a.b, Runtime: java21}}\n",
            ),
            "manifest::runtime-not-implemented 3 runtime `java21` is not run here, which is that of `A` (Python (`python3.N`), Node.js (`nodejsN.x`) and executables (`provided.al2023`) are; code in Ruby, Java or .NET runs as `provided.al2023`, with a `bootstrap` that starts the language's runtime interface client)",
        ),
        (
            &sam(
                "  A: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: src, Handler: a.b, Runtime: nodejs99.x}}\n",
            ),
            "manifest::runtime-not-implemented 3 runtime `nodejs99.x` is not known, which is that of `A` (did you mean `nodejs24.x`?)",
        ),
        (
            &sam(
                "  A: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: src, Handler: a.b, Runtime: python3.12, Policies: {DynamoDBCrudPolicy: {}}}}\n",
            ),
            "manifest::invalid-policy 3 policy template `DynamoDBCrudPolicy` needs `TableName`",
        ),
        (
            &sam(
                "  A: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: src, Handler: a.b, Runtime: python3.12, FunctionUrlConfig: {AuthType: OPEN}}}\n",
            ),
            "manifest::invalid-resource 3 `AuthType` of `FunctionUrlConfig` must be `AWS_IAM` or `NONE`",
        ),
        (
            &sam("  A-b: {Type: 'AWS::Serverless::SimpleTable'}\n"),
            "manifest::invalid-resource 3 `A-b` has other than letters and digits",
        ),
        (
            &sam("  A: {Type: 'AWS::Serverless::SimpleTable', Properties: {Tags: [x]}}\n"),
            "manifest::invalid-resource 3 `Tags` of `A` cannot be a list",
        ),
        (
            &sam(
                "  A: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: src, Handler: a.b, Runtime: python3.12, VersionDeletionPolicy: Delete}}\n",
            ),
            "manifest::invalid-resource 3 `VersionDeletionPolicy` of `A` needs `AutoPublishAlias`",
        ),
        (
            &sam(
                "  A: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: src, Handler: a.b, Runtime: python3.12}}\n  ARole: {Type: 'AWS::IAM::Role'}\n",
            ),
            "manifest::invalid-resource 3 `A` makes a resource `ARole`, which the template declares itself",
        ),
        (
            &format!(
                "Globals: {{Function: {{Role: x}}}}\n{}",
                sam("  A: {Type: 'AWS::Serverless::SimpleTable'}\n")
            ),
            "manifest::invalid-globals 1 `Role` cannot be set for all resources of type `Function`",
        ),
        (
            &format!(
                "Globals: {{Function: {{TimeOut: 3}}}}\n{}",
                sam(
                    "  A: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: src, Handler: a.b, Runtime: python3.12}}\n"
                )
            ),
            "manifest::invalid-globals 1 `TimeOut` cannot be set for all resources of type `Function` (did you mean `Timeout`?)",
        ),
        (
            &sam("  A: {Type: 'AWS::Serverless::SimpleTable', Propertys: {TableName: t}}\n"),
            "manifest::invalid-resource 3 `A` has no attribute `Propertys` (did you mean `Properties`?)",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(problems(text), [expected], "{text}");
    }
}

#[test]
fn types_that_are_not_transformed_yet_stay_for_the_deployment_to_report() {
    let reading = done(&sam(
        "  A: {Type: 'AWS::Serverless::StateMachine', Properties: {Name: a}}\n",
    ));
    assert_eq!(reading.problems, []);
    let kind = resource(&reading, "A").get("Type").unwrap();
    assert_eq!(kind.as_str(), Some("AWS::Serverless::StateMachine"));
}

#[test]
fn what_would_come_with_a_type_that_is_not_transformed_is_no_mistake_of_the_template() {
    let reading = done(&sam(
        "  A: {Type: 'AWS::Serverless::StateMachine', Properties: {Name: a}}\n",
    ));
    let unbuilt: Vec<_> = reading.unbuilt.iter().map(|it| &*it.prefix).collect();
    assert_eq!(unbuilt, ["A"]);
    assert_eq!(
        reading.unbuilt[0].because,
        "it would come with `A`: the type `AWS::Serverless::StateMachine` is not built yet"
    );
}

#[test]
fn a_runtime_that_functions_share_is_refused_once() {
    let text = "Transform: AWS::Serverless-2016-10-31\nGlobals: {Function: {Runtime: ruby3.2, CodeUri: s, Handler: a.b}}\nResources:\n  F: {Type: 'AWS::Serverless::Function'}\n  G: {Type: 'AWS::Serverless::Function'}\n";
    let found = problems(text);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("runtime `ruby3.2` is not run here, which is that of `F`, `G`"));
}

#[test]
fn connectors_are_refused_wherever_they_stand_and_handed_on_to_nobody() {
    for kind in [
        "AWS::Serverless::StateMachine",
        "AWS::DynamoDB::Table",
        "AWS::Serverless::SimpleTable",
    ] {
        let text = sam(&format!(
            "  A: {{Type: '{kind}', Connectors: {{C: {{Properties: {{}}}}}}}}\n"
        ));
        let expected = "manifest::property-not-implemented 3 `Connectors` of `A` is not built yet";
        assert_eq!(problems(&text), [expected], "{kind}");
        assert_eq!(resource(&done(&text), "A").get("Connectors"), None);
    }
}

#[test]
fn events_are_checked_and_the_function_stays() {
    let with = |event: &str| {
        sam(&format!(
            "  A:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: src\n      Handler: a.b\n      Runtime: python3.12\n      Events:\n        E: {event}\n"
        ))
    };
    let cases = [
        (
            "{Type: MSK, Properties: {Stream: s}}",
            "manifest::event-not-implemented 10 event `E` of type `MSK` is not built yet",
        ),
        (
            "{Type: SQS, Properties: {BatchSize: 3}}",
            "manifest::invalid-event 10 event `E` needs `Queue`",
        ),
        (
            "{Type: S3, Properties: {Bucket: b, Events: e}}",
            "manifest::invalid-event 10 event `E` does not refer to a bucket of this template",
        ),
        (
            "{Type: Schedule, Properties: {Schedule: rate(1 day), State: ENABLED, Enabled: true}}",
            "manifest::invalid-event 10 event `E` has both `State` and `Enabled`",
        ),
        (
            "{Type: Carrier}",
            "manifest::invalid-event 10 there are no events of type `Carrier`",
        ),
        (
            "{Type: Api, Properties: {Path: /x}}",
            "manifest::invalid-event 10 event `E` needs `Path` and `Method`",
        ),
        (
            "{Type: Api, Properties: {Path: x, Method: get}}",
            "manifest::invalid-event 10 `x` does not begin with a slash",
        ),
        (
            "{Type: Api, Properties: {Path: /x, Method: get, RestApiId: !Ref Nobody}}",
            "manifest::invalid-event 10 event `E` does not refer to an API of this template",
        ),
        (
            "{Type: HttpApi, Properties: {Path: /x, Method: get, Foo: 1}}",
            "manifest::invalid-event 10 an event of this type has no property `Foo`",
        ),
    ];
    for (event, expected) in cases {
        let text = with(event);
        assert_eq!(problems(&text), [expected], "{event}");
        assert_eq!(
            resource(&done(&text), "A").get("Type").unwrap().as_str(),
            Some("AWS::Lambda::Function")
        );
    }
}

#[test]
fn what_guards_a_method_is_written_into_the_definition() {
    let reading = done(&sam(
        "  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: dev
      Auth: {DefaultAuthorizer: Pool, Authorizers: {Pool: {UserPoolArn: arn}}}
  A:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: src
      Handler: a.b
      Runtime: python3.12
      Events:
        Shut: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /shut, Method: get}}
        Open: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /open, Method: get, Auth: {Authorizer: NONE}}}\n",
    ));
    assert!(reading.problems.is_empty(), "{:?}", reading.problems);
    let security = |path: &str| {
        let way = ["Properties", "Body", "paths", path, "get", "security"];
        resource(&reading, "Api").at_path(way).unwrap().to_json()
    };
    assert_eq!(security("/shut"), json!([{"Pool": []}]));
    assert_eq!(security("/open"), json!([{"NONE": []}]));
}

#[test]
fn an_authorizer_that_is_not_there_is_a_problem() {
    let text = sam("  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: dev
      Auth: {DefaultAuthorizer: Lost, Authorizers: {Empty: {}}, Unknown: 1, UsagePlan: {CreateUsagePlan: SHARED}}
  A:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: src
      Handler: a.b
      Runtime: python3.12
      Events:
        One: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /x, Method: get}}\n");
    assert_eq!(
        problems(&text),
        [
            "manifest::invalid-auth 7 `Authorizers` of the API has no `Lost`",
            "manifest::invalid-auth 7 authorizer `Empty` has neither a function nor issuers of tokens",
            "manifest::invalid-auth 7 `Auth` has no property `Unknown`",
            "manifest::auth-not-implemented 7 `CreateUsagePlan: SHARED` is not built yet",
        ]
    );
}

#[test]
fn wanting_no_key_does_not_open_a_method_that_an_authorizer_guards() {
    let reading = done(&sam(
        "  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: dev
      Auth: {DefaultAuthorizer: Pool, ApiKeyRequired: true, Authorizers: {Pool: {UserPoolArn: arn}}}
  A:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: src
      Handler: a.b
      Runtime: python3.12
      Events:
        Both: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /both, Method: get}}
        One: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /one, Method: get, Auth: {ApiKeyRequired: false}}}\n",
    ));
    let security = |path: &str| {
        let way = ["Properties", "Body", "paths", path, "get", "security"];
        resource(&reading, "Api").at_path(way).unwrap().to_json()
    };
    assert_eq!(security("/both"), json!([{"Pool": []}, {"api_key": []}]));
    assert_eq!(security("/one"), json!([{"Pool": []}]));
}

#[test]
fn a_method_that_is_defined_twice_is_a_problem() {
    let text = sam("  A:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: src
      Handler: a.b
      Runtime: python3.12
      Events:
        One: {Type: Api, Properties: {Path: /x, Method: get}}
        Two: {Type: Api, Properties: {Path: /x, Method: GET}}\n");
    assert_eq!(
        problems(&text),
        ["manifest::invalid-event 11 method `GET` of path `/x` is defined twice"]
    );
}

#[test]
fn all_public_policy_templates_are_known() {
    let templates: Map<String, Value> =
        serde_json::from_str(include_str!("policy_templates.json")).unwrap();
    assert_eq!(templates.len(), 81);
    for (name, template) in &templates {
        assert!(
            template["statements"]
                .as_array()
                .is_some_and(|all| !all.is_empty()),
            "{name}"
        );
        let written = template["statements"].to_string();
        for parameter in template["parameters"].as_array().unwrap() {
            let reference = format!("{{\"Ref\":{parameter}}}");
            assert!(written.contains(&reference), "{name} uses {parameter}");
        }
    }
}

/// JSON with the words that the transform looks for.
fn any_json() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "Type",
        "Properties",
        "Events",
        "Path",
        "Method",
        "Auth",
        "Cors",
        "Ref",
        "Fn::If",
        "Fn::Sub",
        "Policies",
        "CodeUri",
        "DefinitionBody",
        "paths",
        "get",
        "AWS::NoValue",
        "Globals",
        "Api",
        "StageName",
        "/x",
        "Condition",
        "AutoPublishAlias",
        "Role",
        "Layers",
        "DefinitionUri",
        "BinaryMediaTypes",
        "s3://",
        "{",
        "$default",
        "é",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        words.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((words.clone(), inner), 0..5).prop_map(|members| {
                Value::Object(
                    members
                        .into_iter()
                        .map(|(key, value)| (key.to_owned(), value))
                        .collect(),
                )
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_template_makes_it_panic(
        properties in any_json(), events in any_json(), globals in any_json(), other in any_json(),
        kind in prop::sample::select(vec!["Function", "Api", "HttpApi", "SimpleTable", "LayerVersion"]),
    ) {
        let mut function = json!({"CodeUri": "src", "Handler": "a.b", "Runtime": "python3.12", "Events": {
            "A": {"Type": "Api", "Properties": events}, "B": {"Type": "HttpApi", "Properties": events}, "C": events,
        }});
        if let (Some(all), Some(more)) = (function.as_object_mut(), properties.as_object()) {
            all.extend(more.clone());
        }
        let template = json!({
            "Transform": "AWS::Serverless-2016-10-31", "Globals": globals,
            "Parameters": other, "Conditions": other,
            "Resources": {
                "X": {"Type": format!("AWS::Serverless::{kind}"), "Properties": properties},
                "F": {"Type": "AWS::Serverless::Function", "Properties": function},
                "P": {"Type": "AWS::Lambda::Function", "Properties": {"Code": other}},
                "Y": other,
            },
        });
        let _ = read(&request(&template.to_string()), &Answers::default());
        let _ = read(&request(&other.to_string()), &Answers::default());
    }
}
