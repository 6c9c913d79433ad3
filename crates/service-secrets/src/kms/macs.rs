//! Message authentication codes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::{KEY_ID, broken, end_dry_run, find, judge_use, take_grant_tokens};
use crate::engine::catalogue::Error;
use crate::engine::lookup::FoundKey;
use crate::engine::rows::Spec;
use crate::fault::{Answer, Fault};
use crate::fields::{self, Fields, Text};
use crate::service::Context;

const MESSAGE_MAX: usize = 4_096;
const MAC_MAX: usize = 6_144;
const ALGORITHM: Text = Text::one_of(&[
    "HMAC_SHA_384",
    "HMAC_SHA_256",
    "HMAC_SHA_224",
    "HMAC_SHA_512",
]);

/// The algorithm of a key.
pub(super) const fn algorithm(spec: Spec) -> &'static str {
    match spec {
        Spec::Hmac224 => "HMAC_SHA_224",
        Spec::Hmac384 => "HMAC_SHA_384",
        Spec::Hmac512 => "HMAC_SHA_512",
        Spec::Hmac256 | Spec::Symmetric => "HMAC_SHA_256",
    }
}

pub(super) async fn generate_mac(context: &Context<'_>, mut fields: Fields) -> Answer {
    take_grant_tokens(&mut fields);
    let id = fields.required("KeyId", &KEY_ID);
    let message = fields::required_bytes(&mut fields, "Message", MESSAGE_MAX)?;
    let algorithm = fields.required("MacAlgorithm", &ALGORITHM);
    let dry = fields.flag("DryRun");
    fields.finish()?;
    let found = usable(context, &id, &algorithm, "GenerateMac").await?;
    end_dry_run(dry)?;
    let secret = secret(context, &found).await?;
    let mac = code(found.key.spec, &secret, &message).ok_or(Error::Sealed)?;
    Ok(json!({"KeyId": found.arn(), "Mac": STANDARD.encode(mac), "MacAlgorithm": algorithm}))
}

pub(super) async fn verify_mac(context: &Context<'_>, mut fields: Fields) -> Answer {
    take_grant_tokens(&mut fields);
    let id = fields.required("KeyId", &KEY_ID);
    let message = fields::required_bytes(&mut fields, "Message", MESSAGE_MAX)?;
    let mac = fields::required_bytes(&mut fields, "Mac", MAC_MAX)?;
    let algorithm = fields.required("MacAlgorithm", &ALGORITHM);
    let dry = fields.flag("DryRun");
    fields.finish()?;
    let found = usable(context, &id, &algorithm, "VerifyMac").await?;
    end_dry_run(dry)?;
    let secret = secret(context, &found).await?;
    if !is_code(found.key.spec, &secret, &message, &mac) {
        return Err(Fault::bare("KMSInvalidMacException"));
    }
    Ok(json!({"KeyId": found.arn(), "MacValid": true, "MacAlgorithm": algorithm}))
}

async fn usable(
    context: &Context<'_>,
    id: &str,
    wanted: &str,
    operation: &str,
) -> Result<FoundKey, Fault> {
    let found = find(context, id).await?;
    judge_use(&found, "GENERATE_VERIFY_MAC", operation)?;
    if algorithm(found.key.spec) != wanted {
        let spec = found.key.spec.told();
        let message = format!("Algorithm {wanted} is incompatible with key spec {spec}.");
        return Err(Fault::new("InvalidKeyUsageException", message));
    }
    Ok(found)
}

async fn secret(context: &Context<'_>, found: &FoundKey) -> Result<Vec<u8>, Fault> {
    let root = context.catalogue.root().await.map_err(broken)?;
    let material = found.key.current().map_err(broken)?;
    found.key.secret(root, material).map_err(broken)
}

macro_rules! with_hash {
    ($hash:ty, $secret:expr, $message:expr) => {
        Hmac::<$hash>::new_from_slice($secret)
            .ok()
            .map(|mac| mac.chain_update($message))
    };
}

fn code(spec: Spec, secret: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    Some(match spec {
        Spec::Hmac224 => with_hash!(Sha224, secret, message)?
            .finalize()
            .into_bytes()
            .to_vec(),
        Spec::Hmac384 => with_hash!(Sha384, secret, message)?
            .finalize()
            .into_bytes()
            .to_vec(),
        Spec::Hmac512 => with_hash!(Sha512, secret, message)?
            .finalize()
            .into_bytes()
            .to_vec(),
        Spec::Hmac256 | Spec::Symmetric => with_hash!(Sha256, secret, message)?
            .finalize()
            .into_bytes()
            .to_vec(),
    })
}

/// Compares in the same time wherever they differ.
fn is_code(spec: Spec, secret: &[u8], message: &[u8], mac: &[u8]) -> bool {
    let verified = match spec {
        Spec::Hmac224 => with_hash!(Sha224, secret, message).map(|code| code.verify_slice(mac)),
        Spec::Hmac384 => with_hash!(Sha384, secret, message).map(|code| code.verify_slice(mac)),
        Spec::Hmac512 => with_hash!(Sha512, secret, message).map(|code| code.verify_slice(mac)),
        Spec::Hmac256 | Spec::Symmetric => {
            with_hash!(Sha256, secret, message).map(|code| code.verify_slice(mac))
        }
    };
    verified.is_some_and(|verified| verified.is_ok())
}
