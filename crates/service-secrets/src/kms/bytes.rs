//! Encrypting and decrypting, keys for data, random bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{KEY_ID, broken, encryption_context, end_dry_run, find, judge_use, take_grant_tokens};
use crate::engine::cipher::{Blob, Context as Belongs};
use crate::engine::lookup::{FoundKey, KeyRef};
use crate::fault::{Answer, Fault};
use crate::fields::{self, Fields, Text};
use crate::service::Context;

const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";
/// The usage of keys that encrypt.
pub(super) const ENCRYPTS: &str = "ENCRYPT_DECRYPT";
const PLAINTEXT_MAX: usize = 4_096;
const CIPHERTEXT_MAX: usize = 6_144;
const RANDOM_MAX: i64 = 1_024;
const ALGORITHM: Text = Text::one_of(&[
    "SYMMETRIC_DEFAULT",
    "RSAES_OAEP_SHA_1",
    "RSAES_OAEP_SHA_256",
    "SM2PKE",
]);

pub(super) async fn encrypt(context: &Context<'_>, mut fields: Fields) -> Answer {
    take_grant_tokens(&mut fields);
    let id = fields.required("KeyId", &KEY_ID);
    let plain = fields::required_bytes(&mut fields, "Plaintext", PLAINTEXT_MAX)?;
    let belongs = encryption_context(&mut fields, "EncryptionContext");
    let algorithm = fields.text("EncryptionAlgorithm", &ALGORITHM);
    let dry = fields.flag("DryRun");
    fields.finish()?;
    let found = find(context, &id).await?;
    judge_use(&found, ENCRYPTS, "Encrypt")?;
    judge_algorithm(&found, algorithm.as_deref())?;
    end_dry_run(dry)?;
    let blob = sealed(context, &found, &belongs, &plain).await?;
    Ok(json!({
        "CiphertextBlob": STANDARD.encode(blob),
        "KeyId": found.arn(),
        "EncryptionAlgorithm": SYMMETRIC,
    }))
}

async fn sealed(
    context: &Context<'_>,
    found: &FoundKey,
    belongs: &Belongs,
    plain: &[u8],
) -> Result<Vec<u8>, Fault> {
    let catalogue = context.catalogue;
    let root = catalogue.root().await.map_err(broken)?;
    let with = (root, &*catalogue.random);
    let sealed = found.key.encrypt(with, &found.place, belongs, plain);
    sealed.map_err(broken)
}

fn judge_algorithm(found: &FoundKey, algorithm: Option<&str>) -> Result<(), Fault> {
    match algorithm {
        None | Some(SYMMETRIC) => Ok(()),
        Some(other) => {
            let spec = found.key.spec.told();
            let message = format!("Algorithm {other} is incompatible with key spec {spec}.");
            Err(Fault::new("InvalidKeyUsageException", message))
        }
    }
}

pub(super) async fn decrypt(context: &Context<'_>, mut fields: Fields) -> Answer {
    take_grant_tokens(&mut fields);
    fields.refuse("Decrypt", &["Recipient"])?;
    let bytes = fields::required_bytes(&mut fields, "CiphertextBlob", CIPHERTEXT_MAX)?;
    let id = fields.text("KeyId", &KEY_ID);
    let belongs = encryption_context(&mut fields, "EncryptionContext");
    let algorithm = fields.text("EncryptionAlgorithm", &ALGORITHM);
    let dry = fields.flag("DryRun");
    fields.finish()?;
    let opened = opened(context, &bytes, id.as_deref(), &belongs, "Decrypt").await?;
    judge_algorithm(&opened.by, algorithm.as_deref())?;
    end_dry_run(dry)?;
    Ok(json!({
        "KeyId": opened.by.arn(),
        "Plaintext": STANDARD.encode(opened.plain),
        "EncryptionAlgorithm": SYMMETRIC,
        "KeyMaterialId": opened.material,
    }))
}

struct Opened {
    by: FoundKey,
    plain: Vec<u8>,
    material: String,
}

async fn opened(
    context: &Context<'_>,
    bytes: &[u8],
    id: Option<&str>,
    belongs: &Belongs,
    operation: &str,
) -> Result<Opened, Fault> {
    let invalid = || Fault::bare("InvalidCiphertextException");
    let meant = match id {
        Some(id) => Some(find(context, id).await?),
        None => None,
    };
    let incorrect = || {
        let message =
            "The key ID in the request does not identify a CMK that can perform this operation.";
        Fault::new("IncorrectKeyException", message)
    };
    if meant
        .as_ref()
        .is_some_and(|key| key.key.spec.usage() != ENCRYPTS)
    {
        return Err(incorrect());
    }
    let blob = Blob::read(bytes).ok_or_else(invalid)?;
    let named = KeyRef::read(blob.arn, context.place);
    if named.place.region != context.place.region {
        return Err(invalid());
    }
    let found = context.catalogue.key(&named).await?.ok_or_else(invalid)?;
    if meant.is_some_and(|meant| meant.arn() != found.arn()) {
        return Err(incorrect());
    }
    judge_use(&found, ENCRYPTS, operation)?;
    let root = context.catalogue.root().await.map_err(broken)?;
    let plain = found.key.decrypt(root, &blob, belongs).map_err(broken)?;
    Ok(Opened {
        plain: plain.ok_or_else(invalid)?,
        material: blob.material,
        by: found,
    })
}

pub(super) async fn re_encrypt(context: &Context<'_>, mut fields: Fields) -> Answer {
    take_grant_tokens(&mut fields);
    let bytes = fields::required_bytes(&mut fields, "CiphertextBlob", CIPHERTEXT_MAX)?;
    let source = fields.text("SourceKeyId", &KEY_ID);
    let target = fields.required("DestinationKeyId", &KEY_ID);
    let before = encryption_context(&mut fields, "SourceEncryptionContext");
    let after = encryption_context(&mut fields, "DestinationEncryptionContext");
    let old_algorithm = fields.text("SourceEncryptionAlgorithm", &ALGORITHM);
    let new_algorithm = fields.text("DestinationEncryptionAlgorithm", &ALGORITHM);
    let dry = fields.flag("DryRun");
    fields.finish()?;
    // Recorded: of two keys of the wrong sort, the source is told.
    let opened = opened(context, &bytes, source.as_deref(), &before, "ReEncrypt").await?;
    judge_algorithm(&opened.by, old_algorithm.as_deref())?;
    let target = find(context, &target).await?;
    judge_use(&target, ENCRYPTS, "ReEncrypt")?;
    judge_algorithm(&target, new_algorithm.as_deref())?;
    end_dry_run(dry)?;
    let blob = sealed(context, &target, &after, &opened.plain).await?;
    Ok(json!({
        "CiphertextBlob": STANDARD.encode(blob),
        "SourceKeyId": opened.by.arn(),
        "KeyId": target.arn(),
        "SourceEncryptionAlgorithm": SYMMETRIC,
        "DestinationEncryptionAlgorithm": SYMMETRIC,
    }))
}

#[expect(
    clippy::fn_params_excessive_bools,
    reason = "one fact that the name of the argument says"
)]
pub(super) async fn generate_data_key(
    context: &Context<'_>,
    mut fields: Fields,
    is_told: bool,
) -> Answer {
    take_grant_tokens(&mut fields);
    fields.refuse("GenerateDataKey", &["Recipient"])?;
    let id = fields.required("KeyId", &KEY_ID);
    let spec = fields.text("KeySpec", &Text::one_of(&["AES_256", "AES_128"]));
    let count = fields.whole("NumberOfBytes", 1, RANDOM_MAX);
    let belongs = encryption_context(&mut fields, "EncryptionContext");
    let dry = fields.flag("DryRun");
    fields.finish()?;
    let found = find(context, &id).await?;
    judge_use(&found, ENCRYPTS, "GenerateDataKey")?;
    let count = match (spec.as_deref(), count) {
        (Some("AES_128"), None) => 16,
        (Some(_), None) => 32,
        (None, Some(count)) => usize::try_from(count).unwrap_or(1),
        (Some(_), Some(_)) | (None, None) => {
            let message = "Please specify either number of bytes or key spec.";
            return Err(Fault::validation(message));
        }
    };
    end_dry_run(dry)?;
    let mut plain = vec![0; count];
    context.catalogue.random.fill(&mut plain);
    let blob = sealed(context, &found, &belongs, &plain).await?;
    let mut answer = crate::engine::rows::Json::new();
    answer.insert("CiphertextBlob".to_owned(), STANDARD.encode(blob).into());
    if is_told {
        answer.insert("Plaintext".to_owned(), STANDARD.encode(plain).into());
    }
    answer.insert("KeyId".to_owned(), found.arn().into());
    Ok(Value::Object(answer))
}

pub(super) fn generate_random(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse("GenerateRandom", &["CustomKeyStoreId", "Recipient"])?;
    let count = fields.whole("NumberOfBytes", 1, RANDOM_MAX);
    fields.finish()?;
    let count = count.ok_or_else(|| Fault::validation("NumberOfBytes is required."))?;
    let mut bytes = vec![0; usize::try_from(count).unwrap_or(1)];
    context.catalogue.random.fill(&mut bytes);
    Ok(json!({"Plaintext": STANDARD.encode(bytes)}))
}
