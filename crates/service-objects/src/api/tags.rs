//! Tags of objects.
//!
//! Lives here: the operations.
//! Does not live here: which tags are valid (`engine::configuration`).

use interfaces::service::ServiceAnswer;

use super::answers::{self, Headers};
use super::request::Ask;
use super::service::Inner;
use crate::engine::bucket::{Bucket, Versioning};
use crate::engine::fault::Fault;
use crate::engine::tags::object_tags;
use crate::engine::version::Version;

pub(super) fn version_header(bucket: &Bucket, version: &Version) -> Headers {
    let is_shown = bucket.versioning != Versioning::Never;
    is_shown
        .then(|| ("x-amz-version-id", version.id.clone()))
        .into_iter()
        .collect()
}

impl Inner {
    pub(super) async fn get_object_tagging(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let (version, _) = self
            .objects
            .find(&bucket, &ask.key, ask.version_id())
            .await?;
        Ok(answers::document(
            "Tagging",
            version_header(&bucket, &version),
            |xml| {
                xml.element("TagSet", |xml| {
                    for (key, value) in &version.about.tags {
                        xml.element("Tag", |xml| {
                            xml.text("Key", key);
                            xml.text("Value", value);
                        });
                    }
                });
            },
        ))
    }

    pub(super) async fn put_object_tagging(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        super::checksums::claims(ask)?.check_whole(&ask.call.body)?;
        let tags = object_tags(&ask.document("Tagging")?)?;
        self.set_tags(ask, tags, "ObjectTagging:Put", 200).await
    }

    pub(super) async fn delete_object_tagging(&self, ask: &Ask) -> Result<ServiceAnswer, Fault> {
        self.set_tags(ask, Vec::new(), "ObjectTagging:Delete", 204)
            .await
    }

    async fn set_tags(
        &self,
        ask: &Ask,
        tags: Vec<(String, String)>,
        event: &'static str,
        status: u16,
    ) -> Result<ServiceAnswer, Fault> {
        let bucket = self.bucket(ask).await?;
        let occasion = self.occasion(ask, "PutObjectTagging");
        let told = Some((event, &occasion));
        let (version, ()) = self
            .objects
            .alter(&bucket, &ask.key, ask.version_id(), told, |version| {
                version.about.tags = tags;
                Ok(())
            })
            .await?;
        Ok(answers::empty(status, version_header(&bucket, &version)))
    }
}
