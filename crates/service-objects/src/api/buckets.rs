//! Making, finding and deleting buckets.
//!
//! Lives here: the operations, names, regions.
//! Does not live here: settings (`settings`), what is kept (`engine::catalogue`).

use interfaces::service::ServiceAnswer;

use super::acl;
use super::answers;
use super::multipart::number;
use super::request::Ask;
use super::service::{Inner, NewBuckets};
use crate::engine::access::{self, Acl};
use crate::engine::bucket::{Bucket, BucketId, Row, Setting};
use crate::engine::dates;
use crate::engine::fault::{self, Fault};
use crate::engine::node::Node;

/// Amazon S3 API Reference, `ListBuckets`.
const BUCKETS_LISTED_MAX: usize = 10_000;
/// The region that is meant when none is named.
const OLDEST_REGION: &str = "us-east-1";

/// Whether a bucket may have this name.
///
/// Contract: Amazon S3 User Guide, "General purpose bucket naming rules".
pub(crate) fn is_name(name: &str) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(byte))
        && is_edge(bytes.first())
        && is_edge(bytes.last())
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !["xn--", "sthree-", "amzn-s3-demo-"]
            .iter()
            .any(|start| name.starts_with(start))
        && !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"]
            .iter()
            .any(|end| name.ends_with(end))
}

/// The settings of a new bucket: ownership as it is wished.
pub(crate) fn usual_settings(kind: NewBuckets, ownership: Option<&str>) -> Vec<(Setting, Node)> {
    let ownership = match (ownership, kind) {
        (Some(ownership), _) => ownership,
        (None, NewBuckets::Guarded) => "BucketOwnerEnforced",
        (None, NewBuckets::Open) => return Vec::new(),
    };
    let rule = Node::new("Rule").with(Node::of_text("ObjectOwnership", ownership));
    let block = [
        "BlockPublicAcls",
        "IgnorePublicAcls",
        "BlockPublicPolicy",
        "RestrictPublicBuckets",
    ]
    .into_iter()
    .fold(Node::new("PublicAccessBlockConfiguration"), |node, name| {
        node.with(Node::of_text(name, "true"))
    });
    let mut settings = vec![(
        Setting::Ownership,
        Node::new("OwnershipControls").with(rule),
    )];
    if kind == NewBuckets::Guarded {
        settings.push((Setting::PublicAccessBlock, block));
    }
    settings
}

impl Inner {
    pub(super) async fn list_buckets(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let max = number(ask, "max-buckets", BUCKETS_LISTED_MAX)?;
        if max == 0 || BUCKETS_LISTED_MAX < max {
            return Err(Fault::argument(
                "Argument max-buckets must be an integer between 1 and 10000",
                "max-buckets",
                max.to_string(),
            ));
        }
        let prefix = ask.query("prefix").unwrap_or_default();
        let after = ask.query("continuation-token").unwrap_or_default();
        let region = ask.query("bucket-region");
        let mut found: Vec<_> = self
            .catalogue
            .of_account(ask.account())
            .await?
            .into_iter()
            .filter(|bucket| bucket.name().starts_with(prefix) && after < bucket.name())
            .filter(|bucket| region.is_none_or(|region| region == bucket.row.region))
            .collect();
        let is_truncated = max < found.len();
        found.truncate(max);
        Ok(answers::document(
            "ListAllMyBucketsResult",
            Vec::new(),
            |xml| {
                access::owner("Owner", ask.account(), self.names()).write(xml);
                xml.element("Buckets", |xml| {
                    for bucket in &found {
                        xml.element("Bucket", |xml| {
                            xml.text("Name", bucket.name());
                            xml.text("CreationDate", &dates::iso(bucket.row.created_at));
                            xml.text("BucketRegion", &bucket.row.region);
                            xml.text("BucketArn", &bucket.arn());
                        });
                    }
                });
                if is_truncated {
                    xml.optional("ContinuationToken", found.last().map(|last| last.name()));
                }
                xml.optional("Prefix", (!prefix.is_empty()).then_some(prefix));
            },
        ))
    }

    pub(super) async fn create_bucket(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        if !is_name(&ask.bucket) {
            return Err(
                Fault::from(fault::INVALID_BUCKET_NAME).with("BucketName", ask.bucket.as_str())
            );
        }
        let region = wanted_region(ask)?;
        let account = ask.account().to_owned();
        let row = self.new_row(ask, &account, &region)?;
        let name = row.name.clone();
        match self.catalogue.create(row).await? {
            Ok(_) => {
                let headers = vec![
                    ("location", format!("/{name}")),
                    ("x-amz-bucket-arn", format!("arn:aws:s3:::{name}")),
                ];
                Ok(answers::empty(200, headers))
            }
            Err(there) if there.row.account != account => {
                Err(Fault::from(fault::BUCKET_EXISTS).with("BucketName", name))
            }
            // In the oldest region, making one's own bucket again is no fault.
            Err(there) if there.row.region == OLDEST_REGION && region == OLDEST_REGION => {
                self.made_again(ask, &there).await
            }
            Err(_) => Err(Fault::from(fault::BUCKET_OWNED).with("BucketName", name)),
        }
    }

    async fn made_again(&self, ask: &Ask, there: &Bucket) -> Result<ServiceAnswer, Fault> {
        // Its list becomes that of the request.
        if there.has_acls() {
            let list = acl::of_headers(ask, ask.account(), ask.account())?
                .unwrap_or_else(|| Acl::private(ask.account()));
            self.catalogue
                .alter(there.name(), |row, _| {
                    row.acl = list;
                    Ok(())
                })
                .await?;
        }
        let location = format!("/{}", there.name());
        Ok(answers::empty(200, vec![("location", location)]))
    }

    fn new_row(&self, ask: &Ask, account: &str, region: &str) -> Result<Row, Fault> {
        let ownership = ask.header("x-amz-object-ownership");
        let known = [
            "BucketOwnerEnforced",
            "BucketOwnerPreferred",
            "ObjectWriter",
        ];
        if let Some(unknown) = ownership.filter(|ownership| !known.contains(ownership)) {
            return Err(Fault::argument(
                "Invalid x-amz-object-ownership header",
                "x-amz-object-ownership",
                unknown,
            ));
        }
        let is_guarded = self.new_buckets == NewBuckets::Guarded;
        let has_no_lists =
            ownership.map_or(is_guarded, |ownership| ownership == "BucketOwnerEnforced");
        let list = acl::of_headers(ask, account, account)?;
        let private = Acl::private(account);
        if has_no_lists && list.as_ref().is_some_and(|list| *list != private) {
            return Err(fault::INVALID_ACL_OWNERSHIP.into());
        }
        if is_guarded && list.as_ref().is_some_and(Acl::is_public) {
            return Err(Fault::saying(
                fault::ACCESS_DENIED,
                "User is not authorized to create a bucket with a public ACL because public ACLs are prevented by the BlockPublicAcls setting in S3 Block Public Access.",
            ));
        }
        let mut row = Row {
            name: ask.bucket.clone(),
            id: BucketId(self.objects.draw()),
            account: account.to_owned(),
            region: region.to_owned(),
            created_at: self.objects.clock.now(),
            acl: list.unwrap_or(private),
            policy: None,
            settings: usual_settings(self.new_buckets, ownership)
                .into_iter()
                .collect(),
            made_for: None,
        };
        let locks = ask
            .header("x-amz-bucket-object-lock-enabled")
            .is_some_and(|text| text.eq_ignore_ascii_case("true"));
        if locks {
            lock(&mut row);
        }
        if let Some(tags) = creation_tags(ask)? {
            row.settings.insert(Setting::Tagging, tags);
        }
        Ok(row)
    }

    pub(super) async fn delete_bucket(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        self.remove_bucket(&ask.bucket).await?;
        Ok(answers::empty(204, Vec::new()))
    }

    /// Deletes a bucket that holds no objects; what is being uploaded to it is given up.
    pub(crate) async fn remove_bucket(&self, name: &str) -> Result<(), Fault> {
        let bucket = self.catalogue.get(name).await?;
        self.catalogue.delete(name).await?;
        // Nobody can find these any more.
        self.objects.forget_uploads(&bucket).await
    }

    pub(super) async fn head_bucket(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let headers = vec![
            ("x-amz-bucket-region", bucket.row.region.clone()),
            ("x-amz-bucket-arn", bucket.arn()),
            ("x-amz-access-point-alias", "false".to_owned()),
            ("content-type", "application/xml".to_owned()),
        ];
        Ok(answers::empty(200, headers))
    }

    pub(super) async fn get_bucket_location(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        Ok(answers::document("LocationConstraint", Vec::new(), |xml| {
            // The oldest region has no name here.
            if bucket.row.region != OLDEST_REGION {
                xml.characters(&bucket.row.region);
            }
        }))
    }
}

/// Versions are kept, and may be locked.
pub(crate) fn lock(row: &mut Row) {
    let versioning = Node::new("VersioningConfiguration").with(Node::of_text("Status", "Enabled"));
    let lock =
        Node::new("ObjectLockConfiguration").with(Node::of_text("ObjectLockEnabled", "Enabled"));
    row.settings.insert(Setting::Versioning, versioning);
    row.settings.insert(Setting::ObjectLock, lock);
}

fn creation_tags(ask: &Ask) -> Result<Option<Node>, Fault> {
    if ask.call.body.is_empty() {
        return Ok(None);
    }
    let node = ask.document("CreateBucketConfiguration")?;
    let Some(tags) = node.child("Tags") else {
        return Ok(None);
    };
    let mut set = tags.clone();
    set.name = "TagSet".to_owned();
    Ok((!set.children.is_empty()).then(|| Node::new("Tagging").with(set)))
}

fn wanted_region(ask: &Ask) -> Result<String, Fault> {
    let of_endpoint = ask.call.region.as_str();
    if ask.call.body.is_empty() {
        return if of_endpoint == OLDEST_REGION || of_endpoint.is_empty() {
            Ok(OLDEST_REGION.to_owned())
        } else {
            Err(fault::ILLEGAL_LOCATION.into())
        };
    }
    let node = ask.document("CreateBucketConfiguration")?;
    if node.child("Bucket").is_some() || node.child("Location").is_some() {
        return Err(Fault::not_implemented("A directory bucket"));
    }
    match node.text_of("LocationConstraint") {
        None | Some("") if of_endpoint == OLDEST_REGION => Ok(OLDEST_REGION.to_owned()),
        None | Some("") => Err(fault::ILLEGAL_LOCATION.into()),
        Some("EU") => Ok("eu-west-1".to_owned()),
        Some(OLDEST_REGION) => {
            Err(Fault::from(fault::INVALID_LOCATION).with("LocationConstraint", OLDEST_REGION))
        }
        Some(wanted) if !is_region(wanted) => {
            Err(Fault::from(fault::INVALID_LOCATION).with("LocationConstraint", wanted))
        }
        Some(wanted) if wanted == of_endpoint || of_endpoint == OLDEST_REGION => {
            Ok(wanted.to_owned())
        }
        Some(wanted) => Err(Fault::saying(
            fault::ILLEGAL_LOCATION,
            format!(
                "The {wanted} location constraint is incompatible for the region specific endpoint this request was sent to."
            ),
        )),
    }
}

fn is_region(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_word = |part: Option<&str>| {
        part.is_some_and(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase())
        })
    };
    is_word(parts.next())
        && is_word(parts.next())
        && parts
            .next_back()
            .is_some_and(|last| last.parse::<u8>().is_ok())
}
