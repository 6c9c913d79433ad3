//! Our templates against those that the Serverless Framework wrote for the same manifests.
//!
//! Lives here: comparing each case under `serverless_framework/cases` with what was recorded for it.
//! Does not live here: recording (`serverless_framework/record.mjs`).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure is the test's result"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use manifest::reading::{Answers, Need, ReadRequest, Reading, Step};
use manifest::serverless_framework;
use model::ids::AccountId;
use model::problem::any_error;
use serde_json::{Value, json};

/// A moment whose text is as long as any other's.
const NOW_MS: i64 = 1_700_000_000_123;
const FOLDER_OF_NOW: &str = "/1700000000123-2023-11-14T22:13:20.123Z/";
/// More rounds than any case needs.
const ROUNDS_MAX: usize = 10;

#[test]
fn templates_are_those_that_the_tool_writes() {
    let mut failures = Vec::new();
    let mut cases: Vec<PathBuf> = fs::read_dir(cases_folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(!cases.is_empty());
    for case in cases {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let reading = read(&case);
        if any_error(&reading.problems) {
            failures.push(format!("{name}: {:#?}", reading.problems));
        }
        let Some(template) = reading.template else {
            failures.push(format!("{name}: no template"));
            continue;
        };
        let ours = normalised(template.to_json());
        let expected = fs::read_to_string(case.join("expected.json")).unwrap();
        let expected: Value = serde_json::from_str(&expected).unwrap();
        let mut differences = Vec::new();
        compare(&expected, &ours, &name, &mut differences);
        failures.extend(differences);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What the version that the cases were recorded with does not know: later keys, and keys of plug-ins.
#[test]
fn replies_stream_and_are_kept_where_the_manifest_says_so() {
    let reading = read(&cases_folder().with_file_name("beyond").join("version-4"));
    let problems = format!("{:#?}", reading.problems);
    assert!(reading.problems.is_empty(), "{problems}");
    let template = reading.template.unwrap().to_json();
    let integration =
        |method: &str| template["Resources"][method]["Properties"]["Integration"].clone();
    let streams = integration("ApiGatewayMethodStreamGet");
    assert_eq!(streams["ResponseTransferMode"], "STREAM");
    let uri = streams["Uri"].to_string();
    assert!(uri.contains(":lambda:path/2021-11-15/functions/"), "{uri}");
    assert!(uri.contains("/response-streaming-invocations"), "{uri}");
    let kept = integration("ApiGatewayMethodKeptGet");
    assert_eq!(
        kept["CacheKeyParameters"],
        json!([
            "method.request.querystring.page",
            "integration.request.header.who"
        ])
    );
    assert_eq!(
        kept["RequestParameters"],
        json!({"integration.request.header.who": "method.request.header.Who"})
    );
}

#[test]
fn every_part_of_a_template_has_a_place_in_one_of_the_users_files() {
    for case in ["petstore", "variables", "functions"] {
        let folder = cases_folder().join(case);
        let template = read(&folder).template.unwrap();
        let resources = template.get("Resources").unwrap().as_mapping().unwrap();
        for resource in resources {
            let file = folder.join(&*resource.value.place.file);
            let text = fs::read_to_string(&file).unwrap();
            let lines = u32::try_from(text.lines().count()).unwrap();
            assert!(
                resource.value.place.line <= lines,
                "{}",
                resource.value.place
            );
        }
    }
}

#[test]
fn no_value_anywhere_makes_the_reader_panic_or_ask_without_end() {
    for case in fs::read_dir(cases_folder()).unwrap() {
        let case = case.unwrap().path();
        let request = request_of(&case);
        let lines: Vec<&str> = request.text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let key = line.split_inclusive(": ").next().unwrap_or_default();
            for value in ["~", "[]", "{}", "text", "${self:}"] {
                let mut changed: Vec<String> = lines.iter().map(ToString::to_string).collect();
                changed[index] = format!("{key}{value}");
                let request = ReadRequest {
                    text: changed.join("\n"),
                    ..request.clone()
                };
                answered(&case, &request);
            }
        }
    }
}

#[test]
fn mistakes_are_named_all_at_once_and_the_rest_is_still_written() {
    let request = ReadRequest {
        manifest: "serverless.yml".to_owned(),
        text: MISTAKES.to_owned(),
        ..request_of(&cases_folder().join("minimal"))
    };
    let reading = answered(&cases_folder().join("minimal"), &request);
    let said: Vec<String> = reading
        .problems
        .iter()
        .map(|problem| {
            let place = problem.place.as_ref().unwrap();
            format!("{}:{} {}", place.line, place.column, problem.code)
        })
        .collect();
    assert_eq!(
        said,
        [
            "2:5 manifest::plugin-not-implemented",
            "5:12 manifest::runtime-not-implemented",
            "6:3 manifest::unknown-key",
            "12:9 manifest::event-not-implemented",
            "13:15 manifest::invalid-http-event",
            "15:14 manifest::variable-without-value",
            "16:3 manifest::no-handler",
            "17:3 manifest::no-handler",
            "21:5 manifest::key-not-implemented",
        ],
        "{:#?}",
        reading.problems
    );
    let template = reading.template.unwrap();
    assert!(
        template
            .at_path(["Resources", "AlphaLambdaFunction", "Properties", "Handler"])
            .is_some()
    );
    let artefacts: Vec<&str> = reading
        .artefacts
        .iter()
        .map(|artefact| artefact.logical_id.as_str())
        .collect();
    assert_eq!(artefacts, ["BetaLambdaFunction"]);
}

const MISTAKES: &str = "plugins:
  - serverless-unheard-of
provider:
  name: aws
  runtime: java21
  memorySzie: 512
functions:
  alpha:
    handler: handler.handler
    events:
      - httpApi: GET /alpha
      - alexaSkill: amzn1.ask.skill.xx
      - http: GRAB /alpha
  beta: {runtime: python3.12, handler: handler.handler,
    timeout: '${self:custom.nothing}'}
  gamma: {}
  delta: {events: []}
resources:
  Resources:
    BetaLambdaFunction: {Type: AWS::Lambda::Function, Properties: {Timeout: 7}}
    Epsilon: {Type: AWS::Lambda::Function, Properties: {Code: {ZipFile: pass}}}
service: mistakes
";

#[test]
fn mistakes_of_service_proxies_have_their_own_lines_and_the_others_are_still_written() {
    let request = ReadRequest {
        manifest: "serverless.yml".to_owned(),
        text: PROXIES.to_owned(),
        ..request_of(&cases_folder().join("minimal"))
    };
    let reading = answered(&cases_folder().join("minimal"), &request);
    let said: Vec<String> = reading
        .problems
        .iter()
        .map(|problem| {
            let line = problem.place.as_ref().unwrap().line;
            let code = problem.code.trim_start_matches("manifest::");
            assert!(problem.help.is_some(), "{problem:?}");
            format!("{line} {code}: {}", problem.title)
        })
        .collect();
    assert_eq!(said, PROXY_MISTAKES, "{said:#?}");
    let template = reading.template.unwrap().to_json();
    let resources = template["Resources"].as_object().unwrap();
    let methods = resources
        .keys()
        .filter(|id| id.starts_with("ApiGatewayMethod"));
    let methods: Vec<&String> = methods.collect();
    assert_eq!(
        methods,
        ["ApiGatewayMethodFitPost", "ApiGatewayMethodTableGet"]
    );
}

const PROXIES: &str = "plugins: [serverless-apigateway-service-proxy]
provider: {name: aws}
custom:
  apiGatewayServiceProxies:
    - sqs: {path: /fit, method: post, queueName: letters}
    - sqs: {path: /a, method: grab, queueName: letters}
    - sqs: {path: /b, method: post, queueName: {Ref: Letters}}
    - sqs: {path: /c, method: post}
    - sqz: {path: /d, method: post}
    - {sqs: {path: /e, method: post}, sns: {path: /e, method: post}}
    - kinesis: {path: /f, method: post, streamName: s, partitionKey: {pathParam: a, bodyParam: b}}
    - s3: {path: /g, method: get, action: GetObject, bucket: b}
    - s3: {path: /h, method: get, action: CopyObject, bucket: b, key: k}
    - dynamodb: {path: /i, method: get, action: GetItem, tableName: t, hashKey: {pathParam: id}}
    - dynamodb: {path: /table, method: get, action: GetItem, tableName: t, hashKey: {pathParam: id, attributeType: S}, roleArn: r}
    - sns: {path: /k, method: post, topicName: t, topik: u}
    - sns: {path: /l, method: post, topicName: t, authorizerId: {Ref: Guard}}
    - sns: {path: /m, method: post, topicName: t, cors: {origin: a, origins: [b]}}
    - eventbridge: {path: /n, method: post, eventBusName: b}
    - sqs: {path: fit/, method: POST, queueName: letters}
service: proxies
";

const PROXY_MISTAKES: &[&str] = &[
    "6 invalid-service-proxy: `grab` cannot be `method`",
    "7 invalid-service-proxy: `queueName` is neither a text nor the function that it may be",
    "8 invalid-service-proxy: the proxy of `sqs` has no `queueName`",
    "9 invalid-service-proxy: service proxies call no service `sqz`",
    "10 invalid-service-proxy: a service proxy is a mapping with one key",
    "11 invalid-service-proxy: `partitionKey` does not come from one place of the request",
    "12 invalid-service-proxy: the proxy of `s3` names no object",
    "13 invalid-service-proxy: `CopyObject` cannot be `action`",
    "14 invalid-service-proxy: `hashKey` has no `attributeType`",
    "15 service-proxy-without-effect: `roleArn` has no effect on a proxy of `dynamodb`",
    "16 invalid-service-proxy: a proxy of `sns` has no key `topik`",
    "17 invalid-service-proxy: `authorizerId` needs an `authorizationType`",
    "18 invalid-service-proxy: `cors` has both `origin` and `origins`",
    "19 invalid-service-proxy: the proxy of `eventbridge` has no `source`",
    "20 duplicate-route: `POST /fit` stands here a second time",
];

#[test]
fn a_path_of_thousands_of_parts_is_refused_before_its_resources_are_written() {
    let path = "a/".repeat(60_000);
    let request = ReadRequest {
        manifest: "serverless.yml".to_owned(),
        text: format!(
            "service: app\nprovider: {{name: aws, runtime: nodejs22.x}}\nfunctions:\n  \
             f: {{handler: a.b, events: [http: GET {path}]}}\n"
        ),
        ..request_of(&cases_folder().join("minimal"))
    };
    let reading = answered(&cases_folder().join("minimal"), &request);
    let codes: Vec<&str> = reading
        .problems
        .iter()
        .map(|problem| problem.code)
        .collect();
    assert_eq!(codes, ["manifest::invalid-http-event"]);
}

fn cases_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serverless_framework/cases")
}

fn read(case: &Path) -> Reading {
    answered(case, &request_of(case))
}

fn options_of(case: &Path) -> Value {
    let text = fs::read_to_string(case.join("request.json")).unwrap_or_else(|_| "{}".to_owned());
    serde_json::from_str(&text).unwrap()
}

fn request_of(case: &Path) -> ReadRequest {
    let manifest = serverless_framework::FILE_NAMES
        .iter()
        .find(|name| case.join(name).exists())
        .unwrap();
    let options = options_of(case);
    let text = |key: &str| options[key].as_str().map(str::to_owned);
    let params: BTreeMap<String, String> = options["params"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    ReadRequest {
        manifest: (*manifest).to_owned(),
        text: fs::read_to_string(case.join(manifest)).unwrap(),
        folder_name: "case".to_owned(),
        stage: text("stage"),
        region: text("region"),
        params,
        account: AccountId::development(),
        now_ms: NOW_MS,
    }
}

fn answered(case: &Path, request: &ReadRequest) -> Reading {
    let options = options_of(case);
    let mut answers = Answers::default();
    for _ in 0..ROUNDS_MAX {
        match serverless_framework::read(request, &answers) {
            Step::Done(reading) => return *reading,
            Step::Needs(needs) => {
                assert!(!needs.is_empty());
                for need in needs {
                    assert_eq!(answers.get(&need), None, "{need:?} was answered");
                    let answer = match &need {
                        Need::File(path) => fs::read_to_string(case.join(path)).ok(),
                        Need::Environment(name) => {
                            options["environment"][name].as_str().map(str::to_owned)
                        }
                        Need::Module(path) => panic!("no case has modules: {path}"),
                        Need::Parameter { .. } | Need::Output { .. } | Need::Object { .. } => None,
                    };
                    answers.insert(need, answer);
                }
            }
        }
    }
    panic!("the reader asks without end");
}

/// Takes out what differs from run to run, as the recorder does.
fn normalised(mut template: Value) -> Value {
    let mut renamed = BTreeMap::new();
    for (id, resource) in template["Resources"].as_object().unwrap() {
        let short = match resource["Type"].as_str().unwrap_or_default() {
            "AWS::ApiGateway::Deployment" => id.trim_end_matches(|end: char| end.is_ascii_digit()),
            "AWS::ApiGatewayV2::Deployment" => "WebsocketsDeployment",
            "AWS::Lambda::Version" => {
                let end = id.find("LambdaVersion").unwrap() + "LambdaVersion".len();
                &id[..end]
            }
            "AWS::Lambda::LayerVersion" | "AWS::Lambda::LayerVersionPermission" => {
                without_digest(id)
            }
            _others => id,
        };
        renamed.insert(id.clone(), short.to_owned());
    }
    for (id, output) in template["Outputs"].as_object_mut().unwrap() {
        if id.ends_with("LambdaLayerHash") {
            output["Value"] = json!("HASH");
        }
    }
    rename(template, &renamed)
}

fn without_digest(id: &str) -> &str {
    let Some(split) = id.len().checked_sub(40) else {
        return id;
    };
    let is_digest = id[split..]
        .bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if is_digest { &id[..split] } else { id }
}

fn rename(value: Value, renamed: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => {
            let text = renamed.get(&text).cloned().unwrap_or(text);
            Value::String(text.replace(FOLDER_OF_NOW, "/TIMESTAMP/"))
        }
        Value::Array(items) => items
            .into_iter()
            .map(|item| rename(item, renamed))
            .collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(key, value)| {
                let key = renamed.get(&key).cloned().unwrap_or(key);
                (key, rename(value, renamed))
            })
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

fn compare(expected: &Value, ours: &Value, path: &str, differences: &mut Vec<String>) {
    match (expected, ours) {
        (Value::Object(expected), Value::Object(ours)) => {
            for (key, value) in expected {
                match ours.get(key) {
                    Some(our) => compare(value, our, &format!("{path}.{key}"), differences),
                    None => differences.push(format!("{path}.{key} is missing: {value}")),
                }
            }
            for (key, value) in ours {
                if !expected.contains_key(key) {
                    differences.push(format!("{path}.{key} is too much: {value}"));
                }
            }
        }
        (Value::Array(expected), Value::Array(ours)) if expected.len() == ours.len() => {
            for (index, (expected, ours)) in expected.iter().zip(ours).enumerate() {
                compare(expected, ours, &format!("{path}[{index}]"), differences);
            }
        }
        (expected, ours) if expected == ours => {}
        (expected, ours) => differences.push(format!("{path}: expected {expected}, got {ours}")),
    }
}
