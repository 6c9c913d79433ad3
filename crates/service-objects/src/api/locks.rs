//! Locks of versions: legal holds and retention.
//!
//! Lives here: the operations.
//! Does not live here: refusing to delete what is locked (`engine::objects`).
//!
//! Contract: Amazon S3 User Guide, "Locking objects with Object Lock".

use interfaces::service::ServiceAnswer;

use super::answers;
use super::delete::bypass;
use super::parts::no_lock;
use super::request::Ask;
use super::service::Inner;
use crate::engine::dates;
use crate::engine::fault::{self, Fault};
use crate::engine::preconditions::Bypass;
use crate::engine::version::Retention;

impl Inner {
    pub(super) async fn get_legal_hold(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        if !bucket.has_object_lock {
            return Err(no_lock());
        }
        let (version, _) = self
            .objects
            .find(&bucket, &ask.key, ask.version_id())
            .await?;
        let is_held = version.about.legal_hold.ok_or(fault::NO_SUCH_OBJECT_LOCK)?;
        Ok(answers::document("LegalHold", Vec::new(), |xml| {
            xml.text("Status", if is_held { "ON" } else { "OFF" });
        }))
    }

    pub(super) async fn put_legal_hold(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        if !bucket.has_object_lock {
            return Err(no_lock());
        }
        let is_held = match ask.document("LegalHold")?.text_of("Status") {
            Some("ON") => true,
            Some("OFF") => false,
            Some(_) | None => return Err(fault::MALFORMED_XML.into()),
        };
        self.objects
            .alter(&bucket, &ask.key, ask.version_id(), None, |version| {
                version.about.legal_hold = Some(is_held);
                Ok(())
            })
            .await?;
        Ok(answers::empty(200, Vec::new()))
    }

    pub(super) async fn get_retention(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        if !bucket.has_object_lock {
            return Err(no_lock());
        }
        let (version, _) = self
            .objects
            .find(&bucket, &ask.key, ask.version_id())
            .await?;
        let retention = version.about.retention.ok_or(fault::NO_SUCH_OBJECT_LOCK)?;
        Ok(answers::document("Retention", Vec::new(), |xml| {
            xml.text("Mode", &retention.mode);
            xml.text("RetainUntilDate", &dates::iso_millis(retention.until));
        }))
    }

    pub(super) async fn put_retention(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        if !bucket.has_object_lock {
            return Err(no_lock());
        }
        let node = ask.document("Retention")?;
        let wanted = match (node.text_of("Mode"), node.text_of("RetainUntilDate")) {
            (None, None) => None,
            (Some(mode @ ("GOVERNANCE" | "COMPLIANCE")), Some(until)) => Some(Retention {
                mode: mode.to_owned(),
                until: dates::read_iso(until.trim()).ok_or(fault::MALFORMED_XML)?,
            }),
            _ => return Err(fault::MALFORMED_XML.into()),
        };
        let now = self.objects.clock.now();
        if wanted.as_ref().is_some_and(|wanted| wanted.until <= now) {
            return Err(Fault::argument(
                "The retain until date must be in the future!",
                "RetainUntilDate",
                node.text_of("RetainUntilDate").unwrap_or_default(),
            ));
        }
        let bypass = bypass(ask, &bucket)?;
        self.objects
            .alter(&bucket, &ask.key, ask.version_id(), None, |version| {
                check_change(
                    version.about.retention.as_ref(),
                    wanted.as_ref(),
                    bypass,
                    now,
                )?;
                version.about.retention = wanted;
                Ok(())
            })
            .await?;
        Ok(answers::empty(200, Vec::new()))
    }
}

/// A retention that runs may be made longer; by who may bypass governance, shorter too.
fn check_change(
    there: Option<&Retention>,
    wanted: Option<&Retention>,
    bypass: Bypass,
    now: model::time::Timestamp,
) -> Result<(), Fault> {
    let Some(there) = there.filter(|there| now < there.until) else {
        return Ok(());
    };
    let is_tighter =
        wanted.is_some_and(|wanted| there.until <= wanted.until && wanted.mode == there.mode);
    let is_free = there.mode == "GOVERNANCE" && bypass == Bypass::Governance;
    if is_tighter || is_free {
        Ok(())
    } else {
        Err(Fault::saying(
            fault::ACCESS_DENIED,
            "Access Denied because object protected by object lock.",
        ))
    }
}
