//! What a request presents as proof of its caller.
//!
//! Lives here: the `Authorization` header and the presigned query, read and checked for form.
//! Does not live here: whether the proof holds (`verification`).

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use http::{HeaderMap, header};
use model::time::Timestamp;
use percent_encoding::percent_decode_str;

use super::canonical::AUTHORITY;
use super::time::{basic, parse_basic, parse_http};
use super::{ALGORITHM, TERMINATOR};
use crate::errors::AuthenticationError;

/// Headers that one signature may cover.
const SIGNED_HEADERS_MAX: usize = 200;
/// Amazon S3, "Authenticating Requests: Using Query Parameters": the longest `X-Amz-Expires`, seven days.
const EXPIRES_MAX_S: u32 = 604_800;

/// What a signature is good for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CredentialScope {
    /// The day, as `20150830`.
    pub date: String,
    /// The region.
    pub region: String,
    /// The service's signing name, as `dynamodb`.
    pub service: String,
}

/// Where the proof stands, and how long it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// In the `Authorization` header.
    Header,
    /// In the query: it holds for so long from when it was signed.
    Presigned {
        /// `X-Amz-Expires`.
        expires: Duration,
    },
}

/// What a request presents; well-formed, but not verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Presented {
    /// The public half of the keys.
    pub access_key_id: String,
    /// What the signature is good for.
    pub scope: CredentialScope,
    /// The headers that it covers, in lower case, in the order sent.
    pub signed_headers: Vec<String>,
    /// The signature, in hexadecimal.
    pub signature: String,
    /// When it was signed.
    pub signed_at: Timestamp,
    /// `X-Amz-Security-Token`.
    pub session_token: Option<String>,
    /// Where it stands.
    pub validity: Validity,
}

/// Without signature and token, which together are as good as the keys for a while.
impl fmt::Debug for Presented {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Presented")
            .field("access_key_id", &self.access_key_id)
            .field("scope", &self.scope)
            .field("signed_at", &self.signed_at)
            .finish_non_exhaustive()
    }
}

impl Presented {
    /// Finds the proof in a request.
    ///
    /// # Errors
    /// [`AuthenticationError::Missing`], `Twice`, `Incomplete` or `Invalid`.
    pub fn find(path_and_query: &str, headers: &HeaderMap) -> Result<Self, AuthenticationError> {
        let query = path_and_query
            .split_once('?')
            .map_or("", |(_, query)| query);
        let is_presigned = query_value(query, "X-Amz-Algorithm").is_some();
        match (text(headers, header::AUTHORIZATION.as_str()), is_presigned) {
            (Some(_), true) => Err(AuthenticationError::Twice),
            (Some(authorization), false) => from_header(authorization, headers),
            (None, true) => from_query(query),
            (None, false) => Err(AuthenticationError::Missing),
        }
    }
}

impl Presented {
    /// What Amazon API Gateway says of an `Authorization` header of another scheme: it reads every one as a signature,
    /// and misses its parts. None: there is no such header.
    ///
    /// Contract: recorded exchanges, `IncompleteSignatureException`.
    #[must_use]
    pub fn misread(headers: &HeaderMap) -> Option<AuthenticationError> {
        let authorization = text(headers, header::AUTHORIZATION.as_str())?;
        let (_, parameters) = authorization.split_once(' ').unwrap_or((authorization, ""));
        let date = text(headers, "x-amz-date").or_else(|| text(headers, "date"));
        Some(match read_parameters(parameters, authorization) {
            Ok(parts) => incomplete_header(&parts, date, authorization),
            Err(error) => error,
        })
    }
}

fn from_header(authorization: &str, headers: &HeaderMap) -> Result<Presented, AuthenticationError> {
    let (algorithm, parameters) = authorization.split_once(' ').unwrap_or((authorization, ""));
    if !algorithm.starts_with("AWS4-") {
        // Another scheme, or the older signature versions: to AWS, no token.
        return Err(AuthenticationError::Missing);
    }
    check_algorithm(algorithm)?;
    let parameters = read_parameters(parameters, authorization)?;
    let date = text(headers, "x-amz-date").or_else(|| text(headers, "date"));
    let parts = Parts {
        credential: parameters.credential,
        signature: parameters.signature,
        signed_headers: parameters.signed_headers,
    };
    let (Some(credential), Some(signature), Some(signed_headers), Some(date)) = (
        parts.credential,
        parts.signature,
        parts.signed_headers,
        date,
    ) else {
        return Err(incomplete_header(&parts, date, authorization));
    };
    let signed_at = parse_basic(date)
        .or_else(|| parse_http(date))
        .ok_or_else(|| bad_date(date))?;
    let (access_key_id, scope) = read_credential(credential, signed_at)?;
    Ok(Presented {
        access_key_id,
        scope,
        signed_headers: read_signed_headers(signed_headers)?,
        signature: signature.to_owned(),
        signed_at,
        session_token: text(headers, "x-amz-security-token").map(str::to_owned),
        validity: Validity::Header,
    })
}

#[derive(Default)]
struct Parts<'a> {
    credential: Option<&'a str>,
    signature: Option<&'a str>,
    signed_headers: Option<&'a str>,
}

fn read_parameters<'a>(
    parameters: &'a str,
    authorization: &str,
) -> Result<Parts<'a>, AuthenticationError> {
    let mut parts = Parts::default();
    let pairs = parameters.split([',', ' ']).filter(|pair| !pair.is_empty());
    for pair in pairs {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(incomplete(format!(
                "'{pair}' not a valid key=value pair (missing equal-sign) in Authorization header: '{authorization}'."
            )));
        };
        let part = match name {
            "Credential" => &mut parts.credential,
            "Signature" => &mut parts.signature,
            "SignedHeaders" => &mut parts.signed_headers,
            _ => continue,
        };
        if part.replace(value).is_some() {
            return Err(incomplete(format!(
                "Authorization header contains '{name}' more than once."
            )));
        }
    }
    Ok(parts)
}

fn incomplete_header(
    parts: &Parts<'_>,
    date: Option<&str>,
    authorization: &str,
) -> AuthenticationError {
    let mut message = String::new();
    for (name, value) in [
        ("Credential", parts.credential),
        ("Signature", parts.signature),
        ("SignedHeaders", parts.signed_headers),
    ] {
        if value.is_none() {
            message.push_str(&format!(
                "Authorization header requires '{name}' parameter. "
            ));
        }
    }
    if date.is_none() {
        message.push_str(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ",
        );
    }
    message.push_str(&format!("Authorization={authorization}"));
    incomplete(message)
}

fn from_query(query: &str) -> Result<Presented, AuthenticationError> {
    let value = |name: &str| query_value(query, name).filter(|value| !value.is_empty());
    let algorithm = value("X-Amz-Algorithm");
    let credential = value("X-Amz-Credential");
    let signature = value("X-Amz-Signature");
    let signed_headers = value("X-Amz-SignedHeaders");
    let date = value("X-Amz-Date");
    let (Some(algorithm), Some(credential), Some(signature), Some(signed_headers), Some(date)) =
        (&algorithm, &credential, &signature, &signed_headers, &date)
    else {
        let mut message = String::new();
        for (name, value) in [
            ("X-Amz-Algorithm", &algorithm),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Signature", &signature),
            ("X-Amz-SignedHeaders", &signed_headers),
            ("X-Amz-Date", &date),
        ] {
            if value.is_none() {
                message.push_str(&format!(
                    "AWS query-string parameters must include '{name}'. "
                ));
            }
        }
        message.push_str("Re-examine the query-string parameters.");
        return Err(incomplete(message));
    };
    check_algorithm(algorithm)?;
    let signed_at = parse_basic(date).ok_or_else(|| bad_date(date))?;
    let (access_key_id, scope) = read_credential(credential, signed_at)?;
    Ok(Presented {
        access_key_id,
        signed_headers: read_signed_headers(signed_headers)?,
        signature: signature.to_string(),
        signed_at,
        session_token: value("X-Amz-Security-Token").map(Cow::into_owned),
        validity: read_expires(value("X-Amz-Expires").as_deref(), &scope)?,
        scope,
    })
}

/// Amazon S3 wants `X-Amz-Expires`; elsewhere a presigned request without it is as old as it may be at 15 minutes.
fn read_expires(
    expires: Option<&str>,
    scope: &CredentialScope,
) -> Result<Validity, AuthenticationError> {
    let Some(expires) = expires else {
        return if scope.service == "s3" {
            Err(incomplete(
                "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
                 X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
                    .to_owned(),
            ))
        } else {
            Ok(Validity::Presigned {
                expires: super::verification::AGE_MAX,
            })
        };
    };
    match expires.parse::<u32>() {
        Ok(seconds) if seconds <= EXPIRES_MAX_S => Ok(Validity::Presigned {
            expires: Duration::from_secs(u64::from(seconds)),
        }),
        Ok(_) => Err(incomplete(
            "X-Amz-Expires must be less than a week (in seconds) that is, less than 604800"
                .to_owned(),
        )),
        Err(_) => Err(incomplete("X-Amz-Expires should be a number".to_owned())),
    }
}

fn check_algorithm(algorithm: &str) -> Result<(), AuthenticationError> {
    if algorithm == ALGORITHM {
        Ok(())
    } else {
        Err(incomplete(format!(
            "Unsupported AWS 'algorithm': '{algorithm}'."
        )))
    }
}

fn read_credential(
    credential: &str,
    signed_at: Timestamp,
) -> Result<(String, CredentialScope), AuthenticationError> {
    // The key's id may hold slashes itself, so the scope is taken from the end.
    let parts: Vec<&str> = credential.rsplitn(5, '/').collect();
    let [terminator, service, region, date, access_key_id] = *parts.as_slice() else {
        return Err(incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got \
             '{credential}'"
        )));
    };
    if terminator != TERMINATOR {
        return Err(AuthenticationError::Invalid {
            message: format!(
                "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{terminator}'."
            ),
        });
    }
    let signed_date_time = basic(signed_at);
    let signed_date = signed_date_time.get(..8).unwrap_or_default();
    if date != signed_date {
        return Err(AuthenticationError::Invalid {
            message: format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{date}' \
                 != '{signed_date}', from '{signed_date_time}'."
            ),
        });
    }
    let scope = CredentialScope {
        date: date.to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
    };
    Ok((access_key_id.to_owned(), scope))
}

fn read_signed_headers(list: &str) -> Result<Vec<String>, AuthenticationError> {
    let names: Vec<String> = list
        .split(';')
        .take(SIGNED_HEADERS_MAX + 1)
        .map(str::to_ascii_lowercase)
        .collect();
    if SIGNED_HEADERS_MAX < names.len() {
        return Err(incomplete(
            "'SignedHeaders' names too many headers.".to_owned(),
        ));
    }
    // Each repeat would make the text that is hashed longer.
    let distinct: BTreeSet<&String> = names.iter().collect();
    if distinct.len() < names.len() {
        return Err(incomplete(
            "'SignedHeaders' names a header twice.".to_owned(),
        ));
    }
    let is_host = |name: &String| name == "host" || name == AUTHORITY;
    if !names.iter().any(is_host) {
        return Err(AuthenticationError::Invalid {
            message: "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
                .to_owned(),
        });
    }
    Ok(names)
}

fn bad_date(date: &str) -> AuthenticationError {
    incomplete(format!(
        "Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601"
    ))
}

fn incomplete(message: String) -> AuthenticationError {
    AuthenticationError::Incomplete { message }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The first value of this name in a query, decoded.
fn query_value<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find(|(sent, _)| *sent == name)
        .map(|(_, value)| percent_decode_str(value).decode_utf8_lossy())
}
