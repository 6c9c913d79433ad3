//! Resource policies of REST APIs, with each way of authorisation.

use super::*;

fn with_policy(authorization: &Authorization, statements: Value) -> Application {
    let mut application = rest(authorization);
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    application.rest_apis[0].policy = Some(document.to_string().into());
    application
}

fn statement(effect: &str, principal: Value, resource: &str, address: Option<&str>) -> Value {
    let mut statement = json!({
        "Effect": effect, "Principal": principal, "Action": "execute-api:Invoke", "Resource": resource,
    });
    if let Some(address) = address {
        statement["Condition"] = json!({"IpAddress": {"aws:SourceIp": address}});
    }
    statement
}

#[tokio::test(start_paused = true)]
async fn by_itself_it_must_allow_the_request() {
    let refused = |suffix: &str| {
        let message = format!(
            "User: anonymous is not authorized to perform: execute-api:Invoke on resource: \
             arn:aws:execute-api:us-east-1:********0000:rest/dev/GET/pets{suffix}"
        );
        json!({"Message": message}).to_string()
    };
    let explicit = " with an explicit deny";
    let (here, elsewhere) = (Some("203.0.113.0/24"), Some("198.51.100.0/24"));
    let any = || json!("*");
    for (statements, body) in [
        (
            json!([statement("Allow", any(), "execute-api:/*", None)]),
            "in".to_owned(),
        ),
        (
            json!([statement("Allow", any(), "execute-api:/dev/GET/pets", here)]),
            "in".to_owned(),
        ),
        (
            json!([statement(
                "Allow",
                any(),
                "arn:aws:execute-api:us-east-1:000000000000:rest/*",
                here
            )]),
            "in".to_owned(),
        ),
        (
            json!([statement("Allow", any(), "execute-api:/*", elsewhere)]),
            refused(""),
        ),
        (
            json!([statement("Allow", any(), "execute-api:/prod/*", None)]),
            refused(""),
        ),
        (
            json!([statement(
                "Allow",
                json!({"AWS": Keys::ROLE}),
                "execute-api:/*",
                None
            )]),
            refused(""),
        ),
        (
            json!([
                statement("Allow", any(), "execute-api:/*", None),
                statement("Deny", any(), "execute-api:/*", here),
            ]),
            refused(explicit),
        ),
        (json!([]), refused("")),
    ] {
        let application = with_policy(&Authorization::Open, statements.clone());
        let bench = Bench::new(&application, Act::Hang, UnknownKeys::Refused);
        let got = bench.get("/dev/pets", &[]).await;
        assert_eq!(got.body, body, "{statements}");
        if got.status != 200 {
            assert_eq!(got.status, 403);
            assert_eq!(got.error_type.as_deref(), Some("AccessDeniedException"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_an_authorizer_the_two_are_taken_together() {
    let any = "arn:aws:execute-api:*";
    let nothing = "arn:aws:execute-api:*:*:other/*";
    for (authorizer_says, resource_says, status, calls) in [
        (policy("Allow", any), Some("Allow"), 200, 1),
        (policy("Allow", any), None, 200, 1),
        (policy("Allow", any), Some("Deny"), 403, 0),
        (policy("Allow", nothing), Some("Allow"), 200, 1),
        (policy("Allow", nothing), None, 403, 1),
        (policy("Allow", nothing), Some("Deny"), 403, 0),
        (policy("Deny", any), Some("Allow"), 403, 1),
        (policy("Deny", any), None, 403, 1),
        (policy("Deny", any), Some("Deny"), 403, 0),
    ] {
        let statements = match resource_says {
            Some(effect) => json!([statement(effect, json!("*"), "execute-api:/*", None)]),
            None => json!([]),
        };
        let application = with_policy(&authorizer(token(0, None)), statements);
        let act = Act::Return(authorizer_says.clone());
        let bench = Bench::new(&application, act, UnknownKeys::Refused);
        let got = bench.get("/dev/pets", &[("Authorization", "x")]).await;
        let asked = (got.status, bench.calls());
        assert_eq!(
            asked,
            (status, calls),
            "{authorizer_says} {resource_says:?}"
        );
    }
}

#[test]
fn a_policy_that_cannot_be_read_is_reported() {
    let statements = json!([{"Effect": "Maybe"}]);
    let problems = crate::routes::check(&with_policy(&Authorization::Open, statements));
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].code, "gateway::bad-policy");
}
