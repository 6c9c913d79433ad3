//! Uploads by forms of browsers.
//!
//! Lives here: fields, the policy in a form, its signature, what answers the browser.
//! Does not live here: reading the form (`form`).
//!
//! Contract: Amazon S3 API Reference, "POST Object", "POST policy" and "Browser-based uploads using POST".

use aws_wire::sigv4::time::parse_basic;
use aws_wire::sigv4::{CredentialScope, SigningKey, verify_text};
use aws_wire::xml::Xml;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName, HeaderValue};
use interfaces::principals::Key;
use interfaces::service::ServiceAnswer;
use model::ids::AccountId;
use model::principal::Principal;
use serde_json::Value;

use super::answers;
use super::form::{self, Fields};
use super::parts;
use super::put::{PUT_BYTES_MAX, new_object, put_headers};
use super::request::Ask;
use super::service::Inner;
use super::{checksums, encryption};
use crate::engine::bucket::Bucket;
use crate::engine::dates;
use crate::engine::fault::{self, Fault};
use crate::engine::node::Node;
use crate::engine::objects::New;
use crate::engine::preconditions::Precondition;
use crate::engine::receiving::{Wanted, receive};
use crate::engine::tags::object_tags;

/// Fields that a policy need not mention.
const FREE_FIELDS: [&str; 6] = [
    "policy",
    "x-amz-signature",
    "signature",
    "awsaccesskeyid",
    "file",
    "submit",
];

impl Inner {
    pub(super) async fn post_object(&self, mut ask: Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(&ask).await?;
        let boundary = ask
            .header("content-type")
            .and_then(form::boundary)
            .ok_or_else(|| {
                Fault::saying(
                    fault::PRECONDITION_FAILED,
                    "Bucket POST must be of the enclosure-type multipart/form-data",
                )
            })?;
        let mut body = ask.body();
        let unknown = body.unknown_keys_act_as();
        let (fields, mut file) = form::read(&mut body, &boundary).await?;
        let key = wanted_key(&fields)?;
        let (caller, length) = self.proven(&ask, &bucket, &fields, &key, unknown.as_ref())?;
        ask.call.caller = caller;
        ask.key = key;
        ask.call.headers = as_headers(&fields);
        self.may(
            &ask.call.caller,
            "s3:PutObject",
            &bucket,
            &ask.key,
            ask.known.clone(),
        )?;
        if ask.header("acl").is_some() || ask.header("x-amz-acl").is_some() {
            self.may(
                &ask.call.caller,
                "s3:PutObjectAcl",
                &bucket,
                &ask.key,
                ask.known.clone(),
            )?;
        }
        let now = self.objects.clock.now();
        let customer_key = encryption::customer_key(&ask)?;
        let claims = checksums::claims(&ask)?;
        let (mut about, owner) = parts::about(&ask, &bucket, customer_key.as_ref(), now)?;
        about.tags = tags(&fields)?.unwrap_or(about.tags);
        let wanted = Wanted {
            algorithms: vec![claims.algorithm.unwrap_or(checksums::DEFAULT)],
            bytes_max: length.map_or(PUT_BYTES_MAX, |(_, max)| max.min(PUT_BYTES_MAX)),
            key: customer_key,
        };
        let received = receive(&self.blobs, &mut file, wanted).await?;
        if let Some((min, _)) = length.filter(|(min, _)| received.size < *min) {
            return Err(Fault::from(fault::ENTITY_TOO_SMALL)
                .with("ProposedSize", received.size.to_string())
                .with("MinSizeAllowed", min.to_string()));
        }
        claims.check(&received, &body)?;
        let new = New {
            event: "ObjectCreated:Post",
            occasion: self.occasion(&ask, "PostObject"),
            ..new_object(received, about, owner, now)
        };
        let version = self
            .objects
            .put(&bucket, &ask.key, new, &Precondition::default())
            .await?;
        Ok(answered(
            &ask,
            &bucket,
            &fields,
            put_headers(&bucket, &ask.key, &version),
            &version.quoted_etag(),
        ))
    }

    /// Who sends a form, and how long its file may be: as its policy says, once its signature holds.
    fn proven(
        &self,
        ask: &Ask,
        bucket: &Bucket,
        fields: &Fields,
        key: &str,
        unknown: Option<&AccountId>,
    ) -> Result<(Principal, Option<(u64, u64)>), Fault> {
        let Some(policy) = field(fields, "policy") else {
            let is_signed =
                field(fields, "x-amz-signature").is_some() || field(fields, "signature").is_some();
            return if is_signed {
                Err(Fault::saying(
                    fault::INVALID_ARGUMENT,
                    "Bucket POST must contain a field named 'policy'.",
                ))
            } else {
                Ok((ask.call.caller.clone(), None))
            };
        };
        let caller = self.signer(fields, policy, unknown)?;
        let invalid = |reason: &str| {
            Fault::saying(
                fault::INVALID_POLICY_DOCUMENT,
                format!("Invalid Policy: {reason}"),
            )
        };
        let decoded = BASE64
            .decode(policy.trim())
            .map_err(|_| invalid("Invalid Base64."))?;
        let document: Value =
            serde_json::from_slice(&decoded).map_err(|_| invalid("Invalid JSON."))?;
        let expiration = document
            .get("expiration")
            .and_then(Value::as_str)
            .ok_or_else(|| invalid("Policy missing expiration."))?;
        let expires_at = Some(expiration)
            .filter(|text| text.contains('T') && text.ends_with('Z'))
            .and_then(dates::read_iso)
            .ok_or_else(|| invalid("Invalid 'expiration' value."))?;
        if expires_at <= self.objects.clock.now() {
            return Err(Fault::saying(
                fault::ACCESS_DENIED,
                "Invalid according to Policy: Policy expired.",
            ));
        }
        let conditions = document
            .get("conditions")
            .and_then(Value::as_array)
            .ok_or_else(|| invalid("Policy missing conditions."))?;
        let length = check_conditions(conditions, bucket, fields, key)?;
        Ok((caller, length))
    }

    fn signer(
        &self,
        fields: &Fields,
        policy: &str,
        unknown: Option<&AccountId>,
    ) -> Result<Principal, Fault> {
        let missing = |name: &str| {
            Fault::saying(
                fault::INVALID_ARGUMENT,
                format!(
                    "Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."
                ),
            )
        };
        if field(fields, "x-amz-signature").is_none() && field(fields, "signature").is_some() {
            let key_id =
                field(fields, "awsaccesskeyid").ok_or_else(|| missing("AWSAccessKeyId"))?;
            return self.older_signer(fields, policy, key_id, unknown);
        }
        let signature =
            field(fields, "x-amz-signature").ok_or_else(|| missing("X-Amz-Signature"))?;
        let credential =
            field(fields, "x-amz-credential").ok_or_else(|| missing("X-Amz-Credential"))?;
        let date = field(fields, "x-amz-date").ok_or_else(|| missing("X-Amz-Date"))?;
        if field(fields, "x-amz-algorithm") != Some("AWS4-HMAC-SHA256") {
            return Err(missing("X-Amz-Algorithm"));
        }
        let mut parts = credential.rsplitn(5, '/');
        let mut part = || parts.next().unwrap_or_default();
        let (_, service, region, day, key_id) = (part(), part(), part(), part(), part());
        if parse_basic(date).is_none() || service != "s3" {
            return Err(fault::SIGNATURE_MISMATCH.into());
        }
        match self.principals.find(key_id) {
            Key::Issued(holder) => {
                let scope = CredentialScope {
                    date: day.to_owned(),
                    region: region.to_owned(),
                    service: service.to_owned(),
                };
                let key = SigningKey::derive(&holder.credentials.secret_access_key, &scope);
                verify_text(&key, policy, signature)
                    .map_err(|_| Fault::from(fault::SIGNATURE_MISMATCH))?;
                if field(fields, "x-amz-security-token")
                    != holder.credentials.session_token.as_deref()
                {
                    return Err(fault::UNKNOWN_KEY.into());
                }
                Ok(holder.principal)
            }
            Key::Unknown => unknown_signer(key_id, unknown),
            Key::Revoked | Key::Withdrawn => Err(fault::UNKNOWN_KEY.into()),
        }
    }

    /// Signature version 2, which forms of older libraries carry still: HMAC-SHA1 of the policy.
    fn older_signer(
        &self,
        fields: &Fields,
        policy: &str,
        key_id: &str,
        unknown: Option<&AccountId>,
    ) -> Result<Principal, Fault> {
        match self.principals.find(key_id) {
            Key::Issued(holder) => {
                let secret = holder.credentials.secret_access_key.as_bytes();
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
                let sent = field(fields, "signature").unwrap_or_default();
                let sent = BASE64.decode(sent).unwrap_or_default();
                ring::hmac::verify(&key, policy.as_bytes(), &sent)
                    .map_err(|_| Fault::from(fault::SIGNATURE_MISMATCH))?;
                if field(fields, "x-amz-security-token")
                    != holder.credentials.session_token.as_deref()
                {
                    return Err(fault::UNKNOWN_KEY.into());
                }
                Ok(holder.principal)
            }
            Key::Unknown => unknown_signer(key_id, unknown),
            Key::Revoked | Key::Withdrawn => Err(fault::UNKNOWN_KEY.into()),
        }
    }
}

/// The tags that a form gives its object.
fn tags(fields: &Fields) -> Result<Option<Vec<(String, String)>>, Fault> {
    let Some(tagging) = field(fields, "tagging") else {
        return Ok(None);
    };
    let node = Node::read(tagging.as_bytes()).map_err(|_| Fault::from(fault::MALFORMED_XML))?;
    object_tags(&node).map(Some)
}

/// The key of the object that a form makes.
fn wanted_key(fields: &Fields) -> Result<String, Fault> {
    let key = field(fields, "key").ok_or_else(|| {
            Fault::saying(
                fault::INVALID_ARGUMENT,
                "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
            )
        })?;
    let key = key.replace("${filename}", &fields.file_name);
    if key.is_empty() {
        return Err(Fault::saying(
            fault::INVALID_ARGUMENT,
            "User key must have a length greater than 0.",
        ));
    }
    Ok(key)
}

/// Keys that nobody was issued act here as they do at the door.
pub(super) fn unknown_signer(
    key_id: &str,
    unknown: Option<&AccountId>,
) -> Result<Principal, Fault> {
    let is_account = key_id.len() == 12 && key_id.bytes().all(|byte| byte.is_ascii_digit());
    match unknown {
        Some(_) if is_account => Ok(Principal::Root {
            account: AccountId::new(key_id),
        }),
        Some(account) => Ok(Principal::Root {
            account: account.clone(),
        }),
        None => Err(fault::UNKNOWN_KEY.into()),
    }
}

fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields
        .fields
        .iter()
        .find(|(sent, _)| sent == name)
        .map(|(_, value)| value.as_str())
}

/// A condition of a policy in a form.
enum Condition<'a> {
    Length(u64, u64),
    Equals(String, &'a str),
    Begins(String, &'a str),
}

fn read_condition(condition: &Value) -> Option<Condition<'_>> {
    match condition {
        Value::Object(pairs) => {
            let (name, wanted) = pairs.iter().next()?;
            Some(Condition::Equals(
                name.to_ascii_lowercase(),
                wanted.as_str()?,
            ))
        }
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(operator), min, max]
                if operator.eq_ignore_ascii_case("content-length-range") =>
            {
                let number =
                    |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
                Some(Condition::Length(number(min)?, number(max)?))
            }
            [Value::String(operator), Value::String(name), wanted] => {
                let name = name.strip_prefix('$')?.to_ascii_lowercase();
                let wanted = wanted.as_str()?;
                match operator.to_ascii_lowercase().as_str() {
                    "eq" => Some(Condition::Equals(name, wanted)),
                    "starts-with" => Some(Condition::Begins(name, wanted)),
                    _ => None,
                }
            }
            _ => None,
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Checks all conditions; how long the file may be.
fn check_conditions(
    conditions: &[Value],
    bucket: &Bucket,
    fields: &Fields,
    key: &str,
) -> Result<Option<(u64, u64)>, Fault> {
    let value = |name: &str| match name {
        "bucket" => Some(bucket.name()),
        "key" => Some(key),
        name => field(fields, name),
    };
    let mut mentioned = vec!["bucket".to_owned()];
    let mut length = None;
    for condition in conditions {
        let read = read_condition(condition).ok_or_else(|| {
            Fault::saying(
                fault::INVALID_POLICY_DOCUMENT,
                "Invalid Policy: Invalid condition.",
            )
        })?;
        let (name, holds) = match read {
            Condition::Length(min, max) => {
                length = Some((min, max));
                continue;
            }
            Condition::Equals(name, wanted) => {
                let holds = value(&name) == Some(wanted);
                (name, holds)
            }
            Condition::Begins(name, wanted) => {
                let holds = value(&name).unwrap_or_default().starts_with(wanted);
                (name, holds)
            }
        };
        if !holds {
            return Err(Fault::saying(
                fault::ACCESS_DENIED,
                format!("Invalid according to Policy: Policy Condition failed: {condition}"),
            ));
        }
        mentioned.push(name);
    }
    let unmentioned = fields.fields.iter().find(|(name, _)| {
        !name.starts_with("x-ignore-")
            && !name.starts_with("x-amz-checksum-")
            && !FREE_FIELDS.contains(&name.as_str())
            && !mentioned.contains(name)
    });
    match unmentioned {
        Some((name, _)) => Err(Fault::saying(
            fault::ACCESS_DENIED,
            format!("Invalid according to Policy: Extra input fields: {name}"),
        )),
        None => Ok(length),
    }
}

/// The fields as the headers of `PutObject`.
fn as_headers(fields: &Fields) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &fields.fields {
        let name = if name == "acl" { "x-amz-acl" } else { name };
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_bytes(value.as_bytes()),
        ) {
            headers.append(name, value);
        }
    }
    headers
}

fn answered(
    ask: &Ask,
    bucket: &Bucket,
    fields: &Fields,
    mut headers: answers::Headers,
    etag: &str,
) -> ServiceAnswer {
    let location = format!("/{}/{}", bucket.name(), ask.key);
    let redirect = field(fields, "success_action_redirect").or_else(|| field(fields, "redirect"));
    if let Some(redirect) =
        redirect.filter(|to| to.starts_with("http://") || to.starts_with("https://"))
    {
        let joint = if redirect.contains('?') { '&' } else { '?' };
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        headers.push((
            "location",
            format!(
                "{redirect}{joint}bucket={}&key={}&etag={}",
                encode(bucket.name()),
                encode(&ask.key),
                encode(etag)
            ),
        ));
        return answers::empty(303, headers);
    }
    headers.push(("location", location.clone()));
    match field(fields, "success_action_status") {
        Some("200") => answers::empty(200, headers),
        Some("201") => {
            // This document alone has no name space.
            let mut xml = Xml::document_utf8();
            xml.element("PostResponse", |xml| {
                xml.text("Location", &location);
                xml.text("Bucket", bucket.name());
                xml.text("Key", &ask.key);
                xml.text("ETag", etag);
            });
            let mut answer = answers::bytes("application/xml", headers, xml.finish());
            answer.status = 201;
            answer
        }
        Some(_) | None => answers::empty(204, headers),
    }
}
