//! Consumers of streams. Those that read are in `subscribing`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Context, StreamRef, shown};
use crate::engine::rows::{Consumer, Stream, Tags};
use crate::fault::{Answer, Fault};
use crate::fields::{self, ARN, Fields, NAME, STREAM_ARN, TOKEN, insert};

/// Consumers of a stream.
///
/// Contract: Developer Guide, "Quotas and limits": 20 registered consumers for each stream.
const CONSUMERS_MAX: usize = 20;
const LISTED: usize = 100;

pub(super) async fn register_stream_consumer(context: &Context<'_>, mut fields: Fields) -> Answer {
    let arn = fields.required("StreamARN", &STREAM_ARN);
    let name = fields.required("ConsumerName", &NAME);
    let tags = fields::tags(&mut fields)?.unwrap_or_default();
    fields.finish()?;
    let asked = StreamRef::read_arn(&arn)?;
    let consumer = register(context, &asked, &name, &tags, None).await?;
    let shown = shown::consumer(&consumer, &asked.arn(), "CREATING");
    Ok(json!({"Consumer": shown}))
}

/// Makes a consumer; one that this resource of a stack has made already is no error.
pub(crate) async fn register(
    context: &Context<'_>,
    asked: &StreamRef,
    name: &str,
    tags: &Tags,
    owner: Option<&str>,
) -> Result<Consumer, Fault> {
    let now = context.catalogue.clock.now();
    context
        .change(asked, |stream| {
            let mut consumers = stream.consumers.iter();
            if let Some(there) = consumers.find(|there| there.name == name) {
                if there.owner.is_some() && there.owner.as_deref() == owner {
                    return Ok(there.clone());
                }
                return Err(Fault::in_use(format!(
                    "Consumer {} already exists.",
                    there.arn(&asked.arn())
                )));
            }
            if CONSUMERS_MAX <= stream.consumers.len() {
                return Err(Fault::limit(format!(
                    "A stream has {CONSUMERS_MAX} registered consumers at most."
                )));
            }
            let consumer = Consumer {
                name: name.to_owned(),
                created_at: now,
                tags: tags.clone(),
                policy: None,
                owner: owner.map(str::to_owned),
            };
            stream.consumers.push(consumer.clone());
            Ok(consumer)
        })
        .await
}

/// The consumer that a request names, by its ARN, or by its name and stream.
enum Named {
    Arn(String),
    Name(String),
}

fn take(fields: &mut Fields) -> Result<(StreamRef, Named), Fault> {
    let stream = fields.text("StreamARN", &STREAM_ARN);
    let name = fields.text("ConsumerName", &NAME);
    let arn = fields.text("ConsumerARN", &ARN);
    fields.finish()?;
    match (arn, stream, name) {
        (Some(arn), _, _) => Ok((StreamRef::read_arn(&arn)?, Named::Arn(arn))),
        (None, Some(stream), Some(name)) => Ok((StreamRef::read_arn(&stream)?, Named::Name(name))),
        (None, _, _) => Err(Fault::argument(
            "Either ConsumerARN or both StreamARN and ConsumerName must be given.",
        )),
    }
}

fn find(stream: &Stream, asked: &StreamRef, named: &Named) -> Result<usize, Fault> {
    let stream_arn = asked.arn();
    let mut consumers = stream.consumers.iter();
    let found = consumers.position(|there| match named {
        Named::Arn(arn) => there.arn(&stream_arn) == *arn,
        Named::Name(name) => there.name == *name,
    });
    found.ok_or_else(|| match named {
        Named::Arn(arn) => missing(arn),
        Named::Name(name) => missing(&format!("{stream_arn}/consumer/{name}")),
    })
}

pub(super) fn missing(arn: &str) -> Fault {
    Fault::not_found(format!("Consumer {arn} not found."))
}

pub(super) async fn deregister_stream_consumer(
    context: &Context<'_>,
    mut fields: Fields,
) -> Answer {
    let (asked, named) = take(&mut fields)?;
    context
        .change(&asked, |stream| {
            let index = find(stream, &asked, &named)?;
            stream.consumers.remove(index);
            Ok(Value::Null)
        })
        .await
}

pub(super) async fn describe_stream_consumer(context: &Context<'_>, mut fields: Fields) -> Answer {
    let (asked, named) = take(&mut fields)?;
    let stream = context.stream(&asked).await?;
    let index = find(&stream, &asked, &named)?;
    let consumer = stream.consumers.get(index);
    let arn = asked.arn();
    let mut shown = consumer.map_or(Value::Null, |consumer| {
        shown::consumer(consumer, &arn, "ACTIVE")
    });
    insert(&mut shown, "StreamARN", arn);
    Ok(json!({"ConsumerDescription": shown}))
}

pub(super) async fn list_stream_consumers(context: &Context<'_>, mut fields: Fields) -> Answer {
    let arn = fields.required("StreamARN", &STREAM_ARN);
    let token = fields.text("NextToken", &TOKEN);
    let limit = fields.limit("MaxResults", 10_000, LISTED);
    let created_at = fields::time(&mut fields, "StreamCreationTimestamp");
    fields.finish()?;
    let asked = StreamRef::read_arn(&arn)?;
    let stream = context.stream(&asked).await?;
    if created_at.is_some_and(|at| at.epoch_s() != stream.created_at.epoch_s()) {
        return Err(Fault::no_stream(&asked.place, &asked.name));
    }
    let after = match token {
        Some(token) => {
            let read = STANDARD.decode(token).ok();
            let read = read.and_then(|bytes| String::from_utf8(bytes).ok());
            Some(read.ok_or_else(|| Fault::argument("NextToken is invalid."))?)
        }
        None => None,
    };
    let mut all: Vec<&Consumer> = stream.consumers.iter().collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all.retain(|one| after.as_ref().is_none_or(|after| *after < one.name));
    let more = limit < all.len();
    all.truncate(limit);
    let shown: Vec<Value> = all
        .iter()
        .map(|consumer| shown::consumer(consumer, &arn, "ACTIVE"))
        .collect();
    let mut answer = json!({"Consumers": shown});
    if let (true, Some(last)) = (more, all.last()) {
        insert(&mut answer, "NextToken", STANDARD.encode(&last.name));
    }
    Ok(answer)
}
