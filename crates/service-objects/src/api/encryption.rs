//! What requests say of encryption.
//!
//! Lives here: the headers of encryption by the service and by keys of the customer's.
//! Does not live here: encrypting (`engine::sealing`).
//!
//! Contract: Amazon S3 User Guide, "Protecting data with server-side encryption".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};

use super::answers::Headers;
use super::request::Ask;
use crate::engine::bucket::{Bucket, Setting};
use crate::engine::fault::{self, Fault};
use crate::engine::sealing::CustomerKey;
use crate::engine::version::{Encryption, Version};

const CUSTOMER: &str = "x-amz-server-side-encryption-customer-";
const SOURCE: &str = "x-amz-copy-source-server-side-encryption-customer-";

/// The key of the customer's that a request sends.
pub(crate) fn customer_key(ask: &Ask) -> Result<Option<CustomerKey>, Fault> {
    read_key(ask, CUSTOMER)
}

/// The same, of the source of a copy.
pub(crate) fn source_key(ask: &Ask) -> Result<Option<CustomerKey>, Fault> {
    read_key(ask, SOURCE)
}

fn read_key(ask: &Ask, prefix: &str) -> Result<Option<CustomerKey>, Fault> {
    let part = |name: &str| ask.header(&format!("{prefix}{name}"));
    let (algorithm, key, md5) = (part("algorithm"), part("key"), part("key-md5"));
    if algorithm.is_none() && key.is_none() && md5.is_none() {
        return Ok(None);
    }
    let refused = |message: &'static str| Fault::saying(fault::INVALID_ARGUMENT, message);
    match algorithm {
        Some("AES256") => {}
        Some(_) => {
            return Err(Fault::saying(
                fault::INVALID_ENCRYPTION,
                "The encryption request you specified is not valid. Supported value: AES256.",
            ));
        }
        None => {
            return Err(refused(
                "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.",
            ));
        }
    }
    let (Some(key), Some(md5)) = (key, md5) else {
        return Err(refused(if key.is_none() {
            "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key."
        } else {
            "Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key."
        }));
    };
    let bytes: [u8; 32] = BASE64
        .decode(key)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| refused("The secret key was invalid for the specified algorithm."))?;
    if BASE64.encode(Md5::digest(bytes)) != md5 {
        return Err(refused(
            "The calculated MD5 hash of the key did not match the hash that was provided.",
        ));
    }
    Ok(Some(CustomerKey {
        bytes,
        md5: md5.to_owned(),
    }))
}

/// What a new object is encrypted by.
pub(crate) fn of_new(
    ask: &Ask,
    bucket: &Bucket,
    key: Option<&CustomerKey>,
) -> Result<Option<Encryption>, Fault> {
    let algorithm = ask.header("x-amz-server-side-encryption");
    let kms_key = ask.header("x-amz-server-side-encryption-aws-kms-key-id");
    if let Some(key) = key {
        if algorithm.is_some() {
            return Err(Fault::argument(
                "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
                "x-amz-server-side-encryption",
                algorithm.unwrap_or_default(),
            ));
        }
        return Ok(Some(Encryption::Customer {
            key_md5: key.md5.clone(),
        }));
    }
    service_encryption(
        algorithm,
        kms_key,
        ask.header("x-amz-server-side-encryption-bucket-key-enabled"),
        bucket,
    )
}

/// What a new object is encrypted by, of these wishes.
pub(crate) fn service_encryption(
    algorithm: Option<&str>,
    kms_key: Option<&str>,
    bucket_key: Option<&str>,
    bucket: &Bucket,
) -> Result<Option<Encryption>, Fault> {
    let Some(algorithm) = algorithm else {
        if let Some(kms_key) = kms_key {
            return Err(Fault::argument(
                "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
                "x-amz-server-side-encryption",
                kms_key,
            ));
        }
        return Ok(of_bucket(bucket));
    };
    match algorithm {
        "AES256" if kms_key.is_some() => Err(Fault::argument(
            "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
            "x-amz-server-side-encryption",
            algorithm,
        )),
        "AES256" | "aws:kms" | "aws:kms:dsse" => Ok(Some(Encryption::Service {
            algorithm: algorithm.to_owned(),
            key: (algorithm != "AES256")
                .then(|| kms_key.map_or_else(|| default_key(bucket), str::to_owned)),
            bucket_key: bucket_key.map(|text| text == "true"),
        })),
        other => Err(Fault::argument(
            "The encryption method specified is not supported",
            "x-amz-server-side-encryption",
            other,
        )),
    }
}

/// What the bucket encrypts by: without a setting of its own, S3 itself.
fn of_bucket(bucket: &Bucket) -> Option<Encryption> {
    let rule = bucket
        .setting(Setting::Encryption)
        .and_then(|node| node.child("Rule"));
    let by_default = rule.and_then(|rule| rule.child("ApplyServerSideEncryptionByDefault"));
    let algorithm = by_default
        .and_then(|node| node.text_of("SSEAlgorithm"))
        .unwrap_or("AES256");
    let key = by_default.and_then(|node| node.text_of("KMSMasterKeyID"));
    Some(Encryption::Service {
        algorithm: algorithm.to_owned(),
        key: (algorithm != "AES256")
            .then(|| key.map_or_else(|| default_key(bucket), str::to_owned)),
        bucket_key: rule
            .and_then(|rule| rule.text_of("BucketKeyEnabled"))
            .filter(|text| *text == "true")
            .map(|_| true),
    })
}

/// What is named without a key; a key that is named is shown as it was, since nobody looks whether there is such.
fn default_key(bucket: &Bucket) -> String {
    format!(
        "arn:aws:kms:{}:{}:alias/aws/s3",
        bucket.row.region, bucket.row.account
    )
}

/// Checks that whoever reads a version sends the key that it was encrypted by, and gives it.
pub(crate) fn check_key<'a>(
    version: &Version,
    key: Option<&'a CustomerKey>,
) -> Result<Option<&'a CustomerKey>, Fault> {
    match (version.customer_key(), key) {
        (None, None) => Ok(None),
        (Some(wanted), Some(key)) if wanted == key.md5 => Ok(Some(key)),
        (Some(_), Some(_)) => Err(fault::ACCESS_DENIED.into()),
        (Some(_), None) => Err(Fault::saying(
            fault::INVALID_REQUEST,
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.",
        )),
        (None, Some(_)) => Err(Fault::saying(
            fault::INVALID_REQUEST,
            "The encryption parameters are not applicable to this object.",
        )),
    }
}

/// What answers say of encryption.
pub(crate) fn headers(encryption: Option<&Encryption>, headers: &mut Headers) {
    match encryption {
        None => {}
        Some(Encryption::Customer { key_md5 }) => {
            headers.push((
                "x-amz-server-side-encryption-customer-algorithm",
                "AES256".to_owned(),
            ));
            headers.push((
                "x-amz-server-side-encryption-customer-key-md5",
                key_md5.clone(),
            ));
        }
        Some(Encryption::Service {
            algorithm,
            key,
            bucket_key,
        }) => {
            headers.push(("x-amz-server-side-encryption", algorithm.clone()));
            if let Some(key) = key {
                headers.push(("x-amz-server-side-encryption-aws-kms-key-id", key.clone()));
            }
            if *bucket_key == Some(true) {
                headers.push((
                    "x-amz-server-side-encryption-bucket-key-enabled",
                    "true".to_owned(),
                ));
            }
        }
    }
}
