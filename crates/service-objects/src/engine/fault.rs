//! Refusals, in the words of Amazon S3.
//!
//! Lives here: codes with their statuses and texts.
//! Does not live here: the document around them (`api::answers`).
//!
//! Contract: Amazon S3 API Reference, "Error responses".

use std::borrow::Cow;

/// A code, its status and its usual text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) code: &'static str,
    pub(crate) status: u16,
    pub(crate) text: &'static str,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", kind.code)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) message: Cow<'static, str>,
    /// More elements of the document.
    pub(crate) details: Vec<(Cow<'static, str>, String)>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

macro_rules! kinds {
    ($($name:ident $status:literal $code:literal $text:literal;)*) => {
        $(pub(crate) const $name: Kind = Kind { code: $code, status: $status, text: $text };)*
    };
}

kinds! {
    ACCESS_DENIED 403 "AccessDenied" "Access Denied";
    ACL_NOT_SUPPORTED 400 "AccessControlListNotSupported" "The bucket does not allow ACLs";
    BAD_DIGEST 400 "BadDigest" "The Content-MD5 you specified did not match what we received.";
    BAD_REQUEST 400 "BadRequest" "Bad Request";
    BUCKET_EXISTS 409 "BucketAlreadyExists" "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.";
    BUCKET_OWNED 409 "BucketAlreadyOwnedByYou" "Your previous request to create the named bucket succeeded and you already own it.";
    BUCKET_NOT_EMPTY 409 "BucketNotEmpty" "The bucket you tried to delete is not empty";
    CORS_FORBIDDEN 403 "AccessForbidden" "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.";
    ENTITY_TOO_LARGE 400 "EntityTooLarge" "Your proposed upload exceeds the maximum allowed size";
    ENTITY_TOO_SMALL 400 "EntityTooSmall" "Your proposed upload is smaller than the minimum allowed size";
    ILLEGAL_LOCATION 400 "IllegalLocationConstraintException" "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.";
    ILLEGAL_VERSIONING 400 "IllegalVersioningConfigurationException" "The Versioning element must be specified";
    INCOMPLETE_BODY 400 "IncompleteBody" "The request body terminated unexpectedly";
    INTERNAL 500 "InternalError" "We encountered an internal error. Please try again.";
    INVALID_ARGUMENT 400 "InvalidArgument" "Invalid Argument";
    INVALID_ACL_OWNERSHIP 400 "InvalidBucketAclWithObjectOwnership" "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
    INVALID_BUCKET_NAME 400 "InvalidBucketName" "The specified bucket is not valid.";
    INVALID_BUCKET_STATE 409 "InvalidBucketState" "The request is not valid with the current state of the bucket.";
    INVALID_DIGEST 400 "InvalidDigest" "The Content-MD5 you specified was invalid.";
    INVALID_ENCRYPTION 400 "InvalidEncryptionAlgorithmError" "The encryption request you specified is not valid.";
    INVALID_LOCATION 400 "InvalidLocationConstraint" "The specified location-constraint is not valid";
    INVALID_PART 400 "InvalidPart" "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.";
    INVALID_PART_NUMBER 416 "InvalidPartNumber" "The requested partnumber is not satisfiable";
    INVALID_PART_ORDER 400 "InvalidPartOrder" "The list of parts was not in ascending order. Parts must be ordered by part number.";
    INVALID_POLICY_DOCUMENT 400 "InvalidPolicyDocument" "Invalid Policy: Invalid JSON.";
    INVALID_RANGE 416 "InvalidRange" "The requested range is not satisfiable";
    INVALID_REDIRECT 400 "InvalidRedirectLocation" "The website redirect location is not valid";
    INVALID_REQUEST 400 "InvalidRequest" "Invalid Request";
    INVALID_RETENTION_PERIOD 400 "InvalidRetentionPeriod" "Default retention period must be a positive integer value.";
    INVALID_STORAGE_CLASS 400 "InvalidStorageClass" "The storage class you specified is not valid";
    INVALID_TAG 400 "InvalidTag" "The tag provided was not a valid tag. This error can occur if the tag did not pass input validation.";
    INVALID_URI 400 "InvalidURI" "Couldn't parse the specified URI.";
    KEY_TOO_LONG 400 "KeyTooLongError" "Your key is too long";
    MALFORMED_ACL 400 "MalformedACLError" "The XML you provided was not well-formed or did not validate against our published schema";
    MALFORMED_POLICY 400 "MalformedPolicy" "This policy contains invalid Json";
    MALFORMED_POST 400 "MalformedPOSTRequest" "The body of your POST request is not well-formed multipart/form-data.";
    MALFORMED_XML 400 "MalformedXML" "The XML you provided was not well-formed or did not validate against our published schema";
    MAX_POST_FIELDS 400 "MaxPostPreDataLengthExceededError" "Your POST request fields preceding the upload file were too large.";
    METADATA_TOO_LARGE 400 "MetadataTooLarge" "Your metadata headers exceed the maximum allowed metadata size";
    METHOD_NOT_ALLOWED 405 "MethodNotAllowed" "The specified method is not allowed against this resource.";
    MISSING_CONTENT_LENGTH 411 "MissingContentLength" "You must provide the Content-Length HTTP header.";
    MISSING_SECURITY_HEADER 400 "MissingSecurityHeader" "Your request was missing a required header";
    NOT_IMPLEMENTED 501 "NotImplemented" "A header you provided implies functionality that is not implemented.";
    NOT_MODIFIED 304 "NotModified" "Not Modified";
    NO_SUCH_BUCKET 404 "NoSuchBucket" "The specified bucket does not exist";
    NO_SUCH_BUCKET_POLICY 404 "NoSuchBucketPolicy" "The bucket policy does not exist";
    NO_SUCH_CORS 404 "NoSuchCORSConfiguration" "The CORS configuration does not exist";
    NO_SUCH_KEY 404 "NoSuchKey" "The specified key does not exist.";
    NO_SUCH_LIFECYCLE 404 "NoSuchLifecycleConfiguration" "The lifecycle configuration does not exist";
    NO_SUCH_LOCK 404 "ObjectLockConfigurationNotFoundError" "Object Lock configuration does not exist for this bucket";
    NO_SUCH_OBJECT_LOCK 404 "NoSuchObjectLockConfiguration" "The specified object does not have a ObjectLock configuration";
    NO_SUCH_OWNERSHIP 404 "OwnershipControlsNotFoundError" "The bucket ownership controls were not found";
    NO_SUCH_ACCESS_BLOCK 404 "NoSuchPublicAccessBlockConfiguration" "The public access block configuration was not found";
    NO_SUCH_REPLICATION 404 "ReplicationConfigurationNotFoundError" "The replication configuration was not found";
    NO_SUCH_TAGS 404 "NoSuchTagSet" "The TagSet does not exist";
    NO_SUCH_UPLOAD 404 "NoSuchUpload" "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
    NO_SUCH_VERSION 404 "NoSuchVersion" "The specified version does not exist.";
    NO_SUCH_WEBSITE 404 "NoSuchWebsiteConfiguration" "The specified bucket does not have a website configuration";
    PRECONDITION_FAILED 412 "PreconditionFailed" "At least one of the pre-conditions you specified did not hold";
    REQUEST_TIMEOUT 400 "RequestTimeout" "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.";
    SIGNATURE_MISMATCH 403 "SignatureDoesNotMatch" "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
    SHA256_MISMATCH 400 "XAmzContentSHA256Mismatch" "The provided 'x-amz-content-sha256' header does not match what was computed.";
    TOO_MANY_BUCKETS 400 "TooManyBuckets" "You have attempted to create more buckets than allowed";
    UNEXPECTED_CONTENT 400 "UnexpectedContent" "This request contains unsupported content.";
    UNKNOWN_KEY 403 "InvalidAccessKeyId" "The AWS Access Key Id you provided does not exist in our records.";
    UNRESOLVABLE_GRANT 400 "UnresolvableGrantByEmailAddress" "The e-mail address you provided does not match any account on record.";
}

impl Fault {
    pub(crate) fn saying(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            details: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// An argument with its name and value, as S3 repeats them.
    pub(crate) fn argument(
        message: impl Into<Cow<'static, str>>,
        name: &str,
        value: impl Into<String>,
    ) -> Self {
        Self::saying(INVALID_ARGUMENT, message)
            .with("ArgumentName", name)
            .with("ArgumentValue", value)
    }

    /// What Cloudless does not carry out, by name.
    pub(crate) fn not_implemented(what: &str) -> Self {
        Self::saying(
            NOT_IMPLEMENTED,
            format!("{what} is not implemented by Cloudless yet"),
        )
    }

    pub(crate) fn with(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
    ) -> Self {
        self.details.push((name.into(), value.into()));
        self
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl From<Kind> for Fault {
    fn from(kind: Kind) -> Self {
        Self::saying(kind, kind.text)
    }
}

impl From<store::ReadError> for Fault {
    fn from(error: store::ReadError) -> Self {
        internal(&error, "the store could not be read")
    }
}

impl From<store::CommitError> for Fault {
    fn from(error: store::CommitError) -> Self {
        internal(&error, "a change could not be kept")
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        internal(
            &error,
            "the bytes of an object could not be read or written",
        )
    }
}

/// A fault of ours: the cause is for the log.
pub(crate) fn internal(error: &(dyn std::error::Error + 'static), what: &str) -> Fault {
    tracing::error!(error, "{what}");
    INTERNAL.into()
}
