//! Signed calls of both APIs.

use aws_wire::sigv4::{Signer, sign};
use http::HeaderMap;

use super::*;

/// How a call is signed.
#[derive(Clone, Copy)]
struct Call<'a> {
    access_key_id: &'a str,
    service: &'a str,
    region: &'a str,
    method: Verb,
    target: &'a str,
    body: &'a str,
}

#[derive(Clone, Copy)]
enum Verb {
    Get,
    Post,
}

const PETS: Call<'static> = Call {
    access_key_id: Keys::ID,
    service: "execute-api",
    region: "us-east-1",
    method: Verb::Get,
    target: "/dev/pets?b=2&a=1",
    body: "",
};

impl Call<'_> {
    fn headers(self, bench: &Bench) -> Vec<(String, String)> {
        let credentials = Credentials {
            access_key_id: self.access_key_id.to_owned(),
            ..Keys::credentials()
        };
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("localhost:3000"));
        let signer = Signer {
            credentials: &credentials,
            region: self.region,
            service: self.service,
            now: bench.clock.now(),
        };
        let body = self.body.as_bytes();
        sign(signer, &self.method(), self.target, &mut headers, body).unwrap();
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        headers
            .iter()
            .filter(|(name, _)| *name != "host")
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect()
    }

    fn method(self) -> Method {
        match self.method {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
        }
    }

    async fn send(self, bench: &Bench) -> Got {
        let headers = self.headers(bench);
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        bench
            .send(self.method(), self.target, &headers, self.body)
            .await
    }
}

fn bench(application: &Application) -> Bench {
    Bench::new(application, Act::Hang, UnknownKeys::Refused)
}

fn allowed(application: &Application) -> Bench {
    Bench::judged(application, Judging::allowing("execute-api:Invoke", "*"))
}

fn in_development(application: &Application) -> Bench {
    let account = AccountId::development();
    Bench::new(application, Act::Hang, UnknownKeys::ActAsRoot { account })
}

#[tokio::test(start_paused = true)]
async fn a_role_may_call_what_its_policies_allow() {
    let user = "arn:aws:sts::000000000000:assumed-role/pets/caller";
    let refused = |suffix: &str| {
        let message = format!(
            "User: {user} is not authorized to perform: execute-api:Invoke on resource: \
             arn:aws:execute-api:us-east-1:********0000:rest/dev/GET/pets{suffix}"
        );
        json!({"Message": message}).to_string()
    };
    for (effect, resource, status, body) in [
        (
            "Allow",
            "arn:aws:execute-api:us-east-1:*:rest/*/GET/pets",
            200,
            "in".to_owned(),
        ),
        (
            "Allow",
            "arn:aws:execute-api:*:*:*/*/POST/*",
            403,
            refused(""),
        ),
        ("Deny", "*", 403, refused(" with an explicit deny")),
    ] {
        let judge = Judging::saying(effect, "execute-api:Invoke", resource);
        let bench = Bench::judged(&rest(&Authorization::Iam), judge);
        let got = PETS.send(&bench).await;
        assert_eq!(
            (got.status, got.body),
            (status, body),
            "{effect} {resource}"
        );
    }
    let got = PETS.send(&bench(&rest(&Authorization::Iam))).await;
    assert_eq!((got.status, got.body), (403, refused("")));
    assert_eq!(got.error_type.as_deref(), Some("AccessDeniedException"));
}

#[tokio::test(start_paused = true)]
async fn proofs_that_do_not_hold_are_refused_in_the_clouds_words() {
    let bench = allowed(&rest(&Authorization::Iam));
    for (call, error_type, words) in [
        (
            Call {
                service: "lambda",
                ..PETS
            },
            "InvalidSignatureException",
            "Credential should be scoped to correct service: 'execute-api'. ",
        ),
        (
            Call {
                region: "eu-west-1",
                ..PETS
            },
            "InvalidSignatureException",
            "Credential should be scoped to a valid region, not 'eu-west-1'. ",
        ),
        (
            Call {
                access_key_id: "AKIAUNKNOWN",
                ..PETS
            },
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
        (
            Call {
                access_key_id: "ASIAREVOKEDREVOKED",
                ..PETS
            },
            "ExpiredTokenException",
            "The security token included in the request is expired",
        ),
    ] {
        let got = call.send(&bench).await;
        assert_eq!(got.status, 403);
        assert_eq!(got.body, json!({"message": words}).to_string());
        assert_eq!(got.error_type.as_deref(), Some(error_type));
    }
    let got = bench.get("/dev/pets", &[]).await;
    assert_eq!(got.body, r#"{"message":"Missing Authentication Token"}"#);
    for (sent, words) in [
        (
            "Bearer x",
            "'x' not a valid key=value pair (missing equal-sign) in Authorization header: 'Bearer x'.",
        ),
        (
            "x",
            "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. \
             Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either \
             a 'X-Amz-Date' or a 'Date' header. Authorization=x",
        ),
    ] {
        let got = bench.get("/dev/pets", &[("Authorization", sent)]).await;
        assert_eq!(
            (got.status, got.body),
            (403, json!({"message": words}).to_string())
        );
        let error_type = got.error_type.as_deref();
        assert_eq!(error_type, Some("IncompleteSignatureException"));
    }
    assert!(bench.functions.handled.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_signature_covers_path_query_and_body() {
    let bench = allowed(&rest(&Authorization::Iam));
    let call = Call {
        method: Verb::Post,
        target: "/dev/all/a%20b?x=1",
        body: "hello",
        ..PETS
    };
    assert_eq!(call.send(&bench).await.status, 200);
    let signed = call.headers(&bench);
    let headers: Vec<(&str, &str)> = signed
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    for (target, body) in [
        ("/dev/all/a%20b?x=2", "hello"),
        ("/dev/all/other?x=1", "hello"),
        ("/dev/all/a%20b?x=1", "hollo"),
    ] {
        let got = bench.send(Method::POST, target, &headers, body).await;
        assert_eq!(got.status, 403, "{target} {body}");
        assert!(got.body.contains("The request signature we calculated"));
    }
}

#[tokio::test(start_paused = true)]
async fn in_development_keys_that_nobody_issued_act_as_the_account() {
    let bench = in_development(&rest(&Authorization::Iam));
    let call = Call {
        access_key_id: "AKIAUNKNOWN",
        ..PETS
    };
    assert_eq!(call.send(&bench).await.status, 200);
    let identity = &bench.last_handled()["requestContext"]["identity"];
    assert_eq!(identity["userArn"], "arn:aws:iam::000000000000:root");
    assert_eq!(identity["accessKey"], "AKIAUNKNOWN");
    // A key that was revoked is not unknown.
    let revoked = Call {
        access_key_id: "ASIAREVOKEDREVOKED",
        ..PETS
    };
    assert_eq!(revoked.send(&bench).await.status, 403);
    // Pages that a developer looks at do not become the account.
    let mut headers = call.headers(&bench);
    headers.push(("Origin".to_owned(), "https://evil.example".to_owned()));
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(bench.get(call.target, &headers).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn a_signer_is_shown_in_each_payload() {
    let bench = allowed(&rest(&Authorization::Iam));
    assert_eq!(PETS.send(&bench).await.status, 200);
    let user = "arn:aws:sts::000000000000:assumed-role/pets/caller";
    let event = bench.last_handled();
    let identity = &event["requestContext"]["identity"];
    for (name, expected) in [
        ("accessKey", Keys::ID),
        ("accountId", "000000000000"),
        ("caller", "AROAEXAMPLE:caller"),
        ("user", "AROAEXAMPLE:caller"),
        ("userArn", user),
    ] {
        assert_eq!(identity[name], expected, "{name}");
    }
    assert_eq!(identity["cognitoIdentityId"], Value::Null);
    assert!(event["requestContext"].get("authorizer").is_none());

    let bench = allowed(&http(&Authorization::Iam));
    let call = Call {
        target: "/pets",
        ..PETS
    };
    assert_eq!(call.send(&bench).await.status, 200);
    assert_eq!(
        bench.last_handled()["requestContext"]["authorizer"],
        json!({"iam": {
            "accessKey": Keys::ID,
            "accountId": "000000000000",
            "callerId": "AROAEXAMPLE:caller",
            "cognitoIdentity": null,
            "principalOrgId": null,
            "userArn": user,
            "userId": "AROAEXAMPLE:caller",
        }})
    );
    let call = Call {
        target: "/v1",
        ..PETS
    };
    assert_eq!(call.send(&bench).await.status, 200);
    let event = bench.last_handled();
    assert_eq!(event["requestContext"]["identity"]["userArn"], user);
}

#[tokio::test(start_paused = true)]
async fn an_http_api_says_no_more_than_forbidden() {
    let bench = bench(&http(&Authorization::Iam));
    let unsigned = bench.get("/pets", &[]).await;
    let call = Call {
        target: "/pets",
        ..PETS
    };
    let refused = call.send(&bench).await;
    for got in [unsigned, refused] {
        assert_eq!(
            (got.status, got.body.as_str()),
            (403, r#"{"message":"Forbidden"}"#)
        );
    }
}
