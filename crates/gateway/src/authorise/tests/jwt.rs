//! JWT authorizers and user pools, by tokens of an issuer that is a server.

use super::*;
use crate::tokens::testing::{IssuerServer, Signer};

struct Gate {
    signer: Signer,
    issuer: IssuerServer,
}

impl Gate {
    async fn open() -> Self {
        let signer = Signer::new();
        let issuer = IssuerServer::start(&json!({"keys": [signer.public("first")]})).await;
        Self { signer, issuer }
    }

    fn guard(&self, kind: AuthorizerKind, scopes: &[&str]) -> Authorization {
        let Authorization::Authorizer { authorizer, .. } = authorizer(kind) else {
            unreachable!("it is one")
        };
        Authorization::Authorizer {
            authorizer,
            scopes: scopes.iter().map(|it| (*it).to_owned()).collect(),
        }
    }

    fn http(&self, source: IdentitySource, scopes: &[&str]) -> Bench {
        let kind = AuthorizerKind::Jwt {
            issuer: self.issuer.url.clone(),
            audience: vec!["pets".to_owned(), "toys".to_owned()],
            identity_source: source,
        };
        bench(&http(&self.guard(kind, scopes)))
    }

    fn rest(&self, scopes: &[&str], validation: Option<&str>) -> Bench {
        let kind = AuthorizerKind::UserPools {
            issuers: vec![
                "https://cognito-idp.eu-west-1.amazonaws.com/other".to_owned(),
                self.issuer.url.clone(),
            ],
            identity_source: header("Authorization"),
            validation: validation.map(str::to_owned),
        };
        bench(&rest(&self.guard(kind, scopes)))
    }

    /// A good token, with these claims changed; null takes one away.
    fn token(&self, changed: Value) -> String {
        let mut claims = json!({
            "iss": self.issuer.url, "aud": "pets", "sub": "ada", "exp": 3_600, "iat": 0, "nbf": 0,
            "cognito:groups": ["admin", "users"], "email_verified": true, "token_use": "id",
        });
        for (name, value) in changed.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().shift_remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        self.signer.token(&claims)
    }
}

fn bench(application: &Application) -> Bench {
    Bench::new(application, Act::Return(json!({})), UnknownKeys::Refused)
}

async fn ask(bench: &Bench, target: &str, token: &str) -> Got {
    let authorization = format!("Bearer {token}");
    bench
        .get(target, &[("Authorization", &authorization)])
        .await
}

#[tokio::test]
async fn a_good_token_opens_the_route_and_the_function_sees_its_claims_as_texts() {
    let gate = Gate::open().await;
    let bench = gate.http(header("Authorization"), &[]);
    let token = gate.token(json!({"level": 3}));
    assert_eq!(ask(&bench, "/pets", &token).await.status, 200);
    let jwt = json!({
        "claims": {
            "iss": gate.issuer.url, "aud": "pets", "sub": "ada", "exp": "3600", "iat": "0", "nbf": "0",
            "cognito:groups": "[admin users]", "email_verified": "true", "token_use": "id", "level": "3",
        },
        "scopes": null,
    });
    let authorizer = |bench: &Bench| bench.last_handled()["requestContext"]["authorizer"].clone();
    assert_eq!(authorizer(&bench), json!({ "jwt": jwt }));
    assert_eq!(
        bench.get("/v1", &[("authorization", &token)]).await.status,
        200
    );
    assert_eq!(authorizer(&bench), jwt);
    let by_query = gate.http(IdentitySource::Query("token".to_owned()), &[]);
    assert_eq!(
        by_query
            .get(&format!("/pets?token={token}"), &[])
            .await
            .status,
        200
    );
    assert_eq!(ask(&by_query, "/pets", &token).await.status, 401);
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
#[tokio::test]
async fn a_token_that_is_not_for_this_route_or_moment_is_401_and_says_why() {
    let gate = Gate::open().await;
    let bench = gate.http(header("Authorization"), &[]);
    let missing = bench.get("/pets", &[]).await;
    assert_eq!(missing.status, 401);
    assert_eq!(missing.body, r#"{"message":"Unauthorized"}"#);
    assert_eq!(missing.challenge.as_deref(), Some("Bearer"));
    assert!(
        missing
            .told
            .unwrap()
            .contains("has no header `Authorization`")
    );
    let good = gate.token(json!({}));
    for (token, description, told) in [
        (
            "nonsense".to_owned(),
            "token contains an invalid number of segments",
            "1 parts",
        ),
        (
            gate.token(json!({"aud": "others"})),
            "the token does not have a valid audience",
            "not for `pets`, `toys`",
        ),
        (
            gate.token(json!({"aud": ["others"]})),
            "the token does not have a valid audience",
            "not for",
        ),
        (
            gate.token(json!({"aud": {"pets": 1}})),
            "the token does not have a valid audience",
            "not for",
        ),
        (
            gate.token(json!({"aud": "others", "client_id": "pets"})),
            "the token does not have a valid audience",
            "it is for `others`",
        ),
        (
            gate.token(json!({"aud": null})),
            "the token does not have a valid audience",
            "not for",
        ),
        (
            gate.token(json!({"iss": "https://evil.example"})),
            "the token does not have a valid issuer",
            "`https://evil.example`",
        ),
        (
            gate.token(json!({"iss": null})),
            "the token does not have a valid issuer",
            "`absent`",
        ),
        (
            gate.token(json!({"exp": -1})),
            "the token has expired",
            "get a new one",
        ),
        (
            gate.token(json!({"exp": null})),
            "the token does not have an expiry",
            "for ever",
        ),
        (
            gate.token(json!({"exp": "3600"})),
            "the token is malformed",
            "`exp`",
        ),
        (
            gate.token(json!({"exp": [3600]})),
            "the token is malformed",
            "`exp`",
        ),
        (
            gate.token(json!({"nbf": 3_000})),
            "the token is not valid yet",
            "`nbf` is to come",
        ),
        (
            gate.token(json!({"nbf": true})),
            "the token is malformed",
            "`nbf`",
        ),
        (
            gate.token(json!({"iat": 3_000})),
            "the token is used before issued",
            "`iat` is to come",
        ),
        (
            format!("{good}A"),
            "crypto/rsa: verification error",
            "its signature",
        ),
        (
            gate.signer
                .sign(&json!({"alg": "RS256", "kid": "new"}), &json!({})),
            "the token does not have a valid kid",
            "no RSA key",
        ),
        (
            gate.signer
                .sign(&json!({"alg": "none", "kid": "first"}), &json!({})),
            "signing method none is invalid",
            "signed by none",
        ),
        (
            gate.signer
                .sign(&json!({"alg": "x\"\\y", "kid": "first"}), &json!({})),
            "signing method xy is invalid",
            "signed by",
        ),
    ] {
        let refused = ask(&bench, "/pets", &token).await;
        assert_eq!(
            (refused.status, refused.body.as_str()),
            (401, r#"{"message":"Unauthorized"}"#)
        );
        let expected =
            format!(r#"Bearer scope="" error="invalid_token" error_description="{description}""#);
        assert_eq!(refused.challenge, Some(expected));
        let told_so = refused.told.unwrap();
        assert!(
            told_so.contains(told) && told_so.contains("`GET /pets`"),
            "{told_so}"
        );
    }
    assert!(bench.functions.handled.lock().unwrap().is_empty());
    // Two headers are no token: whoever stands between may have looked at the other one.
    let twice = [
        ("Authorization", good.as_str()),
        ("authorization", good.as_str()),
    ];
    assert_eq!(bench.get("/pets", &twice).await.status, 401);
    assert_eq!(ask(&bench, "/pets", &good).await.status, 200);
}

#[tokio::test]
async fn the_client_id_counts_where_there_is_no_audience() {
    let gate = Gate::open().await;
    let bench = gate.http(header("Authorization"), &[]);
    for (changed, status) in [
        (json!({"aud": null, "client_id": "toys"}), 200),
        (json!({"aud": null, "client_id": "others"}), 401),
        (json!({"aud": null, "client_id": ["toys"]}), 401),
        (json!({"aud": ["others", "toys"]}), 200),
        (json!({"exp": 3_600.5, "iat": -0.5}), 200),
    ] {
        let got = ask(&bench, "/pets", &gate.token(changed.clone())).await;
        assert_eq!(got.status, status, "{changed}");
    }
}

#[tokio::test]
async fn one_of_the_routes_scopes_is_enough_and_none_is_403() {
    let gate = Gate::open().await;
    let bench = gate.http(header("Authorization"), &["pets.read", "pets.write"]);
    for (changed, status, own) in [
        (json!({"scope": "pets.write openid"}), 200, ""),
        (json!({"scp": ["pets.read"]}), 200, ""),
        (json!({"scp": "pets.read"}), 200, ""),
        (json!({"scope": "openid"}), 403, "but `openid`;"),
        (json!({"scope": "pets.readers"}), 403, "but `pets.readers`;"),
        (json!({"scope": ["other"]}), 403, "but `other`;"),
        (json!({}), 403, "and has none;"),
    ] {
        let got = ask(&bench, "/pets", &gate.token(changed.clone())).await;
        assert_eq!(got.status, status, "{changed}");
        if status == 403 {
            assert_eq!(got.body, r#"{"message":"Forbidden"}"#);
            let challenge = r#"Bearer scope="pets.read pets.write" error="insufficient_scope""#;
            assert_eq!(got.challenge.as_deref(), Some(challenge));
            let told = got.told.unwrap();
            assert!(
                told.contains("none of the scopes") && told.contains(own),
                "{told}"
            );
        }
    }
    ask(
        &bench,
        "/pets",
        &gate.token(json!({"scope": "pets.read openid"})),
    )
    .await;
    let jwt = bench.last_handled()["requestContext"]["authorizer"]["jwt"].clone();
    assert_eq!(jwt["scopes"], json!(["pets.read", "openid"]));
    // The scope is named in the challenge of a bad token, too.
    let bad = ask(&bench, "/pets", "bad").await.challenge.unwrap();
    assert!(bad.starts_with(r#"Bearer scope="pets.read pets.write" error="invalid_token""#));
}

#[tokio::test]
async fn an_issuer_that_cannot_be_reached_opens_nothing_and_says_so() {
    let gate = Gate::open().await;
    let kind = |issuer: &str| AuthorizerKind::Jwt {
        issuer: issuer.to_owned(),
        audience: vec!["pets".to_owned()],
        identity_source: header("Authorization"),
    };
    let bench = bench(&http(&gate.guard(kind("http://127.0.0.1:1/pool"), &[])));
    let refused = ask(&bench, "/pets", &gate.token(json!({}))).await;
    assert_eq!(refused.status, 401);
    let challenge = refused.challenge.unwrap();
    assert!(
        challenge.contains("OIDC discovery endpoint communication error"),
        "{challenge}"
    );
    gate.issuer.publish(&json!([]));
    let bench = gate.http(header("Authorization"), &[]);
    let challenge = ask(&bench, "/pets", &gate.token(json!({}))).await.challenge;
    assert!(challenge.unwrap().contains("JWKS communication error"));
}

#[tokio::test]
async fn authorizers_that_never_see_a_token_are_problems() {
    let gate = Gate::open().await;
    let problem = |issuer: &str, source: IdentitySource| {
        let kind = AuthorizerKind::Jwt {
            issuer: issuer.to_owned(),
            audience: Vec::new(),
            identity_source: source,
        };
        let found = super::super::problems(&http(&gate.guard(kind, &[])));
        found.first().map(|problem| problem.title.clone())
    };
    let here = IdentitySource::Query("token".to_owned());
    assert_eq!(problem("https://issuer.example/", here.clone()), None);
    let plain = problem("http://issuer.example/", here).unwrap();
    assert!(
        plain.contains("`http://issuer.example/` is not an https URL"),
        "{plain}"
    );
    let odd = problem(
        "https://issuer.example/",
        IdentitySource::Context("path".to_owned()),
    )
    .unwrap();
    assert!(odd.contains("cannot be looked for in"), "{odd}");
}

#[tokio::test]
async fn user_pools_take_id_tokens_and_show_claims_as_rest_apis_do() {
    let gate = Gate::open().await;
    let bench = gate.rest(&[], Some("^pe.s$"));
    let token = gate.token(json!({"auth_time": 7}));
    assert_eq!(ask(&bench, "/dev/pets", &token).await.status, 200);
    assert_eq!(
        bench
            .get("/dev/pets", &[("authorization", &token)])
            .await
            .status,
        200
    );
    assert_eq!(
        bench.last_handled()["requestContext"]["authorizer"],
        json!({"claims": {
            "iss": gate.issuer.url, "aud": "pets", "sub": "ada", "exp": "Thu Jan 01 01:00:00 UTC 1970",
            "iat": "Thu Jan 01 00:00:00 UTC 1970", "nbf": "0", "cognito:groups": "admin,users",
            "email_verified": "true", "token_use": "id", "auth_time": "7",
        }})
    );
    for (token, message, told) in [
        ("nonsense".to_owned(), "Unauthorized", "its `iss` is ``"),
        (
            gate.token(json!({"exp": -1})),
            "The incoming token has expired",
            "expired",
        ),
        (
            gate.token(json!({"iss": "https://evil.example"})),
            "Unauthorized",
            "its `iss` is `https://evil.example`",
        ),
        (
            gate.token(json!({"token_use": "access"})),
            "Unauthorized",
            "an access token",
        ),
        (
            gate.token(json!({"token_use": null, "aud": null, "scope": "a"})),
            "Unauthorized",
            "an access token",
        ),
        (
            gate.token(json!({"aud": "toys"})),
            "Unauthorized",
            "validation expression",
        ),
        (gate.token(json!({"exp": null})), "Unauthorized", "for ever"),
        (
            format!("{}A", gate.token(json!({"exp": -1}))),
            "Unauthorized",
            "its signature",
        ),
    ] {
        let refused = ask(&bench, "/dev/pets", &token).await;
        assert_eq!(
            (refused.status, refused.body),
            (401, format!(r#"{{"message":"{message}"}}"#))
        );
        assert_eq!(refused.error_type.as_deref(), Some("UnauthorizedException"));
        assert_eq!(refused.challenge, None);
        let told_so = refused.told.unwrap();
        assert!(told_so.contains(told), "{told_so}");
    }
    assert_eq!(bench.get("/dev/pets", &[]).await.status, 401);
}

#[tokio::test]
async fn a_method_with_scopes_takes_access_tokens_that_have_one() {
    let gate = Gate::open().await;
    let bench = gate.rest(&["pets/read"], None);
    for (changed, status) in [
        (
            json!({"token_use": "access", "aud": null, "client_id": "c", "scope": "pets/read"}),
            200,
        ),
        (json!({"token_use": null, "scope": "a pets/read"}), 200),
        (json!({"token_use": "access", "scope": "pets/write"}), 403),
        (json!({"token_use": "access"}), 403),
        (json!({"token_use": "id", "scope": "pets/read"}), 401),
    ] {
        let got = ask(&bench, "/dev/pets", &gate.token(changed.clone())).await;
        assert_eq!(got.status, status, "{changed}");
    }
}
