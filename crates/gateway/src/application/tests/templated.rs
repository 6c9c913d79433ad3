//! Integrations with mapping templates: functions, mocks and services, as the service was recorded to answer.

use interfaces::authorize::Check;
use interfaces::service::{ServiceAnswer, ServiceCall};
use model::arn::Arn;
use model::door::Callee;
use model::ids::Region;
use model::rest_api::{Backend, CalledApi, ContentHandling, CustomIntegration, CustomResponse};

use super::*;

/// Shows what it was asked; policies allow nothing where the operation is `Denied`.
struct Shows(&'static str);

impl CloudService for Shows {
    fn signing_name(&self) -> &'static str {
        self.0
    }

    fn checks<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
        let asks = call.path_and_query.contains("Denied");
        let check = Check::new("sqs:SendMessage", "*", &call.account);
        Box::pin(std::future::ready(
            asks.then_some(check).into_iter().collect(),
        ))
    }

    fn asks_nothing(&self, call: &ServiceCall) -> bool {
        !call.path_and_query.contains("Denied")
    }

    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer> {
        let header = |name: &str| {
            let value = call.headers.get(name);
            value
                .map_or("-", |value| value.to_str().unwrap())
                .to_owned()
        };
        let shown = format!(
            "{} {} {} {} {}",
            call.method,
            call.path_and_query,
            header("content-type"),
            header("x-amz-target"),
            String::from_utf8_lossy(&call.body)
        );
        let (status, kind) = match self.0 {
            "lambda" => (202, "application/json"),
            _ => (200, "text/plain"),
        };
        Box::pin(std::future::ready(ServiceAnswer {
            status,
            headers: vec![("content-type", kind.to_owned())],
            body: if self.0 == "lambda" {
                Bytes::new()
            } else {
                Bytes::from(shown)
            },
            rest: None,
        }))
    }
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

fn response(status: u16, selection: &str, template: &str) -> CustomResponse {
    CustomResponse {
        status,
        selection: Some(selection.to_owned()).filter(|it| !it.is_empty()),
        parameters: BTreeMap::new(),
        templates: if template.is_empty() {
            BTreeMap::new()
        } else {
            texts(&[("application/json", template)])
        },
        content_handling: None,
    }
}

fn integration(backend: Backend, template: &str) -> CustomIntegration {
    CustomIntegration {
        backend,
        timeout: Duration::from_secs(2),
        request_parameters: BTreeMap::new(),
        request_templates: if template.is_empty() {
            BTreeMap::new()
        } else {
            texts(&[("application/json", template)])
        },
        content_handling: None,
        responses: vec![response(200, "", "")],
    }
}

fn function() -> Backend {
    Backend::Function(Callee::unqualified(FunctionName::new("sample")))
}

fn api(service: &str, action: Option<&str>, path: &str) -> Backend {
    Backend::Service(Box::new(CalledApi {
        service: service.to_owned(),
        region: Region::new("eu-west-1"),
        action: action.map(str::to_owned),
        path: path.to_owned(),
        http_method: Some("POST".to_owned()),
        role: Arn::parse("arn:aws:iam::123456789012:role/door").unwrap(),
    }))
}

fn serving(custom: CustomIntegration, act: Act) -> Bench {
    let mut application = sample::application();
    let integration = RestIntegration::Custom(Box::new(custom));
    application.rest_apis[0].methods = vec![RestMethod::new("/in/{id}", "ANY", integration)];
    let mut bench = bench(act);
    let services = ["sqs", "dynamodb", "s3", "lambda"]
        .map(|name| Arc::new(Shows(name)) as Arc<dyn CloudService>);
    bench.handler = bench.handler.calling(services);
    assert_eq!(bench.handler.swap(&application), []);
    bench
}

const IN: &str = "/dev/in/7";

#[tokio::test]
async fn a_function_is_sent_what_its_template_makes_and_its_answer_is_the_body() {
    let template = r#"{"id": "$input.params('id')", "q": "$input.params('param1')", "body": $input.json('$'), "stage": "$context.stage"}"#;
    let bench = serving(integration(function(), template), Act::Return(r#""Pass""#));
    let path = format!("{IN}?param1=foobar");
    let response = bench.send("POST", &path, &[], br#"{"a": 1}"#).await;
    assert_eq!(response.status.as_u16(), 200);
    assert_eq!(text(&response), r#""Pass""#);
    assert_eq!(header(&response, "content-type"), Some("application/json"));
    assert!(header(&response, "x-amzn-trace-id").is_some());
    let event = bench.invoke.seen.lock().unwrap().remove(0).payload;
    assert_eq!(
        String::from_utf8_lossy(&event),
        r#"{"id": "7", "q": "foobar", "body": {"a":1}, "stage": "dev"}"#
    );
}

#[tokio::test]
async fn without_a_template_a_function_is_sent_the_body_and_nothing_is_an_empty_object() {
    for (body, expected) in [(&b"{\"m\": 1}"[..], "{\"m\": 1}"), (b"", "{}")] {
        let bench = serving(integration(function(), ""), Act::Return("{}"));
        bench.send("POST", IN, &[], body).await;
        let event = bench.invoke.seen.lock().unwrap().remove(0).payload;
        assert_eq!(String::from_utf8_lossy(&event), expected);
    }
    let bench = serving(integration(function(), ""), Act::Return("{}"));
    let response = bench.send("POST", IN, &[], b"no json").await;
    assert!(text(&response).contains("Could not parse request body into json"));
    assert!(bench.invoke.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_functions_error_message_chooses_the_response_and_a_status_does_not() {
    let thrown =
        |message: &str| format!(r#"{{"errorMessage":"{message}","errorType":"Exception"}}"#);
    let four = "Error: Raising four hundred from within the Lambda function";
    let five = "Error: Raising five hundred from within the Lambda function";
    for (act, status, body) in [
        (Act::Return(r#""Pass""#), 200, r#""Pass""#.to_owned()),
        (
            Act::Fail(FunctionErrorKind::Raised, thrown(four).leak()),
            405,
            thrown(four),
        ),
        (
            Act::Fail(FunctionErrorKind::Raised, thrown(five).leak()),
            502,
            thrown(five),
        ),
    ] {
        let custom = CustomIntegration {
            responses: vec![
                response(200, "", ""),
                response(405, ".*four hundred.*", ""),
                response(502, ".+", ""),
                response(504, "200", ""),
            ],
            ..integration(function(), "")
        };
        let bench = serving(custom, act);
        let response = bench.send("GET", IN, &[], b"").await;
        assert_eq!((response.status.as_u16(), text(&response)), (status, body));
    }
}

#[tokio::test]
async fn response_templates_override_status_and_headers() {
    let template = "#set($inputRoot = $input.path('$'))\n$input.json(\"$\")\n#if($inputRoot.toString().contains(\"customerror\"))\n    \
                    #set($context.responseOverride.status = 400)\n#else\n    #set($context.responseOverride.status = 202)\n#end\n\
                    #set($context.responseOverride.header.X-Made = 'y')";
    for (returned, status) in [
        (r#"{"statusCode": 200, "body": "noerror"}"#, 202),
        (r#"{"statusCode": 200, "body": "customerror"}"#, 400),
    ] {
        let custom = CustomIntegration {
            responses: vec![response(200, "", template)],
            ..integration(function(), "")
        };
        let bench = serving(custom, Act::Return(returned));
        let response = bench.send("POST", IN, &[], b"{}").await;
        assert_eq!(response.status.as_u16(), status);
        assert_eq!(
            text(&response).trim(),
            returned.replace(": ", ":").replace(", ", ",")
        );
        assert_eq!(header(&response, "x-made"), Some("y"));
    }
}

#[tokio::test]
async fn an_event_is_sent_without_waiting() {
    let mut custom = integration(function(), "{}");
    custom.request_parameters = texts(&[(
        "integration.request.header.X-Amz-Invocation-Type",
        "'Event'",
    )]);
    let bench = serving(custom, Act::Hang);
    let response = bench.send("POST", IN, &[], b"{}").await;
    assert_eq!(
        (response.status.as_u16(), text(&response)),
        (200, String::new())
    );
}

#[tokio::test]
async fn a_mock_hands_overrides_on_from_its_request_to_its_response() {
    let request = "#set($context.responseOverride.status = 444)\n#set($context.responseOverride.header.foo = \"bar\")\n\
                   #set($context.responseOverride.custom = \"is also passed around\")\n{\n  \"statusCode\": 200\n}";
    let template = "#set($statusOverride = $context.responseOverride.status)\n#set($custom = $context.responseOverride.custom)\n\
                    {\"statusOverride\": \"$statusOverride\", \"fooHeader\": \"$context.responseOverride.header.foo\", \"custom\": \"$custom\"}";
    for (template, body) in [
        (
            template,
            r#"{"statusOverride": "444", "fooHeader": "bar", "custom": "is also passed around"}"#,
        ),
        ("", ""),
    ] {
        let custom = CustomIntegration {
            responses: vec![response(200, r"2\d{2}", template)],
            ..integration(Backend::Mock, request)
        };
        let response = serving(custom, Act::Hang).send("GET", IN, &[], b"").await;
        assert_eq!(
            (response.status.as_u16(), text(&response)),
            (444, body.to_owned())
        );
        assert_eq!(header(&response, "foo"), Some("bar"));
    }
}

#[tokio::test]
async fn services_are_called_in_their_protocols() {
    let form = &[(
        "integration.request.header.Content-Type",
        "'application/x-www-form-urlencoded'",
    )][..];
    let query = &[(
        "integration.request.querystring.MessageBody",
        "method.request.body",
    )][..];
    for (backend, parameters, template, expected) in [
        (
            api("sqs", None, "/000000000000/q"),
            form,
            "Action=SendMessage&MessageBody=$input.body",
            "POST /000000000000/q application/x-www-form-urlencoded - Action=SendMessage&MessageBody={\"a\":1}",
        ),
        (
            api("sqs", Some("SendMessage"), "/"),
            query,
            "",
            "POST /?Action=SendMessage&MessageBody=%7B%22a%22%3A1%7D application/x-www-form-urlencoded - ",
        ),
        (
            api("dynamodb", Some("PutItem"), "/"),
            &[],
            r#"{"TableName": "t", "Item": {"id": {"S": "$input.params('id')"}}}"#,
            "POST / application/x-amz-json-1.0 DynamoDB_20120810.PutItem {\"TableName\": \"t\", \"Item\": {\"id\": {\"S\": \"7\"}}}",
        ),
    ] {
        let mut custom = integration(backend, template);
        custom.request_parameters = texts(parameters);
        let response = serving(custom, Act::Hang)
            .send("POST", IN, &[], br#"{"a":1}"#)
            .await;
        assert_eq!(response.status.as_u16(), 200);
        assert_eq!(text(&response), expected);
        assert_eq!(header(&response, "content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn a_path_of_a_service_is_filled_in_and_its_refusal_is_an_answer() {
    let mut custom = integration(api("s3", None, "/bucket/{key}"), "");
    custom.request_parameters =
        texts(&[("integration.request.path.key", "method.request.path.id")]);
    let bench = serving(custom, Act::Hang);
    let response = bench.send("PUT", IN, &[], b"x").await;
    assert!(text(&response).starts_with("POST /bucket/7 "));
    let denied = CustomIntegration {
        responses: vec![response_of_denied(), response_ok()],
        ..integration(api("sqs", Some("Denied"), "/"), "")
    };
    let response = serving(denied, Act::Hang).send("POST", IN, &[], b"").await;
    assert_eq!(response.status.as_u16(), 418);
    assert!(
        text(&response).contains("AccessDenied"),
        "{}",
        text(&response)
    );
}

fn response_of_denied() -> CustomResponse {
    response(418, r"4\d\d", "$input.path('$.Error.Code')")
}

fn response_ok() -> CustomResponse {
    response(200, "", "")
}

#[tokio::test]
async fn headers_of_replies_are_mapped_and_renamed() {
    let mut ok = response(201, "", "");
    ok.parameters = texts(&[
        ("method.response.header.X-Fixed", "'a'"),
        (
            "method.response.header.X-Id",
            "integration.response.body.id",
        ),
        ("method.response.header.X-Stage", "context.stage"),
        ("method.response.header.Date", "'then'"),
        ("method.response.header.Content-Type", "'text/plain'"),
    ]);
    let custom = CustomIntegration {
        responses: vec![ok],
        ..integration(function(), "")
    };
    let bench = serving(custom, Act::Return(r#"{"id": 5}"#));
    let response = bench.send("GET", IN, &[], b"").await;
    for (name, value) in [
        ("x-fixed", Some("a")),
        ("x-id", Some("5")),
        ("x-stage", Some("dev")),
        ("x-amzn-remapped-date", Some("then")),
        ("content-type", Some("text/plain")),
    ] {
        assert_eq!(header(&response, name), value, "{name}");
    }
}

#[tokio::test]
async fn what_fails_is_500_and_the_developer_learns_why() {
    let unanswered = vec![response(200, "2..", "")];
    for (custom, why) in [
        (
            integration(Backend::Mock, "{}"),
            "makes no JSON with a whole `statusCode`",
        ),
        (
            integration(function(), "$util.urlDecode('%')"),
            "the request template for `application/json` fails",
        ),
        (
            CustomIntegration {
                responses: unanswered,
                ..integration(function(), "")
            },
            "no integration response is for an answer",
        ),
        (
            CustomIntegration {
                content_handling: Some(ContentHandling::ToBinary),
                ..integration(function(), "")
            },
            "no base64",
        ),
        (
            integration(
                Backend::Mock,
                "#set($context.requestOverride.header.Host = 'x'){\"statusCode\": 200}",
            ),
            "sets the header `Host`",
        ),
    ] {
        let bench = serving(custom, Act::Return("{}"));
        let response = bench.send("POST", IN, &[], b"{}").await;
        assert_eq!(response.status.as_u16(), 500, "{why}");
        assert_eq!(text(&response), r#"{"message": "Internal server error"}"#);
        let message = bench.entry().message.unwrap();
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn a_template_that_is_none_is_a_problem_with_its_place() {
    let mut application = sample::application();
    let integration = RestIntegration::Custom(Box::new(integration(Backend::Mock, "a\n#if($x)")));
    application.rest_apis[0].methods = vec![RestMethod::new("/in", "GET", integration)];
    let problems = bench(Act::Hang).handler.swap(&application);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].code, "gateway::bad-integration");
    let title = &problems[0].title;
    assert!(
        title.contains(
            "the request template for `application/json` cannot be read: line 2, column 8"
        ),
        "{title}"
    );
}
