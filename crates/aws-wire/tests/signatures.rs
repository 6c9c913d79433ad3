//! Signing and verifying agree, and what a request presents is read with AWS's words for every fault.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use aws_wire::errors::AuthenticationError;
use aws_wire::protocol::Protocol;
use aws_wire::sigv4::{
    Presented, SignedRequest, Signer, SigningKey, read_hostile, sign, time, verify,
};
use http::{HeaderMap, HeaderValue, Method};
use model::principal::Credentials;
use model::time::Timestamp;
use proptest::prelude::*;

const DATE: &str = "20150830T123600Z";
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1/dynamodb/aws4_request, \
    SignedHeaders=host;x-amz-date, Signature=abc";

fn now() -> Timestamp {
    time::parse_basic(DATE).unwrap()
}

fn credentials(token: Option<&str>) -> Credentials {
    Credentials {
        access_key_id: "AKID".to_owned(),
        secret_access_key: "secret".to_owned(),
        session_token: token.map(str::to_owned),
    }
}

fn headers(authorization: &str, date: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("localhost"));
    headers.insert(
        "authorization",
        HeaderValue::from_str(authorization).unwrap(),
    );
    if let Some(date) = date {
        headers.insert("x-amz-date", HeaderValue::from_str(date).unwrap());
    }
    headers
}

fn fault(authorization: &str, date: Option<&str>) -> String {
    match Presented::find("/", &headers(authorization, date)) {
        Ok(_) => "accepted".to_owned(),
        Err(AuthenticationError::Incomplete { message }) => format!("incomplete: {message}"),
        Err(AuthenticationError::Invalid { message }) => format!("invalid: {message}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_fault_of_form_is_told_in_the_words_of_aws() {
    let wrong = |from: &str, to: &str| fault(&AUTHORIZATION.replace(from, to), Some(DATE));
    assert_eq!(wrong("", ""), "accepted");
    assert_eq!(
        wrong("AWS4-HMAC-SHA256", "Bearer"),
        "the request is not signed"
    );
    assert_eq!(
        wrong("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
        "incomplete: Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA1'."
    );
    assert_eq!(
        fault("AWS4-HMAC-SHA256 Signature=a", None),
        "incomplete: Authorization header requires 'Credential' parameter. Authorization header requires \
         'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' \
         header. Authorization=AWS4-HMAC-SHA256 Signature=a"
    );
    assert!(wrong("Signature=abc", "Signature").starts_with(
        "incomplete: 'Signature' not a valid key=value pair (missing equal-sign) in Authorization header: '"
    ));
    assert_eq!(
        wrong("AKID/20150830/", ""),
        "incomplete: Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, \
         got 'us-east-1/dynamodb/aws4_request'"
    );
    assert_eq!(
        wrong("aws4_request", "aws_4_request"),
        "invalid: Credential should be scoped with a valid terminator: 'aws4_request', not 'aws_4_request'."
    );
    assert_eq!(
        wrong("20150830", "20150829"),
        "invalid: Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
         '20150829' != '20150830', from '20150830T123600Z'."
    );
    assert!(
        wrong("host;", "").starts_with("invalid: 'Host' or ':authority' must be a 'SignedHeader'")
    );
    let of_http2 = AUTHORIZATION.replace("SignedHeaders=host", "SignedHeaders=:authority");
    assert!(Presented::find("/", &headers(&of_http2, Some(DATE))).is_ok());
    assert!(wrong("Signature=abc", "Signature=abc, Signature=abc").contains("more than once"));
    assert!(
        fault(AUTHORIZATION, Some("yesterday")).starts_with("incomplete: Date must be in ISO-8601")
    );
    assert_eq!(
        Presented::find(
            "/?X-Amz-Algorithm=AWS4-HMAC-SHA256",
            &headers(AUTHORIZATION, Some(DATE))
        ),
        Err(AuthenticationError::Twice)
    );
    let Err(AuthenticationError::Incomplete { message }) = Presented::find(
        "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=x",
        &HeaderMap::new(),
    ) else {
        panic!("an incomplete query is refused");
    };
    assert_eq!(
        message,
        "AWS query-string parameters must include 'X-Amz-Credential'. AWS query-string parameters must include \
         'X-Amz-Signature'. AWS query-string parameters must include 'X-Amz-SignedHeaders'. Re-examine the \
         query-string parameters."
    );
}

#[test]
fn a_signature_holds_for_fifteen_minutes_either_way() {
    let presented = Presented::find("/", &headers(AUTHORIZATION, Some(DATE))).unwrap();
    let at = |seconds: i64| Timestamp::from_micros(now().epoch_us() + seconds * 1_000_000);
    for seconds in [-900, 0, 900] {
        assert_eq!(presented.check_time(at(seconds)), Ok(()), "{seconds}");
    }
    let words = |error: &AuthenticationError, protocol: Protocol| {
        let answer = error.answer(protocol, Some("dynamodb"), "id");
        String::from_utf8(answer.body).unwrap()
    };
    assert!(
        words(&presented.check_time(at(901)).unwrap_err(), Protocol::Json10).contains(
            "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T125101Z - 15 min.)"
        )
    );
    assert!(
        words(&presented.check_time(at(-901)).unwrap_err(), Protocol::Query).contains(
            "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T122059Z + 15 min.)"
        )
    );
    let target = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20150830%2Fr%2Fs3%2Faws4_request&\
        X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=a";
    let presigned = Presented::find(target, &HeaderMap::new()).unwrap();
    assert_eq!(presigned.check_time(at(60)), Ok(()));
    assert!(presigned.check_time(at(61)).is_err());
    assert!(Presented::find(&target.replace("=60", "=604801"), &HeaderMap::new()).is_err());
}

#[test]
fn a_session_token_belongs_to_its_keys() {
    let mut signed = headers(AUTHORIZATION, Some(DATE));
    let check =
        |headers: &HeaderMap, issued| Presented::find("/", headers).unwrap().check_token(issued);
    assert_eq!(check(&signed, None), Ok(()));
    assert_eq!(
        check(&signed, Some("t")),
        Err(AuthenticationError::InvalidToken)
    );
    signed.insert("x-amz-security-token", HeaderValue::from_static("t"));
    assert_eq!(check(&signed, Some("t")), Ok(()));
    assert_eq!(
        check(&signed, Some("u")),
        Err(AuthenticationError::InvalidToken)
    );
    assert_eq!(check(&signed, None), Err(AuthenticationError::InvalidToken));
}

#[test]
fn refusals_have_the_codes_of_their_protocol() {
    let code = |error: AuthenticationError, protocol: Protocol| {
        let answer = error.answer(protocol, Some("x"), "id");
        let kind = answer
            .headers
            .iter()
            .find(|(name, _)| *name == "x-amzn-errortype");
        let kind = kind.map(|(_, kind)| kind.clone()).unwrap_or_default();
        format!(
            "{} {kind}{}",
            answer.status.as_u16(),
            String::from_utf8(answer.body).unwrap()
        )
    };
    for (error, protocol, expected) in [
        (
            AuthenticationError::Missing,
            Protocol::Json11,
            "400 {\"__type\":\"com.amazon.coral.service#MissingAuthenticationTokenException\",\"message\":\"Missing Authentication Token\"}",
        ),
        (
            AuthenticationError::UnknownKey,
            Protocol::RestJson,
            "403 UnrecognizedClientException{\"message\":\"The security token included in the request is invalid.\"}",
        ),
        (
            AuthenticationError::UnknownKey,
            Protocol::Query,
            "403 <ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId<",
        ),
        (
            AuthenticationError::Mismatch,
            Protocol::Json10,
            "400 {\"__type\":\"com.amazon.coral.service#InvalidSignatureException\",\"message\":\"The request signature we calculated",
        ),
        (
            AuthenticationError::Mismatch,
            Protocol::RestXml,
            "403 <?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>SignatureDoesNotMatch<",
        ),
        (
            AuthenticationError::ExpiredToken,
            Protocol::Json10,
            "400 {\"__type\":\"com.amazon.coral.service#ExpiredTokenException\"",
        ),
    ] {
        let told = code(error, protocol);
        assert!(told.starts_with(expected), "{told}");
    }
}

proptest! {
    #[test]
    fn what_we_sign_verifies_and_nothing_else(
        path in "/[ -~&&[^?#]]{0,20}", query in "[ -~&&[^#]]{0,20}", body in ".{0,40}", service in "s3|lambda", flip in 0_usize..64,
    ) {
        let target = format!("{path}?{query}").replace(' ', "%20");
        let credentials = credentials(Some("token"));
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("localhost"));
        let signer = Signer { credentials: &credentials, region: "r", service: &service, now: now() };
        sign(signer, &Method::PUT, &target, &mut headers, body.as_bytes()).unwrap();
        prop_assume!(!target.contains("X-Amz-Algorithm"));
        let mut presented = Presented::find(&target, &headers).unwrap();
        let key = SigningKey::derive("secret", &presented.scope);
        let request = SignedRequest { method: &Method::PUT, path_and_query: &target, headers: &headers, body: body.as_bytes() };
        prop_assert_eq!(verify(&key, &presented, request), Ok(()));
        prop_assert_eq!(presented.check_time(now().plus(Duration::from_secs(1))), Ok(()));
        let flipped = if presented.signature.as_bytes()[flip] == b'0' { "1" } else { "0" };
        presented.signature.replace_range(flip..=flip, flipped);
        prop_assert_eq!(verify(&key, &presented, request), Err(AuthenticationError::Mismatch));
    }

    #[test]
    fn hostile_bytes_are_never_taken_for_a_signature(authorization in proptest::collection::vec(any::<u8>(), 0..200), target in ".{0,100}") {
        prop_assert!(!read_hostile(&authorization, &target));
    }

    #[test]
    fn a_mangled_authorization_does_not_panic(cut in 0_usize..150, insert in "[ -~]{0,4}") {
        let at = cut.min(AUTHORIZATION.len());
        let mangled = format!("{}{insert}{}", &AUTHORIZATION[..at], &AUTHORIZATION[at..]);
        let _ = Presented::find("/?a", &headers(&mangled, Some(DATE)));
    }
}

#[test]
fn a_presigned_url_of_s3_says_all_that_its_signer_did_and_no_more() {
    let presigned = |service: &str, signed: &str| {
        let target = format!(
            "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20150830%2Fus-east-1%2F{service}%2Faws4_request\
             &X-Amz-Date={DATE}&X-Amz-Expires=60&X-Amz-SignedHeaders={signed}&X-Amz-Signature={}",
            "0".repeat(64)
        );
        Presented::find(&target, &HeaderMap::new()).unwrap()
    };
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-copy-source", "/b/secret".parse().unwrap());
    headers.insert("content-type", "text/plain".parse().unwrap());
    for (service, signed, expected) in [
        ("s3", "host", Err(AuthenticationError::HeadersNotSigned)),
        ("s3", "host%3Bx-amz-copy-source", Ok(())),
        ("lambda", "host", Ok(())),
    ] {
        let checked = presigned(service, signed).check_headers(&headers);
        assert_eq!(checked, expected, "{service} {signed}");
    }
}
