//! The members of a request.
//!
//! Lives here: the constraints that several have, times, tags.
//! Does not live here: taking them one by one (`aws_wire::members`), which operation has which members (`kinesis`).
//!
//! Contract: the service model of Kinesis.

use aws_wire::members::{MemberFault, Members, lower};
use model::time::Timestamp;

use crate::cbor::{self, Wire};
use crate::engine::rows::Tags;
use crate::fault::Fault;

pub(crate) use aws_wire::members::{Text, insert};

/// Tags of a resource.
const TAGS_MAX: usize = 50;

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !text.is_empty() && text.bytes().all(allowed)
}

/// Names of streams, consumers and shards.
pub(crate) const NAME: Text = Text::long(1, 128).shaped("[a-zA-Z0-9_.-]+", is_name);
/// ARNs of streams.
pub(crate) const STREAM_ARN: Text = Text::long(1, 2_048)
    .shaped("arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+", |text| {
        text.starts_with("arn:aws") && text.contains(":stream/") && !text.ends_with('/')
    });
/// ARNs.
pub(crate) const ARN: Text = Text::long(1, 2_048);
/// Partition keys.
pub(crate) const PARTITION_KEY: Text = Text::long(1, 256);
/// Hashes.
pub(crate) const HASH_KEY: Text = Text::long(0, 64).shaped("0|([1-9]\\d{0,38})", |text| {
    is_number(text) && text.len() <= 39
});
/// Sequence numbers.
pub(crate) const SEQUENCE: Text = Text::long(0, 200).shaped("0|([1-9]\\d{0,128})", |text| {
    is_number(text) && text.len() <= 129
});
/// Tokens of further pages.
pub(crate) const TOKEN: Text = Text::long(1, 1_048_576);

fn is_number(text: &str) -> bool {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits && (text == "0" || !text.starts_with('0'))
}

/// The members of one object of a request.
pub(crate) type Fields = Members<Fault>;

impl MemberFault for Fault {
    fn serialization(message: String) -> Self {
        Self::new("SerializationException", message)
    }

    fn violated(message: String) -> Self {
        Self::validation(message)
    }

    fn not_implemented(what: &str) -> Self {
        Self::not_implemented(what)
    }
}

/// The members of a body of this form; an empty one has none.
pub(crate) fn of_body(body: &[u8], wire: Wire) -> Result<Fields, Fault> {
    if wire == Wire::Cbor && !body.is_empty() {
        let malformed = |_| Fault::serialization("The body is not CBOR".to_owned());
        return Fields::of_value(cbor::decode(body).map_err(malformed)?);
    }
    Fields::of_body(body)
}

/// Takes a time.
pub(crate) fn time(fields: &mut Fields, name: &str) -> Option<Timestamp> {
    let seconds = fields.take(name)?.as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "times beyond that are the last one"
    )]
    let ms = (seconds * 1_000.0).round() as i64;
    Some(Timestamp::from_micros(ms.saturating_mul(1_000)))
}

/// Takes a list of texts that has to be there.
pub(crate) fn required_texts(
    fields: &mut Fields,
    name: &str,
    least: usize,
    most: usize,
) -> Vec<String> {
    let path = lower(name);
    let Some(texts) = fields.texts(name) else {
        fields.violate(None, &path, "not be null");
        return Vec::new();
    };
    let shown = format!("[{}]", texts.join(", "));
    fields.judge_length(texts.len(), (least, most), (Some(&shown), &path));
    texts
}

/// Takes `Tags`, an object of texts.
pub(crate) fn tags(fields: &mut Fields) -> Result<Option<Tags>, Fault> {
    let Some(value) = fields.take("Tags") else {
        return Ok(None);
    };
    let mut tags = Tags::new();
    for (key, value) in value.as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        fields.judge(key, "tags", &Text::long(1, 128));
        fields.judge(value, "tags", &Text::long(0, 256));
        tags.insert(key.clone(), value.to_owned());
    }
    judge_tags(&tags)?;
    Ok(Some(tags))
}

/// A resource has so many tags at most.
pub(crate) fn judge_tags(tags: &Tags) -> Result<(), Fault> {
    if TAGS_MAX < tags.len() {
        let message = format!("A resource has {TAGS_MAX} tags at most.");
        return Err(Fault::argument(message));
    }
    Ok(())
}
