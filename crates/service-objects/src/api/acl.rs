//! Access control lists, as requests and documents have them.
//!
//! Lives here: reading lists from headers and documents, showing them, putting them.
//! Does not live here: what lists let whom do (`engine::access`).

use interfaces::service::ServiceAnswer;

use super::answers;
use super::request::Ask;
use super::service::Inner;
use crate::engine::access::{
    self, Acl, GRANTS_MAX, Grantee, Names, Permission, account_of, canonical_id,
};
use crate::engine::bucket::{Bucket, Versioning};
use crate::engine::fault::{self, Fault};
use crate::engine::node::Node;

const GRANT_HEADERS: [(&str, Permission); 5] = [
    ("x-amz-grant-full-control", Permission::FullControl),
    ("x-amz-grant-read", Permission::Read),
    ("x-amz-grant-read-acp", Permission::ReadAcp),
    ("x-amz-grant-write", Permission::Write),
    ("x-amz-grant-write-acp", Permission::WriteAcp),
];

/// The list that headers give; none: they give none.
pub(super) fn of_headers(ask: &Ask, owner: &str, bucket_owner: &str) -> Result<Option<Acl>, Fault> {
    let mut grants = Vec::new();
    for (header, permission) in GRANT_HEADERS {
        if let Some(text) = ask.header(header) {
            for one in text.split(',') {
                grants.push((grantee(one)?, permission));
            }
        }
    }
    let canned = ask
        .header_or_query("x-amz-acl")
        .filter(|name| !name.is_empty());
    match (canned, grants.is_empty()) {
        (Some(_), false) => Err(Fault::saying(
            fault::INVALID_REQUEST,
            "Specifying both Canned ACLs and Header Grants is not allowed",
        )),
        (Some(name), true) => match Acl::canned(name, owner, bucket_owner) {
            Some(list) => Ok(Some(list)),
            None => Err(Fault::argument("Invalid canned ACL", "x-amz-acl", name)),
        },
        (None, false) => Ok(Some(Acl {
            owner: owner.to_owned(),
            grants,
        })),
        (None, true) => Ok(None),
    }
}

fn grantee(text: &str) -> Result<Grantee, Fault> {
    let (kind, value) = text.trim().split_once('=').unwrap_or((text, ""));
    let value = value.trim().trim_matches('"');
    match kind.trim().to_ascii_lowercase().as_str() {
        "id" => account(value),
        "uri" => Grantee::of_group(value)
            .ok_or_else(|| Fault::argument("Invalid group uri", "uri", value)),
        "emailaddress" => Err(fault::UNRESOLVABLE_GRANT.into()),
        _ => Err(Fault::saying(
            fault::INVALID_ARGUMENT,
            "Argument format not recognized",
        )),
    }
}

fn account(id: &str) -> Result<Grantee, Fault> {
    account_of(id)
        .map(Grantee::Account)
        .ok_or_else(|| Fault::argument("Invalid id", "CanonicalUser/ID", id))
}

/// The list in a document.
fn of_document(node: &Node, owner: &str) -> Result<Acl, Fault> {
    let malformed = || Fault::from(fault::MALFORMED_ACL);
    let named = node
        .child("Owner")
        .and_then(|owner| owner.text_of("ID"))
        .ok_or_else(malformed)?;
    if canonical_id(owner) != named {
        return Err(if account_of(named).is_some() {
            fault::ACCESS_DENIED.into()
        } else {
            Fault::argument("Invalid id", "CanonicalUser/ID", named)
        });
    }
    let list = node.child("AccessControlList").ok_or_else(malformed)?;
    let mut grants = Vec::new();
    for grant in list.all("Grant") {
        let permission = grant.text_of("Permission").and_then(Permission::read);
        let grantee = grant.child("Grantee").ok_or_else(malformed)?;
        let grantee = match grantee.kind.as_deref() {
            Some("Group") => {
                let uri = grantee.text_of("URI").ok_or_else(malformed)?;
                Grantee::of_group(uri)
                    .ok_or_else(|| Fault::argument("Invalid group uri", "Group/URI", uri))?
            }
            Some("AmazonCustomerByEmail") => return Err(fault::UNRESOLVABLE_GRANT.into()),
            Some("CanonicalUser") | None => account(grantee.text_of("ID").ok_or_else(malformed)?)?,
            Some(_) => return Err(malformed()),
        };
        grants.push((grantee, permission.ok_or_else(malformed)?));
    }
    if GRANTS_MAX < grants.len() {
        return Err(malformed());
    }
    Ok(Acl {
        owner: owner.to_owned(),
        grants,
    })
}

/// The list that a request gives something that is there.
fn wanted(ask: &Ask, bucket: &Bucket, owner: &str) -> Result<Acl, Fault> {
    let by_headers = of_headers(ask, owner, &bucket.row.account)?;
    let list = match by_headers {
        Some(_) if !ask.call.body.is_empty() => {
            return Err(Fault::saying(
                fault::UNEXPECTED_CONTENT,
                "This request does not support content",
            ));
        }
        Some(list) => list,
        None if ask.call.body.is_empty() => {
            return Err(Fault::saying(
                fault::MISSING_SECURITY_HEADER,
                "Your request was missing a required header",
            )
            .with("MissingHeaderName", "x-amz-acl"));
        }
        None => {
            let node = Node::read(&ask.call.body).map_err(|_| Fault::from(fault::MALFORMED_ACL))?;
            of_document(&node, owner)?
        }
    };
    if bucket.block.acls && list.is_public() {
        return Err(fault::ACCESS_DENIED.into());
    }
    Ok(list)
}

fn check_enabled(ask: &Ask, bucket: &Bucket) -> Result<(), Fault> {
    let is_harmless = ask.header_or_query("x-amz-acl") == Some("bucket-owner-full-control");
    if bucket.has_acls() || is_harmless {
        Ok(())
    } else {
        Err(fault::ACL_NOT_SUPPORTED.into())
    }
}

fn shown(list: &Acl, names: Names) -> ServiceAnswer {
    let grants = list.grants.iter().map(|(grantee, permission)| {
        let mut shown = match grantee {
            Grantee::Account(account) => access::owner("Grantee", account, names),
            Grantee::AllUsers => group(access::ALL_USERS),
            Grantee::Authenticated => group(access::AUTHENTICATED),
            Grantee::LogDelivery => group(access::LOG_DELIVERY),
        };
        if shown.kind.is_none() {
            shown.kind = Some("CanonicalUser".to_owned());
        }
        Node::new("Grant")
            .with(shown)
            .with(Node::of_text("Permission", permission.name()))
    });
    let listed = grants.fold(Node::new("AccessControlList"), Node::with);
    let node = Node::new("AccessControlPolicy")
        .with(access::owner("Owner", &list.owner, names))
        .with(listed);
    answers::bytes("application/xml", Vec::new(), node.document())
}

fn group(uri: &str) -> Node {
    Node {
        kind: Some("Group".to_owned()),
        ..Node::new("Grantee").with(Node::of_text("URI", uri))
    }
}

impl Inner {
    pub(super) async fn get_bucket_acl(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let list = if bucket.has_acls() {
            bucket.row.acl.clone()
        } else {
            Acl::private(&bucket.row.account)
        };
        Ok(shown(&list, self.names()))
    }

    pub(super) async fn put_bucket_acl(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        check_enabled(ask, &bucket)?;
        let list = wanted(ask, &bucket, &bucket.row.account)?;
        self.catalogue
            .alter(&ask.bucket, |row, bucket| {
                if bucket.has_acls() {
                    row.acl = list;
                }
                Ok(())
            })
            .await?;
        Ok(answers::empty(200, Vec::new()))
    }

    pub(super) async fn get_object_acl(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let (version, _) = self
            .objects
            .find(&bucket, &ask.key, ask.version_id())
            .await?;
        let mut answer = if bucket.has_acls() {
            let private = || Acl::private(&version.owner);
            let list = version.about.acl.clone().unwrap_or_else(private);
            shown(&list, self.names())
        } else {
            shown(&Acl::private(&bucket.row.account), self.names())
        };
        if bucket.versioning != Versioning::Never {
            answer.headers.push(("x-amz-version-id", version.id));
        }
        Ok(answer)
    }

    pub(super) async fn put_object_acl(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        check_enabled(ask, &bucket)?;
        let occasion = self.occasion(ask, "PutObjectAcl");
        let told = Some(("ObjectAcl:Put", &occasion));
        let (version, ()) = self
            .objects
            .alter(&bucket, &ask.key, ask.version_id(), told, |version| {
                let list = wanted(ask, &bucket, &version.owner)?;
                version.about.acl = Some(list);
                Ok(())
            })
            .await?;
        let mut headers = Vec::new();
        if bucket.versioning != Versioning::Never {
            headers.push(("x-amz-version-id", version.id));
        }
        Ok(answers::empty(200, headers))
    }
}
