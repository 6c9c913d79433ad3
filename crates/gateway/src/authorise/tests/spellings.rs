//! Paths that are written in other ways, at routes that take any path.

use super::*;

const WAYS: [&str; 8] = [
    "secret",
    "/secret",
    "./secret",
    "x/../secret",
    "%73ecret",
    "%2e/secret",
    "x%2f..%2fsecret",
    "secret;v=1",
];

fn greedy(authorization: &Authorization) -> Application {
    let mut application = rest(authorization);
    let methods = &mut application.rest_apis[0].methods;
    methods.truncate(1);
    methods[0].path = "/{proxy+}".to_owned();
    application
}

fn allowing(statements: &[(&str, &str)]) -> Value {
    let statement = |(effect, path): &(&str, &str)| {
        let resource = format!("arn:aws:execute-api:*:*:rest/dev/GET/{path}");
        json!({"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource})
    };
    let statements: Vec<Value> = statements.iter().map(statement).collect();
    json!({"principalId": "ada", "policyDocument": {"Version": "2012-10-17", "Statement": statements}})
}

fn guarded(answer: Value) -> Bench {
    let application = greedy(&authorizer(token(0, None)));
    Bench::new(&application, Act::Return(answer), UnknownKeys::Refused)
}

#[tokio::test(start_paused = true)]
async fn no_way_to_write_a_path_passes_a_deny() {
    let bench = guarded(allowing(&[("Allow", "*"), ("Deny", "files/secret")]));
    for way in WAYS {
        let target = format!("/dev/files/{way}");
        let got = bench.get(&target, &[("Authorization", "x")]).await;
        assert_eq!(got.status, 403, "{target}");
    }
    for open in ["files/open", "files/a%20b", "files/secrets", "a//b"] {
        let target = format!("/dev/{open}");
        let got = bench.get(&target, &[("Authorization", "x")]).await;
        assert_eq!(got.status, 200, "{target}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_open_does_not_lead_upwards_to_what_is_not() {
    let bench = guarded(allowing(&[("Allow", "open/*"), ("Allow", "a%20b")]));
    for (path, status) in [
        ("open/a", 200),
        ("open/a%20b", 200),
        // Allowed as it was sent: what policies are written from is the ARN that authorizers are given.
        ("a%20b", 200),
        ("open/x/../a", 200),
        ("open/../files/secret", 403),
        ("open/%2e%2e/files/secret", 403),
        ("open/..%5cfiles/secret", 403),
        ("open/..;/files/secret", 403),
    ] {
        let target = format!("/dev/{path}");
        let got = bench.get(&target, &[("Authorization", "x")]).await;
        assert_eq!(got.status, status, "{target}");
    }
}
