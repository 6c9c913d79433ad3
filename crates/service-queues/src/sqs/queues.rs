//! Operations on queues.
//!
//! Lives here: making, finding, listing, changing, purging, deleting and tagging them.
//! Does not live here: what attributes may be (`attributes`), messages.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::arn::Arn;
use model::ids::AccountId;
use serde_json::{Value, json};

use super::attributes::{self, Setting};
use super::fault::{Fault, Kind};
use super::operations::{Context, Members, Outcome};
use super::request::Input as _;
use super::urls;
use crate::engine::book::Order;
use crate::engine::catalogue::{Catalogue, CatalogueError, Created, Queue, Reuse};
use crate::engine::descriptor::{Descriptor, read_redrive};

/// How long after a purge no other is done.
///
/// Contract: Amazon SQS API Reference, `PurgeQueue`.
const PURGED_ONCE_IN: Duration = Duration::from_secs(60);
/// How long it takes until duplicates are recognised otherwise.
///
/// Contract: Amazon SQS API Reference, `SetQueueAttributes`: "the change can take up to 60 seconds to propagate".
const CHANGED_AFTER: Duration = Duration::from_secs(60);
/// Contract: Amazon SQS Developer Guide, "Queue name".
const NAME_CHARACTERS_MAX: usize = 80;
const FIFO_SUFFIX: &str = ".fifo";
/// Queues of one reply.
const LISTED_MAX: usize = 1_000;
/// Contract: Amazon SQS Developer Guide, "Amazon SQS cost allocation tags".
const TAGS_MAX: usize = 50;

pub(super) async fn create(context: &Context<'_>) -> Outcome {
    let name = context.input.required("QueueName")?;
    let wished = context.input.map("Attributes");
    let tags = [context.input.map("tags"), context.input.map("Tags")].concat();
    let order = check_name(name, &wished)?;
    attributes::check(&wished, order, Setting::Creating)?;
    let call = context.call;
    let arn = Arn::new("sqs", &call.region, &call.account, name);
    check_dead_letters(context.catalogue, &arn, order, &wished).await?;
    let fill = |descriptor: &mut Descriptor| {
        attributes::set(descriptor, &wished);
        descriptor.tags.extend(tags.clone());
    };
    let created = context
        .catalogue
        .create(&call.account, &call.region, name, Reuse::Later, fill)
        .await?;
    let queue = match created {
        Created::New(queue) => queue,
        Created::There(queue) => {
            let there = queue.current();
            if let Some(name) = attributes::difference(&there.descriptor, &wished) {
                return Err(Fault::new(
                    Kind::QueueNameExists,
                    format!(
                        "A queue already exists with the same name and a different value for attribute {name}"
                    ),
                ));
            }
            queue
        }
    };
    Ok(members([("QueueUrl", url_of(context, &queue))]))
}

/// Checks that the queue for dead letters, if one is asked for, is there, of the same kind, and takes them.
pub(crate) async fn check_dead_letters(
    catalogue: &Catalogue,
    source: &Arn,
    order: Order,
    wished: &[(String, String)],
) -> Result<(), Fault> {
    let mut wish = wished.iter().filter(|(name, _)| name == "RedrivePolicy");
    let Some((_, text)) = wish.next() else {
        return Ok(());
    };
    let Some(redrive) = read_redrive(text) else {
        return Ok(());
    };
    let refuse = |reason: &str| Err(Fault::value(text, "RedrivePolicy", reason));
    let Some(target) = catalogue.find_arn(&redrive.target).await? else {
        return refuse("Dead letter target does not exist.");
    };
    let settings = &target.current().settings;
    if settings.kind.order() != order {
        return refuse("Dead-letter queue must be same type of queue as the source.");
    }
    if !settings.redrive_allow.allows(source) {
        return refuse("The dead letter target's redrive allow policy does not allow this queue.");
    }
    Ok(())
}

/// Checks a name, and says which kind of queue it and the attributes ask for.
pub(crate) fn check_name(name: &str, attributes: &[(String, String)]) -> Result<Order, Fault> {
    let is_fifo = attributes
        .iter()
        .any(|(name, value)| name == "FifoQueue" && value.eq_ignore_ascii_case("true"));
    let refuse = |message: &str| Err(Fault::new(Kind::InvalidParameterValue, message));
    let stem = match (name.strip_suffix(FIFO_SUFFIX), is_fifo) {
        (Some(stem), true) => stem,
        (None, true) => {
            return refuse(
                "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.",
            );
        }
        (Some(_) | None, false) => name,
    };
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let fits = (1..=NAME_CHARACTERS_MAX).contains(&name.len()) && !stem.is_empty();
    if fits && stem.bytes().all(is_allowed) {
        return Ok(if is_fifo { Order::ByGroup } else { Order::None });
    }
    refuse("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
}

pub(super) async fn url(context: &Context<'_>) -> Outcome {
    let name = context.input.required("QueueName")?;
    let call = context.call;
    let owner = context.input.text("QueueOwnerAWSAccountId");
    let account = owner.map_or_else(|| call.account.clone(), AccountId::new);
    let found = context.catalogue.find(&account, &call.region, name).await?;
    let queue = found.ok_or_else(Fault::no_queue)?;
    Ok(members([("QueueUrl", url_of(context, &queue))]))
}

pub(super) async fn list(context: &Context<'_>) -> Outcome {
    let prefix = context.input.text("QueueNamePrefix").unwrap_or_default();
    let call = context.call;
    let queues = context.catalogue.list(&call.account, &call.region).await?;
    let queues = queues
        .into_iter()
        .filter(|queue| queue.name().starts_with(prefix));
    paged(context, queues, "QueueUrls")
}

pub(super) async fn list_sources(context: &Context<'_>) -> Outcome {
    let target = context.queue().await?;
    let shared = &target.shared;
    let queues = context
        .catalogue
        .list(&shared.account, &shared.region)
        .await?;
    let queues = queues.into_iter().filter(|queue| {
        let current = queue.current();
        let redrive = current.settings.redrive.as_ref();
        redrive.is_some_and(|redrive| redrive.target == shared.arn)
    });
    // The one list that the model names in lower case, and that is there when it is empty.
    let mut result = paged(context, queues, "queueUrls")?;
    result.entry("queueUrls").or_insert_with(|| json!([]));
    Ok(result)
}

fn paged(context: &Context<'_>, queues: impl Iterator<Item = Arc<Queue>>, member: &str) -> Outcome {
    let limit = match context.input.number("MaxResults")? {
        None => None,
        Some(limit) => {
            let limit = usize::try_from(limit)
                .ok()
                .filter(|limit| (1..=LISTED_MAX).contains(limit));
            Some(limit.ok_or_else(|| Fault::new(
                Kind::InvalidParameterValue,
                "Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000.",
            ))?)
        }
    };
    let after = match context
        .input
        .text("NextToken")
        .filter(|token| !token.is_empty())
    {
        None => None,
        Some(token) => {
            let bytes = STANDARD.decode(token).ok();
            let name = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            Some(name.ok_or_else(|| {
                Fault::new(
                    Kind::InvalidParameterValue,
                    "Invalid or expired next token.",
                )
            })?)
        }
    };
    let mut rest = queues.skip_while(|queue| {
        let after = after.as_deref().and_then(|after| after.rsplit('/').next());
        after.is_some_and(|after| queue.name() <= after)
    });
    let page: Vec<_> = rest.by_ref().take(limit.unwrap_or(LISTED_MAX)).collect();
    let mut result = Members::new();
    if let (Some(last), Some(_), Some(_)) = (page.last(), rest.next(), limit) {
        // As the cloud's, it is made of an address.
        let token = STANDARD.encode(url_of(context, last));
        result.insert("NextToken".to_owned(), token.into());
    }
    if !page.is_empty() {
        let urls: Vec<_> = page.iter().map(|queue| url_of(context, queue)).collect();
        result.insert(member.to_owned(), json!(urls));
    }
    Ok(result)
}

pub(super) async fn attributes(context: &Context<'_>) -> Outcome {
    let queue = context.queue().await?;
    let wished = attributes::wished(&context.input.texts("AttributeNames"))?;
    let counts = match attributes::need_counts(&wished) {
        true => Some(context.catalogue.count(&queue).await?),
        false => None,
    };
    let current = queue.current();
    let shown = attributes::show(&wished, &current, &queue.shared.arn, counts);
    let mut result = Members::new();
    if !shown.is_empty() {
        result.insert("Attributes".to_owned(), Value::Object(shown));
    }
    Ok(result)
}

pub(super) async fn set_attributes(context: &Context<'_>) -> Outcome {
    let queue = context.queue().await?;
    let wished = context.input.map("Attributes");
    if wished.is_empty() {
        return Err(Fault::missing("Attribute.Name"));
    }
    let order = queue.current().settings.kind.order();
    attributes::check(&wished, order, Setting::Changing)?;
    check_dead_letters(context.catalogue, &queue.shared.arn, order, &wished).await?;
    let now = context.catalogue.now();
    let changed = context.catalogue.alter(&queue, |descriptor| {
        let names = |wanted: &str| wished.iter().any(|(name, _)| name == wanted);
        let asks_managed = wished
            .iter()
            .any(|(name, value)| name == "SqsManagedSseEnabled" && value == "true");
        let has_key = descriptor.attribute("KmsMasterKeyId").is_some();
        if asks_managed && has_key && !names("KmsMasterKeyId") {
            return Err(attributes::one_encryption());
        }
        let before = descriptor.scope();
        attributes::set(descriptor, &wished);
        if descriptor.scope() != before {
            descriptor.scope_before = Some((before, now.plus(CHANGED_AFTER)));
        }
        descriptor.modified_at = now;
        Ok(())
    });
    changed.await?;
    Ok(Members::new())
}

pub(super) async fn purge(context: &Context<'_>) -> Outcome {
    let queue = context.queue().await?;
    let (now, contents) = (context.catalogue.now(), context.catalogue.draw());
    let purged = context.catalogue.alter(&queue, |descriptor| {
        let again_at = descriptor.purged_at.map(|at| at.plus(PURGED_ONCE_IN));
        if again_at.is_some_and(|again_at| now < again_at) {
            return Err(Fault::new(
                Kind::PurgeQueueInProgress,
                format!(
                    "Only one PurgeQueue operation on {} is allowed every 60 seconds.",
                    descriptor.name
                ),
            ));
        }
        descriptor.purged_at = Some(now);
        descriptor.set_contents(contents);
        Ok(())
    });
    purged.await?;
    Ok(Members::new())
}

pub(super) async fn delete(context: &Context<'_>) -> Outcome {
    let queue = context.queue().await?;
    context.catalogue.delete(&queue).await?;
    Ok(Members::new())
}

pub(super) async fn tags(context: &Context<'_>) -> Outcome {
    let queue = context.queue().await?;
    let current = queue.current();
    let mut result = Members::new();
    if !current.descriptor.tags.is_empty() {
        result.insert("Tags".to_owned(), json!(current.descriptor.tags));
    }
    Ok(result)
}

pub(super) async fn tag(context: &Context<'_>) -> Outcome {
    let queue = context.queue().await?;
    let tags = context.input.map("Tags");
    if tags.is_empty() {
        return Err(Fault::missing("Tags"));
    }
    let tagged = context.catalogue.alter(&queue, |descriptor| {
        descriptor.tags.extend(tags);
        if TAGS_MAX < descriptor.tags.len() {
            return Err(Fault::new(
                Kind::InvalidParameterValue,
                format!("Too many tags added for queue {}.", descriptor.name),
            ));
        }
        Ok(())
    });
    tagged.await?;
    Ok(Members::new())
}

pub(super) async fn untag(context: &Context<'_>) -> Outcome {
    let queue = context.queue().await?;
    let keys = context.input.texts("TagKeys");
    if keys.is_empty() {
        return Err(Fault::new(
            Kind::InvalidParameterValue,
            "Tag keys can't be empty.",
        ));
    }
    let untagged = context.catalogue.alter(&queue, |descriptor| {
        descriptor.tags.retain(|key, _| !keys.contains(key));
        Ok::<_, CatalogueError>(())
    });
    untagged.await?;
    Ok(Members::new())
}

fn url_of(context: &Context<'_>, queue: &Queue) -> String {
    urls::url(context.origin, &queue.shared.arn)
}

/// A result of texts.
pub(super) fn members<const COUNT: usize>(pairs: [(&str, String); COUNT]) -> Members {
    let pairs = pairs.into_iter();
    pairs
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}
