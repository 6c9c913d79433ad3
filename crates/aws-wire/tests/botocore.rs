//! Requests that botocore signed verify, and no longer do when anything is changed.
//! `botocore_vectors.py` recorded them.
#![allow(clippy::unwrap_used, reason = "tests")]

use aws_wire::errors::AuthenticationError;
use aws_wire::sigv4::{Presented, SignedRequest, SigningKey, Validity, time, verify};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

struct Vector {
    method: Method,
    target: String,
    headers: HeaderMap,
    body: String,
    token: Option<String>,
}

fn vectors() -> Vec<Vector> {
    let all: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("botocore_vectors.json")).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    all.iter()
        .map(|vector| Vector {
            method: text(&vector["method"]).parse().unwrap(),
            target: text(&vector["target"]),
            headers: vector["headers"]
                .as_array()
                .unwrap()
                .iter()
                .map(|header| {
                    let name: HeaderName = text(&header[0]).parse().unwrap();
                    (name, HeaderValue::from_str(&text(&header[1])).unwrap())
                })
                .collect(),
            body: text(&vector["body"]),
            token: vector["token"].as_str().map(str::to_owned),
        })
        .collect()
}

fn check(vector: &Vector, secret: &str) -> Result<Presented, AuthenticationError> {
    let presented = Presented::find(&vector.target, &vector.headers)?;
    let key = SigningKey::derive(secret, &presented.scope);
    let request = SignedRequest {
        method: &vector.method,
        path_and_query: &vector.target,
        headers: &vector.headers,
        body: vector.body.as_bytes(),
    };
    verify(&key, &presented, request)?;
    Ok(presented)
}

#[test]
fn what_botocore_signed_verifies() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 80);
    for vector in &vectors {
        let presented =
            check(vector, SECRET).unwrap_or_else(|error| panic!("{}: {error}", vector.target));
        assert_eq!(presented.access_key_id, "AKIDEXAMPLE");
        assert_eq!(presented.check_token(vector.token.as_deref()), Ok(()));
        assert_eq!(time::basic(presented.signed_at), "20260228T235930Z");
    }
}

#[test]
fn whatever_is_changed_no_longer_verifies() {
    for mut vector in vectors() {
        let presented = check(&vector, SECRET).unwrap();
        let is_presigned_object =
            presented.scope.service == "s3" && presented.validity != Validity::Header;
        assert_eq!(
            check(&vector, "other").unwrap_err(),
            AuthenticationError::Mismatch
        );
        vector.body.push('x');
        let changed = check(&vector, SECRET);
        assert_eq!(
            changed.is_ok(),
            is_presigned_object,
            "a presigned object's body is not signed"
        );
        vector.body.pop();
        let target = vector.target.clone();
        let separator = if target.contains('?') { '&' } else { '?' };
        vector.target = format!("{target}{separator}more=1");
        assert_eq!(
            check(&vector, SECRET).unwrap_err(),
            AuthenticationError::Mismatch
        );
        vector.target = target;
        let method = std::mem::replace(&mut vector.method, Method::PATCH);
        assert_eq!(
            check(&vector, SECRET).unwrap_err(),
            AuthenticationError::Mismatch
        );
        vector.method = method;
        vector
            .headers
            .insert("host", HeaderValue::from_static("elsewhere"));
        assert_eq!(
            check(&vector, SECRET).unwrap_err(),
            AuthenticationError::Mismatch
        );
    }
}
