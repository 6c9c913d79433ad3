//! Tokens of an issuer that is a server, and those of attackers.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac_like::keyed_digest;
use model::time::Timestamp;
use serde_json::json;
use test_kit::StoppedClock;

use super::testing::{IssuerServer, Signer};
use super::*;
use crate::outbound::Roots;

/// HMAC by ring, for tokens whose signature is made with a public key as if it were a secret.
mod hmac_like {
    pub(super) fn keyed_digest(key: &[u8], message: &[u8]) -> Vec<u8> {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
        ring::hmac::sign(&key, message).as_ref().to_vec()
    }
}

/// The key of a development issuer.
struct Only(TrustedKey);

impl DevelopmentKeys for Only {
    fn find(&self, key_id: &str) -> Option<TrustedKey> {
        Some(self.0.clone()).filter(|key| key.id() == key_id)
    }
}

struct Bench {
    signer: Signer,
    server: IssuerServer,
    clock: Arc<StoppedClock>,
    tokens: Tokens,
}

async fn bench() -> Bench {
    let signer = Signer::new();
    let server = IssuerServer::start(&json!({"keys": [signer.public("first")]})).await;
    let clock = Arc::new(StoppedClock::at(Timestamp::from_micros(0)));
    let outbound = Outbound::new(Roots::default());
    let tokens = Tokens::new(outbound, Arc::clone(&clock) as Arc<dyn Clock>, None);
    Bench {
        signer,
        server,
        clock,
        tokens,
    }
}

impl Bench {
    async fn verify(&self, token: &str) -> Result<Arc<Claims>, BadToken> {
        self.tokens.verify(&self.server.url, token).await
    }
}

#[tokio::test]
async fn a_token_of_the_issuers_key_is_believed_and_its_keys_are_asked_for_once() {
    let bench = bench().await;
    for number in 0..20 {
        let token = bench.signer.token(&json!({"sub": "ada", "number": number}));
        let claims = bench.verify(&token).await.unwrap();
        assert_eq!(claims.text("sub"), Some("ada"));
        assert_eq!(bench.verify(&token).await.unwrap(), claims);
    }
    assert_eq!(bench.server.asked(), 1);
}

#[tokio::test]
async fn a_thousand_requests_at_once_ask_for_keys_once() {
    let bench = bench().await;
    let token = bench.signer.token(&json!({"sub": "ada"}));
    let strange = bench
        .signer
        .sign(&json!({"alg": "RS256", "kid": "strange"}), &json!({}));
    let all = (0..1_000).map(|number| {
        let token = if number % 2 == 0 { &token } else { &strange };
        bench.verify(token)
    });
    let all = futures_of(all.collect()).await;
    assert_eq!(all.iter().filter(|it| it.is_ok()).count(), 500);
    assert_eq!(bench.server.asked(), 1);
}

/// Waits for all of them, in turns.
async fn futures_of<F: Future<Output = T>, T>(futures: Vec<F>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.into_iter().map(|it| (Box::pin(it), None)).collect();
    std::future::poll_fn(|context| {
        let mut are_ready = true;
        for (future, done) in &mut waiting {
            if done.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *done = Some(value),
                    std::task::Poll::Pending => are_ready = false,
                }
            }
        }
        if are_ready {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    waiting.into_iter().filter_map(|(_, done)| done).collect()
}

#[tokio::test]
async fn a_new_key_is_asked_for_but_not_by_every_request() {
    let bench = bench().await;
    let old = bench.signer.token(&json!({"sub": "ada"}));
    let new = bench.signer.sign(
        &json!({"alg": "RS256", "kid": "second"}),
        &json!({"sub": "ada"}),
    );
    assert!(bench.verify(&old).await.is_ok());
    bench
        .server
        .publish(&json!({"keys": [bench.signer.public("second")]}));
    for _ in 0..5 {
        let refused = bench.verify(&new).await.unwrap_err();
        assert!(matches!(refused, BadToken::UnknownKey { .. }));
    }
    assert_eq!(bench.server.asked(), 1);
    bench.clock.advance(Duration::from_secs(10));
    assert!(bench.verify(&new).await.is_ok());
    assert_eq!(bench.server.asked(), 2);
    // The old one was withdrawn: a token that was believed because of it is so no more.
    assert!(bench.verify(&old).await.is_err());
}

#[tokio::test]
async fn keys_are_asked_for_again_in_time_and_trusted_no_longer_than_documented() {
    let bench = bench().await;
    let token = bench.signer.token(&json!({"sub": "ada"}));
    assert!(bench.verify(&token).await.is_ok());
    bench.server.publish(&json!("no keys at all"));
    let other = bench.signer.token(&json!({"sub": "bob"}));
    bench.clock.advance(Duration::from_hours(1));
    // The failure is not the request's: the keys are trusted for another hour.
    assert!(bench.verify(&other).await.is_ok());
    assert_eq!(bench.server.asked(), 2);
    bench.clock.advance(Duration::from_hours(1));
    let refused = bench.verify(&token).await.unwrap_err();
    assert!(
        matches!(refused, BadToken::NoKeys(NoKeys::Keys { .. })),
        "{refused}"
    );
    let asked = bench.server.asked();
    assert!(bench.verify(&token).await.is_err());
    assert_eq!(bench.server.asked(), asked, "it waits after a failure");
    bench
        .server
        .publish(&json!({"keys": [bench.signer.public("first")]}));
    bench.clock.advance(Duration::from_secs(60));
    assert!(bench.verify(&token).await.is_ok());
}

#[tokio::test]
async fn an_issuer_that_is_not_there_is_said_so() {
    let bench = bench().await;
    let token = bench.signer.token(&json!({}));
    for (issuer, expected) in [
        (
            "http://127.0.0.1:1/pool",
            "openid-configuration` cannot be read",
        ),
        ("http://example.com/pool", "is not an https URL"),
        ("not a url", "is not an https URL"),
    ] {
        let refused = bench.tokens.verify(issuer, &token).await.unwrap_err();
        assert!(refused.to_string().contains(expected), "{refused}");
    }
}

#[tokio::test]
async fn an_issuer_cannot_send_the_gateway_elsewhere_without_tls() {
    let bench = bench().await;
    let signer = &bench.signer;
    let elsewhere =
        json!({"keys": [signer.public("first")], "jwks_uri": "http://169.254.169.254/"});
    bench.server.publish(&elsewhere);
    let issuer = bench.server.url.replace("/pool", "/other");
    let refused = bench
        .tokens
        .verify(&issuer, &signer.token(&json!({})))
        .await;
    let reason = refused.unwrap_err().to_string();
    assert!(
        reason.contains("`http://169.254.169.254/` cannot be read: it is not an https URL"),
        "{reason}"
    );
}

#[tokio::test]
async fn the_development_issuers_key_is_believed_in_any_issuers_name() {
    let signer = Signer::new();
    let key = TrustedKey::from_jwk(&signer.public("development")).unwrap();
    let clock = Arc::new(StoppedClock::at(Timestamp::from_micros(0)));
    let tokens = Tokens::new(
        Outbound::new(Roots::default()),
        clock,
        Some(Arc::new(Only(key))),
    );
    let token = signer.sign(
        &json!({"alg": "RS256", "kid": "development"}),
        &json!({"sub": "ada"}),
    );
    let issuer = "https://nobody.invalid/";
    assert!(tokens.verify(issuer, &token).await.is_ok());
    let forged = format!("{token}AAAA");
    assert_eq!(
        tokens.verify(issuer, &forged).await,
        Err(BadToken::Signature)
    );
}

/// Each is refused, and for its own reason.
#[expect(clippy::too_many_lines, reason = "it is a table")]
#[tokio::test]
async fn no_attack_makes_a_token_believed() {
    let bench = bench().await;
    let signer = &bench.signer;
    let claims = json!({"sub": "mallory"});
    let good = signer.token(&claims);
    assert!(bench.verify(&good).await.is_ok());
    let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!("three parts")
    };
    let with = |header: Value| signer.sign(&header, &claims);
    let public = signer.public("first");
    let modulus = URL_SAFE_NO_PAD
        .decode(public["n"].as_str().unwrap())
        .unwrap();
    let confused = {
        let message = format!(
            "{}.{payload}",
            encode(json!({"alg": "HS256", "kid": "first"}).to_string())
        );
        let digest = keyed_digest(&modulus, message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(digest))
    };
    let none = |alg: &str| {
        format!(
            "{}.{payload}.",
            encode(json!({"alg": alg, "kid": "first"}).to_string())
        )
    };
    let other_claims = encode(json!({"sub": "root"}).to_string());
    let attacks = [
        ("no algorithm", none("none"), "signed by none"),
        ("no algorithm, shouted", none("NoNe"), "signed by NoNe"),
        ("a public key as a secret", confused, "signed by HS256"),
        (
            "another algorithm than the key's",
            with(json!({"alg": "RS512", "kid": "first"})),
            "its key is not meant",
        ),
        (
            "padding of another kind",
            with(json!({"alg": "PS256", "kid": "first"})),
            "signed by PS256",
        ),
        (
            "an algorithm that is no text",
            with(json!({"alg": 1, "kid": "first"})),
            "header cannot be read",
        ),
        (
            "changed claims",
            format!("{header}.{other_claims}.{signature}"),
            "its signature",
        ),
        (
            "no signature",
            format!("{header}.{payload}."),
            "its signature",
        ),
        (
            "half a signature",
            format!("{header}.{payload}.{}", &signature[..100]),
            "its signature",
        ),
        ("two parts", format!("{header}.{payload}"), "2 parts"),
        (
            "five parts, as encrypted tokens have",
            format!("{good}.a.b"),
            "5 parts",
        ),
        ("nothing", String::new(), "1 parts"),
        ("no key id", with(json!({"alg": "RS256"})), "no `kid`"),
        (
            "an empty key id",
            with(json!({"alg": "RS256", "kid": ""})),
            "no `kid`",
        ),
        (
            "a key id that is no text",
            with(json!({"alg": "RS256", "kid": ["first"]})),
            "header cannot be read",
        ),
        (
            "a path as a key id",
            with(json!({"alg": "RS256", "kid": "../../../dev/null"})),
            "no RSA key",
        ),
        (
            "a query as a key id",
            with(json!({"alg": "RS256", "kid": "first' OR '1'='1"})),
            "no RSA key",
        ),
        (
            "a key of its own",
            with(json!({"alg": "RS256", "kid": "mine", "jwk": public})),
            "no RSA key",
        ),
        (
            "a set of keys of its own",
            with(json!({"alg": "RS256", "kid": "mine", "jku": "https://evil.example/keys"})),
            "no RSA key",
        ),
        (
            "a certificate of its own",
            with(
                json!({"alg": "RS256", "kid": "mine", "x5u": "https://evil.example/", "x5c": ["AAAA"]}),
            ),
            "no RSA key",
        ),
        (
            "extensions",
            with(json!({"alg": "RS256", "kid": "first", "crit": ["exp"]})),
            "asks for extensions",
        ),
        (
            "claims as they are",
            with(json!({"alg": "RS256", "kid": "first", "b64": false})),
            "asks for extensions",
        ),
        (
            "compression",
            with(json!({"alg": "RS256", "kid": "first", "zip": "DEF"})),
            "encrypted",
        ),
        (
            "a header that is no object",
            signer.sign(&json!([]), &claims),
            "header cannot be read",
        ),
        (
            "claims that are no object",
            signer.sign(&json!({"alg": "RS256", "kid": "first"}), &json!(["a"])),
            "claims cannot be read",
        ),
        (
            "a token that is too long",
            signer.token(&json!({"a": "a".repeat(TOKEN_BYTES_MAX)})),
            "are the most",
        ),
        (
            "padding in base64",
            format!("{header}=.{payload}.{signature}"),
            "header cannot be read",
        ),
        ("a blank", format!(" {good}"), "header cannot be read"),
    ];
    for (attack, token, reason) in attacks {
        let refused = bench.verify(&token).await.expect_err(attack).to_string();
        assert!(refused.contains(reason), "{attack}: {refused}");
    }
    assert!(bench.verify(&good).await.is_ok());
}

#[test]
fn only_keys_for_rsa_signatures_are_taken_from_a_set() {
    let signer = Signer::new();
    let with = |name: &str, value: Value| {
        let mut key = signer.public(name);
        key[name] = value;
        key["kid"] = json!(name);
        key
    };
    let mut bare = signer.public("bare");
    bare.as_object_mut()
        .unwrap()
        .retain(|name, _| ["kty", "kid", "n", "e"].contains(&name.as_str()));
    let set = json!({"keys": [
        with("kty", json!("EC")), with("use", json!("enc")), with("alg", json!("HS256")), with("alg", json!("ES256")),
        with("n", json!("AQAB")), with("n", json!(7)), with("n", json!("?")), with("key_ops", json!(["sign"])), "text", null,
        {"kty": "oct", "k": "AAAA", "kid": "secret"}, signer.public(""), bare, signer.public("full"), with("x", json!(1)),
        signer.public("full"),
    ]});
    let keys = keys::read_set(set.to_string().as_bytes()).unwrap();
    let ids: Vec<&str> = keys.iter().map(TrustedKey::id).collect();
    assert_eq!(ids, ["bare", "full", "x"]);
    assert!(keys::read_set(b"[]").is_none());
    assert!(keys::read_set(b"{}").is_none());
}
