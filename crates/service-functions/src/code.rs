//! Code of functions and layers: taking it, describing it, handing it out.
//!
//! Lives here: archives in requests and in buckets, `CodeSha256`, addresses at which code is downloaded.
//! Does not live here: keeping and checking archives (`interfaces::packages`), building what runs (`build`).

use std::sync::PoisonError;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use interfaces::objects::ObjectName;
use interfaces::packages::{Package, PackageError};
use interfaces::service::ServiceAnswer;
use model::limits::{LAMBDA_PACKAGE_BYTES_MAX, LAMBDA_UNPACKED_BYTES_MAX};
use sha2::{Digest as _, Sha256};

use crate::answers::Refusal;
use crate::catalogue::Code;
use crate::request::Body;
use crate::service::Service;

/// Where code is downloaded.
const DOWNLOADS: &str = "/_lambda/code/";
/// How long an address holds, as the provider's do.
const ADDRESS_LIFE: Duration = Duration::from_secs(600);
const NOT_UNZIPPED: &str =
    "Could not unzip uploaded file. Please check your file, then try to upload again.";

/// Code, as the API describes it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Described {
    /// `CodeSha256`.
    pub(crate) sha256: String,
    /// `CodeSize`.
    pub(crate) bytes: u64,
}

/// Whether a request is for code, at an address that was handed out.
pub(crate) fn is_download(path_and_query: &str) -> bool {
    path_and_query.starts_with(DOWNLOADS)
}

impl Service {
    /// The archive in a request: in the body itself, or in a bucket.
    ///
    /// # Errors
    /// There is none, or it is not one.
    pub(crate) async fn archive(&self, from: &Body) -> Result<Option<Bytes>, Refusal> {
        if from.has("ImageUri") {
            return Err(Refusal::not_implemented("code in container images"));
        }
        if let Some(text) = from.text("ZipFile")? {
            let bytes = STANDARD.decode(text);
            let bytes =
                bytes.map_err(|_| Refusal::serialization("`ZipFile` is not base64 encoded"))?;
            if LAMBDA_PACKAGE_BYTES_MAX < bytes.len() {
                return Err(Refusal::request_too_large(&format!(
                    "Zipped size must be smaller than {LAMBDA_PACKAGE_BYTES_MAX} bytes"
                )));
            }
            return Ok(Some(Bytes::from(bytes)));
        }
        let (Some(bucket), Some(key)) = (from.text("S3Bucket")?, from.text("S3Key")?) else {
            return Ok(None);
        };
        let Some(objects) = &self.objects else {
            return Err(Refusal::not_implemented("code in buckets"));
        };
        let object = ObjectName {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version: from.text("S3ObjectVersion")?.map(str::to_owned),
            bytes_max: u64::try_from(LAMBDA_UNPACKED_BYTES_MAX).unwrap_or(u64::MAX),
        };
        let read = objects.read(&object).await;
        read.map(Some).map_err(|error| {
            if error.code == "EntityTooLarge" {
                let reason = error.message.clone();
                return refused(&PackageError::TooLarge { reason });
            }
            Refusal::invalid_parameter(&format!(
                "Error occurred while GetObject. S3 Error Code: {}. S3 Error Message: {}",
                error.code, error.message
            ))
        })
    }

    /// Keeps an archive.
    ///
    /// # Errors
    /// It cannot be unpacked, or is too large.
    pub(crate) async fn keep_archive(&self, archive: Bytes) -> Result<Code, Refusal> {
        let kept = self
            .packages
            .keep(archive)
            .await
            .map_err(|error| refused(&error))?;
        Ok(Code::Package {
            digest: kept.digest,
            bytes: kept.bytes,
            dependency_paths: Vec::new(),
        })
    }

    /// Code that will not change any more: a published version has its own.
    ///
    /// # Errors
    /// The folder cannot be read, or is too large.
    pub(crate) async fn fixed(&self, code: &Code) -> Result<Code, Refusal> {
        match code {
            Code::Package { .. } => Ok(code.clone()),
            Code::Folder {
                root,
                dependency_paths,
                ..
            } => {
                let kept = self.packages.keep_folder(root).await;
                let kept = kept.map_err(|error| refused(&error))?;
                Ok(Code::Package {
                    digest: kept.digest,
                    bytes: kept.bytes,
                    dependency_paths: dependency_paths.clone(),
                })
            }
        }
    }

    /// What the API says of code. A folder that cannot be read has a size of zero.
    pub(crate) async fn describe(&self, code: Option<&Code>) -> Described {
        match code {
            None => Described::default(),
            Some(Code::Package { digest, bytes, .. }) => Described {
                sha256: base64_of(digest),
                bytes: *bytes,
            },
            Some(Code::Folder { root, digest, .. }) => {
                let key = (root.clone(), digest.clone());
                let known = self
                    .folders
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get(&key)
                    .cloned();
                let package = match known {
                    Some(known) => known,
                    None => {
                        let described = self.packages.describe(root).await;
                        let package = described.unwrap_or_else(|_| Package {
                            digest: digest.clone(),
                            bytes: 0,
                            unpacked_bytes: 0,
                        });
                        self.note_folder(key, package.clone());
                        package
                    }
                };
                Described {
                    sha256: base64_of(&package.digest),
                    bytes: package.bytes,
                }
            }
        }
    }

    /// Only the latest state of each folder is of interest.
    fn note_folder(&self, key: (std::path::PathBuf, String), package: Package) {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        folders.retain(|(root, _), _| *root != key.0);
        folders.insert(key, package);
    }

    /// An address at which code can be downloaded for a while.
    ///
    /// # Errors
    /// The folder cannot be read, or is too large.
    pub(crate) async fn address(&self, code: &Code) -> Result<String, Refusal> {
        let Code::Package { digest, .. } = self.fixed(code).await? else {
            return Err(Refusal::service("the code is not there"));
        };
        let until = self.clock.now().plus(ADDRESS_LIFE).epoch_s();
        let signature = self.signature(&digest, until);
        Ok(format!(
            "http://127.0.0.1:{}{DOWNLOADS}{digest}?Expires={until}&Signature={signature}",
            self.port
        ))
    }

    /// Hands out code to whoever has its address.
    ///
    /// # Errors
    /// The address is not one of ours, or has expired.
    pub(crate) async fn download(&self, path_and_query: &str) -> Result<ServiceAnswer, Refusal> {
        let no_address = || Refusal::not_found("There is no code at this address.".to_owned());
        let rest = path_and_query.strip_prefix(DOWNLOADS).unwrap_or_default();
        let (digest, query) = rest.split_once('?').ok_or_else(no_address)?;
        let of = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        let (Some(until), Some(signature)) = (of("Expires"), of("Signature")) else {
            return Err(no_address());
        };
        let until: i64 = until.parse().map_err(|_| no_address())?;
        let is_ours = digests_equal(&self.signature(digest, until), signature);
        if !is_ours || until < self.clock.now().epoch_s() {
            return Err(no_address());
        }
        let bytes = self.packages.read(digest).await;
        let bytes = bytes.map_err(|error| Refusal::service(&error.to_string()))?;
        Ok(ServiceAnswer {
            status: 200,
            headers: vec![("content-type", "application/zip".to_owned())],
            body: bytes,
            rest: None,
        })
    }

    fn signature(&self, digest: &str, until: i64) -> String {
        // The secret stands first and last: nobody can lengthen what is signed.
        let mut hash = Sha256::new();
        hash.update(self.secret);
        hash.update(digest.as_bytes());
        hash.update(until.to_be_bytes());
        hash.update(self.secret);
        hex::encode(hash.finalize())
    }
}

/// In the same time for every other text of this length.
fn digests_equal(one: &str, other: &str) -> bool {
    let pairs = one.bytes().zip(other.bytes());
    one.len() == other.len() && pairs.fold(0, |all, (one, other)| all | (one ^ other)) == 0
}

fn base64_of(digest: &str) -> String {
    hex::decode(digest).map_or_else(|_| digest.to_owned(), |bytes| STANDARD.encode(bytes))
}

fn refused(error: &PackageError) -> Refusal {
    match error {
        PackageError::Unreadable { .. } => Refusal::invalid_parameter(NOT_UNZIPPED),
        PackageError::TooLarge { .. } => Refusal::invalid_parameter(&format!(
            "Unzipped size must be smaller than {LAMBDA_UNPACKED_BYTES_MAX} bytes"
        )),
        PackageError::Failed { reason } => Refusal::service(reason),
    }
}
